/* SPDX-License-Identifier: Apache-2.0
 *
 * Histogram on the log grid. A sample of each chunk tells how many zeros to expect. Where they are
 * few, the keys are taken straight from x, two per load. Where they are many (half of what a ReLU
 * leaves), increments of one word would wait for each other: then the zeros are left out by
 * compress_keys() of the including file, and only the keys of the others are counted. Both ways are
 * exact for any input.
 *
 * Left out: compressing always or scanning all of x for zeros first (a third slower without zeros),
 * a branch per value (mispredicted for every other value behind a ReLU), prefetching the bins
 * (slower), several tables (2 MiB each: they leave the caches).
 */
enum { CHUNK = 1024, SAMPLE = 64, MINUS_ZERO = 0x80000000u >> I8X_LOGHIST_SHIFT };

/* Keys of the nonzero values of x[0 .. count) in order; count <= CHUNK, keys has room for CHUNK
 * + 16. Returns how many. */
static size_t compress_keys(const float *x, size_t count, uint32_t *keys);

/* bins[key] += 1 for keys held in the top bits (shift 13) or as they are (shift 0) */
static inline __attribute__((always_inline)) void count_keys(const void *keys, size_t n,
                                                             unsigned shift, uint32_t *bins)
{
    const char *from = keys;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint64_t low, high;
        memcpy(&low, from + 4 * i, sizeof low);
        memcpy(&high, from + 4 * i + 8, sizeof high);
        bins[(uint32_t)low >> shift] += 1;
        bins[low >> (32 + shift)] += 1;
        bins[(uint32_t)high >> shift] += 1;
        bins[high >> (32 + shift)] += 1;
    }
    for (; i < n; ++i) {
        uint32_t key;
        memcpy(&key, from + 4 * i, sizeof key);
        bins[key >> shift] += 1;
    }
}

/* Zeros among SAMPLE of the values x[0 .. CHUNK). */
static size_t sample_zeros(const float *x)
{
    size_t zeros = 0;
    for (size_t i = 0; i < SAMPLE; ++i) {
        uint32_t bits;
        memcpy(&bits, x + i * (CHUNK / SAMPLE), sizeof bits);
        zeros += (bits << 1) == 0;
    }
    return zeros;
}

/* The bin of -0 is shared with the least negative denormals, so -0 is counted value by value. */
static void move_minus_zeros(const float *x, size_t count, uint32_t *bins)
{
    uint32_t minus = 0;
    for (size_t i = 0; i < count; ++i) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        minus += bits == 0x80000000u;
    }
    bins[MINUS_ZERO] -= minus;
    bins[0] += minus;
}

void THIS(loghist_f32)(const float *x, size_t n, uint32_t *bins)
{
    uint32_t keys[CHUNK + 16];
    for (size_t i = 0; i < n; i += CHUNK) {
        size_t count = n - i < CHUNK ? n - i : CHUNK;
        if (count < CHUNK || sample_zeros(x + i) > SAMPLE / 8) {
            size_t used = compress_keys(x + i, count, keys);
            bins[0] += (uint32_t)(count - used);
            count_keys(keys, used, 0, bins);
        } else {
            uint32_t before = bins[MINUS_ZERO];
            count_keys(x + i, CHUNK, I8X_LOGHIST_SHIFT, bins);
            if (bins[MINUS_ZERO] != before)
                move_minus_zeros(x + i, CHUNK, bins);
        }
    }
}
