/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX reader: map the file, scan it into a skeleton, parse the skeleton, build the graph. Only the
 * graph and the mapping outlive the call. The parser takes its memory from an arena under the same
 * limit.
 */
#include <string.h>

#include "core/base/bytes.h"
#include "core/formats/onnx_parts.h"
#include "int8x/formats.h"
#include "onnx.pb-c.h"

typedef struct parse_memory {
    i8x_arena *arena;
    bool failed; /* an allocation was refused: tells "no memory" from "malformed" */
} parse_memory;

static void *parse_alloc(void *user, size_t size)
{
    parse_memory *memory = user;
    void *block = i8x_arena_alloc(memory->arena, size);
    memory->failed = memory->failed || block == NULL;
    return block;
}

static void parse_free(void *user, void *block)
{
    (void)user;
    (void)block; /* the arena gives everything back at once */
}

static i8x_status scan_and_parse(const i8x_onnx_source *source, size_t limit_bytes,
                                 i8x_arena *scratch, i8x_onnx_counts *counts,
                                 Int8xOnnx__ModelProto **model)
{
    i8x_writer skeleton;
    const size_t limit = limit_bytes != 0 && limit_bytes < I8X_ONNX_SKELETON_MAX
                             ? limit_bytes
                             : I8X_ONNX_SKELETON_MAX;
    i8x_writer_init(&skeleton, NULL, limit);
    i8x_status status = i8x_onnx_scan(source->bytes, source->size, &skeleton, counts);
    if (status == I8X_OK) {
        parse_memory memory = {scratch, false};
        ProtobufCAllocator allocator = {parse_alloc, parse_free, &memory};
        *model = int8x_onnx__model_proto__unpack(&allocator, skeleton.size, skeleton.bytes);
        if (*model == NULL && memory.failed)
            status = i8x_last_error()->status;
        else if (*model == NULL)
            status = i8x_fail(I8X_EFORMAT, __FILE__, __LINE__,
                              "the model does not follow the ONNX schema");
    }
    i8x_writer_deinit(&skeleton);
    return status;
}

static i8x_status read_into(i8x_model_map *map, const i8x_model_opts *opts, i8x_arena *scratch,
                            i8x_graph *graph)
{
    i8x_onnx_source source = {
        .map = map, .external_allowed = opts->external_data_allowed, .arena = graph->arena};
    i8x_onnx_counts counts;
    Int8xOnnx__ModelProto *model = NULL;
    source.bytes = i8x_model_map_get(map, &source.size);
    I8X_ENSURE(source.size > 0, I8X_EFORMAT, "the model file is empty");
    I8X_TRY(scan_and_parse(&source, opts->limit_bytes, scratch, &counts, &model));
    return i8x_onnx_build(&source, model, &counts, scratch, graph);
}

/* Takes the map: the graph keeps it, or it is freed. */
static i8x_status read_map(i8x_model_map *map, const i8x_model_opts *opts, i8x_graph **graph)
{
    static const i8x_model_opts plain = {0};
    i8x_arena *scratch = NULL;
    i8x_graph *made = NULL;
    opts = opts != NULL ? opts : &plain;
    i8x_status status = i8x_graph_new(opts->limit_bytes, &made);
    if (status == I8X_OK)
        status = i8x_arena_new(NULL, opts->limit_bytes, &scratch);
    if (status == I8X_OK)
        status = read_into(map, opts, scratch, made);
    i8x_arena_free(scratch);
    if (status != I8X_OK) {
        i8x_graph_free(made);
        i8x_model_map_free(map);
        return status;
    }
    made->keep = map;
    made->keep_release = i8x_model_map_free;
    *graph = made;
    return I8X_OK;
}

i8x_status i8x_onnx_read_file(const char *path, const i8x_model_opts *opts, i8x_graph **graph)
{
    i8x_model_map *map;
    I8X_TRY(i8x_model_map_open(path, &map));
    return read_map(map, opts, graph);
}

i8x_status i8x_onnx_read(const void *bytes, size_t size_bytes, const i8x_model_opts *opts,
                         i8x_graph **graph)
{
    i8x_model_map *map;
    I8X_TRY(i8x_model_map_bytes(bytes, size_bytes, &map));
    return read_map(map, opts, graph);
}
