/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and maxima over taps over blocks of sixteen outputs. A pass keeps V16_UNROLL blocks in
 * registers, so that the chains of several outputs hide the latency of each; one last pass takes
 * the rest, whatever its size: a 7 x 7 plane is all rest. Loading the inputs once and shifting them
 * in registers for neighbouring taps was left out: x is in L1, and the offsets are any.
 */

/* Named accumulators: GCC 12 keeps arrays of vectors on the stack. */
#define BLOCKS_0(f)
#define BLOCKS_1(f) f(0)
#define BLOCKS_2(f) BLOCKS_1(f) f(1)
#define BLOCKS_3(f) BLOCKS_2(f) f(2)
#define BLOCKS_4(f) BLOCKS_3(f) f(3)
#define BLOCKS_5(f) BLOCKS_4(f) f(4)
#define BLOCKS_6(f) BLOCKS_5(f) f(5)
#define BLOCKS_7(f) BLOCKS_6(f) f(6)
#define BLOCKS_8(f) BLOCKS_7(f) f(7)
#if V16_UNROLL == 8
#define EACH BLOCKS_8
#elif V16_UNROLL == 4
#define EACH BLOCKS_4
#else
#define EACH BLOCKS_2
#endif
#define START(l) v16f acc##l = start;
#define FMA(l) acc##l = v16f_fma(v16f_load(from + 16 * l), weight, acc##l);
#define MAX(l) acc##l = v16f_max(acc##l, v16f_load(from + 16 * l));
#define STORE(l) v16f_store(y + 16 * l, acc##l);

/* The last blocks of a fir in one pass: `blocks` whole ones and a part of one. */
#define LAST(blocks)                                                                               \
    static void last_##blocks(const float *x, const ptrdiff_t *offset, const float *w,             \
                              size_t taps, v16f start, float *y, size_t part)                      \
    {                                                                                              \
        BLOCKS_##blocks(START) v16f rest = start;                                                  \
        if (part == 0) {                                                                           \
            for (size_t t = 0; t < taps; ++t) {                                                    \
                const float *from = x + offset[t];                                                 \
                v16f weight = v16f_set(w[t]);                                                      \
                (void)from, (void)weight;                                                          \
                BLOCKS_##blocks(FMA)                                                               \
            }                                                                                      \
            BLOCKS_##blocks(STORE) return;                                                         \
        }                                                                                          \
        for (size_t t = 0; t < taps; ++t) {                                                        \
            const float *from = x + offset[t];                                                     \
            v16f weight = v16f_set(w[t]);                                                          \
            BLOCKS_##blocks(FMA) rest =                                                            \
                v16f_fma(v16f_load_n(from + 16 * (blocks), part), weight, rest);                   \
        }                                                                                          \
        BLOCKS_##blocks(STORE) v16f_store_n(y + 16 * (blocks), part, rest);                        \
    }

LAST(0)
LAST(1)
#if V16_UNROLL >= 4
LAST(2)
LAST(3)
#endif
#if V16_UNROLL == 8
LAST(4)
LAST(5)
LAST(6)
LAST(7)
#endif

typedef void last_fn(const float *x, const ptrdiff_t *offset, const float *w, size_t taps,
                     v16f start, float *y, size_t part);

static last_fn *const last_pass[V16_UNROLL] = {
    last_0, last_1,
#if V16_UNROLL >= 4
    last_2, last_3,
#endif
#if V16_UNROLL == 8
    last_4, last_5, last_6, last_7,
#endif
};

void THIS(fir_f32)(const float *x, const ptrdiff_t *offset, const float *w, size_t taps, float init,
                   float *y, size_t n)
{
    v16f start = v16f_set(init);
    for (; n >= 16 * V16_UNROLL; n -= 16 * V16_UNROLL, x += 16 * V16_UNROLL, y += 16 * V16_UNROLL) {
        EACH(START)
        for (size_t t = 0; t < taps; ++t) {
            const float *from = x + offset[t];
            v16f weight = v16f_set(w[t]);
            EACH(FMA)
        }
        EACH(STORE)
    }
    if (n > 0)
        last_pass[n / 16](x, offset, w, taps, start, y, n % 16);
}

void THIS(fir_max_f32)(const float *x, const ptrdiff_t *offset, size_t taps, float *y, size_t n)
{
    v16f start = v16f_set(-INFINITY);
    for (; n >= 16 * V16_UNROLL; n -= 16 * V16_UNROLL, x += 16 * V16_UNROLL, y += 16 * V16_UNROLL) {
        EACH(START)
        for (size_t t = 0; t < taps; ++t) {
            const float *from = x + offset[t];
            EACH(MAX)
        }
        EACH(STORE)
    }
    for (; n >= 16; n -= 16, x += 16, y += 16) {
        START(0)
        for (size_t t = 0; t < taps; ++t) {
            const float *from = x + offset[t];
            MAX(0)
        }
        STORE(0)
    }
    if (n > 0) {
        v16f acc = start;
        for (size_t t = 0; t < taps; ++t)
            acc = v16f_max(acc, v16f_load_n(x + offset[t], n));
        v16f_store_n(y, n, acc);
    }
}

#undef EACH
#undef START
#undef FMA
#undef MAX
#undef STORE
#undef LAST
#undef BLOCKS_0
#undef BLOCKS_1
#undef BLOCKS_2
#undef BLOCKS_3
#undef BLOCKS_4
#undef BLOCKS_5
#undef BLOCKS_6
#undef BLOCKS_7
#undef BLOCKS_8
