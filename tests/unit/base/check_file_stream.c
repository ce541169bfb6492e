/* SPDX-License-Identifier: Apache-2.0
 *
 * Streamed atomic files: the target is the old file or the new one, whole, and nothing else is
 * left.
 */
#include <string.h>

#include "core/base/file.h"
#include "core/base/file_stream.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

START_TEST(pieces_of_any_size_arrive_in_order)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    const char *path = i8x_temp_dir_path(&dir, "file");
    static uint8_t content[400000];
    i8x_file_stream *stream;
    i8x_file_view view;
    uint64_t size;
    i8x_digest digest;
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)(i * 31 >> 3);
    ck_assert_ok(i8x_file_stream_open(path, &stream));
    for (size_t at = 0, step = 0; at < sizeof content; at += step) {
        step = step * 3 + 1; /* 1, 4, 13 ... beyond the buffer */
        step = step < sizeof content - at ? step : sizeof content - at;
        ck_assert_ok(i8x_file_stream_put(stream, content + at, step));
    }
    ck_assert_ok(i8x_file_stream_put(stream, NULL, 0));
    ck_assert_ok(i8x_file_stream_close(stream, I8X_OK, &size, &digest));
    ck_assert_uint_eq(size, sizeof content);
    ck_assert_ok(i8x_file_map(path, &view));
    ck_assert_uint_eq(view.size, sizeof content);
    ck_assert_mem_eq(view.bytes, content, sizeof content);
    const i8x_digest wanted = i8x_digest_of(content, sizeof content);
    ck_assert(i8x_digest_equal(&digest, &wanted));
    i8x_file_unmap(&view);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(a_failure_leaves_the_old_file)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    const char *path = i8x_temp_dir_put(&dir, "file", "old", 3);
    i8x_file_stream *stream;
    uint64_t size;
    ck_assert_ok(i8x_file_stream_open(path, &stream));
    ck_assert_ok(i8x_file_stream_put(stream, "newer", 5));
    ck_assert_int_eq(i8x_temp_dir_count(&dir), 2);
    ck_assert_status(i8x_file_stream_close(stream, I8X_ECANCELED, NULL, NULL), I8X_ECANCELED);
    ck_assert_int_eq(i8x_temp_dir_count(&dir), 1);
    ck_assert_ok(i8x_file_size(path, &size));
    ck_assert_uint_eq(size, 3);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(folders_that_are_none_and_targets_that_are_folders_are_refused)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    i8x_file_stream *stream;
    ck_assert_status(i8x_file_stream_open(i8x_temp_dir_path(&dir, "none/file"), &stream),
                     I8X_ENOENT);
    ck_assert_ok(i8x_file_stream_open(dir.path, &stream)); /* the temporary file stands beside it */
    ck_assert_status(i8x_file_stream_close(stream, I8X_OK, NULL, NULL), I8X_EIO);
    ck_assert_int_eq(i8x_temp_dir_count(&dir), 0);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

Suite *check_file_stream_suite(void)
{
    const TTest *tests[] = {
        pieces_of_any_size_arrive_in_order,
        a_failure_leaves_the_old_file,
        folders_that_are_none_and_targets_that_are_folders_are_refused,
    };
    return i8x_suite("file_stream", tests, sizeof tests / sizeof tests[0]);
}
