/* SPDX-License-Identifier: Apache-2.0
 *
 * Lookup: rows of a table by a hash, open addressing, at most half full. It keeps the hash beside
 * the row, so that the row itself is looked at only where the hashes are equal; which of these is
 * the right one, the caller decides:
 *
 *     size_t at = i8x_lookup_start(&lookup, hash);
 *     for (uint32_t row; (row = i8x_lookup_next(&lookup, hash, &at)) != 0;)
 *         if (... row is meant ...) return row;
 *
 * Out of memory ends the process. Not thread-safe.
 */
#ifndef I8X_DAEMON_LOOKUP_H
#define I8X_DAEMON_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

typedef struct i8x_lookup_cell {
    uint32_t hash, row; /* row 0 = empty */
} i8x_lookup_cell;

typedef struct i8x_lookup {
    i8x_lookup_cell *cells; /* [size], a power of two */
    size_t size, count;
} i8x_lookup;

void i8x_lookup_deinit(i8x_lookup *lookup);
/** The row must not be in. */
void i8x_lookup_put(i8x_lookup *lookup, uint32_t hash, uint32_t row);
/** The row must be in. */
void i8x_lookup_remove(i8x_lookup *lookup, uint32_t hash, uint32_t row);

/** Where to look first. */
static inline size_t i8x_lookup_start(const i8x_lookup *lookup, uint32_t hash)
{
    return lookup->size != 0 ? hash & (lookup->size - 1) : 0;
}

/** The next row of this hash, 0 if there is no more. */
static inline uint32_t i8x_lookup_next(const i8x_lookup *lookup, uint32_t hash, size_t *at)
{
    while (lookup->size != 0 && lookup->cells[*at].row != 0) {
        const i8x_lookup_cell *cell = &lookup->cells[*at];
        *at = (*at + 1) & (lookup->size - 1);
        if (cell->hash == hash)
            return cell->row;
    }
    return 0;
}

/** Spreads a number over 32 bits. */
static inline uint32_t i8x_lookup_hash(uint64_t number)
{
    number ^= number >> 33;
    number *= 0xFF51AFD7ED558CCDu;
    number ^= number >> 33;
    number *= 0xC4CEB9FE1A85EC53u;
    return (uint32_t)(number ^ number >> 33);
}

#endif
