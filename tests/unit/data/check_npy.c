/* SPDX-License-Identifier: Apache-2.0
 *
 * .npy headers from strangers (golden vectors with status and sentence), conversion of elements at
 * any address, and the writer.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "int8x/data.h"
#include "tests/support/golden.h"
#include "tests/support/suite.h"

START_TEST(every_golden_file_gives_its_status_and_its_sentence)
{
    uint8_t bytes[1024];
    i8x_golden *golden = i8x_golden_open(I8X_TEST_SOURCE_DIR, "npy_errors/files.txt");
    char *fields[4], detail[I8X_ERROR_DETAIL_SIZE];
    while (i8x_golden_next(golden, fields, 4)) {
        const size_t size = i8x_golden_hex(fields[3], bytes, sizeof bytes);
        uint8_t *copy = malloc(size + (size == 0)); /* exact: reads beyond it are seen */
        memcpy(copy, bytes, size);
        i8x_npy_info info;
        const i8x_status status = i8x_npy_parse(copy, size, size, &info);
        ck_assert_msg(status == i8x_status_from_name(fields[1]), "%s gives %s (%s)", fields[0],
                      i8x_status_name(status), status == I8X_OK ? "" : i8x_last_error()->detail);
        free(copy);
        if (status == I8X_OK) {
            ck_assert_uint_eq(info.data_offset + info.sample_bytes * (uint64_t)info.shape.dims[0],
                              size);
            continue;
        }
        memcpy(detail, i8x_last_error()->detail, sizeof detail);
        for (size_t i = 0; i < sizeof detail; i++)
            detail[i] = detail[i] == '_' ? ' ' : detail[i];
        for (char *c = fields[2]; *c != '\0'; c++)
            *c = *c == '_' ? ' ' : *c;
        ck_assert_msg(strstr(detail, fields[2]) != NULL, "%s says '%s'", fields[0], detail);
    }
    i8x_golden_close(golden, 45);
}
END_TEST

typedef struct taken {
    uint8_t bytes[4096];
    size_t size;
} taken;

static i8x_status take(void *user, const void *bytes, size_t size)
{
    taken *t = user;
    if (size > sizeof t->bytes - t->size)
        I8X_FAIL(I8X_ELIMIT, "full");
    memcpy(t->bytes + t->size, bytes, size);
    t->size += size;
    return I8X_OK;
}

START_TEST(what_is_written_is_parsed_again)
{
    const i8x_dtype types[] = {I8X_DTYPE_F32, I8X_DTYPE_F16, I8X_DTYPE_U8,
                               I8X_DTYPE_S8,  I8X_DTYPE_S32, I8X_DTYPE_S64};
    uint8_t data[8 * 24];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
        for (int rank = 1; rank <= I8X_RANK_MAX; rank++) {
            i8x_tensor tensor = {types[k], {rank, {2, 3, 4, 1, 1, 1, 1, 1}}, data};
            taken t = {.size = 0};
            i8x_npy_info info;
            ck_assert_ok(i8x_npy_write(&tensor, take, &t));
            ck_assert_ok(i8x_npy_parse(t.bytes, t.size, t.size, &info));
            ck_assert_int_eq(info.dtype, types[k]);
            ck_assert(i8x_shape_equal(&info.shape, &tensor.shape));
            ck_assert_uint_eq(info.data_offset % 64, 0);
            ck_assert_mem_eq(t.bytes + info.data_offset, data, t.size - info.data_offset);
        }
    }
}
END_TEST

START_TEST(types_that_numpy_files_do_not_hold_here_are_not_written)
{
    const i8x_tensor tensor = {I8X_DTYPE_S4, {1, {2}}, (void *)(uintptr_t) "ab"};
    const i8x_tensor unknown = {I8X_DTYPE_S8, {1, {I8X_DIM_UNKNOWN}}, (void *)(uintptr_t) "ab"};
    const i8x_tensor large = {I8X_DTYPE_U8, {1, {8192}}, calloc(8192, 1)};
    taken t = {.size = 0};
    ck_assert_status(i8x_npy_write(&tensor, take, &t), I8X_EUNSUPPORTED);
    ck_assert_status(i8x_npy_write(&unknown, take, &t), I8X_ESHAPE);
    ck_assert_status(i8x_npy_write(&large, take, &t), I8X_ELIMIT); /* the sink's */
    free(large.data);
}
END_TEST

START_TEST(a_part_of_the_file_is_enough_for_its_header)
{
    i8x_tensor tensor = {I8X_DTYPE_U8, {2, {100, 10}}, calloc(1000, 1)};
    taken t = {.size = 0};
    i8x_npy_info info;
    ck_assert_ok(i8x_npy_write(&tensor, take, &t));
    ck_assert_ok(i8x_npy_parse(t.bytes, 200, t.size, &info));
    ck_assert_uint_eq(info.sample_bytes, 10);
    ck_assert_status(i8x_npy_parse(t.bytes, t.size, 100, &info), I8X_EARG);
    free(tensor.data);
}
END_TEST

START_TEST(elements_become_f32_at_any_address)
{
    uint8_t room[64];
    float values[3];
    const int64_t wide[3] = {-5, 16777217, INT64_MAX};
    const int32_t narrow[3] = {INT32_MIN, 0, 7};
    const uint16_t halves[3] = {0x3c00, 0xc000, 0x0001};
    const float floats[3] = {1.5f, -0.0f, 3e38f};
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(room + shift, wide, sizeof wide);
        ck_assert_ok(i8x_npy_to_f32(I8X_DTYPE_S64, room + shift, 3, values));
        ck_assert_float_eq(values[0], -5);
        ck_assert_float_eq(values[1], 16777216);
        ck_assert_float_eq(values[2], 9223372036854775808.0f);
        memcpy(room + shift, narrow, sizeof narrow);
        ck_assert_ok(i8x_npy_to_f32(I8X_DTYPE_S32, room + shift, 3, values));
        ck_assert_float_eq(values[0], -2147483648.0f);
        memcpy(room + shift, halves, sizeof halves);
        ck_assert_ok(i8x_npy_to_f32(I8X_DTYPE_F16, room + shift, 3, values));
        ck_assert_float_eq(values[1], -2);
        ck_assert_float_eq(values[2], 0x1p-24f);
        memcpy(room + shift, floats, sizeof floats);
        ck_assert_ok(i8x_npy_to_f32(I8X_DTYPE_F32, room + shift, 3, values));
        ck_assert_mem_eq(values, floats, sizeof floats);
    }
    ck_assert_ok(i8x_npy_to_f32(I8X_DTYPE_U8, "\xff\x01", 2, values));
    ck_assert_float_eq(values[0], 255);
    ck_assert_ok(i8x_npy_to_f32(I8X_DTYPE_S8, "\xff\x01", 2, values));
    ck_assert_float_eq(values[0], -1);
    ck_assert_ok(i8x_npy_to_f32(I8X_DTYPE_F32, NULL, 0, NULL));
    ck_assert_status(i8x_npy_to_f32(I8X_DTYPE_BOOL, "", 0, values), I8X_EDTYPE);
    ck_assert_status(i8x_npy_to_f32(I8X_DTYPE_F32, "", -1, values), I8X_EARG);
}
END_TEST

START_TEST(labels_must_be_whole_numbers)
{
    int64_t values[2];
    const float whole[2] = {3, -4}, broken[2] = {3, 0.5f}, nan[1] = {NAN}, large[1] = {1e20f};
    const uint16_t half[1] = {0x3c00};
    ck_assert_ok(i8x_npy_to_s64(I8X_DTYPE_F32, whole, 2, values));
    ck_assert_int_eq(values[1], -4);
    ck_assert_ok(i8x_npy_to_s64(I8X_DTYPE_F16, half, 1, values));
    ck_assert_int_eq(values[0], 1);
    ck_assert_ok(i8x_npy_to_s64(I8X_DTYPE_S8, "\xff", 1, values));
    ck_assert_int_eq(values[0], -1);
    ck_assert_status(i8x_npy_to_s64(I8X_DTYPE_F32, broken, 2, values), I8X_ERANGE);
    ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, "element 1 (0.5)"));
    ck_assert_status(i8x_npy_to_s64(I8X_DTYPE_F32, nan, 1, values), I8X_ERANGE);
    ck_assert_status(i8x_npy_to_s64(I8X_DTYPE_F32, large, 1, values), I8X_ERANGE);
    ck_assert_status(i8x_npy_to_s64(I8X_DTYPE_F64, whole, 1, values), I8X_EDTYPE);
    ck_assert_status(i8x_npy_to_s64(I8X_DTYPE_U8, whole, -1, values), I8X_EARG);
}
END_TEST

START_TEST(flipped_header_bytes_give_a_status)
{
    i8x_tensor tensor = {I8X_DTYPE_U8, {2, {4, 6}}, calloc(24, 1)};
    taken t = {.size = 0};
    i8x_npy_info info;
    ck_assert_ok(i8x_npy_write(&tensor, take, &t));
    for (uint64_t i = 0; i < 20000; i++) {
        uint8_t *copy = malloc(t.size);
        memcpy(copy, t.bytes, t.size);
        copy[i8x_rng_u64(7, 4 * i) % 128] = (uint8_t)i8x_rng_u64(7, 4 * i + 1);
        copy[i8x_rng_u64(7, 4 * i + 2) % 128] = (uint8_t)i8x_rng_u64(7, 4 * i + 3);
        if (i8x_npy_parse(copy, t.size, t.size, &info) == I8X_OK)
            ck_assert_uint_eq(info.data_offset + info.sample_bytes * (uint64_t)info.shape.dims[0],
                              t.size);
        free(copy);
    }
    free(tensor.data);
}
END_TEST

Suite *check_npy_suite(void)
{
    const TTest *tests[] = {
        every_golden_file_gives_its_status_and_its_sentence,
        what_is_written_is_parsed_again,
        types_that_numpy_files_do_not_hold_here_are_not_written,
        a_part_of_the_file_is_enough_for_its_header,
        elements_become_f32_at_any_address,
        labels_must_be_whole_numbers,
        flipped_header_bytes_give_a_status,
    };
    return i8x_suite("npy", tests, sizeof tests / sizeof tests[0]);
}
