/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions over blocks of sixteen: a block's element l goes to partial sum l, so LANES16 is the
 * natural order. The rest of the array is filled with zeros, which change no partial: none is ever
 * -0.
 */

float THIS(sum_f32)(const float *x, size_t n)
{
    v16f partial = v16f_set(0.0f);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        partial = v16f_add(partial, v16f_load(x + i));
    if (i < n)
        partial = v16f_add(partial, v16f_load_n(x + i, n - i));
    return v16f_sum(partial);
}

float THIS(dot_f32)(const float *a, const float *b, size_t n)
{
    v16f partial = v16f_set(0.0f);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        partial = v16f_fma(v16f_load(a + i), v16f_load(b + i), partial);
    if (i < n)
        partial = v16f_fma(v16f_load_n(a + i, n - i), v16f_load_n(b + i, n - i), partial);
    return v16f_sum(partial);
}

/* 0 * x is 0 for finite x and NaN otherwise, so one fma per block watches for both NaN and
 * infinity. A chunk in which that happened is walked again, element by element, to find the place.
 * Accumulators per block in flight: three, in as many blocks as the registers hold. */
#if V16_UNROLL == 8
#define EACH(f) f(0) f(1) f(2) f(3)
enum { MINMAX_STEP = 64 };
#else
#define EACH(f) f(0) f(1)
enum { MINMAX_STEP = 32 };
#endif
#define MINMAX(j, from)                                                                            \
    {                                                                                              \
        v16f v = v16f_load(from);                                                                  \
        lo##j = v16f_min(v, lo##j);                                                                \
        hi##j = v16f_max(v, hi##j);                                                                \
        watch##j = v16f_fma(v, zero, watch##j);                                                    \
    }
#define START(j) v16f lo##j = inf, hi##j = minus_inf, watch##j = zero;
#define STEP(j) MINMAX(j, x + i + 16 * j)
#define JOIN(j)                                                                                    \
    least = v16f_min(lo##j, least);                                                                \
    greatest = v16f_max(hi##j, greatest);                                                          \
    watch = v16f_add(watch##j, watch);

/* Widens *lo and *hi by n >= 16 elements; false, and nothing changed, if one is NaN or infinite. */
static inline bool minmax_chunk(const float *x, size_t n, v16f *lo, v16f *hi)
{
    const v16f zero = v16f_set(0.0f), inf = v16f_set(INFINITY), minus_inf = v16f_set(-INFINITY);
    v16f least = *lo, greatest = *hi, watch = zero;
    size_t i = 0;
    EACH(START)
    for (; i + MINMAX_STEP <= n; i += MINMAX_STEP) {
        EACH(STEP)
    }
    for (; i + 16 <= n; i += 16)
        STEP(0)
    if (i < n) /* overlaps the block before: elements seen twice do no harm here */
        MINMAX(1, x + n - 16)
    EACH(JOIN)
    if (!v16f_all_zero(watch))
        return false;
    *lo = least;
    *hi = greatest;
    return true;
}

size_t THIS(minmax_f32)(const float *x, size_t n, float *min, float *max)
{
    enum { CHUNK = 2048 };
    float lanes_lo[16], lanes_hi[16], least = INFINITY, greatest = -INFINITY;
    v16f lo = v16f_set(INFINITY), hi = v16f_set(-INFINITY);
    size_t i = 0;
    while (n - i >= 16) {
        size_t count = n - i < CHUNK ? n - i : CHUNK;
        if (!minmax_chunk(x + i, count, &lo, &hi))
            break;
        i += count;
    }
    for (; i < n && x[i] - x[i] == 0.0f; ++i) { /* to the bad one, or fewer than 16 in all */
        least = x[i] < least ? x[i] : least;
        greatest = x[i] > greatest ? x[i] : greatest;
    }
    v16f_store(lanes_lo, lo);
    v16f_store(lanes_hi, hi);
    for (int l = 0; l < 16; ++l) {
        least = lanes_lo[l] < least ? lanes_lo[l] : least;
        greatest = lanes_hi[l] > greatest ? lanes_hi[l] : greatest;
    }
    *min = least + 0.0f;
    *max = greatest + 0.0f;
    return i;
}

#undef EACH
#undef MINMAX
#undef START
#undef STEP
#undef JOIN

#ifdef V16_DOUBLE
void THIS(moments_f32)(const float *x, size_t n, double *sum, double *sum_squares)
{
    v16d first = v16d_zero(), second = v16d_zero();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        v16d v = v16d_load(x + i);
        first = v16d_add(first, v);
        second = v16d_fma(v, v, second); /* the product is exact: same as multiply and add */
    }
    if (i < n) {
        v16d v = v16d_from_f(v16f_load_n(x + i, n - i));
        first = v16d_add(first, v);
        second = v16d_fma(v, v, second);
    }
    *sum = v16d_sum(first);
    *sum_squares = v16d_sum(second);
}

void THIS(sq_error_f32)(const float *a, const float *b, size_t n, double *error, double *reference)
{
    v16d first = v16d_zero(), second = v16d_zero();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        v16d u = v16d_load(a + i), d = v16d_sub(u, v16d_load(b + i));
        first = v16d_fma(d, d, first);
        second = v16d_fma(u, u, second);
    }
    if (i < n) {
        v16d u = v16d_from_f(v16f_load_n(a + i, n - i));
        v16d d = v16d_sub(u, v16d_from_f(v16f_load_n(b + i, n - i)));
        first = v16d_fma(d, d, first);
        second = v16d_fma(u, u, second);
    }
    *error = v16d_sum(first);
    *reference = v16d_sum(second);
}
#endif
