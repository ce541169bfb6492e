/* SPDX-License-Identifier: Apache-2.0
 *
 * Source. All arithmetic on samples and bytes is settled when an array is added, where the header's
 * claims meet the bytes that are there; reading afterwards only checks the range.
 */
#include "core/data/source.h"

#include <string.h>

#include "core/base/checked.h"

#define NAME_SHOWN 60

void i8x_source_init(i8x_source *source)
{
    memset(source, 0, sizeof *source);
}

static i8x_status check_array(const i8x_source *source, const char *name, const i8x_npy_info *info)
{
    I8X_ENSURE(source->array_count < I8X_SOURCE_ARRAYS_MAX, I8X_ELIMIT,
               "a set has more than %d arrays", I8X_SOURCE_ARRAYS_MAX);
    I8X_ENSURE(i8x_source_find(source, name) < 0, I8X_EEXIST, "a set has two arrays '%.*s'",
               NAME_SHOWN, name);
    I8X_ENSURE(source->array_count == 0 || source->samples == info->shape.dims[0], I8X_ESHAPE,
               "array '%.*s' has %lld samples, '%.*s' has %lld", NAME_SHOWN, name,
               (long long)info->shape.dims[0], NAME_SHOWN, source->arrays[0].name,
               (long long)source->samples);
    return I8X_OK;
}

i8x_status i8x_source_add_range(i8x_source *source, const char *name, const i8x_npy_info *info,
                                int64_t from, int64_t to, const void *bytes, size_t size_bytes)
{
    uint64_t wanted;
    I8X_TRY(check_array(source, name, info));
    I8X_ENSURE(from >= 0 && from < to && to <= info->shape.dims[0], I8X_ERANGE,
               "array '%.*s': samples %lld to %lld of %lld", NAME_SHOWN, name, (long long)from,
               (long long)to, (long long)info->shape.dims[0]);
    I8X_ENSURE(!__builtin_mul_overflow(info->sample_bytes, (uint64_t)(to - from), &wanted) &&
                   wanted == size_bytes,
               I8X_EFORMAT, "array '%.*s': %zu bytes were given for %lld samples of %llu",
               NAME_SHOWN, name, size_bytes, (long long)(to - from),
               (unsigned long long)info->sample_bytes);
    const int element_bytes = i8x_dtype_bits(info->dtype) / 8;
    source->arrays[source->array_count++] = (i8x_source_array){
        .name = name,
        .dtype = info->dtype,
        .shape = info->shape,
        .data = bytes,
        .from = from,
        .to = to,
        .sample_bytes = info->sample_bytes,
        .sample_elements = (int64_t)(info->sample_bytes / (uint64_t)element_bytes),
    };
    source->samples = info->shape.dims[0];
    return I8X_OK;
}

i8x_status i8x_source_add_npy(i8x_source *source, const char *name, const void *bytes,
                              size_t size_bytes)
{
    i8x_npy_info info;
    if (i8x_npy_parse(bytes, size_bytes, size_bytes, &info) != I8X_OK)
        return i8x_fail_prefix("array '%.*s': ", NAME_SHOWN, name);
    return i8x_source_add_range(source, name, &info, 0, info.shape.dims[0],
                                (const uint8_t *)bytes + info.data_offset,
                                size_bytes - (size_t)info.data_offset);
}

/* A block of the size that the entry claims; extraction never gives more. */
typedef struct fill {
    uint8_t *bytes;
    size_t filled;
} fill;

static i8x_status fill_more(void *user, const void *bytes, size_t size_bytes)
{
    fill *f = user;
    memcpy(f->bytes + f->filled, bytes, size_bytes);
    f->filled += size_bytes;
    return I8X_OK;
}

i8x_status i8x_source_add_npz(i8x_source *source, const i8x_npz *npz, i8x_arena *arena)
{
    for (int i = 0; i < i8x_npz_count(npz); i++) {
        size_t size;
        fill f = {0};
        I8X_ENSURE(i8x_size_from_u64(i8x_npz_size_bytes(npz, i), &size), I8X_ELIMIT,
                   "array '%.*s' is too large", NAME_SHOWN, i8x_npz_name(npz, i));
        f.bytes = i8x_arena_alloc(arena, size);
        char *name = i8x_arena_string(arena, i8x_npz_name(npz, i));
        I8X_TRY(i8x_alloc_check(f.bytes));
        I8X_TRY(i8x_alloc_check(name));
        I8X_TRY(i8x_npz_extract(npz, i, fill_more, &f));
        I8X_TRY(i8x_source_add_npy(source, name, f.bytes, f.filled));
    }
    return I8X_OK;
}

int i8x_source_find(const i8x_source *source, const char *name)
{
    for (int i = 0; i < source->array_count; i++)
        if (strcmp(source->arrays[i].name, name) == 0)
            return i;
    return -1;
}

i8x_status i8x_source_view(const i8x_source *source, int array, int64_t first, int64_t count,
                           const uint8_t **bytes, size_t *size_bytes)
{
    I8X_ASSERT(array >= 0 && array < source->array_count);
    const i8x_source_array *a = &source->arrays[array];
    I8X_ENSURE(
        count >= 0 && first >= a->from && first <= a->to && count <= a->to - first, I8X_ERANGE,
        "array '%.*s': samples [%lld, +%lld) are asked for, [%lld, %lld) are there", NAME_SHOWN,
        a->name, (long long)first, (long long)count, (long long)a->from, (long long)a->to);
    *bytes = a->data + (uint64_t)(first - a->from) * a->sample_bytes;
    *size_bytes = (size_t)((uint64_t)count * a->sample_bytes);
    return I8X_OK;
}

/* Index of the first element that is NaN or infinite, or count. x - x is 0 for all others. */
static int64_t first_not_finite(const float *values, int64_t count)
{
    int64_t i = 0;
    while (i < count && values[i] - values[i] == 0.0f)
        i++;
    return i;
}

i8x_status i8x_source_read_f32(const i8x_source *source, int array, int64_t first, int64_t count,
                               float *values)
{
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_source_view(source, array, first, count, &bytes, &size));
    const i8x_source_array *a = &source->arrays[array];
    const int64_t elements = count * a->sample_elements;
    I8X_TRY(i8x_npy_to_f32(a->dtype, bytes, elements, values));
    const int64_t bad = first_not_finite(values, elements);
    I8X_ENSURE(bad == elements, I8X_ERANGE, "array '%.*s', sample %lld: element %lld is %s",
               NAME_SHOWN, a->name, (long long)(first + bad / a->sample_elements),
               (long long)(bad % a->sample_elements),
               values[bad] != values[bad] ? "NaN" : "infinite");
    return I8X_OK;
}

i8x_status i8x_source_read_s64(const i8x_source *source, int array, int64_t first, int64_t count,
                               int64_t *values)
{
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_source_view(source, array, first, count, &bytes, &size));
    const i8x_source_array *a = &source->arrays[array];
    for (int64_t i = 0; i < count; i++) { /* sample by sample, so that the sentence can name it */
        const i8x_status status =
            i8x_npy_to_s64(a->dtype, bytes + (uint64_t)i * a->sample_bytes, a->sample_elements,
                           values + i * a->sample_elements);
        if (status != I8X_OK)
            return i8x_fail_prefix("array '%.*s', sample %lld: ", NAME_SHOWN, a->name,
                                   (long long)first + i);
    }
    return I8X_OK;
}
