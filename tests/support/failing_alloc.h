/* SPDX-License-Identifier: Apache-2.0
 *
 * Failing alloc: an allocator over the heap that fails at its n-th call and counts what is live, so
 * that every out-of-memory path of a function can be walked and leaks seen without a sanitizer:
 *
 *     for (int n = 0;; n++) {
 *         i8x_failing_alloc failing;
 *         i8x_failing_alloc_init(&failing, n);
 *         i8x_status status = work(&failing.alloc);
 *         ck_assert_uint_eq(failing.live_bytes, 0);
 *         if (status == I8X_OK) break;        // n calls are enough
 *         ck_assert_int_eq(status, I8X_ENOMEM);
 *     }
 */
#ifndef I8X_TESTS_FAILING_ALLOC_H
#define I8X_TESTS_FAILING_ALLOC_H

#include "int8x/alloc.h"

typedef struct i8x_failing_alloc {
    i8x_alloc alloc; /* hand &alloc to the code under test */
    int fail_at;     /* index of the first call that fails; all later ones fail too; -1 = never */
    int calls;       /* alloc and resize calls so far */
    size_t live_bytes;
    int live_blocks;
} i8x_failing_alloc;

/** The struct must not move while alloc is in use. */
void i8x_failing_alloc_init(i8x_failing_alloc *failing, int fail_at);

#endif
