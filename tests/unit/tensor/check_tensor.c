/* SPDX-License-Identifier: Apache-2.0
 *
 * Element types, shapes, views, nibbles: the arithmetic that every room trusts.
 */
#include <string.h>

#include "core/tensor/pack4.h"
#include "core/tensor/tensor.h"
#include "tests/support/suite.h"

START_TEST(types_have_names_sizes_and_ranges)
{
    ck_assert_str_eq(i8x_dtype_name(I8X_DTYPE_S8), "s8");
    ck_assert_str_eq(i8x_dtype_name((i8x_dtype)99), "?");
    ck_assert_int_eq(i8x_dtype_min(I8X_DTYPE_S8), -128);
    ck_assert_int_eq(i8x_dtype_max(I8X_DTYPE_S8), 127);
    ck_assert_int_eq(i8x_dtype_min(I8X_DTYPE_S64), INT64_MIN);
    ck_assert_int_eq(i8x_dtype_max(I8X_DTYPE_S64), INT64_MAX);
    ck_assert_int_eq(i8x_dtype_min(I8X_DTYPE_U4), 0);
    ck_assert_int_eq(i8x_dtype_max(I8X_DTYPE_U4), 15);
    ck_assert_int_eq(i8x_dtype_min(I8X_DTYPE_S4), -8);
    ck_assert_int_eq(i8x_dtype_max(I8X_DTYPE_U16), 65535);
    ck_assert_int_eq(i8x_dtype_max(I8X_DTYPE_BOOL), 1);
    ck_assert_uint_eq(i8x_dtype_bytes(I8X_DTYPE_S4, 5), 3);
    ck_assert_uint_eq(i8x_dtype_bytes(I8X_DTYPE_F32, 5), 20);
    ck_assert(!i8x_dtype_is_integer(I8X_DTYPE_F32) && !i8x_dtype_is_integer(I8X_DTYPE_BOOL));
}
END_TEST

START_TEST(elements_are_counted_or_refused)
{
    int64_t count;
    i8x_shape scalar = {.rank = 0}, open = {.rank = 2, .dims = {3, I8X_DIM_UNKNOWN}};
    i8x_shape huge = {.rank = 3, .dims = {1 << 20, 1 << 20, 2}},
              empty = {.rank = 3, .dims = {1 << 30, 0, 1 << 30}};
    ck_assert_ok(i8x_shape_elements(&scalar, &count));
    ck_assert_int_eq(count, 1);
    ck_assert_ok(i8x_shape_elements(&empty, &count));
    ck_assert_int_eq(count, 0);
    ck_assert_status(i8x_shape_elements(&open, &count), I8X_ESHAPE);
    ck_assert_status(i8x_shape_elements(&huge, &count), I8X_ELIMIT);
    ck_assert(!i8x_shape_known(&open) && i8x_shape_known(&scalar));
    i8x_tensor t = i8x_tensor_make(I8X_DTYPE_F32, &open, NULL);
    ck_assert_int_eq(i8x_tensor_elements(&t), 0);
}
END_TEST

START_TEST(shapes_are_printed_and_cut_to_the_buffer)
{
    char text[64], small[5];
    i8x_shape shape = {.rank = 3, .dims = {1, I8X_DIM_UNKNOWN, 224}};
    ck_assert_str_eq(i8x_shape_text(&shape, text, sizeof text), "[1,?,224]");
    ck_assert_str_eq(i8x_shape_text(&shape, small, sizeof small), "[1,?");
    shape.rank = 0;
    ck_assert_str_eq(i8x_shape_text(&shape, text, sizeof text), "[]");
}
END_TEST

START_TEST(broadcast_follows_numpy)
{
    i8x_shape a = {.rank = 3, .dims = {2, 1, 4}}, b = {.rank = 2, .dims = {3, 1}},
              c = {.rank = 1, .dims = {5}}, r;
    const i8x_shape wanted = {.rank = 3, .dims = {2, 3, 4}}, zero = {.rank = 1, .dims = {0}};
    ck_assert_ok(i8x_shape_broadcast(&a, &b, &r));
    ck_assert(i8x_shape_equal(&r, &wanted));
    ck_assert_status(i8x_shape_broadcast(&a, &c, &r), I8X_ESHAPE);
    c.dims[0] = 1;
    ck_assert_ok(i8x_shape_broadcast(&c, &zero, &r));
    ck_assert_int_eq(r.dims[0], 0);
}
END_TEST

START_TEST(axes_count_from_both_ends)
{
    int axis;
    ck_assert_ok(i8x_shape_axis(4, -1, &axis));
    ck_assert_int_eq(axis, 3);
    ck_assert_status(i8x_shape_axis(4, 4, &axis), I8X_ESHAPE);
    ck_assert_status(i8x_shape_axis(4, -5, &axis), I8X_ESHAPE);
}
END_TEST

START_TEST(nibbles_are_packed_low_first_and_come_back)
{
    int8_t codes[7] = {-8, 7, -1, 0, 3, -5, 6}, back[7];
    uint8_t packed[4], unsigned_back[7];
    i8x_pack4(codes, 7, packed);
    ck_assert_uint_eq(packed[0], 0x78);
    ck_assert_uint_eq(packed[3], 0x06); /* the odd one: high nibble 0 */
    i8x_unpack4_s4(packed, 7, back);
    ck_assert_mem_eq(codes, back, sizeof codes);
    i8x_unpack4_u4(packed, 7, unsigned_back);
    ck_assert_uint_eq(unsigned_back[0], 8);
    i8x_shape shape = {.rank = 1, .dims = {7}};
    i8x_tensor t = i8x_tensor_make(I8X_DTYPE_S4, &shape, packed);
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(i8x_tensor_int(&t, i), codes[i]);
    ck_assert_uint_eq(i8x_tensor_size_bytes(&t), 4);
}
END_TEST

START_TEST(tensors_are_equal_by_type_shape_and_bytes)
{
    float x[4] = {1, 2, 3, 4}, y[4] = {1, 2, 3, 4};
    i8x_shape flat = {.rank = 1, .dims = {4}}, square = {.rank = 2, .dims = {2, 2}};
    i8x_tensor a = i8x_tensor_make(I8X_DTYPE_F32, &flat, x),
               b = i8x_tensor_make(I8X_DTYPE_F32, &flat, y);
    ck_assert(i8x_tensor_equal(&a, &b));
    y[3] = 5;
    ck_assert(!i8x_tensor_equal(&a, &b));
    b = i8x_tensor_make(I8X_DTYPE_F32, &square, x);
    ck_assert(!i8x_tensor_equal(&a, &b));
}
END_TEST

Suite *check_tensor_suite(void)
{
    const TTest *tests[] = {
        types_have_names_sizes_and_ranges,
        elements_are_counted_or_refused,
        shapes_are_printed_and_cut_to_the_buffer,
        broadcast_follows_numpy,
        axes_count_from_both_ends,
        nibbles_are_packed_low_first_and_come_back,
        tensors_are_equal_by_type_shape_and_bytes,
    };
    return i8x_suite("tensor", tests, sizeof tests / sizeof tests[0]);
}
