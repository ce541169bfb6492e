/* SPDX-License-Identifier: Apache-2.0
 *
 * Formats: model files. ONNX opset 11 to 22 in and out. The file is mapped and weights stay in the
 * mapping, so reading takes little memory beside the file. Every foreign byte is checked: nesting,
 * sizes, names, types, cycles. Unknown fields, names and metadata survive reading and writing.
 */
#ifndef INT8X_FORMATS_H
#define INT8X_FORMATS_H

#include <stdbool.h>

#include "int8x/digest.h"
#include "int8x/graph.h"
#include "int8x/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define I8X_MODEL_SIZE_MAX ((uint64_t)2 << 30)
#define I8X_MODEL_NESTING_MAX 100

typedef struct i8x_model_opts {
    bool external_data_allowed; /* tensors in files beside the model (command line); false over HTTP
                                 */
    size_t limit_bytes;         /* of memory beside the mapping; 0 = no limit */
} i8x_model_opts;

/**
 * Reads an ONNX model; opts NULL = no external data, no limit. The graph is sorted and structurally
 * verified, not yet inferred. Freed with i8x_graph_free.
 * Errors: I8X_EIO, I8X_ENOENT, I8X_EFORMAT (with byte offset or name), I8X_EUNSUPPORTED,
 * I8X_EVERSION (opset), I8X_ELIMIT, I8X_ERANGE (NaN or infinity in a weight: tensor and index
 * named).
 */
I8X_FALLIBLE i8x_status i8x_onnx_read_file(const char *path, const i8x_model_opts *opts,
                                           i8x_graph **graph);
/** The same from bytes, which must live as long as the graph. */
I8X_FALLIBLE i8x_status i8x_onnx_read(const void *bytes, size_t size_bytes,
                                      const i8x_model_opts *opts, i8x_graph **graph);

/* Receives the file piece by piece, in order. */
typedef i8x_status (*i8x_sink_fn)(void *user, const void *bytes, size_t size_bytes);

/** Writes a model as a stream; the same graph always gives the same bytes. Errors: I8X_ELIMIT (2
 * GiB), the sink's. */
I8X_FALLIBLE i8x_status i8x_onnx_write(const i8x_graph *graph, i8x_sink_fn sink, void *user);
/** Writes to a file (atomically: temporary, fsync, rename). size_bytes and digest may be NULL. */
I8X_FALLIBLE i8x_status i8x_onnx_write_file(const i8x_graph *graph, const char *path,
                                            uint64_t *size_bytes, i8x_digest *digest);

#ifdef __cplusplus
}
#endif
#endif
