/* SPDX-License-Identifier: Apache-2.0
 *
 * A wordset of the digests' first bytes, with a bound.
 */
#include "daemon/holdings.h"

#include <string.h>

#include "proto/limits.h"

static uint64_t word_of(const i8x_digest *digest)
{
    uint64_t word;
    memcpy(&word, digest->bytes, sizeof word);
    return word != 0 ? word : 1;
}

void i8x_holdings_clear(i8x_holdings *holdings)
{
    i8x_wordset_clear(&holdings->words);
}

void i8x_holdings_add(i8x_holdings *holdings, const i8x_digest *digest)
{
    if (holdings->words.count < I8X_HOLDINGS_MAX)
        i8x_wordset_add(&holdings->words, word_of(digest));
}

void i8x_holdings_remove(i8x_holdings *holdings, const i8x_digest *digest)
{
    i8x_wordset_remove(&holdings->words, word_of(digest));
}

size_t i8x_holdings_count(const i8x_holdings *holdings)
{
    return holdings->words.count;
}

bool i8x_holdings_has(const i8x_holdings *holdings, const i8x_digest *digest)
{
    return i8x_wordset_has(&holdings->words, word_of(digest));
}

void i8x_holdings_add_task(i8x_holdings *holdings, const i8x_task *task,
                           const i8x_task_result *result)
{
    for (int i = 0; i < task->input_count; i++)
        if (task->inputs[i].ref.whole && !i8x_task_input_is_late(task, i))
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
