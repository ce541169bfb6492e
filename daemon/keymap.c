/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear probing, at most half full; removal closes the gap, so that no grave markers are needed.
 */
#include "daemon/keymap.h"

#include <stdint.h>
#include <string.h>

#include "int8x/alloc.h"

#define FIRST_SIZE 64

static size_t home_of(const i8x_keymap *map, const i8x_digest *key)
{
    uint64_t hash;
    memcpy(&hash, key->bytes, sizeof hash);
    return (size_t)hash & (map->size - 1);
}

static size_t find(const i8x_keymap *map, const i8x_digest *key)
{
    size_t at = home_of(map, key);
    while (map->rows[at].value != NULL && !i8x_digest_equal(&map->rows[at].key, key))
        at = (at + 1) & (map->size - 1);
    return at;
}

void i8x_keymap_deinit(i8x_keymap *map)
{
    i8x_alloc_free(i8x_alloc_heap(), map->rows, map->size * sizeof *map->rows);
    *map = (i8x_keymap){0};
}

void *i8x_keymap_get(const i8x_keymap *map, const i8x_digest *key)
{
    return map->size == 0 ? NULL : map->rows[find(map, key)].value;
}

static void grow(i8x_keymap *map)
{
    i8x_keymap old = *map;
    map->size = old.size == 0 ? FIRST_SIZE : old.size * 2;
    map->rows = i8x_alloc_array(i8x_alloc_heap(), map->size, sizeof *map->rows);
    I8X_ASSERT(map->rows != NULL);
    for (size_t i = 0; i < old.size; i++)
        if (old.rows[i].value != NULL)
            map->rows[find(map, &old.rows[i].key)] = old.rows[i];
    i8x_alloc_free(i8x_alloc_heap(), old.rows, old.size * sizeof *old.rows);
}

void i8x_keymap_put(i8x_keymap *map, const i8x_digest *key, void *value)
{
    if ((map->used + 1) * 2 > map->size)
        grow(map);
    size_t at = find(map, key);
    I8X_ASSERT(map->rows[at].value == NULL && value != NULL);
    map->rows[at] = (i8x_keymap_row){*key, value};
    map->used++;
}

void i8x_keymap_remove(i8x_keymap *map, const i8x_digest *key)
{
    if (map->size == 0)
        return;
    size_t mask = map->size - 1, hole = find(map, key);
    if (map->rows[hole].value == NULL)
        return;
    map->used--;
    map->rows[hole].value = NULL;
    for (size_t at = (hole + 1) & mask; map->rows[at].value != NULL; at = (at + 1) & mask) {
        size_t home = home_of(map, &map->rows[at].key);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        map->rows[hole] = map->rows[at];
        map->rows[at].value = NULL;
        hole = at;
    }
}
