/* SPDX-License-Identifier: Apache-2.0
 *
 * Why: every byte that tasks exchange goes through here; a blob must be what its name says, ranges
 * must not reach past it, and a temporary folder must vanish.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "int8x/local.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

static i8x_temp_dir temp;
static i8x_blobdir *dir;
static const i8x_blob_io *io;

static void open_dir(void)
{
    i8x_temp_dir_init(&temp);
    ck_assert_ok(i8x_blobdir_open(i8x_temp_dir_path(&temp, "blobs"), &dir));
    io = i8x_blobdir_io(dir);
}

static void close_dir(void)
{
    i8x_blobdir_close(dir);
    i8x_temp_dir_deinit(&temp);
}

static i8x_blob_ref put(const char *text)
{
    void *writer;
    i8x_blob_ref ref;
    ck_assert_ok(io->begin(io->user, &writer));
    for (const char *at = text; *at != '\0'; at++)
        ck_assert_ok(io->write(io->user, writer, at, 1));
    ck_assert_ok(io->end(io->user, writer, false, &ref));
    return ref;
}

START_TEST(written_blobs_are_read_by_digest_and_range)
{
    open_dir();
    i8x_blob_ref ref = put("hello blob"), again = put("hello blob");
    i8x_digest expected = i8x_digest_of("hello blob", 10);
    ck_assert(i8x_digest_equal(&ref.digest, &expected));
    ck_assert(i8x_digest_equal(&ref.digest, &again.digest));
    ck_assert_uint_eq(ref.size_bytes, 10);
    const void *bytes;
    void *handle;
    ck_assert_ok(io->open(io->user, &ref, &bytes, &handle));
    ck_assert_mem_eq(bytes, "hello blob", 10);
    io->close(io->user, handle);
    i8x_blob_ref part = {ref.digest, 6, 4, false};
    ck_assert_ok(io->open(io->user, &part, &bytes, &handle));
    ck_assert_mem_eq(bytes, "blob", 4);
    io->close(io->user, handle);
    close_dir();
}
END_TEST

START_TEST(ranges_past_the_end_are_refused)
{
    open_dir();
    i8x_blob_ref ref = put("0123456789");
    const void *bytes;
    void *handle;
    const i8x_blob_ref wrong[] = {{ref.digest, 5, 6, false},
                                  {ref.digest, 11, 0, false},
                                  {ref.digest, UINT64_MAX, 2, false},
                                  {ref.digest, 0, 9, true}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_status(io->open(io->user, &wrong[i], &bytes, &handle), I8X_EFORMAT);
    close_dir();
}
END_TEST

START_TEST(aborted_writes_leave_nothing)
{
    open_dir();
    void *writer;
    i8x_blob_ref ref;
    ck_assert_ok(io->begin(io->user, &writer));
    ck_assert_ok(io->write(io->user, writer, "x", 1));
    ck_assert_ok(io->end(io->user, writer, true, &ref));
    ck_assert_int_eq(i8x_temp_dir_count(&temp), 1); /* the folder alone */
    i8x_digest digest = i8x_digest_of("x", 1);
    char path[512];
    ck_assert_status(i8x_blobdir_path(dir, &digest, path, sizeof path), I8X_ENOENT);
    close_dir();
}
END_TEST

START_TEST(a_blob_with_other_bytes_than_its_name_is_refused)
{
    open_dir();
    char path[1024], hex[I8X_DIGEST_HEX_SIZE];
    i8x_digest digest = i8x_digest_of("right", 5);
    snprintf(path, sizeof path, "blobs/%s", i8x_digest_to_hex(&digest, hex));
    i8x_temp_dir_put(&temp, path, "wrong", 5);
    i8x_blob_ref ref = {digest, 0, 5, true};
    const void *bytes;
    void *handle;
    ck_assert_status(io->open(io->user, &ref, &bytes, &handle), I8X_ECORRUPT);
    i8x_temp_dir_put(&temp, path, "right", 5);
    ck_assert_ok(io->open(io->user, &ref, &bytes, &handle));
    io->close(io->user, handle);
    digest.bytes[0] ^= 1;
    ref.digest = digest;
    ck_assert_status(io->open(io->user, &ref, &bytes, &handle), I8X_ENOENT);
    close_dir();
}
END_TEST

START_TEST(linked_files_stay_where_they_are_and_may_not_change)
{
    open_dir();
    char path[512];
    snprintf(path, sizeof path, "%s", i8x_temp_dir_put(&temp, "data.npy", "samples", 7));
    i8x_blob_ref ref;
    ck_assert_ok(i8x_blobdir_link(dir, path, &ref));
    const void *bytes;
    void *handle;
    ck_assert_ok(io->open(io->user, &ref, &bytes, &handle));
    ck_assert_mem_eq(bytes, "samples", 7);
    io->close(io->user, handle);
    i8x_temp_dir_put(&temp, "data.npy", "another!", 8);
    ck_assert_status(io->open(io->user, &ref, &bytes, &handle), I8X_ECORRUPT);
    ck_assert_status(i8x_blobdir_link(dir, i8x_temp_dir_path(&temp, "none"), &ref), I8X_ENOENT);
    ck_assert_status(i8x_blobdir_link(dir, temp.path, &ref), I8X_EARG);
    ck_assert_status(i8x_blobdir_link(dir, i8x_temp_dir_put(&temp, "empty", "", 0), &ref),
                     I8X_EARG);
    close_dir();
}
END_TEST

START_TEST(temporary_folder_goes_with_its_blobs)
{
    i8x_temp_dir_init(&temp);
    ck_assert_ok(i8x_blobdir_open_temporary(temp.path, &dir));
    io = i8x_blobdir_io(dir);
    i8x_blob_ref ref = put("a"), other = put("b");
    ck_assert_uint_eq(other.size_bytes, 1);
    ck_assert_ok(i8x_blobdir_export(dir, &ref, i8x_temp_dir_path(&temp, "out")));
    i8x_blobdir_close(dir);
    ck_assert_int_eq(i8x_temp_dir_count(&temp), 1); /* out */
    ck_assert_status(i8x_blobdir_open_temporary(i8x_temp_dir_path(&temp, "none"), &dir),
                     I8X_ENOENT);
    ck_assert_status(i8x_blobdir_open(i8x_temp_dir_path(&temp, "no/ne"), &dir), I8X_ENOENT);
    ck_assert_status(i8x_blobdir_open(i8x_temp_dir_path(&temp, "out"), &dir), I8X_EARG);
    i8x_blobdir_close(NULL);
    i8x_temp_dir_deinit(&temp);
}
END_TEST

Suite *check_blobdir_suite(void)
{
    const TTest *tests[] = {written_blobs_are_read_by_digest_and_range,
                            ranges_past_the_end_are_refused,
                            aborted_writes_leave_nothing,
                            a_blob_with_other_bytes_than_its_name_is_refused,
                            linked_files_stay_where_they_are_and_may_not_change,
                            temporary_folder_goes_with_its_blobs};
    return i8x_suite("blobdir", tests, sizeof tests / sizeof tests[0]);
}
