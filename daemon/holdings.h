/* SPDX-License-Identifier: Apache-2.0
 *
 * Holdings: which blobs a worker has on its disk, as it says and as its results show. A hint for
 * placing tasks, never a fact that anything relies on: a blob is kept as the first 8 bytes of its
 * digest, and beyond I8X_HOLDINGS_MAX nothing is added. Up to 64 KiB for a worker, less for most.
 */
#ifndef I8X_DAEMON_HOLDINGS_H
#define I8X_DAEMON_HOLDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/wordset.h"
#include "int8x/task.h"

typedef struct i8x_holdings {
    i8x_wordset words;
} i8x_holdings;

/** Frees all; an empty one is all zero. */
void i8x_holdings_clear(i8x_holdings *holdings);
void i8x_holdings_add(i8x_holdings *holdings, const i8x_digest *digest);
void i8x_holdings_remove(i8x_holdings *holdings, const i8x_digest *digest);
size_t i8x_holdings_count(const i8x_holdings *holdings);
bool i8x_holdings_has(const i8x_holdings *holdings, const i8x_digest *digest);
/** The whole blobs that a worker which has done the task must have: its inputs and outputs. */
void i8x_holdings_add_task(i8x_holdings *holdings, const i8x_task *task,
                           const i8x_task_result *result);
/** Bytes of a task's inputs that are there; ranges of a blob that is there count. */
uint64_t i8x_holdings_bytes(const i8x_holdings *holdings, const i8x_task *task);

#endif
