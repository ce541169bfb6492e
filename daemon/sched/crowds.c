/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers are foreign (hashes of what workers say), so crowds are found by hash and go with their
 * last member.
 */
#include "daemon/sched/crowds.h"

uint32_t i8x_crowds_enter(i8x_sched *s, i8x_lookup *lookup, uint64_t number)
{
    uint32_t hash = i8x_lookup_hash(number), row;
    size_t at = i8x_lookup_start(lookup, hash);
    while ((row = i8x_lookup_next(lookup, hash, &at)) != 0 &&
           i8x_crowd_at(s, row)->number != number)
        ;
    if (row == 0) {
        row = i8x_rows_take(&s->crowds);
        i8x_crowd_at(s, row)->number = number;
        i8x_lookup_put(lookup, hash, row);
    }
    i8x_crowd_at(s, row)->members++;
    return row;
}

void i8x_crowds_leave(i8x_sched *s, i8x_lookup *lookup, uint32_t row)
{
    crowd_row *crowd = i8x_crowd_at(s, row);
    if (--crowd->members > 0)
        return;
    i8x_lookup_remove(lookup, i8x_lookup_hash(crowd->number), row);
    i8x_rows_give(&s->crowds, row);
}

void i8x_crowds_count(i8x_sched *s, const worker_row *worker, int sign)
{
    crowd_row *host = i8x_crowd_at(s, worker->host), *machine = i8x_crowd_at(s, worker->machine);
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++) {
        if ((worker->kinds >> kind & 1) == 0)
            continue;
        host->workers[kind] += (uint32_t)sign;
        machine->workers[kind] += (uint32_t)sign;
    }
}
