/* SPDX-License-Identifier: Apache-2.0
 *
 * Source: samples [first, first + count) of a set of named arrays that all have the same number of
 * samples. An array is a .npy in memory (a mapped file), or only the byte range of it that holds
 * the samples [from, to): a worker fetches no more than that. Nothing is copied but what is asked
 * for.
 *
 *     i8x_source source; i8x_source_init(&source);
 *     I8X_TRY(i8x_source_add_npy(&source, "input", file.bytes, file.size));
 *     I8X_TRY(i8x_source_read_f32(&source, 0, first, count, values));   // [count, sample shape]
 *
 * Plain value; the bytes belong to the caller. Reading is thread-safe.
 */
#ifndef CORE_DATA_SOURCE_H
#define CORE_DATA_SOURCE_H

#include <stdint.h>

#include "int8x/alloc.h"
#include "int8x/data.h"
#include "int8x/tensor.h"

#define I8X_SOURCE_ARRAYS_MAX I8X_NPZ_ENTRIES_MAX

typedef struct i8x_source_array {
    const char *name;    /* borrowed */
    i8x_dtype dtype;     /* as stored */
    i8x_shape shape;     /* of the whole array; dims[0] = samples of the set */
    const uint8_t *data; /* first byte of sample `from` */
    int64_t from, to;    /* samples that are there */
    uint64_t sample_bytes;
    int64_t sample_elements;
} i8x_source_array;

typedef struct i8x_source {
    i8x_source_array arrays[I8X_SOURCE_ARRAYS_MAX];
    int array_count;
    int64_t samples; /* of the set; 0 = no array yet */
} i8x_source;

void i8x_source_init(i8x_source *source);
/** Adds a whole .npy file. name and bytes are borrowed.
 *  Errors: those of i8x_npy_parse; I8X_ESHAPE (another number of samples), I8X_EEXIST (name),
 * I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_source_add_npy(i8x_source *source, const char *name, const void *bytes,
                                           size_t size_bytes);
/** Adds samples [from, to) of an array whose header was parsed before. bytes: exactly those
 * samples. Errors: I8X_EFORMAT (size), I8X_ERANGE (from, to), I8X_ESHAPE, I8X_EEXIST, I8X_ELIMIT.
 */
I8X_FALLIBLE i8x_status i8x_source_add_range(i8x_source *source, const char *name,
                                             const i8x_npy_info *info, int64_t from, int64_t to,
                                             const void *bytes, size_t size_bytes);
/** Adds every array of a .npz, decompressed into the arena, which bounds what that may take.
 *  Errors: those of i8x_npz_open and i8x_source_add_npy, with the array's name. */
I8X_FALLIBLE i8x_status i8x_source_add_npz(i8x_source *source, const i8x_npz *npz,
                                           i8x_arena *arena);
/** Index of the array of that name, or -1. */
int i8x_source_find(const i8x_source *source, const char *name);
/**
 * Samples [first, first + count) as f32 (value, not scaled): values [count * sample_elements].
 * Errors: I8X_ERANGE (samples that are not there; NaN or infinity: array, sample and element
 * named).
 */
I8X_FALLIBLE i8x_status i8x_source_read_f32(const i8x_source *source, int array, int64_t first,
                                            int64_t count, float *values);
/** The same as whole numbers (labels, token ids). Errors: I8X_ERANGE. */
I8X_FALLIBLE i8x_status i8x_source_read_s64(const i8x_source *source, int array, int64_t first,
                                            int64_t count, int64_t *values);
/** View of the stored bytes of samples [first, first + count). Errors: I8X_ERANGE. */
I8X_FALLIBLE i8x_status i8x_source_view(const i8x_source *source, int array, int64_t first,
                                        int64_t count, const uint8_t **bytes, size_t *size_bytes);

#endif
