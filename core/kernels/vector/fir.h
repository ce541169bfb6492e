/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and maxima over taps over blocks of sixteen outputs. A pass keeps V16_UNROLL blocks in
 * registers, so that the chains of several outputs hide the latency of each; a last pass of one
 * block takes the rest. Loading the inputs once and shifting them in registers for neighbouring
 * taps was left out: x is in L1, and the offsets are any.
 */

/* Named accumulators: GCC 12 keeps arrays of vectors on the stack. */
#if V16_UNROLL == 8
#define EACH(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)
#elif V16_UNROLL == 4
#define EACH(f) f(0) f(1) f(2) f(3)
#else
#define EACH(f) f(0) f(1)
#endif
#define START(l) v16f acc##l = start;
#define FMA(l) acc##l = v16f_fma(v16f_load(from + 16 * l), weight, acc##l);
#define MAX(l) acc##l = v16f_max(acc##l, v16f_load(from + 16 * l));
#define STORE(l) v16f_store(y + p + 16 * l, acc##l);

void THIS(fir_f32)(const float *x, const ptrdiff_t *offset, const float *w, size_t taps, float init,
                   float *y, size_t n)
{
    v16f start = v16f_set(init);
    size_t p = 0;
    for (; p + 16 * V16_UNROLL <= n; p += 16 * V16_UNROLL) {
        EACH(START)
        for (size_t t = 0; t < taps; ++t) {
            const float *from = x + offset[t] + p;
            v16f weight = v16f_set(w[t]);
            EACH(FMA)
        }
        EACH(STORE)
    }
    for (; p + 32 <= n; p += 32) {
        START(0) START(1) for (size_t t = 0; t < taps; ++t)
        {
            const float *from = x + offset[t] + p;
            v16f weight = v16f_set(w[t]);
            FMA(0) FMA(1)
        }
        STORE(0) STORE(1)
    }
    for (; p + 16 <= n; p += 16) {
        START(0)
        for (size_t t = 0; t < taps; ++t) {
            const float *from = x + offset[t] + p;
            v16f weight = v16f_set(w[t]);
            FMA(0)
        }
        STORE(0)
    }
    if (p < n) {
        v16f acc = start;
        for (size_t t = 0; t < taps; ++t)
            acc = v16f_fma(v16f_load_n(x + offset[t] + p, n - p), v16f_set(w[t]), acc);
        v16f_store_n(y + p, n - p, acc);
    }
}

void THIS(fir_max_f32)(const float *x, const ptrdiff_t *offset, size_t taps, float *y, size_t n)
{
    v16f start = v16f_set(-INFINITY);
    size_t p = 0;
    for (; p + 16 * V16_UNROLL <= n; p += 16 * V16_UNROLL) {
        EACH(START)
        for (size_t t = 0; t < taps; ++t) {
            const float *from = x + offset[t] + p;
            EACH(MAX)
        }
        EACH(STORE)
    }
    for (; p + 16 <= n; p += 16) {
        START(0)
        for (size_t t = 0; t < taps; ++t) {
            const float *from = x + offset[t] + p;
            MAX(0)
        }
        STORE(0)
    }
    if (p < n) {
        v16f acc = start;
        for (size_t t = 0; t < taps; ++t)
            acc = v16f_max(acc, v16f_load_n(x + offset[t] + p, n - p));
        v16f_store_n(y + p, n - p, acc);
    }
}

#undef EACH
#undef START
#undef FMA
#undef MAX
#undef STORE
