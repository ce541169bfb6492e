/* SPDX-License-Identifier: Apache-2.0
 *
 * Seal: a file is believed as long as it is the one that was checked; a damaged one is named and
 * set aside.
 */
#include "daemon/store/seal.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/store/store.h"
#include "proto/limits.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

static i8x_temp_dir dir;

START_TEST(a_change_of_the_file_breaks_its_seal)
{
    i8x_temp_dir_init(&dir);
    const char *path = i8x_temp_dir_put(&dir, "blob", "abc", 3);
    i8x_digest digest = i8x_digest_of("abc", 3), other = i8x_digest_of("abd", 3);
    i8x_seals seals = {0};
    int fd = open(path, O_RDWR);
    ck_assert_ok(i8x_seal_check(&digest, fd));
    ck_assert(!i8x_seal_holds(&seals, &digest, fd));
    i8x_seal_set(&seals, &digest, fd);
    ck_assert(i8x_seal_holds(&seals, &digest, fd));
    ck_assert(!i8x_seal_holds(&seals, &other, fd));
    ck_assert_int_eq(ftruncate(fd, 2), 0);
    ck_assert(!i8x_seal_holds(&seals, &digest, fd));
    ck_assert_status(i8x_seal_check(&digest, fd), I8X_ECORRUPT);
    close(fd);
    ck_assert(!i8x_seal_holds(&seals, &digest, -1));
    ck_assert_status(i8x_seal_check(&digest, -1), I8X_EIO);
    i8x_seals_deinit(&seals);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

static i8x_digest digest_number(size_t number)
{
    return i8x_digest_of(&number, sizeof number);
}

START_TEST(the_table_does_not_grow)
{
    enum { COUNT = 2 * I8X_SEALS_MAX };
    i8x_temp_dir_init(&dir);
    i8x_seals seals = {0};
    int fd = open(i8x_temp_dir_put(&dir, "blob", "abc", 3), O_RDONLY);
    for (size_t i = 0; i < COUNT; i++) {
        i8x_digest digest = digest_number(i);
        i8x_seal_set(&seals, &digest, fd);
        ck_assert(i8x_seal_holds(&seals, &digest, fd)); /* the newest always */
    }
    size_t held = 0;
    for (size_t i = 0; i < COUNT; i++) {
        i8x_digest digest = digest_number(i);
        held += i8x_seal_holds(&seals, &digest, fd);
    }
    ck_assert_uint_le(held, I8X_SEALS_MAX);
    ck_assert_uint_ge(held, I8X_SEALS_MAX / 10 * 9);
    close(fd);
    i8x_seals_deinit(&seals);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(an_upload_is_sealed_and_a_damaged_blob_is_set_aside)
{
    i8x_temp_dir_init(&dir);
    i8x_store *store;
    i8x_store_upload *upload;
    i8x_digest digest = i8x_digest_of("abc", 3);
    ck_assert_ok(i8x_store_open(dir.path, &store));
    ck_assert_ok(i8x_store_begin(store, &digest, 0, &upload));
    ck_assert_ok(i8x_store_add(upload, "abc", 3));
    ck_assert_ok(i8x_store_finish(upload));
    i8x_store_end(upload, false);
    int fd;
    uint64_t size;
    ck_assert_ok(i8x_store_read(store, &digest, &fd, &size));
    ck_assert(i8x_store_sealed(store, &digest, fd));
    close(fd);
    ck_assert_ok(i8x_store_set_aside(store, &digest));
    ck_assert(!i8x_store_has(store, &digest, NULL));
    ck_assert_status(i8x_store_set_aside(store, &digest), I8X_ENOENT);
    ck_assert_int_eq(i8x_temp_dir_count(&dir), 3); /* sha256, incoming, damaged */
    i8x_store_close(store);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

Suite *check_seal_suite(void)
{
    const TTest *tests[] = {a_change_of_the_file_breaks_its_seal, the_table_does_not_grow,
                            an_upload_is_sealed_and_a_damaged_blob_is_set_aside};
    return i8x_suite("seal", tests, sizeof tests / sizeof tests[0]);
}
