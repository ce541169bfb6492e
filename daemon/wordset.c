/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear probing; a row that goes is filled by moving back what was pushed behind it, so there are
 * no tombstones. At most half full.
 */
#include "daemon/wordset.h"

#include <string.h>

#include "int8x/alloc.h"

#define FIRST_SIZE 64

void i8x_wordset_clear(i8x_wordset *set)
{
    i8x_alloc_free(i8x_alloc_heap(), set->slots, set->size * sizeof *set->slots);
    memset(set, 0, sizeof *set);
}

/* Where the word is or would be; size is a power of two and never full. */
static size_t find(const i8x_wordset *set, uint64_t word)
{
    size_t at = word & (set->size - 1);
    while (set->slots[at] != 0 && set->slots[at] != word)
        at = (at + 1) & (set->size - 1);
    return at;
}

static bool grow(i8x_wordset *set)
{
    i8x_wordset larger = {.size = set->size == 0 ? FIRST_SIZE : 2 * set->size, .count = set->count};
    larger.slots = i8x_alloc_array(i8x_alloc_heap(), larger.size, sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < set->size; i++)
        if (set->slots[i] != 0)
            larger.slots[find(&larger, set->slots[i])] = set->slots[i];
    i8x_wordset_clear(set);
    *set = larger;
    return true;
}

void i8x_wordset_add(i8x_wordset *set, uint64_t word)
{
    if (i8x_wordset_has(set, word) || (2 * (set->count + 1) > set->size && !grow(set)))
        return;
    set->slots[find(set, word)] = word;
    set->count++;
}

void i8x_wordset_remove(i8x_wordset *set, uint64_t word)
{
    if (!i8x_wordset_has(set, word))
        return;
    size_t mask = set->size - 1, hole = find(set, word);
    set->slots[hole] = 0;
    set->count--;
    for (size_t at = (hole + 1) & mask; set->slots[at] != 0; at = (at + 1) & mask) {
        size_t home = set->slots[at] & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* its home lies behind the hole: stays */
        set->slots[hole] = set->slots[at];
        set->slots[at] = 0;
        hole = at;
    }
}

bool i8x_wordset_has(const i8x_wordset *set, uint64_t word)
{
    return set->size > 0 && set->slots[find(set, word)] != 0;
}
