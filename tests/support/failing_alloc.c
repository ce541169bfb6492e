/* SPDX-License-Identifier: Apache-2.0
 *
 * An allocator that fails when told to.
 */
#include "tests/support/failing_alloc.h"

#include <stdbool.h>

static bool fails_now(i8x_failing_alloc *failing)
{
    const int call = failing->calls++;
    return failing->fail_at >= 0 && call >= failing->fail_at;
}

static void *failing_get(void *user, size_t size_bytes)
{
    i8x_failing_alloc *failing = user;
    const i8x_alloc *heap = i8x_alloc_heap();
    void *block = fails_now(failing) ? NULL : heap->alloc(heap->user, size_bytes);
    if (block != NULL) {
        failing->live_bytes += size_bytes;
        failing->live_blocks++;
    }
    return block;
}

static void *failing_resize(void *user, void *block, size_t old_bytes, size_t new_bytes)
{
    i8x_failing_alloc *failing = user;
    const i8x_alloc *heap = i8x_alloc_heap();
    void *moved = fails_now(failing) ? NULL : heap->resize(heap->user, block, old_bytes, new_bytes);
    if (moved != NULL)
        failing->live_bytes += new_bytes - old_bytes; /* modulo 2^n, which is right */
    return moved;
}

static void failing_free(void *user, void *block, size_t size_bytes)
{
    i8x_failing_alloc *failing = user;
    const i8x_alloc *heap = i8x_alloc_heap();
    heap->free(heap->user, block, size_bytes);
    failing->live_bytes -= size_bytes;
    failing->live_blocks--;
}

void i8x_failing_alloc_init(i8x_failing_alloc *failing, int fail_at)
{
    *failing = (i8x_failing_alloc){
        .alloc = {failing_get, failing_resize, failing_free, failing},
        .fail_at = fail_at,
    };
}
