/* SPDX-License-Identifier: Apache-2.0
 *
 * Data: arrays of samples. The first axis counts samples. .npy (f32, f16, u8, i8, i32, i64; C
 * order) and .npz (one array per named input). Samples are read by range, so that memory does not
 * grow with the set.
 */
#ifndef INT8X_DATA_H
#define INT8X_DATA_H

#include "int8x/formats.h"
#include "int8x/status.h"
#include "int8x/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define I8X_SAMPLES_MAX ((int64_t)1 << 31)
#define I8X_NPZ_ENTRIES_MAX 64
#define I8X_NPZ_SIZE_MAX ((uint64_t)64 << 30) /* bytes after decompression, all entries */
#define I8X_NPZ_RATIO_MAX 200                 /* decompressed : compressed */

/* Where the samples of one array lie in a file. Plain value. */
typedef struct i8x_npy_info {
    i8x_dtype dtype;
    i8x_shape shape;       /* whole array; dims[0] = samples */
    uint64_t data_offset;  /* byte of the first element */
    uint64_t sample_bytes; /* bytes of one sample */
} i8x_npy_info;

/**
 * Reads the header of a .npy. bytes: the first size_bytes (all, or >= 64 KiB of them) of a file of
 * file_bytes. Errors: I8X_EFORMAT (magic, header, too few or too many data; byte offset),
 * I8X_EUNSUPPORTED (Fortran order, dtype named), I8X_ESHAPE (no sample axis, empty set),
 * I8X_ELIMIT.
 */
I8X_FALLIBLE i8x_status i8x_npy_parse(const void *bytes, size_t size_bytes, uint64_t file_bytes,
                                      i8x_npy_info *info);
/** Writes a .npy header (version 1.0, 64-byte aligned) for tensor and then its data. */
I8X_FALLIBLE i8x_status i8x_npy_write(const i8x_tensor *tensor, i8x_sink_fn sink, void *user);
/** Elements as f32: f16, u8, i8, i32, i64 are converted (value, not scaled). count elements. */
I8X_FALLIBLE i8x_status i8x_npy_to_f32(i8x_dtype dtype, const void *elements, int64_t count,
                                       float *values);
/** Elements as s64 (labels). Floats must be whole numbers. Errors: I8X_EDTYPE, I8X_ERANGE. */
I8X_FALLIBLE i8x_status i8x_npy_to_s64(i8x_dtype dtype, const void *elements, int64_t count,
                                       int64_t *values);

typedef struct i8x_npz i8x_npz;
/** Opens a .npz held in memory (a mapped file), which must stay. Errors: I8X_EFORMAT, I8X_ELIMIT
 * (entries, size, ratio), I8X_EUNSUPPORTED (encrypted, another compression than deflate),
 * I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_npz_open(const void *bytes, size_t size_bytes, i8x_npz **npz);
I8X_EXPORT void i8x_npz_close(i8x_npz *npz);
I8X_EXPORT int i8x_npz_count(const i8x_npz *npz);
/** Name of entry index without ".npy". Borrowed. */
I8X_EXPORT const char *i8x_npz_name(const i8x_npz *npz, int index);
/** Bytes of entry index after decompression, as claimed (and enforced by i8x_npz_extract). */
I8X_EXPORT uint64_t i8x_npz_size_bytes(const i8x_npz *npz, int index);
/** Streams the decompressed .npy of an entry into the sink. Errors: I8X_EFORMAT (damaged, other
 * size than claimed), I8X_ENOMEM, the sink's. One extraction of a file at a time. */
I8X_FALLIBLE i8x_status i8x_npz_extract(const i8x_npz *npz, int index, i8x_sink_fn sink,
                                        void *user);

#ifdef __cplusplus
}
#endif
#endif
