/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX scan: walks the wire format of a model before anything else trusts it: bounds, nesting,
 * text, counts. It also makes the skeleton, a copy in which large data fields are replaced by their
 * place in the file (field int8x_where of onnx.proto), so that parsing costs little memory and
 * weights stay where they are.
 */
#ifndef CORE_FORMATS_ONNX_SCAN_H
#define CORE_FORMATS_ONNX_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "int8x/alloc.h"
#include "int8x/status.h"

#define I8X_ONNX_CUT_BYTES 1024        /* data fields of at least this size stay in the file */
#define I8X_ONNX_FIELDS_MAX (1u << 22) /* fields outside data, all messages together */
#define I8X_ONNX_ATTRS_MAX 2000000     /* attributes, all nodes together */
#define I8X_ONNX_NODE_ATTRS_MAX 256    /* attributes of one node */
#define I8X_ONNX_SKELETON_MAX ((size_t)256 << 20)
#define I8X_ONNX_WHERE_FIELD 536870001u /* ours: see onnx.proto */

typedef struct i8x_onnx_counts {
    uint32_t nodes; /* of the main graph; subgraphs are not read */
    uint32_t initializers;
    uint32_t value_infos; /* inputs, outputs and value_info entries */
    uint32_t attrs;
} i8x_onnx_counts;

/**
 * Checks a model and writes its skeleton. skeleton: initialised by the caller.
 * Errors: I8X_EFORMAT (with byte offset), I8X_ELIMIT (nesting, counts), I8X_EUNSUPPORTED
 * (functions, sparse initializers), I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_onnx_scan(const void *bytes, size_t size, i8x_writer *skeleton,
                                      i8x_onnx_counts *counts);

/* A text inside the file, without a closing zero. */
typedef struct i8x_onnx_text {
    const char *text;
    size_t size;
} i8x_onnx_text;

/**
 * Names that the sub-graphs of a serialised AttributeProto read but do not define: values of the
 * graphs around them. bytes: scanned before. The list (names stand once, sorted) lies in arena.
 * Errors: I8X_ENOMEM, I8X_ELIMIT (arena).
 */
I8X_FALLIBLE i8x_status i8x_onnx_scan_captured(const void *bytes, size_t size, i8x_arena *arena,
                                               i8x_onnx_text **names, size_t *count);

#endif
