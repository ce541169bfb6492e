/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX writer. Fields go out in the order of their numbers, unknown ones after them; the same graph
 * gives the same bytes.
 *
 * A length stands before its message on the wire, so the graph is first laid out in memory without
 * the larger weights, which are noted as pieces to be put in between; then everything is streamed,
 * the weights straight from where they lie. (protobuf-c's packer was left out: it needs every
 * message as a structure of its own, with the weights attached, for the same bytes.)
 */
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/file_stream.h"
#include "core/formats/onnx_parts.h"
#include "int8x/formats.h"

#define PIECE_BYTES 1024       /* data of at least this size are not copied */
#define IR_INITIALIZERS_FREE 4 /* before this ir_version every initializer is a graph input too */

enum { VARINT = 0, BYTES = 2, FIXED32 = 5 };
enum {
    ATTR_FLOAT = 1,
    ATTR_INT = 2,
    ATTR_STRING = 3,
    ATTR_TENSOR = 4,
    ATTR_FLOATS = 6,
    ATTR_INTS = 7,
    ATTR_STRINGS = 8
};

/* Data that come between the bytes before and after offset `at` of the graph's layout. */
typedef struct piece {
    size_t at;
    const void *data;
    size_t size;
} piece;

typedef struct layout {
    const i8x_graph *graph;
    i8x_writer out;         /* the GraphProto, pieces left out */
    i8x_writer item;        /* one node, tensor or value description */
    i8x_writer part, inner; /* messages inside it */
    piece *pieces;
    size_t piece_count, piece_capacity;
    uint64_t piece_bytes;
} layout;

static void put_tag(i8x_writer *out, uint32_t field, uint32_t wire)
{
    i8x_writer_put_varint(out, (uint64_t)field << 3 | wire);
}

static void put_int(i8x_writer *out, uint32_t field, int64_t value)
{
    put_tag(out, field, VARINT);
    i8x_writer_put_varint(out, (uint64_t)value);
}

static void put_float(i8x_writer *out, uint32_t field, float value)
{
    put_tag(out, field, FIXED32);
    i8x_writer_put_f32(out, value);
}

static void put_raw(i8x_writer *out, const void *bytes, size_t size)
{
    if (size > 0)
        i8x_writer_put_bytes(out, bytes, size);
}

static void put_bytes(i8x_writer *out, uint32_t field, const void *bytes, size_t size)
{
    put_tag(out, field, BYTES);
    i8x_writer_put_varint(out, size);
    put_raw(out, bytes, size);
}

static void put_text(i8x_writer *out, uint32_t field, const char *text)
{
    put_bytes(out, field, text, strlen(text));
}

static void put_text_if_any(i8x_writer *out, uint32_t field, const char *text)
{
    if (text != NULL && text[0] != '\0')
        put_text(out, field, text);
}

/* A finished message as a field of another one; the message is emptied. */
static i8x_status put_message(i8x_writer *out, uint32_t field, i8x_writer *message)
{
    I8X_TRY(i8x_writer_status(message));
    put_bytes(out, field, message->bytes, message->size);
    i8x_writer_clear(message);
    return i8x_writer_status(out);
}

static void put_dims(i8x_writer *out, const i8x_shape *shape)
{
    for (int i = 0; i < shape->rank; i++)
        put_int(out, 1, shape->dims[i]);
}

static i8x_status put_attr_content(layout *l, const i8x_attr *attr)
{
    i8x_writer *out = &l->part;
    switch (attr->kind) {
    case I8X_ATTR_FLOAT:
        put_float(out, 2, attr->f);
        put_int(out, 20, ATTR_FLOAT);
        break;
    case I8X_ATTR_INT:
        put_int(out, 3, attr->i);
        put_int(out, 20, ATTR_INT);
        break;
    case I8X_ATTR_STRING:
        put_bytes(out, 4, attr->s, (size_t)attr->count);
        put_int(out, 20, ATTR_STRING);
        break;
    case I8X_ATTR_TENSOR:
        put_dims(&l->inner, &attr->tensor.shape);
        put_int(&l->inner, 2, i8x_onnx_data_type(attr->tensor.dtype));
        put_bytes(&l->inner, 9, attr->tensor.data, i8x_tensor_size_bytes(&attr->tensor));
        I8X_TRY(put_message(out, 5, &l->inner));
        put_int(out, 20, ATTR_TENSOR);
        break;
    case I8X_ATTR_FLOATS:
        for (int i = 0; i < attr->count; i++)
            put_float(out, 7, attr->floats[i]);
        put_int(out, 20, ATTR_FLOATS);
        break;
    case I8X_ATTR_INTS:
        for (int i = 0; i < attr->count; i++)
            put_int(out, 8, attr->ints[i]);
        put_int(out, 20, ATTR_INTS);
        break;
    case I8X_ATTR_STRINGS:
        for (int i = 0; i < attr->count; i++)
            put_text(out, 9, attr->strings[i]);
        put_int(out, 20, ATTR_STRINGS);
        break;
    case I8X_ATTR_OPAQUE:
        break; /* put_attr */
    }
    return i8x_writer_status(out);
}

static i8x_status put_attr(layout *l, const i8x_attr *attr)
{
    if (attr->kind == I8X_ATTR_OPAQUE) {
        put_bytes(&l->item, 5, attr->opaque.data, attr->opaque.size);
        return i8x_writer_status(&l->item);
    }
    put_text(&l->part, 1, attr->name);
    I8X_TRY(put_attr_content(l, attr));
    put_raw(&l->part, attr->extra.data, attr->extra.size);
    return put_message(&l->item, 5, &l->part);
}

static void put_names(layout *l, uint32_t field, const int *list, int count)
{
    for (int i = 0; i < count; i++)
        put_text(&l->item, field, list[i] < 0 ? "" : l->graph->values[list[i]].name);
}

static i8x_status put_node(layout *l, const i8x_node *node)
{
    put_names(l, 1, node->inputs, node->input_count);
    put_names(l, 2, node->outputs, node->output_count);
    if (!node->name_made)
        put_text_if_any(&l->item, 3, node->name);
    put_text(&l->item, 4, node->op_type);
    for (int i = 0; i < node->attr_count; i++)
        I8X_TRY(put_attr(l, &node->attrs[i]));
    put_text_if_any(&l->item, 6, node->doc);
    put_text_if_any(&l->item, 7, node->domain);
    put_raw(&l->item, node->extra.data, node->extra.size);
    return put_message(&l->out, 1, &l->item);
}

static i8x_status add_piece(layout *l, size_t at, const void *data, size_t size)
{
    if (l->piece_count == l->piece_capacity) {
        const size_t larger = l->piece_capacity == 0 ? 64 : 2 * l->piece_capacity;
        piece *pieces =
            i8x_alloc_resize(i8x_alloc_heap(), l->pieces, l->piece_capacity * sizeof *pieces,
                             larger * sizeof *pieces);
        I8X_TRY(i8x_alloc_check(pieces));
        l->pieces = pieces;
        l->piece_capacity = larger;
    }
    l->pieces[l->piece_count++] = (piece){at, data, size};
    l->piece_bytes += size;
    return I8X_OK;
}

/* The tensor's fields before its data lie in item, those after it in part. */
static i8x_status put_constant(layout *l, const i8x_value *value)
{
    const i8x_tensor tensor = i8x_value_tensor(value);
    const size_t size = i8x_tensor_size_bytes(&tensor);
    const bool apart = size >= PIECE_BYTES;
    put_dims(&l->item, &value->shape);
    put_int(&l->item, 2, i8x_onnx_data_type(value->dtype));
    put_text(&l->item, 8, value->name);
    put_tag(&l->item, 9, BYTES);
    i8x_writer_put_varint(&l->item, size);
    if (!apart)
        put_raw(&l->item, value->data, size);
    put_text_if_any(&l->part, 12, value->doc);
    put_raw(&l->part, value->extra.data, value->extra.size);
    I8X_TRY(i8x_writer_status(&l->item));
    I8X_TRY(i8x_writer_status(&l->part));
    put_tag(&l->out, 5, BYTES);
    i8x_writer_put_varint(&l->out, l->item.size + (apart ? size : 0) + l->part.size);
    put_raw(&l->out, l->item.bytes, l->item.size);
    if (apart)
        I8X_TRY(add_piece(l, l->out.size, value->data, size));
    put_raw(&l->out, l->part.bytes, l->part.size);
    i8x_writer_clear(&l->item);
    i8x_writer_clear(&l->part);
    return i8x_writer_status(&l->out);
}

static i8x_status put_constants(layout *l)
{
    for (int i = 0; i < l->graph->value_count; i++) {
        const i8x_value *value = &l->graph->values[i];
        if (value->data != NULL)
            I8X_TRY(put_constant(l, value));
        else if (value->opaque.size > 0)
            put_bytes(&l->out, 5, value->opaque.data, value->opaque.size);
    }
    return i8x_writer_status(&l->out);
}

/* A symbolic name outlives the size that a run has bound it to. */
static i8x_status put_dimension(layout *l, const i8x_value *value, int axis)
{
    if (value->dim_names[axis] != NULL)
        put_text(&l->inner, 2, value->dim_names[axis]);
    else if (value->shape.dims[axis] >= 0)
        put_int(&l->inner, 1, value->shape.dims[axis]);
    return put_message(&l->part, 1, &l->inner);
}

/* TypeProto { tensor_type { elem_type, shape { dim ... } } } into inner. */
static i8x_status put_tensor_type(layout *l, const i8x_value *value)
{
    i8x_writer tensor;
    for (int i = 0; value->shape_known && i < value->shape.rank; i++)
        I8X_TRY(put_dimension(l, value, i));
    i8x_writer_init(&tensor, NULL, 0);
    put_int(&tensor, 1, i8x_onnx_data_type(value->dtype));
    i8x_status status = i8x_writer_status(&tensor);
    if (status == I8X_OK && value->shape_known)
        status = put_message(&tensor, 2, &l->part);
    if (status == I8X_OK)
        status = put_message(&l->inner, 1, &tensor);
    i8x_writer_deinit(&tensor);
    return status;
}

static i8x_status put_value_info(layout *l, uint32_t field, const i8x_value *value)
{
    const bool constant = value->data != NULL || value->opaque.size > 0;
    put_text(&l->item, 1, value->name);
    if (value->type.size > 0) {
        put_bytes(&l->item, 2, value->type.data, value->type.size);
    } else if (value->dtype != I8X_DTYPE_NONE || value->shape_known) {
        I8X_TRY(put_tensor_type(l, value));
        I8X_TRY(put_message(&l->item, 2, &l->inner));
    }
    if (!constant) { /* a constant's stand with its tensor */
        put_text_if_any(&l->item, 3, value->doc);
        put_raw(&l->item, value->extra.data, value->extra.size);
    }
    return put_message(&l->out, field, &l->item);
}

static i8x_status put_inputs(layout *l)
{
    const i8x_graph *graph = l->graph;
    for (int i = 0; i < graph->input_count; i++)
        I8X_TRY(put_value_info(l, 11, &graph->values[graph->inputs[i]]));
    for (int i = 0; i < graph->value_count && graph->ir_version < IR_INITIALIZERS_FREE; i++)
        if (graph->values[i].data != NULL)
            I8X_TRY(put_value_info(l, 11, &graph->values[i]));
    return I8X_OK;
}

static i8x_status lay_out_graph(layout *l)
{
    const i8x_graph *graph = l->graph;
    for (int i = 0; i < graph->node_count; i++)
        if (!graph->nodes[i].removed)
            I8X_TRY(put_node(l, &graph->nodes[i]));
    put_text_if_any(&l->out, 2, graph->name);
    I8X_TRY(put_constants(l));
    I8X_TRY(put_inputs(l));
    for (int i = 0; i < graph->output_count; i++)
        I8X_TRY(put_value_info(l, 12, &graph->values[graph->outputs[i]]));
    for (int i = 0; i < graph->value_count; i++) {
        const i8x_value *value = &graph->values[i];
        if (value->has_info && value->producer >= 0 && !value->is_output && value->data == NULL)
            I8X_TRY(put_value_info(l, 13, value));
    }
    put_raw(&l->out, graph->extra_graph.data, graph->extra_graph.size);
    return i8x_writer_status(&l->out);
}

static i8x_status check_size(size_t known, uint64_t graph_size)
{
    I8X_ENSURE(graph_size + known <= I8X_MODEL_SIZE_MAX - 1, I8X_ELIMIT,
               "the model would have %llu bytes, more than the format allows",
               (unsigned long long)(graph_size + known));
    return I8X_OK;
}

static i8x_status send_head(layout *l, uint64_t graph_size, i8x_sink_fn sink, void *user)
{
    const i8x_graph *graph = l->graph;
    i8x_writer *out = &l->item;
    put_int(out, 1, graph->ir_version);
    put_text_if_any(out, 2, graph->producer_name);
    put_text_if_any(out, 3, graph->producer_version);
    put_text_if_any(out, 4, graph->domain);
    if (graph->model_version != 0)
        put_int(out, 5, graph->model_version);
    put_text_if_any(out, 6, graph->doc);
    put_tag(out, 7, BYTES);
    i8x_writer_put_varint(out, graph_size);
    I8X_TRY(i8x_writer_status(out));
    I8X_TRY(check_size(out->size, graph_size));
    I8X_TRY(sink(user, out->bytes, out->size));
    i8x_writer_clear(out);
    return I8X_OK;
}

static i8x_status send_graph(const layout *l, i8x_sink_fn sink, void *user)
{
    size_t at = 0;
    for (size_t i = 0; i < l->piece_count; i++) {
        const piece *p = &l->pieces[i];
        I8X_TRY(sink(user, l->out.bytes + at, p->at - at));
        I8X_TRY(sink(user, p->data, p->size));
        at = p->at;
    }
    return at < l->out.size ? sink(user, l->out.bytes + at, l->out.size - at) : I8X_OK;
}

static i8x_status send_tail(layout *l, i8x_sink_fn sink, void *user)
{
    const i8x_graph *graph = l->graph;
    i8x_writer *out = &l->item;
    for (int i = 0; i < graph->opset_count; i++) {
        put_text_if_any(&l->part, 1, graph->opsets[i].domain);
        put_int(&l->part, 2, graph->opsets[i].version);
        I8X_TRY(put_message(out, 8, &l->part));
    }
    for (int i = 0; i < graph->metadata_count; i++) {
        put_text(&l->part, 1, graph->metadata[i].key);
        put_text(&l->part, 2, graph->metadata[i].value);
        I8X_TRY(put_message(out, 14, &l->part));
    }
    put_raw(out, graph->extra_model.data, graph->extra_model.size);
    I8X_TRY(i8x_writer_status(out));
    return out->size > 0 ? sink(user, out->bytes, out->size) : I8X_OK;
}

static i8x_status write_layout(layout *l, i8x_sink_fn sink, void *user)
{
    I8X_TRY(lay_out_graph(l));
    I8X_TRY(send_head(l, l->out.size + l->piece_bytes, sink, user));
    I8X_TRY(send_graph(l, sink, user));
    return send_tail(l, sink, user);
}

i8x_status i8x_onnx_write(const i8x_graph *graph, i8x_sink_fn sink, void *user)
{
    layout l = {.graph = graph};
    i8x_writer *const writers[] = {&l.out, &l.item, &l.part, &l.inner};
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++)
        i8x_writer_init(writers[i], NULL, (size_t)I8X_MODEL_SIZE_MAX);
    const i8x_status status = write_layout(&l, sink, user);
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++)
        i8x_writer_deinit(writers[i]);
    i8x_alloc_free(i8x_alloc_heap(), l.pieces, l.piece_capacity * sizeof *l.pieces);
    return status;
}

i8x_status i8x_onnx_write_file(const i8x_graph *graph, const char *path, uint64_t *size_bytes,
                               i8x_digest *digest)
{
    i8x_file_stream *stream;
    I8X_TRY(i8x_file_stream_open(path, &stream));
    const i8x_status status = i8x_onnx_write(graph, i8x_file_stream_put, stream);
    return i8x_file_stream_close(stream, status, size_bytes, digest);
}
