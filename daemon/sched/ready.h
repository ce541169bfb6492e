/* SPDX-License-Identifier: Apache-2.0
 *
 * Ready: the tasks that could run now, a heap per task kind, lowest order first. Entries are never
 * taken out of the middle: the scheduler checks on the way out whether an entry still stands.
 */
#ifndef I8X_DAEMON_READY_H
#define I8X_DAEMON_READY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/task.h"

typedef struct i8x_ready_entry {
    uint64_t order;      /* job's age and priority, then index in the job: lower runs first */
    uint32_t task;       /* index in the scheduler */
    uint32_t generation; /* of that index, which is used again for other tasks */
} i8x_ready_entry;

typedef struct i8x_ready_heap {
    i8x_ready_entry *entries;
    size_t count, capacity;
} i8x_ready_heap;

typedef struct i8x_ready {
    i8x_ready_heap heaps[I8X_TASK_KIND_COUNT];
} i8x_ready;

void i8x_ready_deinit(i8x_ready *ready);
/** Out of memory ends the process: the ledger has everything. */
void i8x_ready_put(i8x_ready *ready, i8x_task_kind kind, i8x_ready_entry entry);
/** Takes the lowest entry of all kinds in the mask (bit = kind). False if there is none. */
bool i8x_ready_take(i8x_ready *ready, uint32_t kinds, i8x_task_kind *kind, i8x_ready_entry *entry);

#endif
