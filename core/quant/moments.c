/* SPDX-License-Identifier: Apache-2.0
 *
 * Moments: merging and encoding. The sums are doubles in a fixed order (moments.h), so a record is
 * plain numbers; no attempt is made to shrink it, a shard of a 100-tensor network takes about 1 MB.
 */
#include "core/quant/moments.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/bytes.h"

#define MOMENTS_MAGIC 0x4d583849u /* "I8XM" */
#define MOMENTS_VERSION 1
#define MOMENTS_CHANNEL_BYTES 24 /* two doubles, two floats */

i8x_status i8x_moment_init(i8x_moment *moment, int value, int axis, int64_t channels,
                           i8x_arena *arena)
{
    *moment = (i8x_moment){.value = value, .axis = axis, .channels = channels};
    size_t count = (size_t)channels;
    moment->sum = i8x_arena_array(arena, count, sizeof *moment->sum);
    I8X_TRY(i8x_alloc_check(moment->sum));
    moment->sum_squares = i8x_arena_array(arena, count, sizeof *moment->sum_squares);
    I8X_TRY(i8x_alloc_check(moment->sum_squares));
    moment->min = i8x_arena_array(arena, count, sizeof *moment->min);
    I8X_TRY(i8x_alloc_check(moment->min));
    moment->max = i8x_arena_array(arena, count, sizeof *moment->max);
    return i8x_alloc_check(moment->max);
}

i8x_status i8x_moment_copy(const i8x_moment *from, i8x_arena *arena, i8x_moment *to)
{
    I8X_TRY(i8x_moment_init(to, from->value, from->axis, from->channels, arena));
    size_t count = (size_t)from->channels;
    to->count = from->count;
    memcpy(to->sum, from->sum, count * sizeof *to->sum);
    memcpy(to->sum_squares, from->sum_squares, count * sizeof *to->sum_squares);
    memcpy(to->min, from->min, count * sizeof *to->min);
    memcpy(to->max, from->max, count * sizeof *to->max);
    return I8X_OK;
}

static i8x_status moment_add(i8x_moment *into, const i8x_moment *part)
{
    I8X_ENSURE(
        into->value == part->value && into->axis == part->axis && into->channels == part->channels,
        I8X_ESHAPE, "moments of value %d do not fit those of value %d", part->value, into->value);
    into->count += part->count;
    for (int64_t c = 0; c < into->channels; c++) {
        into->sum[c] += part->sum[c];
        into->sum_squares[c] += part->sum_squares[c];
        into->min[c] = part->min[c] < into->min[c] ? part->min[c] : into->min[c];
        into->max[c] = part->max[c] > into->max[c] ? part->max[c] : into->max[c];
    }
    return I8X_OK;
}

i8x_status i8x_moments_merge(const i8x_moments *parts, int part_count, i8x_arena *arena,
                             i8x_moments *merged)
{
    I8X_ENSURE(part_count > 0, I8X_EARG, "no moments to merge");
    merged->samples = parts[0].samples;
    merged->count = parts[0].count;
    merged->items = i8x_arena_array(arena, (size_t)merged->count, sizeof *merged->items);
    I8X_TRY(i8x_alloc_check(merged->items));
    for (int i = 0; i < merged->count; i++)
        I8X_TRY(i8x_moment_copy(&parts[0].items[i], arena, &merged->items[i]));
    for (int p = 1; p < part_count; p++) {
        I8X_ENSURE(parts[p].count == merged->count, I8X_ESHAPE, "moments of %d and of %d values",
                   merged->count, parts[p].count);
        merged->samples += parts[p].samples;
        for (int i = 0; i < merged->count; i++)
            I8X_TRY(moment_add(&merged->items[i], &parts[p].items[i]));
    }
    return I8X_OK;
}

static void moment_put(i8x_writer *writer, const i8x_moment *moment)
{
    i8x_writer_put_u32(writer, (uint32_t)moment->value);
    i8x_writer_put_u32(writer, (uint32_t)moment->axis);
    i8x_writer_put_u64(writer, (uint64_t)moment->channels);
    i8x_writer_put_u64(writer, moment->count);
    for (int64_t c = 0; c < moment->channels; c++) {
        /* + 0.0 turns -0 into +0: the same sums always give the same bytes */
        i8x_writer_put_f64(writer, moment->sum[c] + 0.0);
        i8x_writer_put_f64(writer, moment->sum_squares[c] + 0.0);
        i8x_writer_put_f32(writer, moment->min[c] + 0.0f);
        i8x_writer_put_f32(writer, moment->max[c] + 0.0f);
    }
}

i8x_status i8x_moments_encode(const i8x_moments *moments, i8x_arena *arena, const uint8_t **bytes,
                              size_t *size_bytes)
{
    i8x_writer writer;
    i8x_writer_init(&writer, NULL, 0);
    i8x_writer_put_u32(&writer, MOMENTS_MAGIC);
    i8x_writer_put_u32(&writer, MOMENTS_VERSION);
    i8x_writer_put_u64(&writer, moments->samples);
    i8x_writer_put_u32(&writer, (uint32_t)moments->count);
    for (int i = 0; i < moments->count; i++)
        moment_put(&writer, &moments->items[i]);
    i8x_status status = i8x_writer_status(&writer);
    if (status == I8X_OK) {
        *size_bytes = writer.size;
        *bytes = i8x_arena_copy(arena, writer.bytes, writer.size);
        status = i8x_alloc_check(*bytes);
    }
    i8x_writer_deinit(&writer);
    return status;
}

static i8x_status moment_take(i8x_reader *reader, int value_before, i8x_arena *arena,
                              i8x_moment *moment)
{
    uint32_t value = i8x_reader_u32(reader), axis = i8x_reader_u32(reader);
    uint64_t channels = i8x_reader_u64(reader), count = i8x_reader_u64(reader);
    if (value > INT32_MAX || (int64_t)value <= value_before || axis >= 8 || channels == 0 ||
        channels > I8X_MOMENTS_CHANNELS_MAX ||
        channels > i8x_reader_left(reader) / MOMENTS_CHANNEL_BYTES)
        (void)i8x_reader_fail(reader, "bad value, axis or channel count");
    I8X_TRY(i8x_reader_status(reader));
    I8X_TRY(i8x_moment_init(moment, (int)value, (int)axis, (int64_t)channels, arena));
    moment->count = count;
    bool finite = true;
    for (uint64_t c = 0; c < channels; c++) {
        moment->sum[c] = i8x_reader_f64(reader);
        moment->sum_squares[c] = i8x_reader_f64(reader);
        moment->min[c] = i8x_reader_f32(reader);
        moment->max[c] = i8x_reader_f32(reader);
        finite = finite && isfinite(moment->sum[c]) && isfinite(moment->sum_squares[c]) &&
                 isfinite(moment->min[c]) && isfinite(moment->max[c]);
    }
    if (!finite)
        (void)i8x_reader_fail(reader, "a moment is not finite");
    return i8x_reader_status(reader);
}

i8x_status i8x_moments_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                              i8x_moments *moments)
{
    i8x_reader reader;
    i8x_reader_init(&reader, bytes, size_bytes, "moments");
    uint32_t magic = i8x_reader_u32(&reader), version = i8x_reader_u32(&reader);
    moments->samples = i8x_reader_u64(&reader);
    uint32_t count = i8x_reader_u32(&reader);
    I8X_TRY(i8x_reader_status(&reader));
    I8X_ENSURE(magic == MOMENTS_MAGIC, I8X_EFORMAT, "moments: not such a record");
    I8X_ENSURE(version == MOMENTS_VERSION, I8X_EVERSION, "moments: version %u", version);
    I8X_ENSURE(count <= I8X_MOMENTS_VALUES_MAX, I8X_ELIMIT, "moments: %u values", count);
    moments->count = (int)count;
    moments->items = i8x_arena_array(arena, count, sizeof *moments->items);
    I8X_TRY(i8x_alloc_check(moments->items));
    for (uint32_t i = 0; i < count; i++) {
        int before = i > 0 ? moments->items[i - 1].value : -1;
        I8X_TRY(moment_take(&reader, before, arena, &moments->items[i]));
    }
    return i8x_reader_end(&reader);
}

const i8x_moment *i8x_moments_find(const i8x_moments *moments, int value)
{
    int low = 0, high = moments->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (moments->items[middle].value < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < moments->count && moments->items[low].value == value ? &moments->items[low] : NULL;
}
