/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX parts: what the files of the ONNX reader and writer share. The messages are those that
 * protoc-c makes from onnx.proto; only core/formats/onnx_*.c see into them.
 */
#ifndef CORE_FORMATS_ONNX_PARTS_H
#define CORE_FORMATS_ONNX_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/formats/model_map.h"
#include "core/formats/onnx_scan.h"
#include "core/graph/graph.h"
#include "int8x/alloc.h"
#include "int8x/tensor.h"

#define I8X_ONNX_OPSET_MIN 11
#define I8X_ONNX_OPSET_MAX 22
#define I8X_ONNX_IR_MIN 3 /* the first with opset_import */
#define I8X_ONNX_IR_MAX 14
#define I8X_ONNX_OPSETS_MAX 64
#define I8X_ONNX_METADATA_MAX 10000

struct Int8xOnnx__ModelProto;
struct Int8xOnnx__TensorProto;
struct Int8xOnnx__AttributeProto;
struct ProtobufCMessage;

/* Where bytes of a model come from, and where copies go. */
typedef struct i8x_onnx_source {
    i8x_model_map *map;
    const uint8_t *bytes; /* of the model file */
    size_t size;
    bool external_allowed;
    i8x_arena *arena; /* the graph's */
} i8x_onnx_source;

/** Element type of a TensorProto.DataType; NONE if we do not read it. */
i8x_dtype i8x_onnx_dtype(int32_t data_type);
/** The other way round. */
int32_t i8x_onnx_data_type(i8x_dtype dtype);
/** "BFLOAT16"; a number outside the list gives "unknown". Static. */
const char *i8x_onnx_data_type_name(int32_t data_type);

/**
 * Tensor of a skeleton's TensorProto; name is for sentences. Data stay in the file where alignment
 * allows, else they are copied into the arena. is_weight: NaN, and infinity in more than one
 * element, are refused. Errors: I8X_EUNSUPPORTED (element type, external data), I8X_EFORMAT (dims,
 * lengths), I8X_ERANGE, I8X_ELIMIT.
 */
I8X_FALLIBLE i8x_status i8x_onnx_tensor_read(const i8x_onnx_source *source,
                                             const struct Int8xOnnx__TensorProto *proto,
                                             const char *name, bool is_weight, i8x_tensor *tensor);
/** The whole serialised TensorProto in the file. */
i8x_bytes_view i8x_onnx_tensor_bytes(const i8x_onnx_source *source,
                                     const struct Int8xOnnx__TensorProto *proto);
/** One attribute; node is for sentences. Errors: I8X_EFORMAT, those of i8x_onnx_tensor_read. */
I8X_FALLIBLE i8x_status i8x_onnx_attr_read(const i8x_onnx_source *source,
                                           const struct Int8xOnnx__AttributeProto *proto,
                                           const char *node, i8x_attr *attr);
/** Unknown fields of a message, serialised into the arena. */
I8X_FALLIBLE i8x_status i8x_onnx_extra(i8x_arena *arena, const struct ProtobufCMessage *message,
                                       i8x_bytes_view *extra);
/** Fills an empty graph from a parsed skeleton. */
I8X_FALLIBLE i8x_status i8x_onnx_build(const i8x_onnx_source *source,
                                       const struct Int8xOnnx__ModelProto *model,
                                       const i8x_onnx_counts *counts, i8x_arena *scratch,
                                       i8x_graph *graph);

#endif
