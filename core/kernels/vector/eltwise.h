/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise kernels over blocks of sixteen; the including level has defined v16f.
 */

/* One loop for the four cases of steps: a broadcast operand is loaded once. Three copies of the
 * loop per kernel rather than an index times step, which would cost a load where a register does.
 */
#define BINARY(name, op)                                                                           \
    void THIS(name)(const float *a, size_t a_step, const float *b, size_t b_step, float *y,        \
                    size_t n)                                                                      \
    {                                                                                              \
        size_t i = 0, whole = n & ~(size_t)15, rest = n & 15;                                      \
        if (n == 0)                                                                                \
            return;                                                                                \
        v16f u = v16f_set(*a), v = v16f_set(*b);                                                   \
        if (a_step && b_step) {                                                                    \
            for (; i < whole; i += 16)                                                             \
                v16f_store(y + i, op(v16f_load(a + i), v16f_load(b + i)));                         \
        } else if (a_step) {                                                                       \
            for (; i < whole; i += 16)                                                             \
                v16f_store(y + i, op(v16f_load(a + i), v));                                        \
        } else {                                                                                   \
            for (; i < whole; i += 16)                                                             \
                v16f_store(y + i, op(u, b_step ? v16f_load(b + i) : v));                           \
        }                                                                                          \
        if (rest) {                                                                                \
            if (a_step)                                                                            \
                u = v16f_load_n(a + i, rest);                                                      \
            if (b_step)                                                                            \
                v = v16f_load_n(b + i, rest);                                                      \
            v16f_store_n(y + i, rest, op(u, v));                                                   \
        }                                                                                          \
    }

BINARY(add_f32, v16f_add)
BINARY(sub_f32, v16f_sub)
BINARY(mul_f32, v16f_mul)
BINARY(div_f32, v16f_div)
BINARY(max_f32, v16f_max)
BINARY(min_f32, v16f_min)

void THIS(clip_f32)(const float *x, float lo, float hi, float *y, size_t n)
{
    v16f low = v16f_set(lo), high = v16f_set(hi);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        v16f_store(y + i, v16f_min(high, v16f_max(low, v16f_load(x + i))));
    if (i < n)
        v16f_store_n(y + i, n - i, v16f_min(high, v16f_max(low, v16f_load_n(x + i, n - i))));
}

void THIS(scale_shift_f32)(const float *x, float scale, float shift, float *y, size_t n)
{
    v16f factor = v16f_set(scale), start = v16f_set(shift);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        v16f_store(y + i, v16f_fma(v16f_load(x + i), factor, start));
    if (i < n)
        v16f_store_n(y + i, n - i, v16f_fma(v16f_load_n(x + i, n - i), factor, start));
}

/* Up to fifteen floats. y may lie below x, so everything is loaded before it is stored. */
static inline void copy_rest(const float *x, float *y, size_t n)
{
#ifdef V16_MASKED
    v16f_store_n(y, n, v16f_load_n(x, n));
#else
    float piece[4];
    for (; n >= 4; n -= 4, x += 4, y += 4) {
        memcpy(piece, x, sizeof piece);
        memcpy(y, piece, sizeof piece);
    }
    for (; n > 0; --n)
        *y++ = *x++;
#endif
}

static inline void copy_row(const float *x, float *y, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        v16f_store(y + i, v16f_load(x + i));
    if (i < n)
        copy_rest(x + i, y + i, n - i);
}

/* The even elements of two blocks; the last odd one of a full pair lies at index 2 i + 31, which is
 * inside only while one more output follows. */
static inline void copy_row_even(const float *x, float *y, size_t n)
{
    size_t i = 0;
    for (; i + 17 <= n; i += 16)
        v16f_store(y + i, v16f_even(v16f_load(x + 2 * i), v16f_load(x + 2 * i + 16)));
#ifdef V16_MASKED
    if (n - i == 16) {
        v16f_store(y + i, v16f_even(v16f_load(x + 2 * i), v16f_load_n(x + 2 * i + 16, 15)));
    } else if (i < n) {
        size_t reach = 2 * (n - i) - 1;
        v16f low = reach < 16 ? v16f_load_n(x + 2 * i, reach) : v16f_load(x + 2 * i);
        v16f high = reach > 16 ? v16f_load_n(x + 2 * i + 16, reach - 16) : v16f_set(0);
        v16f_store_n(y + i, n - i, v16f_even(low, high));
    }
#else
    for (; i < n; ++i)
        y[i] = x[2 * i];
#endif
}

/* Many rows in one call: planes of late layers have rows of 7 or 14, less than a call costs. */
void THIS(copy_rows_f32)(const float *x, size_t x_row, size_t x_step, float *y, size_t y_row,
                         size_t rows, size_t cols)
{
    for (; rows > 0; --rows, x += x_row, y += y_row) {
        if (x_step == 1)
            copy_row(x, y, cols);
        else if (x_step == 2)
            copy_row_even(x, y, cols);
        else
            for (size_t i = 0; i < cols; ++i)
                y[i] = x[i * x_step];
    }
}
