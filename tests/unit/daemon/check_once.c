/* SPDX-License-Identifier: Apache-2.0
 *
 * Answered requests: a key is found for a day, also by the next daemon, and not longer.
 */
#include <semaphore.h>
#include <string.h>

#include "daemon/once.h"
#include "proto/limits.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

static sem_t woken;

static void wake(void *user)
{
    (void)user;
    sem_post(&woken);
}

static i8x_request_row row_of(const char *key, const char *job, int64_t created_ms)
{
    return (i8x_request_row){.key = i8x_once_key("ann", key),
                             .body = i8x_digest_of(key, strlen(key)),
                             .job = job,
                             .created_ms = created_ms};
}

START_TEST(keys_last_a_day_and_a_restart)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_ledger *ledger;
    i8x_once *once;
    const char *path = i8x_temp_dir_path(&dir, "ledger.db");
    sem_init(&woken, 0, 0);
    ck_assert_ok(i8x_ledger_open(path, wake, NULL, &ledger));
    ck_assert_ok(i8x_once_new(ledger, 0, &once));
    i8x_request_row first = row_of("a", "j1", 1000), second = row_of("b", "j2", 2000);
    ck_assert_ptr_null(i8x_once_find(once, &first.key, 1000));
    i8x_once_put(once, &first);
    ck_assert_ok(i8x_ledger_put_request(ledger, &first));
    i8x_once_put(once, &second);
    ck_assert_ok(i8x_ledger_put_request(ledger, &second));
    ck_assert_str_eq(i8x_once_find(once, &first.key, 1000 + I8X_ONCE_KEPT_MS)->job, "j1");
    i8x_once_free(once);
    i8x_ledger_close(ledger); /* commits what is queued */

    ck_assert_ok(i8x_ledger_open(path, wake, NULL, &ledger));
    ck_assert_ok(i8x_once_new(ledger, 1000 + I8X_ONCE_KEPT_MS, &once));
    const i8x_request_row *found = i8x_once_find(once, &first.key, 1000 + I8X_ONCE_KEPT_MS);
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found->job, "j1");
    ck_assert(i8x_digest_equal(&found->body, &first.body));
    ck_assert_ptr_null(i8x_once_find(once, &first.key, 1001 + I8X_ONCE_KEPT_MS));
    ck_assert_str_eq(i8x_once_find(once, &second.key, 1001 + I8X_ONCE_KEPT_MS)->job, "j2");
    i8x_once_free(once);
    i8x_ledger_close(ledger);

    ck_assert_ok(i8x_ledger_open(path, wake, NULL, &ledger)); /* the old one has left the ledger */
    ck_assert_ok(i8x_once_new(ledger, 1001 + I8X_ONCE_KEPT_MS, &once));
    ck_assert_ptr_null(i8x_once_find(once, &first.key, 5000));
    ck_assert_ptr_nonnull(i8x_once_find(once, &second.key, 5000));
    i8x_once_free(once);
    i8x_ledger_close(ledger);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(a_key_belongs_to_who_sent_it)
{
    i8x_digest ann = i8x_once_key("ann", "x"), bob = i8x_once_key("bob", "x"),
               joined = i8x_once_key("an", "nx");
    ck_assert(!i8x_digest_equal(&ann, &bob));
    ck_assert(!i8x_digest_equal(&ann, &joined));
}
END_TEST

START_TEST(there_is_room_for_so_many_keys)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_ledger *ledger;
    i8x_once *once;
    sem_init(&woken, 0, 0);
    ck_assert_ok(i8x_ledger_open(i8x_temp_dir_path(&dir, "ledger.db"), wake, NULL, &ledger));
    ck_assert_ok(i8x_once_new(ledger, 0, &once));
    for (int i = 0; i < I8X_ONCE_KEYS_MAX; i++) {
        ck_require(i8x_once_check_room(once, 0) == I8X_OK, "key %d", i);
        i8x_request_row row = {.key = i8x_digest_of(&i, sizeof i), .job = "j"};
        i8x_once_put(once, &row);
    }
    ck_assert_status(i8x_once_check_room(once, 0), I8X_EBUSY);
    ck_assert_ok(i8x_once_check_room(once, I8X_ONCE_KEPT_MS + 1)); /* all are forgotten by now */
    i8x_once_free(once);
    i8x_ledger_close(ledger);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

Suite *check_once_suite(void)
{
    const TTest *tests[] = {keys_last_a_day_and_a_restart, a_key_belongs_to_who_sent_it,
                            there_is_room_for_so_many_keys};
    return i8x_suite("once", tests, sizeof tests / sizeof tests[0]);
}
