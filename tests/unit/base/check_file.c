/* SPDX-License-Identifier: Apache-2.0
 *
 * Files from outside and the atomic write: after any failure the old file is there, whole, and no
 * draft.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "int8x/file.h"
#include "tests/support/failing_alloc.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

static i8x_temp_dir dir;

static void setup(void)
{
    i8x_temp_dir_init(&dir);
}

static void teardown(void)
{
    i8x_temp_dir_deinit(&dir);
}

static void expect_content(const char *path, const void *bytes, size_t size)
{
    i8x_file_view view;
    ck_assert_ok(i8x_file_map(path, &view));
    ck_assert_uint_eq(view.size, size);
    ck_assert(size == 0 || memcmp(view.bytes, bytes, size) == 0);
    i8x_file_unmap(&view);
}

START_TEST(a_mapped_file_shows_its_bytes_and_an_empty_one_is_fine)
{
    i8x_file_view view;
    expect_content(i8x_temp_dir_put(&dir, "a", "hello", 5), "hello", 5);
    ck_assert_ok(i8x_file_map(i8x_temp_dir_put(&dir, "empty", "", 0), &view));
    ck_assert_ptr_nonnull(view.bytes);
    ck_assert_uint_eq(view.size, 0);
    i8x_file_unmap(&view);
    ck_assert_ptr_null(view.bytes);
    i8x_file_unmap(&view);
}
END_TEST

START_TEST(what_cannot_be_mapped_is_named_with_its_reason)
{
    i8x_file_view view;
    ck_assert_status(i8x_file_map(i8x_temp_dir_path(&dir, "none"), &view), I8X_ENOENT);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "none': No such file"));
    ck_assert_status(i8x_file_map(dir.path, &view), I8X_EARG);
    const char *fifo = i8x_temp_dir_path(&dir, "fifo");
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    ck_assert_status(i8x_file_map(fifo, &view), I8X_EARG); /* and does not wait for a writer */
    const char *file = i8x_temp_dir_put(&dir, "file", "x", 1);
    char below[I8X_TEMP_PATH_SIZE + 8];
    snprintf(below, sizeof below, "%s/x", file);
    ck_assert_status(i8x_file_map(below, &view), I8X_ENOENT);
}
END_TEST

START_TEST(read_all_keeps_to_its_limit_and_closes_with_a_zero_byte)
{
    uint8_t *bytes;
    size_t size;
    const char *path = i8x_temp_dir_put(&dir, "a", "0123456789", 10);
    for (size_t limit = 0; limit < 20; limit++) {
        const i8x_status status = i8x_file_read_all(NULL, path, limit, &bytes, &size);
        ck_assert_status(status, limit >= 10 ? I8X_OK : I8X_ELIMIT);
        if (status != I8X_OK)
            continue;
        ck_assert_uint_eq(size, 10);
        ck_assert_str_eq((char *)bytes, "0123456789");
        i8x_alloc_free(i8x_alloc_heap(), bytes, size + 1);
    }
    ck_assert_status(i8x_file_read_all(NULL, dir.path, 100, &bytes, &size), I8X_EIO);
    ck_assert_status(i8x_file_read_all(NULL, "", 100, &bytes, &size), I8X_ENOENT);
}
END_TEST

START_TEST(read_all_takes_files_that_do_not_know_their_size)
{
    uint8_t *bytes;
    size_t size;
    ck_assert_ok(i8x_file_read_all(NULL, "/proc/self/status", 1 << 20, &bytes, &size));
    ck_assert_uint_gt(size, 100);
    ck_assert_uint_eq(bytes[size], 0);
    i8x_alloc_free(i8x_alloc_heap(), bytes, size + 1);
    ck_assert_status(i8x_file_read_all(NULL, "/dev/zero", 100000, &bytes, &size), I8X_ELIMIT);
    ck_assert_ok(i8x_file_read_all(NULL, "/dev/null", SIZE_MAX, &bytes, &size));
    ck_assert_uint_eq(size, 0);
    i8x_alloc_free(i8x_alloc_heap(), bytes, size + 1);
}
END_TEST

START_TEST(read_all_survives_every_failing_allocation)
{
    const char *path = i8x_temp_dir_put(&dir, "a", "0123456789", 10);
    for (int n = 0;; n++) {
        i8x_failing_alloc failing;
        uint8_t *bytes;
        size_t size;
        i8x_failing_alloc_init(&failing, n);
        const i8x_status status = i8x_file_read_all(&failing.alloc, path, 100, &bytes, &size);
        if (status == I8X_OK)
            i8x_alloc_free(&failing.alloc, bytes, size + 1);
        ck_assert_uint_eq(failing.live_bytes, 0);
        if (status == I8X_OK)
            break;
        ck_assert_status(status, I8X_ENOMEM);
    }
}
END_TEST

START_TEST(atomic_write_replaces_and_leaves_no_draft)
{
    const char *path = i8x_temp_dir_path(&dir, "out");
    uint64_t size = 0;
    ck_assert_ok(i8x_file_write_atomic(path, "first", 5));
    expect_content(path, "first", 5);
    ck_assert_ok(i8x_file_write_atomic(path, "second one", 10));
    expect_content(path, "second one", 10);
    ck_assert_ok(i8x_file_write_atomic(path, NULL, 0));
    expect_content(path, "", 0);
    ck_assert_ok(i8x_file_size(path, &size));
    ck_assert_uint_eq(size, 0);
    ck_assert_status(i8x_file_size(i8x_temp_dir_path(&dir, "none"), &size), I8X_ENOENT);
    ck_assert_int_eq(i8x_temp_dir_count(&dir), 1);
    ck_assert_int_eq(chdir(dir.path), 0);
    ck_assert_ok(i8x_file_write_atomic("bare", "x", 1)); /* a path without a folder */
    expect_content("bare", "x", 1);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(a_failed_write_keeps_the_old_file)
{
    const char *path = i8x_temp_dir_path(&dir, "out");
    static const char large[100000];
    ck_assert_ok(i8x_file_write_atomic(path, "old", 3));
    signal(SIGXFSZ, SIG_IGN); /* so that the limit is EFBIG, like a full disk */
    const struct rlimit small = {50000, 50000};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_status(i8x_file_write_atomic(path, large, sizeof large), I8X_ELIMIT);
    expect_content(path, "old", 3);
    ck_assert_int_eq(i8x_temp_dir_count(&dir), 1);
    ck_assert_status(i8x_file_write_atomic(i8x_temp_dir_path(&dir, "no/out"), "x", 1), I8X_ENOENT);
    ck_assert_int_eq(mkdir(i8x_temp_dir_path(&dir, "folder"), 0700), 0);
    ck_assert_status(i8x_file_write_atomic(i8x_temp_dir_path(&dir, "folder"), "x", 1), I8X_EIO);
    ck_assert_int_eq(i8x_temp_dir_count(&dir), 2);
}
END_TEST

START_TEST(a_private_file_is_its_owners_alone)
{
    const char *path = i8x_temp_dir_path(&dir, "key");
    struct stat info;
    const mode_t old = umask(0);
    ck_assert_ok(i8x_file_write_private(path, "secret", 6));
    umask(old);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(info.st_mode & 07777, 0600);
    expect_content(path, "secret", 6);
    ck_assert_int_eq(i8x_temp_dir_count(&dir), 1);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_refused)
{
    static char path[9000];
    memset(path, 'p', sizeof path - 1);
    ck_assert_status(i8x_file_write_atomic(path, "x", 1), I8X_EARG);
}
END_TEST

Suite *check_file_suite(void)
{
    const TTest *tests[] = {
        a_mapped_file_shows_its_bytes_and_an_empty_one_is_fine,
        what_cannot_be_mapped_is_named_with_its_reason,
        read_all_keeps_to_its_limit_and_closes_with_a_zero_byte,
        read_all_takes_files_that_do_not_know_their_size,
        read_all_survives_every_failing_allocation,
        atomic_write_replaces_and_leaves_no_draft,
        a_failed_write_keeps_the_old_file,
        a_private_file_is_its_owners_alone,
        a_path_that_is_too_long_is_refused,
    };
    Suite *suite = suite_create("file");
    TCase *tcase = tcase_create("file");
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
