/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights: codes and scales of the layers: symmetric int8 in [-127, 127], one scale a channel, and
 * the s32 bias. A record of some layers; records of different layers are merged for assembly.
 * bias_correct gives the same kind of record, which replaces the layers it holds.
 */
#ifndef CORE_QUANT_WEIGHTS_H
#define CORE_QUANT_WEIGHTS_H

#include "core/base/threads.h"
#include "core/quant/qspec.h"

/* Quantized numbers of one layer. Arrays live in the arena the record came from. */
typedef struct i8x_qweights {
    int layer; /* index in qspec->layers */
    int64_t channels;
    int64_t elements;
    const float *scale;  /* [channels] > 0 */
    const int8_t *codes; /* [elements], laid out as the weight tensor; NULL: not in this record */
    const float *bias;   /* [channels] real bias (0 where the layer has none), corrected or not */
    const int32_t *bias_codes; /* [channels] round(bias / (s_x * scale)) */
    uint32_t
        scale_raised; /* channels whose scale was enlarged for the bias to fit (dead channels) */
} i8x_qweights;

typedef struct i8x_qweights_set {
    i8x_qweights *items; /* ascending by layer */
    int count;
} i8x_qweights_set;

/**
 * Quantizes the weights of the quantized layers among [layer_begin, layer_end).
 * qspec: solved (input scales bound the bias). moments: of calibration, may be NULL with
 * weight_scale = max. Errors: I8X_ERANGE (NaN or infinity in a weight), I8X_EARG.
 */
I8X_FALLIBLE i8x_status i8x_weights_quantize(const i8x_graph *graph, const i8x_qspec *qspec,
                                             const i8x_recipe *recipe, const i8x_moments *moments,
                                             int layer_begin, int layer_end, i8x_threads *threads,
                                             i8x_arena *arena, i8x_qweights_set *set);
/** All layers of the parts; a later part replaces scale, codes (if it has them) and bias of an
 * earlier one. */
I8X_FALLIBLE i8x_status i8x_weights_merge(const i8x_qweights_set *parts, int part_count,
                                          i8x_arena *arena, i8x_qweights_set *merged);
const i8x_qweights *i8x_weights_find(const i8x_qweights_set *set, int layer);
/** Bytes <-> struct; decoded codes are views into bytes. Errors: I8X_EFORMAT, I8X_EVERSION,
 * I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_weights_encode(const i8x_qweights_set *set, i8x_arena *arena,
                                           const uint8_t **bytes, size_t *size_bytes);
I8X_FALLIBLE i8x_status i8x_weights_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                                           i8x_qweights_set *set);

/** Weights of one output channel. */
int64_t i8x_weights_taps(const i8x_qlayer *layer);
/** One row (output channel) of a layer's weights, in the order of the taps; and codes back into
 * their places. */
void i8x_weights_row_get(const i8x_graph *graph, const i8x_qlayer *layer, int64_t row, float *w);
void i8x_weights_row_put(const i8x_graph *graph, const i8x_qlayer *layer, int64_t row,
                         const int8_t *row_codes, int8_t *codes);
/** w [elements] = scale * codes, laid out as the weight tensor. */
void i8x_weights_real(const i8x_graph *graph, const i8x_qlayer *layer, const int8_t *codes,
                      const float *scale, float *w);
/** Scale of one channel: largest magnitude / 127; > 0 even if all w are 0. */
float i8x_weights_scale_max(const float *w, int64_t count);
/** The share of it with the least sum of power * (error of the code)^2; power NULL = all 1. */
float i8x_weights_scale_mse(const float *w, const double *power, int64_t count);
/** Enlarges scale so that bias / (input_scale * scale) stays below 2^30; true if it had to. */
bool i8x_weights_scale_raise(float *scale, float bias, float input_scale);
/** round(bias / (input_scale * scale)), saturated to +-(2^31 - 1). */
int32_t i8x_weights_bias_code(float bias, float input_scale, float scale);

#endif
