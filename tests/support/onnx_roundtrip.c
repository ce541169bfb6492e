/* SPDX-License-Identifier: Apache-2.0
 *
 * onnx_roundtrip IN.onnx [OUT.onnx]: reads a model and writes it again; with one argument it only
 * reads. Prints one line of figures; a failure prints status and sentence and exits with the
 * status's code.
 * --external allows external data; --limit BYTES bounds the memory beside the mapping.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/graph/graph.h"
#include "int8x/formats.h"

static int report(i8x_status status)
{
    printf("%s %s\n", i8x_status_name(status), i8x_last_error()->detail);
    return i8x_status_exit_code(status);
}

int main(int argc, char **argv)
{
    i8x_model_opts opts = {0};
    int at = 1;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--external") == 0)
            opts.external_data_allowed = true;
        else if (strcmp(argv[at], "--limit") == 0 && at + 1 < argc)
            opts.limit_bytes = (size_t)strtoull(argv[++at], NULL, 10);
    }
    if (at >= argc) {
        printf("usage: onnx_roundtrip [--external] [--limit BYTES] IN.onnx [OUT.onnx]\n");
        return 2;
    }
    i8x_graph *graph;
    i8x_status status = i8x_onnx_read_file(argv[at], &opts, &graph);
    if (status != I8X_OK)
        return report(status);
    const size_t arena_bytes = i8x_arena_size_bytes(graph->arena);
    const size_t read_rss = i8x_clock_peak_rss_bytes();
    uint64_t size = 0;
    if (at + 1 < argc) {
        status = i8x_onnx_write_file(graph, argv[at + 1], &size, NULL);
        if (status != I8X_OK) {
            i8x_graph_free(graph);
            return report(status);
        }
    }
    printf("OK nodes=%d values=%d inputs=%d outputs=%d written=%llu arena=%zu read_peak_rss=%zu "
           "peak_rss=%zu\n",
           graph->node_count, graph->value_count, graph->input_count, graph->output_count,
           (unsigned long long)size, arena_bytes, read_rss, i8x_clock_peak_rss_bytes());
    i8x_graph_free(graph);
    return 0;
}
