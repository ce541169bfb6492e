/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples by range: the right bytes from whole files and from parts of them, and sentences that
 * name the array, the sample and the element.
 */
#include <math.h>
#include <string.h>

#include "core/data/source.h"
#include "tests/support/suite.h"

typedef struct taken {
    uint8_t bytes[4096];
    size_t size;
} taken;

static i8x_status take(void *user, const void *bytes, size_t size)
{
    taken *t = user;
    ck_assert_uint_le(size, sizeof t->bytes - t->size);
    memcpy(t->bytes + t->size, bytes, size);
    t->size += size;
    return I8X_OK;
}

static taken floats_file(int64_t samples, float bad, int bad_at)
{
    taken t = {.size = 0};
    float data[100];
    for (int i = 0; i < 3 * samples; i++)
        data[i] = (float)i;
    if (bad_at >= 0)
        data[bad_at] = bad;
    const i8x_tensor tensor = {I8X_DTYPE_F32, {2, {samples, 3}}, data};
    ck_assert_ok(i8x_npy_write(&tensor, take, &t));
    return t;
}

START_TEST(samples_come_from_the_right_place)
{
    i8x_source source;
    float values[6];
    const uint8_t *bytes;
    size_t size;
    const taken file = floats_file(10, 0, -1);
    i8x_source_init(&source);
    ck_assert_ok(i8x_source_add_npy(&source, "input", file.bytes, file.size));
    ck_assert_int_eq(source.samples, 10);
    ck_assert_int_eq(i8x_source_find(&source, "input"), 0);
    ck_assert_int_eq(i8x_source_find(&source, "other"), -1);
    ck_assert_ok(i8x_source_read_f32(&source, 0, 8, 2, values));
    ck_assert_float_eq(values[0], 24);
    ck_assert_float_eq(values[5], 29);
    ck_assert_ok(i8x_source_read_f32(&source, 0, 10, 0, values));
    ck_assert_ok(i8x_source_view(&source, 0, 1, 1, &bytes, &size));
    ck_assert_uint_eq(size, 12);
    ck_assert_status(i8x_source_read_f32(&source, 0, 9, 2, values), I8X_ERANGE);
    ck_assert_status(i8x_source_read_f32(&source, 0, -1, 2, values), I8X_ERANGE);
    ck_assert_status(i8x_source_read_f32(&source, 0, 2, -1, values), I8X_ERANGE);
    ck_assert_status(i8x_source_read_f32(&source, 0, 1, INT64_MAX, values), I8X_ERANGE);
}
END_TEST

START_TEST(a_range_of_the_file_is_enough)
{
    i8x_source source;
    i8x_npy_info info;
    float values[3];
    const taken file = floats_file(10, 0, -1);
    ck_assert_ok(i8x_npy_parse(file.bytes, file.size, file.size, &info));
    const uint8_t *part = file.bytes + info.data_offset + 4 * info.sample_bytes;
    i8x_source_init(&source);
    ck_assert_ok(i8x_source_add_range(&source, "input", &info, 4, 7, part, 3 * 12));
    ck_assert_ok(i8x_source_read_f32(&source, 0, 6, 1, values));
    ck_assert_float_eq(values[0], 18);
    ck_assert_status(i8x_source_read_f32(&source, 0, 3, 1, values), I8X_ERANGE);
    ck_assert_status(i8x_source_read_f32(&source, 0, 6, 2, values), I8X_ERANGE);
    ck_assert_status(i8x_source_add_range(&source, "b", &info, 4, 7, part, 35), I8X_EFORMAT);
    ck_assert_status(i8x_source_add_range(&source, "b", &info, 7, 7, part, 0), I8X_ERANGE);
    ck_assert_status(i8x_source_add_range(&source, "b", &info, 8, 11, part, 36), I8X_ERANGE);
}
END_TEST

START_TEST(arrays_of_a_set_have_one_length_and_different_names)
{
    i8x_source source;
    const taken ten = floats_file(10, 0, -1), nine = floats_file(9, 0, -1);
    i8x_source_init(&source);
    ck_assert_ok(i8x_source_add_npy(&source, "a", ten.bytes, ten.size));
    ck_assert_status(i8x_source_add_npy(&source, "a", ten.bytes, ten.size), I8X_EEXIST);
    ck_assert_status(i8x_source_add_npy(&source, "b", nine.bytes, nine.size), I8X_ESHAPE);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "'b' has 9 samples"));
    ck_assert_status(i8x_source_add_npy(&source, "b", ten.bytes, 20), I8X_EFORMAT);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "array 'b'"));
    static char names[I8X_SOURCE_ARRAYS_MAX][4];
    for (int i = 1; i < I8X_SOURCE_ARRAYS_MAX; i++) {
        names[i][0] = 'n', names[i][1] = (char)('0' + i / 10), names[i][2] = (char)('0' + i % 10);
        ck_assert_ok(i8x_source_add_npy(&source, names[i], ten.bytes, ten.size));
    }
    ck_assert_status(i8x_source_add_npy(&source, "z", ten.bytes, ten.size), I8X_ELIMIT);
}
END_TEST

START_TEST(nan_and_infinity_are_named)
{
    i8x_source source;
    float values[30];
    const taken nan = floats_file(10, NAN, 13), inf = floats_file(10, -INFINITY, 29);
    i8x_source_init(&source);
    ck_assert_ok(i8x_source_add_npy(&source, "a", nan.bytes, nan.size));
    ck_assert_ok(i8x_source_add_npy(&source, "b", inf.bytes, inf.size));
    ck_assert_status(i8x_source_read_f32(&source, 0, 2, 5, values), I8X_ERANGE);
    ck_assert_str_eq(i8x_last_error()->detail, "array 'a', sample 4: element 1 is NaN");
    ck_assert_ok(i8x_source_read_f32(&source, 0, 5, 5, values));
    ck_assert_status(i8x_source_read_f32(&source, 1, 0, 10, values), I8X_ERANGE);
    ck_assert_str_eq(i8x_last_error()->detail, "array 'b', sample 9: element 2 is infinite");
}
END_TEST

START_TEST(labels_are_read_as_whole_numbers)
{
    i8x_source source;
    int64_t values[6];
    taken t = {.size = 0};
    const float data[3] = {1, 2, 2.5f};
    const i8x_tensor tensor = {I8X_DTYPE_F32, {1, {3}}, (void *)(uintptr_t)data};
    ck_assert_ok(i8x_npy_write(&tensor, take, &t));
    i8x_source_init(&source);
    ck_assert_ok(i8x_source_add_npy(&source, "labels", t.bytes, t.size));
    ck_assert_ok(i8x_source_read_s64(&source, 0, 0, 2, values));
    ck_assert_int_eq(values[1], 2);
    ck_assert_status(i8x_source_read_s64(&source, 0, 1, 2, values), I8X_ERANGE);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "array 'labels', sample 2"));
}
END_TEST

Suite *check_source_suite(void)
{
    const TTest *tests[] = {
        samples_come_from_the_right_place,
        a_range_of_the_file_is_enough,
        arrays_of_a_set_have_one_length_and_different_names,
        nan_and_infinity_are_named,
        labels_are_read_as_whole_numbers,
    };
    return i8x_suite("source", tests, sizeof tests / sizeof tests[0]);
}
