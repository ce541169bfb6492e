/* SPDX-License-Identifier: Apache-2.0
 *
 * Histogram sums, merging and encoding. A sum holds, per sign and octave, a block of 2^bits(e)
 * counters; when a larger octave appears, the blocks whose resolution falls are folded in place. So
 * a value costs some 5,000 counters a sign whatever its distribution, and the result is a function
 * of the multiset of elements alone. Tried and left out: keeping all 10 bits everywhere (records
 * five times the size, and the bins that the clip searches use are wider than that anyway).
 */
#include "core/quant/histogram.h"

#include <math.h>
#include <string.h>

#include "core/base/bytes.h"

#define HISTOGRAM_MAGIC 0x48583849u /* "I8XH" */
#define HISTOGRAM_VERSION 1
#define OCTAVES 256
#define KEY_SIGN (I8X_HISTOGRAM_KEYS >> 1)

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static int octave_of(float x)
{
    return (int)(bits_of(x) >> 23 & 0xffu);
}

int i8x_histogram_bits(int top, int octave)
{
    int below = top - octave - I8X_HISTOGRAM_FULL_OCTAVES;
    int bits = I8X_HISTOGRAM_MANTISSA_BITS - (below > 0 ? below : 0);
    return bits < I8X_HISTOGRAM_MANTISSA_BITS_MIN ? I8X_HISTOGRAM_MANTISSA_BITS_MIN : bits;
}

void i8x_histogram_sum_init(i8x_histogram_sum *sum)
{
    memset(sum, 0, sizeof *sum);
    sum->top = -1;
}

/* Takes note of a larger octave: folds every block whose resolution falls. */
static void raise_top(i8x_histogram_sum *sum, int top)
{
    if (top <= sum->top)
        return;
    for (int slot = 0; sum->top >= 0 && slot < 2 * OCTAVES; slot++) {
        uint64_t *block = sum->blocks[slot];
        int octave = slot % OCTAVES;
        int before = i8x_histogram_bits(sum->top, octave), after = i8x_histogram_bits(top, octave);
        if (block == NULL || before == after)
            continue;
        size_t fold = (size_t)1 << (before - after), size = (size_t)1 << after;
        for (size_t i = 0; i < size; i++) {
            uint64_t total = 0;
            for (size_t j = 0; j < fold; j++)
                total += block[i * fold + j];
            block[i] = total;
        }
    }
    sum->top = top;
}

static i8x_status block_get(i8x_histogram_sum *sum, int slot, i8x_arena *arena, uint64_t **block)
{
    if (sum->blocks[slot] == NULL) {
        size_t size = (size_t)1 << i8x_histogram_bits(sum->top, slot % OCTAVES);
        sum->blocks[slot] = i8x_arena_array(arena, size, sizeof(uint64_t));
        I8X_TRY(i8x_alloc_check(sum->blocks[slot]));
    }
    *block = sum->blocks[slot];
    return I8X_OK;
}

static void widen(i8x_histogram_sum *sum, uint64_t count, float min, float max)
{
    if (sum->count == 0 || min < sum->min)
        sum->min = min;
    if (sum->count == 0 || max > sum->max)
        sum->max = max;
    sum->count += count;
}

i8x_status i8x_histogram_sum_dense(i8x_histogram_sum *sum, uint32_t *bins, uint64_t count,
                                   float min, float max, i8x_arena *arena)
{
    /* -0 counts as +0; below, only octaves that can be occupied are looked at */
    int highest[2] = {max > 0 ? octave_of(max) : 0, min < 0 ? octave_of(min) : -1};
    raise_top(sum, highest[0] > highest[1] ? highest[0] : highest[1]);
    widen(sum, count, min, max);
    for (int sign = 0; sign < 2; sign++) {
        for (int octave = 0; octave <= highest[sign]; octave++) {
            int slot = sign * OCTAVES + octave;
            uint32_t *dense = bins + ((size_t)slot << I8X_HISTOGRAM_MANTISSA_BITS);
            uint32_t any = 0;
            for (size_t i = 0; i < (size_t)1 << I8X_HISTOGRAM_MANTISSA_BITS; i++)
                any |= dense[i];
            if (any == 0)
                continue;
            uint64_t *block;
            I8X_TRY(block_get(sum, slot, arena, &block));
            int shift = I8X_HISTOGRAM_MANTISSA_BITS - i8x_histogram_bits(sum->top, octave);
            for (size_t i = 0; i < (size_t)1 << I8X_HISTOGRAM_MANTISSA_BITS; i++)
                block[i >> shift] += dense[i];
            memset(dense, 0, sizeof *dense << I8X_HISTOGRAM_MANTISSA_BITS);
        }
    }
    return I8X_OK;
}

i8x_status i8x_histogram_sum_add(i8x_histogram_sum *sum, const i8x_histogram *part,
                                 i8x_arena *arena)
{
    if (part->count == 0)
        return I8X_OK;
    I8X_ENSURE(part->count <= UINT64_MAX - sum->count, I8X_ELIMIT, "histogram counts overflow");
    raise_top(sum, part->top);
    widen(sum, part->count, part->min, part->max);
    for (uint32_t i = 0; i < part->bin_count; i++) {
        int slot = (int)(part->keys[i] >> I8X_HISTOGRAM_MANTISSA_BITS);
        uint32_t mantissa = part->keys[i] & ((1u << I8X_HISTOGRAM_MANTISSA_BITS) - 1);
        int shift = I8X_HISTOGRAM_MANTISSA_BITS - i8x_histogram_bits(sum->top, slot % OCTAVES);
        uint64_t *block;
        I8X_TRY(block_get(sum, slot, arena, &block));
        block[mantissa >> shift] += part->counts[i];
    }
    return I8X_OK;
}

/* Writes the occupied bins of one block; step +1 or -1 through its counters. Returns the new bin
 * count. */
static uint32_t block_list(const i8x_histogram_sum *sum, int slot, bool descending, uint32_t *keys,
                           uint64_t *counts, uint32_t at)
{
    const uint64_t *block = sum->blocks[slot];
    if (block == NULL)
        return at;
    int bits = i8x_histogram_bits(sum->top, slot % OCTAVES);
    uint32_t size = 1u << bits;
    for (uint32_t k = 0; k < size; k++) {
        uint32_t i = descending ? size - 1 - k : k;
        if (block[i] == 0)
            continue;
        if (keys != NULL) {
            keys[at] = ((uint32_t)slot << I8X_HISTOGRAM_MANTISSA_BITS) |
                       i << (I8X_HISTOGRAM_MANTISSA_BITS - bits);
            counts[at] = block[i];
        }
        at++;
    }
    return at;
}

static uint32_t sum_list(const i8x_histogram_sum *sum, uint32_t *keys, uint64_t *counts)
{
    uint32_t at = 0;
    for (int octave = OCTAVES - 1; octave >= 0; octave--)
        at = block_list(sum, OCTAVES + octave, true, keys, counts, at);
    for (int octave = 0; octave < OCTAVES; octave++)
        at = block_list(sum, octave, false, keys, counts, at);
    return at;
}

i8x_status i8x_histogram_sum_finish(const i8x_histogram_sum *sum, int value, i8x_arena *arena,
                                    i8x_histogram *histogram)
{
    uint32_t bin_count = sum_list(sum, NULL, NULL);
    uint32_t *keys = i8x_arena_array(arena, bin_count, sizeof *keys);
    I8X_TRY(i8x_alloc_check(keys));
    uint64_t *counts = i8x_arena_array(arena, bin_count, sizeof *counts);
    I8X_TRY(i8x_alloc_check(counts));
    sum_list(sum, keys, counts);
    *histogram = (i8x_histogram){.value = value,
                                 .min = sum->min,
                                 .max = sum->max,
                                 .count = sum->count,
                                 .top = sum->top < 0 ? 0 : sum->top,
                                 .bin_count = bin_count,
                                 .keys = keys,
                                 .counts = counts};
    return I8X_OK;
}

/* Position of the next unread item of each part, for the merge by ascending value. */
static int next_value(const i8x_histograms *parts, const int *at, int part_count)
{
    int value = -1;
    for (int p = 0; p < part_count; p++) {
        if (at[p] < parts[p].count && (value < 0 || parts[p].items[at[p]].value < value))
            value = parts[p].items[at[p]].value;
    }
    return value;
}

i8x_status i8x_histograms_merge(const i8x_histograms *parts, int part_count, i8x_arena *arena,
                                i8x_histograms *merged)
{
    int *at = i8x_arena_array(arena, (size_t)part_count, sizeof *at);
    I8X_TRY(i8x_alloc_check(at));
    i8x_histogram_sum *sum = i8x_arena_array(arena, 1, sizeof *sum);
    I8X_TRY(i8x_alloc_check(sum));
    *merged = (i8x_histograms){0};
    size_t capacity = 0;
    for (int p = 0; p < part_count; p++) {
        I8X_ENSURE(parts[p].samples <= UINT64_MAX - merged->samples, I8X_ELIMIT,
                   "sample counts overflow");
        merged->samples += parts[p].samples;
        capacity += (size_t)parts[p].count;
    }
    merged->items = i8x_arena_array(arena, capacity, sizeof *merged->items);
    I8X_TRY(i8x_alloc_check(merged->items));
    for (int value; (value = next_value(parts, at, part_count)) >= 0; merged->count++) {
        i8x_histogram_sum_init(sum);
        for (int p = 0; p < part_count; p++) {
            if (at[p] < parts[p].count && parts[p].items[at[p]].value == value)
                I8X_TRY(i8x_histogram_sum_add(sum, &parts[p].items[at[p]++], arena));
        }
        I8X_TRY(i8x_histogram_sum_finish(sum, value, arena, &merged->items[merged->count]));
    }
    return I8X_OK;
}

/* Keys as integers that ascend with the real value. */
static uint32_t rank_of_key(uint32_t key)
{
    return key & KEY_SIGN ? KEY_SIGN - 1 - (key & (KEY_SIGN - 1)) : KEY_SIGN + key;
}

static uint32_t key_of_rank(uint32_t rank)
{
    return rank >= KEY_SIGN ? rank - KEY_SIGN : KEY_SIGN | (KEY_SIGN - 1 - rank);
}

static void histogram_put(i8x_writer *writer, const i8x_histogram *histogram)
{
    i8x_writer_put_varint(writer, (uint64_t)histogram->value);
    i8x_writer_put_f32(writer, histogram->min);
    i8x_writer_put_f32(writer, histogram->max);
    i8x_writer_put_varint(writer, histogram->count);
    i8x_writer_put_u8(writer, (uint8_t)histogram->top);
    i8x_writer_put_varint(writer, histogram->bin_count);
    uint32_t before = 0;
    for (uint32_t i = 0; i < histogram->bin_count; i++) {
        uint32_t rank = rank_of_key(histogram->keys[i]);
        i8x_writer_put_varint(writer, rank - before);
        i8x_writer_put_varint(writer, histogram->counts[i]);
        before = rank;
    }
}

i8x_status i8x_histograms_encode(const i8x_histograms *histograms, i8x_arena *arena,
                                 const uint8_t **bytes, size_t *size_bytes)
{
    i8x_writer writer;
    i8x_writer_init(&writer, NULL, 0);
    i8x_writer_put_u32(&writer, HISTOGRAM_MAGIC);
    i8x_writer_put_u32(&writer, HISTOGRAM_VERSION);
    i8x_writer_put_u64(&writer, histograms->samples);
    i8x_writer_put_u32(&writer, (uint32_t)histograms->count);
    for (int i = 0; i < histograms->count; i++)
        histogram_put(&writer, &histograms->items[i]);
    i8x_status status = i8x_writer_status(&writer);
    if (status == I8X_OK) {
        *size_bytes = writer.size;
        *bytes = i8x_arena_copy(arena, writer.bytes, writer.size);
        status = i8x_alloc_check(*bytes);
    }
    i8x_writer_deinit(&writer);
    return status;
}

/* One bin; checks that it lies on the grid of its octave and behind the one before. */
static void bin_take(i8x_reader *reader, const i8x_histogram *histogram, uint32_t index,
                     uint32_t *rank, uint32_t *keys, uint64_t *counts)
{
    uint64_t delta = i8x_reader_varint(reader), count = i8x_reader_varint(reader);
    uint64_t next = (uint64_t)*rank + delta;
    if ((index > 0 && delta == 0) || next >= I8X_HISTOGRAM_KEYS || count == 0) {
        (void)i8x_reader_fail(reader, "bins do not ascend, are out of range or empty");
        return;
    }
    *rank = (uint32_t)next;
    keys[index] = key_of_rank(*rank);
    counts[index] = count;
    int octave = (int)(keys[index] >> I8X_HISTOGRAM_MANTISSA_BITS) % OCTAVES;
    int shift = I8X_HISTOGRAM_MANTISSA_BITS - i8x_histogram_bits(histogram->top, octave);
    if (octave > histogram->top || (keys[index] & ((1u << shift) - 1)) != 0)
        (void)i8x_reader_fail(reader, "a bin does not lie on the grid");
}

static i8x_status histogram_take(i8x_reader *reader, int value_before, i8x_arena *arena,
                                 i8x_histogram *histogram)
{
    uint64_t value = i8x_reader_varint(reader);
    histogram->min = i8x_reader_f32(reader);
    histogram->max = i8x_reader_f32(reader);
    histogram->count = i8x_reader_varint(reader);
    histogram->top = i8x_reader_u8(reader);
    uint64_t bin_count = i8x_reader_varint(reader);
    if (value > INT32_MAX || (int64_t)value <= value_before || histogram->top > 254 ||
        bin_count > i8x_reader_left(reader) / 2 || !isfinite(histogram->min) ||
        !isfinite(histogram->max) || histogram->min > histogram->max)
        (void)i8x_reader_fail(reader, "bad value, range, octave or bin count");
    I8X_TRY(i8x_reader_status(reader));
    histogram->value = (int)value;
    histogram->bin_count = (uint32_t)bin_count;
    uint32_t *keys = i8x_arena_array(arena, histogram->bin_count, sizeof *keys);
    I8X_TRY(i8x_alloc_check(keys));
    uint64_t *counts = i8x_arena_array(arena, histogram->bin_count, sizeof *counts);
    I8X_TRY(i8x_alloc_check(counts));
    histogram->keys = keys;
    histogram->counts = counts;
    uint32_t rank = 0;
    uint64_t total = 0;
    for (uint32_t i = 0; i < histogram->bin_count && i8x_reader_ok(reader); i++) {
        bin_take(reader, histogram, i, &rank, keys, counts);
        if (i8x_reader_ok(reader) && counts[i] > histogram->count - total)
            (void)i8x_reader_fail(reader, "counts exceed the total");
        total += counts[i];
    }
    I8X_TRY(i8x_reader_status(reader));
    I8X_ENSURE(total == histogram->count, I8X_EFORMAT, "histogram: counts do not add up");
    return I8X_OK;
}

i8x_status i8x_histograms_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                                 i8x_histograms *histograms)
{
    i8x_reader reader;
    i8x_reader_init(&reader, bytes, size_bytes, "histograms");
    uint32_t magic = i8x_reader_u32(&reader), version = i8x_reader_u32(&reader);
    histograms->samples = i8x_reader_u64(&reader);
    uint32_t count = i8x_reader_u32(&reader);
    I8X_TRY(i8x_reader_status(&reader));
    I8X_ENSURE(magic == HISTOGRAM_MAGIC, I8X_EFORMAT, "histograms: not such a record");
    I8X_ENSURE(version == HISTOGRAM_VERSION, I8X_EVERSION, "histograms: version %u", version);
    I8X_ENSURE(count <= I8X_HISTOGRAM_VALUES_MAX, I8X_ELIMIT, "histograms: %u values", count);
    histograms->count = (int)count;
    histograms->items = i8x_arena_array(arena, count, sizeof *histograms->items);
    I8X_TRY(i8x_alloc_check(histograms->items));
    for (uint32_t i = 0; i < count; i++) {
        int before = i > 0 ? histograms->items[i - 1].value : -1;
        I8X_TRY(histogram_take(&reader, before, arena, &histograms->items[i]));
    }
    return i8x_reader_end(&reader);
}

const i8x_histogram *i8x_histograms_find(const i8x_histograms *histograms, int value)
{
    int low = 0, high = histograms->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (histograms->items[middle].value < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < histograms->count && histograms->items[low].value == value
               ? &histograms->items[low]
               : NULL;
}

static double magnitude_of(uint32_t magnitude_key)
{
    uint32_t bits = magnitude_key << 13;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

void i8x_histogram_edges(const i8x_histogram *histogram, uint32_t bin, double *lower, double *upper)
{
    uint32_t key = histogram->keys[bin], magnitude = key & (KEY_SIGN - 1);
    int octave = (int)(magnitude >> I8X_HISTOGRAM_MANTISSA_BITS);
    int shift = I8X_HISTOGRAM_MANTISSA_BITS - i8x_histogram_bits(histogram->top, octave);
    double near = magnitude_of(magnitude);
    /* the bin behind the largest finite one begins at infinity: double the octave's base by hand */
    uint32_t next = magnitude + (1u << shift);
    double far = next >> I8X_HISTOGRAM_MANTISSA_BITS == 255 ? ldexp(1.0, 128) : magnitude_of(next);
    *lower = key & KEY_SIGN ? -far : near;
    *upper = key & KEY_SIGN ? -near : far;
}
