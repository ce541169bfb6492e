/* SPDX-License-Identifier: Apache-2.0
 *
 * Store and keymap: a blob is there whole or not at all, and only under its own digest.
 */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "daemon/keymap.h"
#include "daemon/store/store.h"
#include "int8x/alloc.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

START_TEST(a_blob_appears_when_it_is_whole)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_store *store;
    i8x_store_upload *upload;
    ck_assert_ok(i8x_store_open(i8x_temp_dir_path(&dir, "blobs"), &store));
    i8x_digest digest = i8x_digest_of("hello world", 11);
    ck_assert(!i8x_store_has(store, &digest, NULL));
    ck_assert_ok(i8x_store_begin(store, &digest, &upload));
    ck_assert_ok(i8x_store_add(upload, "hello ", 6));
    ck_assert_ok(i8x_store_add(upload, "world", 5));
    ck_assert(!i8x_store_has(store, &digest, NULL));
    uint64_t size;
    ck_assert_ok(i8x_store_finish(upload, &size));
    ck_assert_uint_eq(size, 11);
    ck_assert(i8x_store_has(store, &digest, &size));
    uint8_t *bytes;
    ck_assert_ok(i8x_store_read_range(store, &digest, 6, 5, &bytes));
    ck_assert_mem_eq(bytes, "world", 5);
    i8x_alloc_free(i8x_alloc_heap(), bytes, 5);
    ck_assert_status(i8x_store_read_range(store, &digest, 6, 6, &bytes), I8X_ERANGE);
    i8x_digest other = i8x_digest_of("x", 1);
    int fd;
    ck_assert_status(i8x_store_read(store, &other, &fd, &size), I8X_ENOENT);
    i8x_store_close(store);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(other_bytes_are_refused_and_leave_nothing)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_store *store;
    i8x_store_upload *upload;
    uint64_t size;
    ck_assert_ok(i8x_store_open(i8x_temp_dir_path(&dir, "blobs"), &store));
    i8x_digest digest = i8x_digest_of("right", 5);
    ck_assert_ok(i8x_store_begin(store, &digest, &upload));
    ck_assert_ok(i8x_store_add(upload, "wrong", 5));
    ck_assert_status(i8x_store_finish(upload, &size), I8X_ECORRUPT);
    ck_assert(!i8x_store_has(store, &digest, NULL));
    /* an upload that was broken off is cleared away by the next start */
    ck_assert_ok(i8x_store_begin(store, &digest, &upload));
    ck_assert_int_eq(access(i8x_temp_dir_path(&dir, "blobs/incoming/2"), F_OK), 0);
    i8x_store *again;
    ck_assert_ok(i8x_store_open(i8x_temp_dir_path(&dir, "blobs"), &again));
    ck_assert_int_ne(access(i8x_temp_dir_path(&dir, "blobs/incoming/2"), F_OK), 0);
    i8x_store_abort(upload);
    i8x_store_close(store);
    i8x_store_close(again);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(keymap_keeps_what_is_in_it)
{
    static int values[3000];
    i8x_keymap map = {0};
    for (int i = 0; i < 3000; i++) {
        i8x_digest key = i8x_digest_of(&i, sizeof i);
        i8x_keymap_put(&map, &key, &values[i]);
    }
    for (int i = 0; i < 3000; i += 2) {
        i8x_digest key = i8x_digest_of(&i, sizeof i);
        i8x_keymap_remove(&map, &key);
        i8x_keymap_remove(&map, &key);
    }
    for (int i = 0; i < 3000; i++) {
        i8x_digest key = i8x_digest_of(&i, sizeof i);
        ck_require(i8x_keymap_get(&map, &key) == (i % 2 == 0 ? NULL : &values[i]), "key %d", i);
    }
    ck_assert_uint_eq(map.used, 1500);
    i8x_keymap_deinit(&map);
}
END_TEST

Suite *check_store_suite(void)
{
    const TTest *tests[] = {a_blob_appears_when_it_is_whole,
                            other_bytes_are_refused_and_leave_nothing, keymap_keeps_what_is_in_it};
    return i8x_suite("store", tests, sizeof tests / sizeof tests[0]);
}
