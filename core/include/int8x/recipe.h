/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipe: the options of one job, all of them in fields.def. A plain value: copy it freely. The
 * default recipe is the best one known. JSON lives in proto/json.h; the canonical encoding here is
 * what is hashed.
 *
 *     i8x_recipe r; i8x_recipe_default(&r);
 *     I8X_TRY(i8x_recipe_set(&r, "clip", "mse")); I8X_TRY(i8x_recipe_check(&r));
 */
#ifndef INT8X_RECIPE_H
#define INT8X_RECIPE_H

#include <stddef.h>
#include <stdint.h>

#include "int8x/alloc.h"
#include "int8x/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, text, sentence) */
#define I8X_ROUNDING_LIST(X)                                                                       \
    X(NEAREST, "nearest", "each weight by itself")                                                 \
    X(ADAPTIVE, "adaptive", "least error of the layer's output, weight after weight")
#define I8X_TARGET_LIST(X)                                                                         \
    X(ORT_X86, "ort-x86", "ONNX Runtime on x86: uint8 activations, int8 weights")                  \
    X(ORT_ARM, "ort-arm", "ONNX Runtime on ARM: int8 activations, int8 weights")                   \
    X(TENSORRT, "tensorrt", "TensorRT: int8, every zero point 0, bias not quantized")
#define I8X_CLIP_LIST(X)                                                                           \
    X(AUTO, "auto", "per tensor the best of the others, by the error in the consuming layer")      \
    X(MINMAX, "minmax", "the whole observed range")                                                \
    X(PERCENTILE, "percentile", "cut the tails beyond a percentile")                               \
    X(MSE, "mse", "least mean squared error of the tensor")                                        \
    X(KL, "kl", "least Kullback-Leibler divergence")
#define I8X_EQUALIZE_LIST(X)                                                                       \
    X(NONE, "none", "leave the channels as they are")                                              \
    X(FULL, "full", "through linear chains and Relu, and through Clip where it is exact")
#define I8X_BIAS_CORRECTION_LIST(X)                                                                \
    X(NONE, "none", "leave the biases")                                                            \
    X(SEQUENTIAL, "sequential", "layer after layer in the quantized graph")
#define I8X_WEIGHT_SCALE_LIST(X)                                                                   \
    X(MAX, "max", "largest magnitude of the channel")                                              \
    X(MSE, "mse", "least squared error of the channel, weighted by the input's second moments")

typedef enum i8x_target {
#define X(name, text, sentence) I8X_TARGET_##name,
    I8X_TARGET_LIST(X)
#undef X
        I8X_TARGET_COUNT
} i8x_target;
typedef enum i8x_clip {
#define X(name, text, sentence) I8X_CLIP_##name,
    I8X_CLIP_LIST(X)
#undef X
        I8X_CLIP_COUNT
} i8x_clip;
typedef enum i8x_equalize {
#define X(name, text, sentence) I8X_EQUALIZE_##name,
    I8X_EQUALIZE_LIST(X)
#undef X
        I8X_EQUALIZE_COUNT
} i8x_equalize;
typedef enum i8x_bias_correction {
#define X(name, text, sentence) I8X_BIAS_CORRECTION_##name,
    I8X_BIAS_CORRECTION_LIST(X)
#undef X
        I8X_BIAS_CORRECTION_COUNT
} i8x_bias_correction;
typedef enum i8x_weight_scale {
#define X(name, text, sentence) I8X_WEIGHT_SCALE_##name,
    I8X_WEIGHT_SCALE_LIST(X)
#undef X
        I8X_WEIGHT_SCALE_COUNT
} i8x_weight_scale;
typedef enum i8x_rounding {
#define X(name, text, sentence) I8X_ROUNDING_##name,
    I8X_ROUNDING_LIST(X)
#undef X
        I8X_ROUNDING_COUNT
} i8x_rounding;

/* One member a field of fields.def; TEXT fields are arrays that hold a zero-terminated string. */
typedef struct i8x_recipe {
#define FIELD_ENUM(name, list, def, sentence) int name;
#define FIELD_INT(name, def, min, max, unit, sentence) int64_t name;
#define FIELD_FLOAT(name, def, min, max, unit, sentence) double name;
#define FIELD_TEXT(name, def, max_bytes, sentence) char name[(max_bytes) + 1];
#include "int8x/fields.def"
#undef FIELD_ENUM
#undef FIELD_INT
#undef FIELD_FLOAT
#undef FIELD_TEXT
} i8x_recipe;

typedef enum i8x_field_type {
    I8X_FIELD_ENUM,
    I8X_FIELD_INT,
    I8X_FIELD_FLOAT,
    I8X_FIELD_TEXT
} i8x_field_type;
typedef struct i8x_field_choice {
    const char *text;
    const char *sentence;
} i8x_field_choice;

/* A row of the field table, for help, JSON and docs. */
typedef struct i8x_field {
    const char *name;
    i8x_field_type type;
    const char *def;  /* default as text */
    double min, max;  /* INT, FLOAT; TEXT: max = bytes */
    const char *unit; /* "" if none */
    const char *sentence;
    const i8x_field_choice *choices; /* ENUM */
    int choice_count;
    size_t offset; /* in i8x_recipe */
} i8x_field;

/* How far a field's effect goes. */
typedef enum i8x_reach {
    I8X_REACH_SPEED,  /* memory and time only: part of no result */
    I8X_REACH_REPORT, /* what is evaluated, not the model */
    I8X_REACH_ARTIFACT
} i8x_reach;

/** Thread-safe. */
I8X_EXPORT i8x_reach i8x_field_reach(const i8x_field *field);
/** The table and its length. Static. */
I8X_EXPORT const i8x_field *i8x_fields(int *count);
I8X_EXPORT void i8x_recipe_default(i8x_recipe *recipe);
/** Sets one field from text. Errors: I8X_EARG (unknown field: named, with the nearest name; bad
 * value: the choices), I8X_ERANGE (limits named). */
I8X_FALLIBLE i8x_status i8x_recipe_set(i8x_recipe *recipe, const char *name, const char *text);
/** Value of a field as text into buffer. Errors: I8X_EARG. */
I8X_FALLIBLE i8x_status i8x_recipe_get(const i8x_recipe *recipe, const char *name, char *buffer,
                                       size_t size_bytes);
/** Checks what spans fields (exclude and only both given, shapes syntax ...). Errors: I8X_EARG. */
I8X_FALLIBLE i8x_status i8x_recipe_check(const i8x_recipe *recipe);
/** The one of names with the least edit distance to name (the first of equals); NULL if count is 0.
 * For "did you mean". */
I8X_EXPORT const char *i8x_nearest(const char *name, const char *const *names, int count);

#ifdef __cplusplus
}
#endif
#endif
