/* SPDX-License-Identifier: Apache-2.0
 *
 * Inspect: what a model file holds: inputs, outputs, layers with shapes, sizes, ranges and work,
 * and what would stand in the way of quantizing it. Works for float models and for QDQ models.
 * Nothing runs.
 *
 *     i8x_arena *arena; i8x_inspection info;
 *     I8X_TRY(i8x_inspect_file("m.onnx", &recipe, arena, &info));
 */
#ifndef INT8X_INSPECT_H
#define INT8X_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "int8x/alloc.h"
#include "int8x/recipe.h"
#include "int8x/status.h"
#include "int8x/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define I8X_INSPECT_PROBLEMS_MAX 1000

/* An input or output of the model; unknown dimensions are I8X_DIM_UNKNOWN. */
typedef struct i8x_inspect_value {
    const char *name;
    i8x_dtype dtype;
    i8x_shape shape;
} i8x_inspect_value;

/* A node with weights. */
typedef struct i8x_inspect_layer {
    const char *node;
    const char *op_type;
    i8x_shape weight_shape;
    i8x_shape output_shape;          /* for one sample */
    i8x_dtype weight_dtype;          /* as stored: f32, or s8 in a QDQ model */
    int64_t weights;                 /* elements */
    uint64_t weight_bytes;           /* as stored, with the scales */
    uint64_t macs;                   /* multiply-accumulates for one sample */
    float weight_min, weight_max;    /* real values */
    int64_t channels, dead_channels; /* output channels, and those whose weights are all 0 */
    bool quantized;                  /* weights and input pass through DequantizeLinear */
    const char *reason;              /* why this recipe would leave it float; "" if it would not */
} i8x_inspect_layer;

typedef struct i8x_inspection {
    const char *producer;
    int64_t ir_version, opset;
    int node_count;
    i8x_inspect_value *inputs;
    int input_count;
    i8x_inspect_value *outputs;
    int output_count;
    i8x_inspect_layer *layers;
    int layer_count;
    const char **problems;
    int problem_count;   /* sentences */
    int quantized_count; /* layers that are quantized in this file */
    uint64_t file_bytes, weight_bytes, macs;
} i8x_inspection;

/** Inspects model bytes; everything goes into the arena. recipe: shapes, target, exclude, only,
 * op_types; NULL = default. What the executor does not support, or a shape that stays open, becomes
 * a problem, not a failure. Errors: those of i8x_onnx_read; I8X_EARG (a glob that matches nothing).
 */
I8X_FALLIBLE i8x_status i8x_inspect_bytes(const void *bytes, size_t size_bytes,
                                          const i8x_recipe *recipe, i8x_arena *arena,
                                          i8x_inspection *inspection);
/** The same for a file (external data beside it is allowed). */
I8X_FALLIBLE i8x_status i8x_inspect_file(const char *path, const i8x_recipe *recipe,
                                         i8x_arena *arena, i8x_inspection *inspection);

#ifdef __cplusplus
}
#endif
#endif
