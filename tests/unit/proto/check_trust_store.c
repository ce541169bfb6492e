/* SPDX-License-Identifier: Apache-2.0
 *
 * The store of tokens: what was added is found again after a restart, what has ended is told apart
 * from what never was, the file holds no token and nobody else may read it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "int8x/alloc.h"
#include "int8x/file.h"
#include "proto/trust_file.h"
#include "proto/trust_store.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

#define NOW 1700000000

static i8x_temp_dir dir;
static i8x_trust_store *store;

static void open_store(void)
{
    ck_assert_ok(i8x_trust_store_open(i8x_temp_dir_path(&dir, "tokens"), NOW, &store));
}

static void setup(void)
{
    i8x_temp_dir_init(&dir);
    open_store();
}

static void teardown(void)
{
    i8x_trust_store_close(store);
    i8x_temp_dir_deinit(&dir);
}

static i8x_token_row make(i8x_token_role role, const char *worker, int64_t expires_s,
                          char text[I8X_TOKEN_SIZE])
{
    i8x_token_row row = {.role = role, .expires_s = expires_s, .name = "some.name"};
    snprintf(row.worker, sizeof row.worker, "%s", worker);
    ck_assert_ok(i8x_trust_store_add(store, &row, NOW, text));
    return row;
}

static i8x_token_state state_of(const char *text, int64_t now_s)
{
    const i8x_token_row *row;
    return i8x_trust_store_check(store, text, now_s, &row);
}

START_TEST(a_token_is_found_again_after_a_restart)
{
    setup();
    char texts[100][I8X_TOKEN_SIZE], other[I8X_TOKEN_SIZE];
    for (int i = 0; i < 100; i++)
        make((i8x_token_role)(i % I8X_TOKEN_ROLE_COUNT), i % 2 ? "w1" : "", 0, texts[i]);
    for (int life = 0; life < 2; life++) {
        for (int i = 0; i < 100; i++) {
            const i8x_token_row *row;
            ck_assert_int_eq(i8x_trust_store_check(store, texts[i], NOW, &row), I8X_TOKEN_GOOD);
            ck_assert_int_eq(row->role, i % I8X_TOKEN_ROLE_COUNT);
            ck_assert_str_eq(row->worker, i % 2 ? "w1" : "");
            ck_assert_str_eq(row->name, "some.name");
            ck_assert_int_eq(row->created_s, NOW);
        }
        ck_assert_ok(i8x_token_make(I8X_TOKEN_ADMIN, other));
        ck_assert_int_eq(state_of(other, NOW), I8X_TOKEN_UNKNOWN);
        i8x_trust_store_close(store);
        open_store();
    }
    teardown();
}
END_TEST

START_TEST(tokens_end_by_time_and_by_hand)
{
    setup();
    char timed[I8X_TOKEN_SIZE], marked[I8X_TOKEN_SIZE];
    i8x_token_row row = make(I8X_TOKEN_READ, "", NOW + 10, timed);
    ck_assert_int_eq(state_of(timed, NOW + 9), I8X_TOKEN_GOOD);
    ck_assert_int_eq(state_of(timed, NOW + 10), I8X_TOKEN_EXPIRED);
    ck_assert_ok(i8x_trust_store_extend(store, row.id, NOW + 20, NOW + 9));
    ck_assert_int_eq(state_of(timed, NOW + 19), I8X_TOKEN_GOOD);
    ck_assert_status(i8x_trust_store_extend(store, row.id, NOW + 40, NOW + 20), I8X_ENOENT);
    row = make(I8X_TOKEN_READ, "", 0, marked);
    ck_assert_ok(i8x_trust_store_revoke(store, row.id, NOW));
    ck_assert_ok(i8x_trust_store_revoke(store, row.id, NOW + 5));
    ck_assert_int_eq(state_of(marked, NOW), I8X_TOKEN_REVOKED);
    ck_assert_int_eq(i8x_trust_store_by_id(store, row.id)->revoked_s, NOW);
    ck_assert_status(i8x_trust_store_revoke(store, "t0", NOW), I8X_ENOENT);
    i8x_trust_store_close(store);
    open_store();
    ck_assert_int_eq(state_of(marked, NOW), I8X_TOKEN_REVOKED);
    ck_assert_int_eq(state_of(timed, NOW + 19), I8X_TOKEN_GOOD);
    teardown();
}
END_TEST

START_TEST(a_worker_is_cut_off_with_all_its_tokens)
{
    setup();
    char one[I8X_TOKEN_SIZE], two[I8X_TOKEN_SIZE], other[I8X_TOKEN_SIZE], free_one[I8X_TOKEN_SIZE];
    make(I8X_TOKEN_WORKER, "w1", 0, one);
    make(I8X_TOKEN_WORKER, "w1", 0, two);
    make(I8X_TOKEN_WORKER, "w2", 0, other);
    make(I8X_TOKEN_READ, "", 0, free_one);
    int count;
    ck_assert_ok(i8x_trust_store_revoke_worker(store, "w1", NOW, &count));
    ck_assert_int_eq(count, 2);
    ck_assert_ok(i8x_trust_store_revoke_worker(store, "", NOW, &count));
    ck_assert_int_eq(count, 0); /* tokens of nobody are not one worker's */
    ck_assert_int_eq(state_of(one, NOW), I8X_TOKEN_REVOKED);
    ck_assert_int_eq(state_of(two, NOW), I8X_TOKEN_REVOKED);
    ck_assert_int_eq(state_of(other, NOW), I8X_TOKEN_GOOD);
    ck_assert_int_eq(state_of(free_one, NOW), I8X_TOKEN_GOOD);
    teardown();
}
END_TEST

START_TEST(the_file_holds_no_token_and_is_private)
{
    setup();
    char text[I8X_TOKEN_SIZE], *bytes;
    size_t size;
    make(I8X_TOKEN_ADMIN, "", 0, text);
    const char *path = i8x_temp_dir_path(&dir, "tokens");
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(info.st_mode & 0777, 0600);
    ck_assert_ok(i8x_trust_file_read(path, 65536, &bytes, &size));
    ck_assert_ptr_null(strstr(bytes, "i8x_"));
    ck_assert_ptr_null(strstr(bytes, text + 5));
    i8x_trust_file_free(bytes, size);
    ck_assert_int_eq(chmod(path, 0644), 0);
    i8x_trust_store *again;
    ck_assert_status(i8x_trust_store_open(path, NOW, &again), I8X_EDENIED);
    ck_assert_status(i8x_trust_file_read(i8x_temp_dir_path(&dir, "no"), 9, &bytes, &size),
                     I8X_ENOENT);
    teardown();
}
END_TEST

START_TEST(rows_in_memory_are_good_and_never_written)
{
    setup();
    char text[I8X_TOKEN_SIZE], other[I8X_TOKEN_SIZE];
    i8x_token_row row = {.role = I8X_TOKEN_WORKER, .name = "local"};
    ck_assert_ok(i8x_trust_store_add_unsaved(store, &row, NOW, text));
    make(I8X_TOKEN_READ, "", 0, other);
    ck_assert_int_eq(state_of(text, NOW), I8X_TOKEN_GOOD);
    i8x_trust_store_close(store);
    open_store();
    ck_assert_int_eq(state_of(text, NOW), I8X_TOKEN_UNKNOWN);
    ck_assert_int_eq(i8x_trust_store_count(store), 1);
    teardown();
}
END_TEST

START_TEST(long_dead_rows_are_dropped)
{
    setup();
    char old[I8X_TOKEN_SIZE], alive[I8X_TOKEN_SIZE], fresh[I8X_TOKEN_SIZE];
    make(I8X_TOKEN_READ, "", NOW + 1, old);
    make(I8X_TOKEN_READ, "", 0, alive);
    int64_t later = NOW + 2 + I8X_TOKEN_KEPT_S;
    i8x_token_row row = {.role = I8X_TOKEN_READ, .name = "n"};
    ck_assert_ok(i8x_trust_store_add(store, &row, later, fresh));
    ck_assert_int_eq(state_of(old, later), I8X_TOKEN_UNKNOWN);
    ck_assert_int_eq(state_of(alive, later), I8X_TOKEN_GOOD);
    ck_assert_int_eq(state_of(fresh, later), I8X_TOKEN_GOOD);
    teardown();
}
END_TEST

START_TEST(bad_names_and_bad_files_are_refused)
{
    setup();
    static const char *const names[] = {"", "two words", "line\nbreak", "Ü"};
    char text[I8X_TOKEN_SIZE];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        i8x_token_row row = {.role = I8X_TOKEN_READ};
        snprintf(row.name, sizeof row.name, "%s", names[i]);
        ck_assert_status(i8x_trust_store_add(store, &row, NOW, text), I8X_EARG);
    }
    i8x_token_row row = {.role = I8X_TOKEN_WORKER, .name = "n", .worker = "W 1"};
    ck_assert_status(i8x_trust_store_add(store, &row, NOW, text), I8X_EARG);
    static const char hex[] = "00000000000000000000000000000000000000000000000000000000000000ff";
    static const char *const lines[] = {"t1 read",
                                        "t1 king %s 1 0 0 - n",
                                        "t1 read %s 1 0 0 - n more",
                                        "t1 read %s x 0 0 - n",
                                        "t1 read %s -1 0 0 - n",
                                        "t1 read ab 1 0 0 - n",
                                        "t0123456789abcdef read %s 1 0 0 - n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char line[256];
        int used = snprintf(line, sizeof line, "# head\n");
        used += snprintf(line + used, sizeof line - (size_t)used, lines[i], hex);
        const char *path = i8x_temp_dir_path(&dir, "bad");
        ck_assert_ok(i8x_file_write_private(path, line, (size_t)used));
        i8x_trust_store *bad;
        ck_assert_status(i8x_trust_store_open(path, NOW, &bad), I8X_EFORMAT);
        ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "line 2"));
    }
    teardown();
}
END_TEST

START_TEST(a_change_that_cannot_be_written_does_not_count)
{
    setup();
    char text[I8X_TOKEN_SIZE] = "";
    i8x_token_row row = {.role = I8X_TOKEN_ADMIN, .name = "n"};
    i8x_trust_store_close(store);
    ck_assert_ok(i8x_trust_store_open(i8x_temp_dir_path(&dir, "gone/tokens"), NOW, &store));
    ck_assert_status(i8x_trust_store_add(store, &row, NOW, text), I8X_ENOENT);
    ck_assert_int_eq(text[0], 0);
    ck_assert_int_eq(i8x_trust_store_count(store), 0);
    const i8x_token_row *seen;
    ck_assert_int_eq(i8x_trust_store_check_hash(store, &row.hash, NOW, &seen), I8X_TOKEN_UNKNOWN);
    teardown();
}
END_TEST

Suite *check_trust_store_suite(void)
{
    const TTest *tests[] = {
        a_token_is_found_again_after_a_restart,    tokens_end_by_time_and_by_hand,
        a_worker_is_cut_off_with_all_its_tokens,   the_file_holds_no_token_and_is_private,
        rows_in_memory_are_good_and_never_written, long_dead_rows_are_dropped,
        bad_names_and_bad_files_are_refused,       a_change_that_cannot_be_written_does_not_count};
    return i8x_suite("trust_store", tests, sizeof tests / sizeof tests[0]);
}
