/* SPDX-License-Identifier: Apache-2.0
 *
 * Error: how far the quantized model is from the FP32 one, as partials that merge: squared error
 * and reference sums (double, added in shard order), samples whose argmax agrees, top-1 counts
 * against labels (integers). SQNR [dB] = 10 log10(sum reference^2 / sum (reference - quantized)^2)
 */
#ifndef CORE_QUANT_ERROR_H
#define CORE_QUANT_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/alloc.h"
#include "int8x/tensor.h"

#define I8X_ERROR_OUTPUTS_MAX 1024    /* of a model */
#define I8X_ERROR_PARTIALS_MAX 200000 /* in a record: outputs, or layers */
#define I8X_SQNR_EXACT_DB 999.0       /* SQNR of outputs that are equal bit for bit */

/* Sums over some samples of one output. Plain value. */
typedef struct i8x_error_partial {
    uint64_t samples;
    uint64_t elements;
    double error;        /* sum of (reference - quantized)^2 */
    double reference;    /* sum of reference^2 */
    uint64_t classified; /* samples with a class axis (last dimension > 1 holds all elements of the
                            sample) */
    uint64_t agreed;     /* of those, same argmax; ties go to the lowest index */
    uint64_t labelled;   /* of those, with a label */
    uint64_t right_float, right_quantized;
} i8x_error_partial;

/* Metrics; -1 where there is none. */
typedef struct i8x_error_result {
    double sqnr_db;
    double agreement;
    double top1_float, top1_quantized;
} i8x_error_result;

/** Adds samples of one output: reference and quantized f32 tensors [samples, ...]; labels [samples]
 * or NULL. Sample by sample, so the batch size does not matter. Errors: I8X_ESHAPE, I8X_EDTYPE,
 * I8X_ERANGE (NaN or infinity). */
I8X_FALLIBLE i8x_status i8x_error_add(i8x_error_partial *partial, int64_t samples,
                                      const i8x_tensor *reference, const i8x_tensor *quantized,
                                      const int64_t *labels);
/** into += part; the order of calls is part of the result (doubles). */
void i8x_error_merge(i8x_error_partial *into, const i8x_error_partial *part);
i8x_error_result i8x_error_finish(const i8x_error_partial *partial);
/** Array of partials (one an output, or one a layer) <-> bytes. Errors of decode: I8X_EFORMAT,
 * I8X_EVERSION, I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_error_encode(const i8x_error_partial *partials, int count,
                                         i8x_arena *arena, const uint8_t **bytes,
                                         size_t *size_bytes);
I8X_FALLIBLE i8x_status i8x_error_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                                         i8x_error_partial **partials, int *count);
/** Index of the largest of count values, the lowest one of equals. */
int64_t i8x_error_argmax(const float *values, int64_t count);

#endif
