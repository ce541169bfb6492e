/* SPDX-License-Identifier: Apache-2.0
 *
 * Wordset: a set of 64-bit words that are evenly spread already (pieces of digests); 0 is not one.
 * Open addressing, grows by doubling. All zero is the empty set.
 */
#ifndef I8X_DAEMON_WORDSET_H
#define I8X_DAEMON_WORDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct i8x_wordset {
    uint64_t *slots; /* [size] 0 = free */
    size_t size, count;
} i8x_wordset;

/** Frees all. */
void i8x_wordset_clear(i8x_wordset *set);
/** Without memory the word is not added: what is kept here is a hint. */
void i8x_wordset_add(i8x_wordset *set, uint64_t word);
void i8x_wordset_remove(i8x_wordset *set, uint64_t word);
bool i8x_wordset_has(const i8x_wordset *set, uint64_t word);

#endif
