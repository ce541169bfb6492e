/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX build: a parsed skeleton becomes a graph, and everything that the wire format does not
 * promise is checked: versions, names, types, dimensions, who produces what.
 *
 * Order: inputs, initializers, outputs of nodes (Constant nodes become constants), then the nodes,
 * so that a node may stand before the ones it reads; i8x_graph_sort brings them in order and finds
 * cycles.
 */
#include <string.h>

#include "core/formats/onnx_parts.h"
#include "onnx.pb-c.h"

#define NAME_SHOWN 80

typedef struct build {
    const i8x_onnx_source *source;
    const Int8xOnnx__ModelProto *model;
    const Int8xOnnx__GraphProto *proto;
    i8x_graph *graph;
    i8x_arena *scratch;
    uint8_t *constant_node; /* [n_node] 1: the node has become a constant */
} build;

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static i8x_status copy_text(i8x_arena *arena, const char *text, const char **copy)
{
    *copy = text == NULL || text[0] == '\0' ? "" : i8x_arena_string(arena, text);
    return i8x_alloc_check(*copy);
}

static const char *plain_domain(const char *domain)
{
    domain = text_or_empty(domain);
    return strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

static i8x_status read_opsets(build *b)
{
    i8x_graph *graph = b->graph;
    const size_t count = b->model->n_opset_import;
    I8X_ENSURE(count <= I8X_ONNX_OPSETS_MAX, I8X_ELIMIT,
               "the model imports %zu opsets, more than %d", count, I8X_ONNX_OPSETS_MAX);
    graph->opsets = i8x_arena_array(graph->arena, count, sizeof *graph->opsets);
    I8X_TRY(i8x_alloc_check(graph->opsets));
    for (size_t i = 0; i < count; i++) {
        const char *domain = plain_domain(b->model->opset_import[i]->domain);
        I8X_ENSURE(i8x_graph_opset(graph, domain) == 0, I8X_EFORMAT,
                   "the model imports the opset '%.*s' twice", NAME_SHOWN, domain);
        I8X_TRY(copy_text(graph->arena, domain, &graph->opsets[i].domain));
        graph->opsets[i].version = b->model->opset_import[i]->version;
        graph->opset_count++;
    }
    const int64_t version = i8x_graph_opset(graph, "");
    I8X_ENSURE(version >= I8X_ONNX_OPSET_MIN && version <= I8X_ONNX_OPSET_MAX, I8X_EVERSION,
               "the model has opset %lld of ai.onnx; %d to %d are known", (long long)version,
               I8X_ONNX_OPSET_MIN, I8X_ONNX_OPSET_MAX);
    return I8X_OK;
}

static i8x_status read_metadata(build *b)
{
    i8x_graph *graph = b->graph;
    const size_t count = b->model->n_metadata_props;
    I8X_ENSURE(count <= I8X_ONNX_METADATA_MAX, I8X_ELIMIT,
               "the model has more than %d metadata entries", I8X_ONNX_METADATA_MAX);
    graph->metadata = i8x_arena_array(graph->arena, count, sizeof *graph->metadata);
    I8X_TRY(i8x_alloc_check(graph->metadata));
    for (size_t i = 0; i < count; i++) {
        I8X_TRY(copy_text(graph->arena, b->model->metadata_props[i]->key, &graph->metadata[i].key));
        I8X_TRY(
            copy_text(graph->arena, b->model->metadata_props[i]->value, &graph->metadata[i].value));
    }
    graph->metadata_count = (int)count;
    return I8X_OK;
}

static i8x_status read_header(build *b)
{
    const Int8xOnnx__ModelProto *model = b->model;
    i8x_graph *graph = b->graph;
    I8X_ENSURE(model->has_ir_version, I8X_EFORMAT, "this is no ONNX model: it has no ir_version");
    I8X_ENSURE(model->ir_version >= I8X_ONNX_IR_MIN && model->ir_version <= I8X_ONNX_IR_MAX,
               I8X_EVERSION, "the model has ir_version %lld; %d to %d are known",
               (long long)model->ir_version, I8X_ONNX_IR_MIN, I8X_ONNX_IR_MAX);
    graph->ir_version = model->ir_version;
    graph->model_version = model->model_version;
    I8X_TRY(copy_text(graph->arena, model->producer_name, &graph->producer_name));
    I8X_TRY(copy_text(graph->arena, model->producer_version, &graph->producer_version));
    I8X_TRY(copy_text(graph->arena, model->domain, &graph->domain));
    I8X_TRY(copy_text(graph->arena, model->doc_string, &graph->doc));
    I8X_TRY(read_opsets(b));
    I8X_TRY(read_metadata(b));
    I8X_TRY(i8x_onnx_extra(graph->arena, &model->base, &graph->extra_model));
    I8X_ENSURE(model->graph != NULL, I8X_EFORMAT, "the model has no graph");
    b->proto = model->graph;
    I8X_ENSURE(b->proto->n_node > 0, I8X_EFORMAT, "the graph is empty: it has no nodes");
    I8X_ENSURE(b->proto->n_output > 0, I8X_EFORMAT, "the graph has no outputs");
    I8X_TRY(copy_text(graph->arena, b->proto->name, &graph->name));
    return I8X_OK;
}

/* A value that nothing may have defined before. */
static i8x_status define_value(build *b, const char *name, int *value)
{
    I8X_ENSURE(name != NULL && name[0] != '\0', I8X_EFORMAT,
               "an input or initializer of the graph has no name");
    const size_t length = strlen(name);
    I8X_ENSURE(length <= I8X_GRAPH_NAME_MAX, I8X_ELIMIT,
               "the name '%.40s...' has %zu bytes, more than %d", name, length, I8X_GRAPH_NAME_MAX);
    I8X_ENSURE(i8x_graph_find_value(b->graph, name) < 0, I8X_EFORMAT,
               "two things in the graph have the name '%.*s'", NAME_SHOWN, name);
    return i8x_graph_add_value(b->graph, name, value);
}

static i8x_status read_dimension(build *b, i8x_value *value, int axis,
                                 const Int8xOnnx__TensorShapeProto__Dimension *dim)
{
    value->shape.dims[axis] = I8X_DIM_UNKNOWN;
    if (dim->value_case == INT8X_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
        text_or_empty(dim->dim_param)[0] != '\0')
        return copy_text(b->graph->arena, dim->dim_param, &value->dim_names[axis]);
    if (dim->value_case != INT8X_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
        return I8X_OK;
    /* -1 stands for "unknown" in files of some exporters */
    I8X_ENSURE(dim->dim_value >= -1, I8X_EFORMAT, "value '%.*s': dimension %d is negative (%lld)",
               NAME_SHOWN, value->name, axis, (long long)dim->dim_value);
    I8X_ENSURE(dim->dim_value <= I8X_ELEMENTS_MAX, I8X_ELIMIT,
               "value '%.*s': dimension %d is too large (%lld)", NAME_SHOWN, value->name, axis,
               (long long)dim->dim_value);
    value->shape.dims[axis] = dim->dim_value;
    return I8X_OK;
}

static i8x_status read_shape(build *b, i8x_value *value, const Int8xOnnx__TensorShapeProto *shape)
{
    I8X_ENSURE(shape->n_dim <= I8X_RANK_MAX, I8X_ELIMIT,
               "value '%.*s' has %zu dimensions, more than %d", NAME_SHOWN, value->name,
               shape->n_dim, I8X_RANK_MAX);
    value->shape_known = true;
    value->shape.rank = (int)shape->n_dim;
    for (size_t i = 0; i < shape->n_dim; i++)
        I8X_TRY(read_dimension(b, value, (int)i, shape->dim[i]));
    return I8X_OK;
}

/* What the file says about a value that is not constant. */
static i8x_status describe_value(build *b, int index, const Int8xOnnx__ValueInfoProto *info)
{
    i8x_value *value = &b->graph->values[index];
    value->has_info = true;
    if (value->data != NULL || value->opaque.size > 0)
        return I8X_OK; /* the data say it */
    I8X_TRY(copy_text(b->graph->arena, info->doc_string, &value->doc));
    I8X_TRY(i8x_onnx_extra(b->graph->arena, &info->base, &value->extra));
    if (info->type == NULL)
        return I8X_OK;
    const Int8xOnnx__TypeProto__Tensor *tensor = info->type->tensor_type;
    value->dtype = tensor != NULL ? i8x_onnx_dtype(tensor->elem_type) : I8X_DTYPE_NONE;
    const bool untyped = tensor != NULL && tensor->elem_type == 0; /* no more known than a shape */
    if (value->dtype == I8X_DTYPE_NONE && !untyped && info->n_int8x_where == 2)
        value->type =
            (i8x_bytes_view){b->source->bytes + info->int8x_where[0], (size_t)info->int8x_where[1]};
    else if (tensor != NULL && tensor->shape != NULL)
        I8X_TRY(read_shape(b, value, tensor->shape));
    return I8X_OK;
}

static i8x_status read_initializer(build *b, const Int8xOnnx__TensorProto *proto)
{
    int value;
    i8x_tensor tensor;
    I8X_TRY(define_value(b, proto->name, &value));
    I8X_TRY(copy_text(b->graph->arena, proto->doc_string, &b->graph->values[value].doc));
    if (i8x_onnx_dtype(proto->data_type) == I8X_DTYPE_NONE) {
        b->graph->values[value].opaque = i8x_onnx_tensor_bytes(b->source, proto);
        return I8X_OK;
    }
    I8X_TRY(i8x_onnx_tensor_read(b->source, proto, proto->name, true, &tensor));
    I8X_TRY(i8x_graph_set_constant(b->graph, value, &tensor, false));
    return i8x_onnx_extra(b->graph->arena, &proto->base, &b->graph->values[value].extra);
}

static i8x_status read_initializers(build *b)
{
    for (size_t i = 0; i < b->proto->n_initializer; i++)
        I8X_TRY(read_initializer(b, b->proto->initializer[i]));
    return I8X_OK;
}

/* Initializers stand already: an input of such a name only has a default value, and is not fed. */
static i8x_status read_inputs(build *b)
{
    for (size_t i = 0; i < b->proto->n_input; i++) {
        const Int8xOnnx__ValueInfoProto *info = b->proto->input[i];
        int value = i8x_graph_find_value(b->graph, text_or_empty(info->name));
        if (value >= 0 && !b->graph->values[value].is_input) {
            I8X_ENSURE(!b->graph->values[value].has_info, I8X_EFORMAT,
                       "two things in the graph have the name '%.*s'", NAME_SHOWN, info->name);
            b->graph->values[value].has_info = true;
            continue;
        }
        I8X_TRY(define_value(b, info->name, &value));
        I8X_TRY(describe_value(b, value, info));
        I8X_TRY(i8x_graph_add_input(b->graph, value));
    }
    return I8X_OK;
}

static i8x_status scalar_or_list(i8x_dtype dtype, int count, bool list, const void *data,
                                 i8x_tensor *tensor)
{
    *tensor = (i8x_tensor){.dtype = dtype, .data = (void *)(uintptr_t)data};
    tensor->shape.rank = list ? 1 : 0;
    tensor->shape.dims[0] = list ? count : 0;
    return I8X_OK;
}

/* Tensor of a Constant node; found is false if it is of a kind that we do not read. */
static i8x_status constant_tensor(build *b, const Int8xOnnx__NodeProto *node, i8x_tensor *tensor,
                                  bool *found)
{
    i8x_attr attr;
    *found = false;
    I8X_ENSURE(node->n_attribute == 1, I8X_EFORMAT, "Constant '%.*s' needs exactly one attribute",
               NAME_SHOWN, node->output[0]);
    const Int8xOnnx__AttributeProto *proto = node->attribute[0];
    if (proto->t != NULL && i8x_onnx_dtype(proto->t->data_type) != I8X_DTYPE_NONE) {
        *found = true;
        return i8x_onnx_tensor_read(b->source, proto->t, node->output[0], true, tensor);
    }
    I8X_TRY(i8x_onnx_attr_read(b->source, proto, node->output[0], &attr));
    i8x_attr *kept = i8x_arena_copy(b->graph->arena, &attr, sizeof attr); /* scalars lie in it */
    I8X_TRY(i8x_alloc_check(kept));
    *found = true;
    if (attr.kind == I8X_ATTR_FLOAT)
        return scalar_or_list(I8X_DTYPE_F32, 1, false, &kept->f, tensor);
    if (attr.kind == I8X_ATTR_INT)
        return scalar_or_list(I8X_DTYPE_S64, 1, false, &kept->i, tensor);
    if (attr.kind == I8X_ATTR_FLOATS)
        return scalar_or_list(I8X_DTYPE_F32, attr.count, true, kept->floats, tensor);
    if (attr.kind == I8X_ATTR_INTS)
        return scalar_or_list(I8X_DTYPE_S64, attr.count, true, kept->ints, tensor);
    *found = false;
    return I8X_OK;
}

static i8x_status read_constant(build *b, size_t index)
{
    const Int8xOnnx__NodeProto *node = b->proto->node[index];
    i8x_tensor tensor;
    bool found;
    int value;
    I8X_ENSURE(node->n_output == 1, I8X_EFORMAT, "a Constant node has %zu outputs", node->n_output);
    I8X_TRY(define_value(b, node->output[0], &value));
    I8X_TRY(constant_tensor(b, node, &tensor, &found));
    if (!found)
        return I8X_OK;
    b->constant_node[index] = 1;
    return i8x_graph_set_constant(b->graph, value, &tensor, false);
}

static bool is_constant_node(const Int8xOnnx__NodeProto *node)
{
    return strcmp(text_or_empty(node->op_type), "Constant") == 0 &&
           plain_domain(node->domain)[0] == '\0';
}

static i8x_status define_outputs(build *b)
{
    b->constant_node = i8x_arena_array(b->scratch, b->proto->n_node, 1);
    I8X_TRY(i8x_alloc_check(b->constant_node));
    for (size_t i = 0; i < b->proto->n_node; i++) {
        const Int8xOnnx__NodeProto *node = b->proto->node[i];
        int value;
        if (is_constant_node(node)) {
            I8X_TRY(read_constant(b, i));
            continue;
        }
        for (size_t k = 0; k < node->n_output; k++)
            if (node->output[k][0] != '\0')
                I8X_TRY(define_value(b, node->output[k], &value));
    }
    return I8X_OK;
}

static const char *node_title(const Int8xOnnx__NodeProto *node)
{
    if (text_or_empty(node->name)[0] != '\0')
        return node->name;
    return node->n_output > 0 && node->output[0][0] != '\0' ? node->output[0]
                                                            : text_or_empty(node->op_type);
}

/* Indices of the named values; "" is an omitted one. */
static i8x_status find_values(build *b, const Int8xOnnx__NodeProto *node, char **names,
                              size_t count, int **list)
{
    I8X_ENSURE(count <= I8X_GRAPH_NODE_IO_MAX, I8X_ELIMIT,
               "node '%.*s' has more than %d inputs or outputs", NAME_SHOWN, node_title(node),
               I8X_GRAPH_NODE_IO_MAX);
    *list = i8x_arena_array(b->scratch, count, sizeof **list);
    I8X_TRY(i8x_alloc_check(*list));
    for (size_t i = 0; i < count; i++) {
        (*list)[i] = I8X_GRAPH_NONE;
        if (names[i][0] == '\0')
            continue;
        (*list)[i] = i8x_graph_find_value(b->graph, names[i]);
        I8X_ENSURE((*list)[i] >= 0, I8X_EFORMAT, "node '%.*s' reads '%.*s', which nothing gives",
                   NAME_SHOWN, node_title(node), NAME_SHOWN, names[i]);
    }
    return I8X_OK;
}

/* Constants whose elements we cannot read may pass by, but not feed an operator of ai.onnx. */
static i8x_status check_readable(build *b, const i8x_node *node)
{
    for (int i = 0; i < node->input_count && node->domain[0] == '\0'; i++) {
        if (node->inputs[i] < 0 || b->graph->values[node->inputs[i]].opaque.size == 0)
            continue;
        for (size_t k = 0; k < b->proto->n_initializer; k++) {
            const Int8xOnnx__TensorProto *proto = b->proto->initializer[k];
            I8X_ENSURE(strcmp(proto->name, b->graph->values[node->inputs[i]].name) != 0,
                       I8X_EUNSUPPORTED, "tensor '%.*s' has elements of type %s (%d)", NAME_SHOWN,
                       proto->name, i8x_onnx_data_type_name(proto->data_type), proto->data_type);
        }
    }
    return I8X_OK;
}

static i8x_status append_captured(build *b, const i8x_onnx_text *name, int *captured, int *count)
{
    char text[I8X_GRAPH_NAME_MAX + 1];
    I8X_ENSURE(name->size <= I8X_GRAPH_NAME_MAX, I8X_ELIMIT,
               "a sub-graph reads a name of %zu bytes", name->size);
    memcpy(text, name->text, name->size);
    text[name->size] = '\0';
    captured[*count] = i8x_graph_find_value(b->graph, text);
    I8X_ENSURE(captured[*count] >= 0, I8X_EFORMAT, "a sub-graph reads '%.*s', which nothing gives",
               NAME_SHOWN, text);
    *count += 1;
    return I8X_OK;
}

/* Values that the sub-graphs of a node read from outside. */
static i8x_status find_captured(build *b, i8x_node *node)
{
    for (int i = 0; i < node->attr_count; i++) {
        const i8x_attr *attr = &node->attrs[i];
        i8x_onnx_text *names;
        size_t found;
        if (attr->kind != I8X_ATTR_OPAQUE)
            continue;
        I8X_TRY(i8x_onnx_scan_captured(attr->opaque.data, attr->opaque.size, b->scratch, &names,
                                       &found));
        if (found == 0)
            continue;
        I8X_ENSURE(found <= I8X_GRAPH_NODE_IO_MAX, I8X_ELIMIT,
                   "the sub-graphs of node '%.*s' read more than %d values", NAME_SHOWN, node->name,
                   I8X_GRAPH_NODE_IO_MAX);
        int *longer =
            i8x_arena_array(b->graph->arena, (size_t)node->captured_count + found, sizeof *longer);
        I8X_TRY(i8x_alloc_check(longer));
        if (node->captured_count > 0)
            memcpy(longer, node->captured, (size_t)node->captured_count * sizeof *longer);
        node->captured = longer;
        for (size_t k = 0; k < found; k++)
            I8X_TRY(append_captured(b, &names[k], node->captured, &node->captured_count));
    }
    return I8X_OK;
}

static i8x_status read_attrs(build *b, const Int8xOnnx__NodeProto *proto, i8x_node *node)
{
    node->attrs = i8x_arena_array(b->graph->arena, proto->n_attribute, sizeof *node->attrs);
    I8X_TRY(i8x_alloc_check(node->attrs));
    for (size_t i = 0; i < proto->n_attribute; i++) {
        I8X_TRY(i8x_onnx_attr_read(b->source, proto->attribute[i], node->name, &node->attrs[i]));
        I8X_ENSURE(i8x_node_attr(node, node->attrs[i].name) == NULL, I8X_EFORMAT,
                   "node '%.*s' has the attribute '%s' twice", NAME_SHOWN, node->name,
                   node->attrs[i].name);
        node->attr_count++;
    }
    return find_captured(b, node);
}

static i8x_status read_node(build *b, const Int8xOnnx__NodeProto *proto)
{
    int *inputs, *outputs, index;
    const char *domain = plain_domain(proto->domain);
    I8X_ENSURE(text_or_empty(proto->op_type)[0] != '\0', I8X_EFORMAT, "node '%.*s' has no operator",
               NAME_SHOWN, node_title(proto));
    I8X_ENSURE(i8x_graph_opset(b->graph, domain) != 0, I8X_EFORMAT,
               "node '%.*s' is of domain '%.*s', which the model does not import", NAME_SHOWN,
               node_title(proto), NAME_SHOWN, domain);
    I8X_TRY(find_values(b, proto, proto->input, proto->n_input, &inputs));
    I8X_TRY(find_values(b, proto, proto->output, proto->n_output, &outputs));
    I8X_TRY(i8x_graph_add_node(b->graph, proto->op_type, domain, proto->name, inputs,
                               (int)proto->n_input, outputs, (int)proto->n_output, &index));
    i8x_node *node = &b->graph->nodes[index];
    I8X_TRY(copy_text(b->graph->arena, proto->doc_string, &node->doc));
    I8X_TRY(i8x_onnx_extra(b->graph->arena, &proto->base, &node->extra));
    I8X_TRY(read_attrs(b, proto, node));
    return check_readable(b, node);
}

static i8x_status read_nodes(build *b)
{
    const i8x_arena_mark mark = i8x_arena_mark_get(b->scratch);
    for (size_t i = 0; i < b->proto->n_node; i++) {
        if (b->constant_node[i])
            continue;
        I8X_TRY(read_node(b, b->proto->node[i]));
        i8x_arena_rewind(b->scratch, mark);
    }
    return I8X_OK;
}

static i8x_status read_outputs(build *b)
{
    for (size_t i = 0; i < b->proto->n_output; i++) {
        const Int8xOnnx__ValueInfoProto *info = b->proto->output[i];
        const int value = i8x_graph_find_value(b->graph, text_or_empty(info->name));
        I8X_ENSURE(value >= 0, I8X_EFORMAT, "nothing gives the graph output '%.*s'", NAME_SHOWN,
                   text_or_empty(info->name));
        I8X_ENSURE(!b->graph->values[value].is_output, I8X_EFORMAT,
                   "the graph returns '%.*s' twice", NAME_SHOWN, info->name);
        if (!b->graph->values[value].is_input)
            I8X_TRY(describe_value(b, value, info));
        I8X_TRY(i8x_graph_add_output(b->graph, value));
    }
    return I8X_OK;
}

/* Descriptions of values of the graph are taken in; one of a value that is not there (exporters
 * leave such behind) stays with the unknown fields of the graph. */
static i8x_status read_value_infos(build *b, i8x_writer *strays)
{
    for (size_t i = 0; i < b->proto->n_value_info; i++) {
        Int8xOnnx__ValueInfoProto *info = b->proto->value_info[i];
        const int value = i8x_graph_find_value(b->graph, text_or_empty(info->name));
        if (value >= 0 && !b->graph->values[value].has_info) {
            I8X_TRY(describe_value(b, value, info));
        } else if (value < 0) {
            info->n_int8x_where = 0;
            const size_t size = protobuf_c_message_get_packed_size(&info->base);
            i8x_writer_put_varint(strays, 13 << 3 | 2);
            i8x_writer_put_varint(strays, size);
            uint8_t *room = i8x_writer_reserve(strays, size);
            if (room != NULL)
                (void)protobuf_c_message_pack(&info->base, room);
        }
    }
    return i8x_writer_status(strays);
}

/* Unknown fields of the graph: its doc string (field 10) travels with them. */
static i8x_status finish_graph_extra(build *b, i8x_writer *strays)
{
    i8x_bytes_view unknown;
    const char *doc = text_or_empty(b->proto->doc_string);
    I8X_TRY(read_value_infos(b, strays));
    if (doc[0] != '\0') {
        i8x_writer_put_varint(strays, 10 << 3 | 2);
        i8x_writer_put_varint(strays, strlen(doc));
        i8x_writer_put_bytes(strays, doc, strlen(doc));
    }
    I8X_TRY(i8x_onnx_extra(b->graph->arena, &b->proto->base, &unknown));
    i8x_writer_put_bytes(strays, unknown.data, unknown.size);
    I8X_TRY(i8x_writer_status(strays));
    b->graph->extra_graph.data = i8x_arena_copy(b->graph->arena, strays->bytes, strays->size);
    b->graph->extra_graph.size = strays->size;
    return i8x_alloc_check(b->graph->extra_graph.data);
}

static i8x_status read_graph_extra(build *b)
{
    i8x_writer strays;
    i8x_writer_init(&strays, NULL, I8X_ONNX_SKELETON_MAX);
    const i8x_status status = finish_graph_extra(b, &strays);
    i8x_writer_deinit(&strays);
    return status;
}

/* Room for what the scan counted, bounded: more outputs than that grow the array. */
static i8x_status reserve(build *b, const i8x_onnx_counts *counts)
{
    const uint64_t values = (uint64_t)counts->initializers + b->proto->n_input + counts->nodes;
    return i8x_graph_reserve(b->graph,
                             values < I8X_GRAPH_VALUES_MAX ? (int)values : I8X_GRAPH_VALUES_MAX,
                             (int)b->proto->n_node);
}

i8x_status i8x_onnx_build(const i8x_onnx_source *source, const Int8xOnnx__ModelProto *model,
                          const i8x_onnx_counts *counts, i8x_arena *scratch, i8x_graph *graph)
{
    build b = {.source = source, .model = model, .graph = graph, .scratch = scratch};
    I8X_TRY(read_header(&b));
    I8X_TRY(reserve(&b, counts));
    I8X_TRY(read_initializers(&b));
    I8X_TRY(read_inputs(&b));
    I8X_TRY(define_outputs(&b));
    I8X_TRY(read_nodes(&b));
    I8X_TRY(read_outputs(&b));
    I8X_TRY(read_graph_extra(&b));
    return i8x_graph_sort(graph);
}
