/* SPDX-License-Identifier: Apache-2.0
 *
 * Holdings: a set that is compared with a plain one over random adds and removes, its bound, and
 * what a task needs of it.
 */
#include "daemon/holdings.h"

#include <string.h>

#include "core/base/rng.h"
#include "proto/limits.h"
#include "tests/support/suite.h"

/* Digests that collide: only eight different first bytes. */
static i8x_digest digest_of(unsigned n)
{
    i8x_digest digest = {{0}};
    digest.bytes[0] = (uint8_t)(n % 8);
    digest.bytes[1] = (uint8_t)(n / 8);
    digest.bytes[2] = (uint8_t)(n / 2048);
    digest.bytes[3] = 1;
    return digest;
}

START_TEST(random_adds_and_removes_agree_with_a_plain_set)
{
    i8x_holdings holdings = {0};
    static bool plain[1000];
    size_t count = 0;
    for (uint64_t i = 0; i < 20000; i++) {
        unsigned n = i8x_rng_below(7, 2 * i, 1000);
        i8x_digest digest = digest_of(n);
        bool add = i8x_rng_below(7, 2 * i + 1, 100) < 55;
        count += (size_t)add - (size_t)plain[n];
        plain[n] = add;
        if (add)
            i8x_holdings_add(&holdings, &digest);
        else
            i8x_holdings_remove(&holdings, &digest);
        ck_assert_uint_eq(i8x_holdings_count(&holdings), count);
    }
    for (unsigned n = 0; n < 1000; n++) {
        i8x_digest digest = digest_of(n);
        ck_assert(i8x_holdings_has(&holdings, &digest) == plain[n]);
    }
    i8x_holdings_clear(&holdings);
    i8x_digest digest = digest_of(1);
    ck_assert(!i8x_holdings_has(&holdings, &digest));
    i8x_holdings_remove(&holdings, &digest);
}
END_TEST

START_TEST(a_digest_of_zeros_is_one_like_others)
{
    i8x_holdings holdings = {0};
    i8x_digest zeros = {{0}};
    ck_assert(!i8x_holdings_has(&holdings, &zeros));
    i8x_holdings_add(&holdings, &zeros);
    ck_assert(i8x_holdings_has(&holdings, &zeros));
    i8x_holdings_remove(&holdings, &zeros);
    ck_assert_uint_eq(i8x_holdings_count(&holdings), 0);
    i8x_holdings_clear(&holdings);
}
END_TEST

START_TEST(beyond_the_bound_nothing_is_added)
{
    i8x_holdings holdings = {0};
    for (unsigned n = 0; n < I8X_HOLDINGS_MAX + 100; n++) {
        i8x_digest digest = i8x_digest_of(&n, sizeof n);
        i8x_holdings_add(&holdings, &digest);
    }
    ck_assert_uint_eq(i8x_holdings_count(&holdings), I8X_HOLDINGS_MAX);
    ck_assert_uint_le(holdings.words.size * sizeof *holdings.words.slots, 64u << 10);
    i8x_holdings_clear(&holdings);
}
END_TEST

START_TEST(a_task_leaves_its_whole_inputs_and_outputs)
{
    i8x_task_input inputs[] = {{"model", {digest_of(1), 0, 1000, true}},
                               {"samples", {digest_of(2), 128, 500, false}}};
    i8x_task task = {.inputs = inputs, .input_count = 2};
    static i8x_task_result result;
    result.output_count = 1;
    result.outputs[0].ref = (i8x_blob_ref){digest_of(3), 0, 70, true};
    i8x_holdings holdings = {0};
    ck_assert_uint_eq(i8x_holdings_bytes(&holdings, &task), 0);
    i8x_holdings_add_task(&holdings, &task, &result);
    ck_assert_uint_eq(i8x_holdings_count(&holdings), 2);
    ck_assert_uint_eq(i8x_holdings_bytes(&holdings, &task), 1000);
    i8x_holdings_add(&holdings, &inputs[1].ref.digest); /* the whole set has the range in it */
    ck_assert_uint_eq(i8x_holdings_bytes(&holdings, &task), 1500);
    i8x_holdings_clear(&holdings);
}
END_TEST

Suite *check_holdings_suite(void)
{
    const TTest *tests[] = {random_adds_and_removes_agree_with_a_plain_set,
                            a_digest_of_zeros_is_one_like_others, beyond_the_bound_nothing_is_added,
                            a_task_leaves_its_whole_inputs_and_outputs};
    return i8x_suite("holdings", tests, sizeof tests / sizeof tests[0]);
}
