/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX attributes, and the unknown fields of any message.
 *
 * A kind of attribute that we do not read (graphs, sparse tensors, types, tensors of other types)
 * is kept as the bytes it has in the file and written back unchanged.
 */
#include <string.h>

#include "core/base/bytes.h"
#include "core/formats/onnx_parts.h"
#include "onnx.pb-c.h"

#define NAME_SHOWN 80

typedef Int8xOnnx__AttributeProto attr_proto;

/* Files of the first ONNX versions have no type; then the field that is there tells. */
static int32_t type_of(const attr_proto *proto)
{
    if (proto->has_type && proto->type != INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED)
        return proto->type;
    if (proto->has_f)
        return INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
    if (proto->has_i)
        return INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    if (proto->has_s)
        return INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
    if (proto->t != NULL)
        return INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
    if (proto->n_floats > 0)
        return INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
    if (proto->n_ints > 0)
        return INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    if (proto->n_strings > 0)
        return INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
    return INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED;
}

static void make_opaque(const i8x_onnx_source *source, const attr_proto *proto, i8x_attr *attr)
{
    attr->kind = I8X_ATTR_OPAQUE;
    attr->opaque =
        (i8x_bytes_view){source->bytes + proto->int8x_where[0], (size_t)proto->int8x_where[1]};
}

static i8x_status copy_text(i8x_arena *arena, const ProtobufCBinaryData *data, const char **text)
{
    char *copy = i8x_arena_alloc(arena, data->len + 1);
    I8X_TRY(i8x_alloc_check(copy));
    if (data->len > 0)
        memcpy(copy, data->data, data->len);
    copy[data->len] = '\0';
    *text = copy;
    return I8X_OK;
}

/* A string with a zero byte inside cannot be held as text: the attribute stays opaque. */
static bool have_zero_byte(const attr_proto *proto)
{
    for (size_t i = 0; i < proto->n_strings; i++)
        if (proto->strings[i].len > 0 &&
            memchr(proto->strings[i].data, '\0', proto->strings[i].len) != NULL)
            return true;
    return false;
}

static i8x_status read_strings(const i8x_onnx_source *source, const attr_proto *proto,
                               i8x_attr *attr)
{
    if (have_zero_byte(proto)) {
        make_opaque(source, proto, attr);
        return I8X_OK;
    }
    const char **strings = i8x_arena_array(source->arena, proto->n_strings, sizeof *strings);
    I8X_TRY(i8x_alloc_check(strings));
    for (size_t i = 0; i < proto->n_strings; i++)
        I8X_TRY(copy_text(source->arena, &proto->strings[i], &strings[i]));
    attr->kind = I8X_ATTR_STRINGS;
    attr->count = (int)proto->n_strings;
    attr->strings = strings;
    return I8X_OK;
}

static i8x_status read_tensor(const i8x_onnx_source *source, const attr_proto *proto,
                              const char *node, i8x_attr *attr)
{
    I8X_ENSURE(proto->t != NULL, I8X_EFORMAT, "node '%.*s': attribute '%s' has no tensor",
               NAME_SHOWN, node, attr->name);
    if (i8x_onnx_dtype(proto->t->data_type) == I8X_DTYPE_NONE) {
        make_opaque(source, proto, attr);
        return I8X_OK;
    }
    attr->kind = I8X_ATTR_TENSOR;
    return i8x_onnx_tensor_read(source, proto->t, node, false, &attr->tensor);
}

static i8x_status read_content(const i8x_onnx_source *source, const attr_proto *proto,
                               const char *node, i8x_attr *attr)
{
    switch (type_of(proto)) {
    case INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:
        attr->kind = I8X_ATTR_FLOAT;
        attr->f = proto->f; /* 0 where a writer leaves zeros out */
        return I8X_OK;
    case INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
        attr->kind = I8X_ATTR_INT;
        attr->i = proto->i;
        return I8X_OK;
    case INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
        attr->kind = I8X_ATTR_STRING;
        attr->count = (int)proto->s.len;
        return copy_text(source->arena, &proto->s, &attr->s);
    case INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
        return read_tensor(source, proto, node, attr);
    case INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
        attr->kind = I8X_ATTR_FLOATS;
        attr->count = (int)proto->n_floats;
        attr->floats =
            i8x_arena_copy(source->arena, proto->floats, proto->n_floats * sizeof(float));
        return i8x_alloc_check(attr->floats);
    case INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
        attr->kind = I8X_ATTR_INTS;
        attr->count = (int)proto->n_ints;
        attr->ints = i8x_arena_copy(source->arena, proto->ints, proto->n_ints * sizeof(int64_t));
        return i8x_alloc_check(attr->ints);
    case INT8X_ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS:
        return read_strings(source, proto, attr);
    default:
        make_opaque(source, proto, attr);
        return I8X_OK;
    }
}

i8x_status i8x_onnx_attr_read(const i8x_onnx_source *source, const attr_proto *proto,
                              const char *node, i8x_attr *attr)
{
    const char *name = proto->name != NULL ? proto->name : "";
    *attr = (i8x_attr){.name = i8x_arena_string(source->arena, name)};
    I8X_TRY(i8x_alloc_check(attr->name));
    I8X_ENSURE(name[0] != '\0' && strlen(name) <= I8X_GRAPH_NAME_MAX, I8X_EFORMAT,
               "node '%.*s' has an attribute with an empty or too long name", NAME_SHOWN, node);
    I8X_ENSURE(proto->n_int8x_where == 3, I8X_EFORMAT,
               "node '%.*s': attribute '%.40s' is malformed", NAME_SHOWN, node, name);
    if (proto->int8x_where[2] != 0) { /* the scan met content that is not read */
        make_opaque(source, proto, attr);
        return I8X_OK;
    }
    I8X_TRY(read_content(source, proto, node, attr));
    if (attr->kind == I8X_ATTR_OPAQUE)
        return I8X_OK; /* its bytes hold everything */
    return i8x_onnx_extra(source->arena, &proto->base, &attr->extra);
}

i8x_status i8x_onnx_extra(i8x_arena *arena, const ProtobufCMessage *message, i8x_bytes_view *extra)
{
    *extra = (i8x_bytes_view){NULL, 0};
    if (message->n_unknown_fields == 0)
        return I8X_OK;
    i8x_writer writer;
    i8x_writer_init(&writer, NULL, 0);
    for (size_t i = 0; i < message->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &message->unknown_fields[i];
        i8x_writer_put_varint(&writer, (uint64_t)field->tag << 3 | (uint64_t)field->wire_type);
        i8x_writer_put_bytes(&writer, field->data, field->len); /* a length stands in the data */
    }
    i8x_status status = i8x_writer_status(&writer);
    if (status == I8X_OK) {
        extra->data = i8x_arena_copy(arena, writer.bytes, writer.size);
        extra->size = writer.size;
        status = i8x_alloc_check(extra->data);
    }
    i8x_writer_deinit(&writer);
    return status;
}
