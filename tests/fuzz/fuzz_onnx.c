/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an ONNX model. What is read must be written, read again, and written to the same
 * bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "int8x/formats.h"

#define LIMIT_BYTES ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static i8x_status gather(void *user, const void *bytes, size_t size)
{
    i8x_writer_put_bytes(user, bytes, size);
    return i8x_writer_status(user);
}

static void write_again(const i8x_graph *graph, i8x_writer *out)
{
    i8x_writer_init(out, NULL, LIMIT_BYTES);
    if (i8x_onnx_write(graph, gather, out) != I8X_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const i8x_model_opts opts = {.limit_bytes = LIMIT_BYTES};
    i8x_graph *graph, *again;
    if (i8x_onnx_read(bytes, size, &opts, &graph) != I8X_OK) {
        if (i8x_last_error()->detail[0] == '\0')
            abort(); /* a refusal without a sentence helps nobody */
        return 0;
    }
    i8x_writer first, second;
    write_again(graph, &first);
    if (i8x_onnx_read(first.bytes, first.size, &opts, &again) != I8X_OK)
        abort();
    write_again(again, &second);
    if (first.size != second.size || memcmp(first.bytes, second.bytes, first.size) != 0)
        abort();
    i8x_graph_free(again);
    i8x_graph_free(graph);
    i8x_writer_deinit(&first);
    i8x_writer_deinit(&second);
    return 0;
}
