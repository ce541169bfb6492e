/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions over blocks of sixteen: a block's element l goes to partial sum l, so LANES16 is the natural
 * order. The rest of the array is filled with zeros, which change no partial: none is ever -0.
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

/* 0 * x is 0 for finite x and NaN otherwise, so one fma per block watches for both NaN and infinity. A
 * chunk in which that happened is walked again, element by element, to find the place. */
size_t THIS(minmax_f32)(const float *x, size_t n, float *min, float *max)
{
    enum { CHUNK = 1024 };
    v16f zero = v16f_set(0.0f), inf = v16f_set(INFINITY);
    v16f lo0 = inf, lo1 = inf, hi0 = v16f_sub(zero, inf), hi1 = hi0;
    size_t i = 0, bad = n;
    while (i < n && bad == n) {
        size_t end = n - i < CHUNK ? n : i + CHUNK, start = i;
        v16f old_lo0 = lo0, old_lo1 = lo1, old_hi0 = hi0, old_hi1 = hi1, watch0 = zero, watch1 = zero;
        for (; i + 32 <= end; i += 32) {
            v16f a = v16f_load(x + i), b = v16f_load(x + i + 16);
            lo0 = v16f_min(a, lo0);
            lo1 = v16f_min(b, lo1);
            hi0 = v16f_max(a, hi0);
            hi1 = v16f_max(b, hi1);
            watch0 = v16f_fma(a, zero, watch0);
            watch1 = v16f_fma(b, zero, watch1);
        }
        for (; i + 16 <= end; i += 16) {
            v16f a = v16f_load(x + i);
            lo0 = v16f_min(a, lo0);
            hi0 = v16f_max(a, hi0);
            watch0 = v16f_fma(a, zero, watch0);
        }
        /* The last block overlaps the one before it: elements seen twice do no harm here. */
        if (i < end && end >= 16) {
            v16f a = v16f_load(x + end - 16);
            lo0 = v16f_min(a, lo0);
            hi0 = v16f_max(a, hi0);
            watch0 = v16f_fma(a, zero, watch0);
            i = end;
        }
        if (i < end || !v16f_all_zero(v16f_add(watch0, watch1))) {
            lo0 = old_lo0, lo1 = old_lo1, hi0 = old_hi0, hi1 = old_hi1;
            for (i = start; i < end && x[i] - x[i] == 0.0f; ++i) {
                v16f a = v16f_set(x[i]);
                lo0 = v16f_min(a, lo0);
                hi0 = v16f_max(a, hi0);
            }
            if (i < end)
                bad = i;
        }
    }
    float lo[16], hi[16], least = INFINITY, greatest = -INFINITY;
    v16f_store(lo, v16f_min(lo0, lo1));
    v16f_store(hi, v16f_max(hi0, hi1));
    for (int l = 0; l < 16; ++l) {
        least = lo[l] < least ? lo[l] : least;
        greatest = hi[l] > greatest ? hi[l] : greatest;
    }
    *min = least + 0.0f;
    *max = greatest + 0.0f;
    return bad;
}

#ifdef V16_DOUBLE
void THIS(moments_f32)(const float *x, size_t n, double *sum, double *sum_squares)
{
    v16d first = v16d_zero(), second = v16d_zero();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        v16d v = v16d_from_f(v16f_load(x + i));
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
    for (size_t i = 0; i < n; i += 16) {
        bool whole = i + 16 <= n;
        v16d u = v16d_from_f(whole ? v16f_load(a + i) : v16f_load_n(a + i, n - i));
        v16d d = v16d_sub(u, v16d_from_f(whole ? v16f_load(b + i) : v16f_load_n(b + i, n - i)));
        first = v16d_fma(d, d, first);
        second = v16d_fma(u, u, second);
    }
    *error = v16d_sum(first);
    *reference = v16d_sum(second);
}
#endif
