/* SPDX-License-Identifier: Apache-2.0
 *
 * Store and keymap: a blob is there whole or not at all, and only under its own digest.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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
    ck_assert_ok(i8x_store_begin(store, &digest, 0, &upload));
    ck_assert_ok(i8x_store_add(upload, "hello ", 6));
    ck_assert_ok(i8x_store_add(upload, "world", 5));
    ck_assert(!i8x_store_has(store, &digest, NULL));
    uint64_t size;
    ck_assert_ok(i8x_store_finish(upload));
    ck_assert_uint_eq(i8x_store_size(upload), 11);
    i8x_store_end(upload, true);
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
    ck_assert_ok(i8x_store_open(i8x_temp_dir_path(&dir, "blobs"), &store));
    i8x_digest digest = i8x_digest_of("right", 5);
    ck_assert_ok(i8x_store_begin(store, &digest, 0, &upload));
    ck_assert_ok(i8x_store_add(upload, "wrong", 5));
    ck_assert_status(i8x_store_finish(upload), I8X_ECORRUPT);
    i8x_store_end(upload, true);
    ck_assert(!i8x_store_has(store, &digest, NULL));
    ck_assert_uint_eq(i8x_store_kept(store, &digest), 0);
    i8x_store_close(store);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(a_broken_upload_goes_on_where_it_stopped)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_store *store;
    i8x_store_upload *upload;
    const char *path = i8x_temp_dir_path(&dir, "blobs");
    i8x_digest digest = i8x_digest_of("hello world", 11);
    ck_assert_ok(i8x_store_open(path, &store));
    ck_assert_status(i8x_store_begin(store, &digest, 1, &upload), I8X_ERANGE);
    ck_assert_ok(i8x_store_begin(store, &digest, 0, &upload));
    ck_assert_ok(i8x_store_add(upload, "hello wXXX", 10));
    i8x_store_end(upload, true);
    ck_assert_uint_eq(i8x_store_kept(store, &digest), 10);
    i8x_store_close(store); /* a restart keeps it */
    ck_assert_ok(i8x_store_open(path, &store));
    ck_assert_uint_eq(i8x_store_kept(store, &digest), 10);
    ck_assert_status(i8x_store_begin(store, &digest, 11, &upload), I8X_ERANGE);
    ck_assert_ok(i8x_store_begin(store, &digest, 7, &upload)); /* less than is kept: that much */
    ck_assert_ok(i8x_store_add(upload, "orld", 4));
    ck_assert_ok(i8x_store_finish(upload));
    i8x_store_end(upload, true);
    ck_assert(i8x_store_has(store, &digest, NULL));
    ck_assert_uint_eq(i8x_store_kept(store, &digest), 0);
    i8x_store_close(store);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(two_uploads_of_one_blob)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_store *store;
    i8x_store_upload *first, *second, *third;
    ck_assert_ok(i8x_store_open(i8x_temp_dir_path(&dir, "blobs"), &store));
    i8x_digest digest = i8x_digest_of("hello", 5);
    ck_assert_ok(i8x_store_begin(store, &digest, 0, &first));
    ck_assert_ok(i8x_store_add(first, "hel", 3));
    i8x_store_set_busy(first, false); /* from here on the loop may see its three bytes */
    ck_assert_ok(i8x_store_begin(store, &digest, 0, &second)); /* has a file of its own */
    ck_assert_ok(i8x_store_add(second, "he", 2));
    i8x_store_end(second, true); /* and leaves nothing */
    ck_assert_uint_eq(i8x_store_kept(store, &digest), 3);
    i8x_store_set_busy(first, true);
    ck_assert_status(i8x_store_begin(store, &digest, 3, &third), I8X_EBUSY);
    i8x_store_set_busy(first, false);
    ck_assert_ok(i8x_store_begin(store, &digest, 3, &third)); /* takes over */
    ck_assert(i8x_store_taken(first));
    ck_assert(!i8x_store_taken(third));
    i8x_store_end(first, true);
    ck_assert_ok(i8x_store_add(third, "lo", 2));
    ck_assert_ok(i8x_store_finish(third));
    i8x_store_end(third, true);
    ck_assert(i8x_store_has(store, &digest, NULL));
    i8x_store_close(store);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(old_parts_are_collected_and_strange_files_do_not_survive_a_start)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_store *store;
    i8x_store_upload *upload;
    const char *path = i8x_temp_dir_path(&dir, "blobs");
    ck_assert_ok(i8x_store_open(path, &store));
    i8x_digest old = i8x_digest_of("old", 3), fresh = i8x_digest_of("fresh", 5);
    ck_assert_ok(i8x_store_begin(store, &old, 0, &upload));
    ck_assert_ok(i8x_store_add(upload, "o", 1));
    i8x_store_end(upload, true);
    ck_assert_ok(i8x_store_begin(store, &fresh, 0, &upload));
    ck_assert_ok(i8x_store_add(upload, "f", 1));
    i8x_store_end(upload, true);
    char name[200], hex[I8X_DIGEST_HEX_SIZE];
    snprintf(name, sizeof name, "blobs/incoming/%s.part", i8x_digest_to_hex(&old, hex));
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    ck_assert_int_eq(utimensat(AT_FDCWD, i8x_temp_dir_path(&dir, name), times, 0), 0);
    i8x_temp_dir_put(&dir, "blobs/incoming/7", "x", 1);
    ck_assert_int_eq(i8x_store_collect(store, 3600), 1);
    ck_assert_uint_eq(i8x_store_kept(store, &old), 0);
    ck_assert_uint_eq(i8x_store_kept(store, &fresh), 1);
    i8x_store_close(store);
    ck_assert_ok(i8x_store_open(path, &store));
    ck_assert_int_ne(access(i8x_temp_dir_path(&dir, "blobs/incoming/7"), F_OK), 0);
    ck_assert_uint_eq(i8x_store_kept(store, &fresh), 1);
    i8x_store_close(store);
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
                            other_bytes_are_refused_and_leave_nothing,
                            a_broken_upload_goes_on_where_it_stopped,
                            two_uploads_of_one_blob,
                            old_parts_are_collected_and_strange_files_do_not_survive_a_start,
                            keymap_keeps_what_is_in_it};
    return i8x_suite("store", tests, sizeof tests / sizeof tests[0]);
}
