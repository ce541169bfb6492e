/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a .npz file: every entry that opens is inflated, at most as far as it claims.
 */
#include <stdlib.h>

#include "core/data/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static i8x_status count(void *user, const void *bytes, size_t size)
{
    (void)bytes;
    *(uint64_t *)user += size;
    return *(uint64_t *)user > ((uint64_t)32 << 20) ? I8X_ECANCELED : I8X_OK; /* enough seen */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    i8x_npz *npz;
    if (i8x_npz_open(bytes, size, &npz) != I8X_OK)
        return 0;
    for (int i = 0; i < i8x_npz_count(npz); i++) {
        uint64_t total = 0;
        const i8x_status status = i8x_npz_extract(npz, i, count, &total);
        if (total > i8x_npz_size_bytes(npz, i) ||
            (status == I8X_OK && total != i8x_npz_size_bytes(npz, i)))
            abort();
    }
    i8x_source source;
    i8x_arena *arena;
    i8x_source_init(&source);
    if (i8x_arena_new(NULL, (size_t)32 << 20, &arena) != I8X_OK)
        abort();
    if (i8x_source_add_npz(&source, npz, arena) == I8X_OK && source.samples <= 0)
        abort();
    i8x_arena_free(arena);
    i8x_npz_close(npz);
    return 0;
}
