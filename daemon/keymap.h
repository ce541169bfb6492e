/* SPDX-License-Identifier: Apache-2.0
 *
 * Keymap: digest -> pointer, open addressing; the digest's own first bytes are the hash. Values are
 * not owned and not NULL. Out of memory ends the process: the ledger has everything.
 */
#ifndef I8X_DAEMON_KEYMAP_H
#define I8X_DAEMON_KEYMAP_H

#include <stddef.h>

#include "int8x/digest.h"

typedef struct i8x_keymap_row {
    i8x_digest key;
    void *value; /* NULL = free */
} i8x_keymap_row;

typedef struct i8x_keymap {
    i8x_keymap_row *rows;
    size_t size, used;
} i8x_keymap;

void i8x_keymap_deinit(i8x_keymap *map);
void *i8x_keymap_get(const i8x_keymap *map, const i8x_digest *key);
/** The key must not be there yet. */
void i8x_keymap_put(i8x_keymap *map, const i8x_digest *key, void *value);
void i8x_keymap_remove(i8x_keymap *map, const i8x_digest *key);

#endif
