/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear probing; a row that goes is filled by moving back what was pushed behind it, so there are
 * no tombstones. Grows by doubling while more than half full.
 */
#include "daemon/holdings.h"

#include <string.h>

#include "int8x/alloc.h"
#include "proto/limits.h"

#define FIRST_SIZE 64

static uint64_t word_of(const i8x_digest *digest)
{
    uint64_t word;
    memcpy(&word, digest->bytes, sizeof word);
    return word != 0 ? word : 1;
}

void i8x_holdings_clear(i8x_holdings *holdings)
{
    i8x_alloc_free(i8x_alloc_heap(), holdings->slots, holdings->size * sizeof *holdings->slots);
    memset(holdings, 0, sizeof *holdings);
}

/* Where the word is or would be; size is a power of two and never full. */
static size_t find(const i8x_holdings *holdings, uint64_t word)
{
    size_t at = word & (holdings->size - 1);
    while (holdings->slots[at] != 0 && holdings->slots[at] != word)
        at = (at + 1) & (holdings->size - 1);
    return at;
}

/* False if there is no memory: a hint is not worth more. */
static bool grow(i8x_holdings *holdings)
{
    i8x_holdings larger = {.size = holdings->size == 0 ? FIRST_SIZE : 2 * holdings->size,
                           .count = holdings->count};
    larger.slots = i8x_alloc_array(i8x_alloc_heap(), larger.size, sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < holdings->size; i++)
        if (holdings->slots[i] != 0)
            larger.slots[find(&larger, holdings->slots[i])] = holdings->slots[i];
    i8x_holdings_clear(holdings);
    *holdings = larger;
    return true;
}

void i8x_holdings_add(i8x_holdings *holdings, const i8x_digest *digest)
{
    if (i8x_holdings_has(holdings, digest) || holdings->count >= I8X_HOLDINGS_MAX ||
        (2 * (holdings->count + 1) > holdings->size && !grow(holdings)))
        return;
    uint64_t word = word_of(digest);
    holdings->slots[find(holdings, word)] = word;
    holdings->count++;
}

void i8x_holdings_remove(i8x_holdings *holdings, const i8x_digest *digest)
{
    if (!i8x_holdings_has(holdings, digest))
        return;
    size_t mask = holdings->size - 1, hole = find(holdings, word_of(digest));
    holdings->slots[hole] = 0;
    holdings->count--;
    for (size_t at = (hole + 1) & mask; holdings->slots[at] != 0; at = (at + 1) & mask) {
        size_t home = holdings->slots[at] & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* stands between its home and the hole's place: stays */
        holdings->slots[hole] = holdings->slots[at];
        holdings->slots[at] = 0;
        hole = at;
    }
}

bool i8x_holdings_has(const i8x_holdings *holdings, const i8x_digest *digest)
{
    return holdings->size > 0 && holdings->slots[find(holdings, word_of(digest))] != 0;
}

void i8x_holdings_add_task(i8x_holdings *holdings, const i8x_task *task,
                           const i8x_task_result *result)
{
    for (int i = 0; i < task->input_count; i++)
        if (task->inputs[i].ref.whole)
            i8x_holdings_add(holdings, &task->inputs[i].ref.digest);
    for (int i = 0; i < result->output_count; i++)
        i8x_holdings_add(holdings, &result->outputs[i].ref.digest);
}

uint64_t i8x_holdings_bytes(const i8x_holdings *holdings, const i8x_task *task)
{
    uint64_t bytes = 0;
    for (int i = 0; i < task->input_count; i++)
        if (i8x_holdings_has(holdings, &task->inputs[i].ref.digest))
            bytes += task->inputs[i].ref.size_bytes;
    return bytes;
}
