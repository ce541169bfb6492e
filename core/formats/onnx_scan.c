/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX scan. One table says, for each message, which fields are messages, which are text and which
 * are refused; one recursive walk with a depth limit follows it. Fields that stand in no row are
 * data or unknown to us: they are stepped over.
 *
 * In the skeleton a nested message gets a length of five bytes, padded as the wire format allows,
 * because its size is known only after its content has been written; everything else is copied as
 * it stands. Fields that onnx.proto does not know are copied byte by byte too, so they survive a
 * round trip. A parser without such a scan dies of stack exhaustion on 20,000 nested graphs:
 * protobuf-c has no limit.
 */
#include "core/formats/onnx_scan.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph/graph.h"
#include "int8x/formats.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

typedef enum message {
    MODEL,
    GRAPH,
    NODE,
    ATTR,
    TENSOR,
    VALUE_INFO,
    TYPE,
    TYPE_TENSOR,
    TYPE_LIST,
    TYPE_MAP,
    SHAPE,
    DIM,
    OPSET,
    ENTRY,
    SPARSE,
    TRAINING
} message;

typedef enum role {
    SUB,   /* a message that the skeleton has too */
    CHECK, /* a message that onnx.proto leaves out: checked, copied as it stands */
    TEXT,  /* UTF-8 without a zero byte */
    REFUSE /* detail says why */
} role;

typedef struct field_row {
    uint8_t in; /* message */
    uint8_t field;
    uint8_t role;
    uint8_t sub; /* message */
    const char *detail;
} field_row;

static const field_row FIELD_ROWS[] = {
    {MODEL, 2, TEXT, 0, "producer_name"},
    {MODEL, 3, TEXT, 0, "producer_version"},
    {MODEL, 4, TEXT, 0, "domain"},
    {MODEL, 6, TEXT, 0, "doc_string"},
    {MODEL, 7, SUB, GRAPH, "graph"},
    {MODEL, 8, SUB, OPSET, "opset_import"},
    {MODEL, 14, SUB, ENTRY, "metadata_props"},
    {MODEL, 20, CHECK, TRAINING, "training_info"},
    {MODEL, 25, REFUSE, 0,
     "the model defines functions of its own; inline them first (onnx.inliner)"},
    {GRAPH, 1, SUB, NODE, "node"},
    {GRAPH, 2, TEXT, 0, "name"},
    {GRAPH, 5, SUB, TENSOR, "initializer"},
    {GRAPH, 10, TEXT, 0, "doc_string"},
    {GRAPH, 11, SUB, VALUE_INFO, "input"},
    {GRAPH, 12, SUB, VALUE_INFO, "output"},
    {GRAPH, 13, SUB, VALUE_INFO, "value_info"},
    {GRAPH, 15, REFUSE, 0, "the graph has sparse initializers"},
    {NODE, 1, TEXT, 0, "input"},
    {NODE, 2, TEXT, 0, "output"},
    {NODE, 3, TEXT, 0, "name"},
    {NODE, 4, TEXT, 0, "op_type"},
    {NODE, 5, SUB, ATTR, "attribute"},
    {NODE, 6, TEXT, 0, "doc_string"},
    {NODE, 7, TEXT, 0, "domain"},
    {ATTR, 1, TEXT, 0, "name"},
    {ATTR, 5, SUB, TENSOR, "t"},
    {ATTR, 6, CHECK, GRAPH, "g"},
    {ATTR, 10, CHECK, TENSOR, "tensors"},
    {ATTR, 11, CHECK, GRAPH, "graphs"},
    {ATTR, 14, CHECK, TYPE, "tp"},
    {ATTR, 15, CHECK, TYPE, "type_protos"},
    {ATTR, 21, TEXT, 0, "ref_attr_name"},
    {ATTR, 22, CHECK, SPARSE, "sparse_tensor"},
    {ATTR, 23, CHECK, SPARSE, "sparse_tensors"},
    {TENSOR, 8, TEXT, 0, "name"},
    {TENSOR, 12, TEXT, 0, "doc_string"},
    {TENSOR, 13, SUB, ENTRY, "external_data"},
    {VALUE_INFO, 1, TEXT, 0, "name"},
    {VALUE_INFO, 2, SUB, TYPE, "type"},
    {VALUE_INFO, 3, TEXT, 0, "doc_string"},
    {TYPE, 1, SUB, TYPE_TENSOR, "tensor_type"},
    {TYPE, 4, CHECK, TYPE_LIST, "sequence_type"},
    {TYPE, 5, CHECK, TYPE_MAP, "map_type"},
    {TYPE, 8, CHECK, TYPE_TENSOR, "sparse_tensor_type"},
    {TYPE, 9, CHECK, TYPE_LIST, "optional_type"},
    {TYPE_TENSOR, 2, SUB, SHAPE, "shape"},
    {TYPE_LIST, 1, CHECK, TYPE, "elem_type"},
    {TYPE_MAP, 2, CHECK, TYPE, "value_type"},
    {SHAPE, 1, SUB, DIM, "dim"},
    {DIM, 2, TEXT, 0, "dim_param"},
    {OPSET, 1, TEXT, 0, "domain"},
    {ENTRY, 1, TEXT, 0, "key"},
    {ENTRY, 2, TEXT, 0, "value"},
    {SPARSE, 1, CHECK, TENSOR, "values"},
    {SPARSE, 2, CHECK, TENSOR, "indices"},
    {TRAINING, 1, CHECK, GRAPH, "initialization"},
    {TRAINING, 2, CHECK, GRAPH, "algorithm"},
};
#define FIELD_ROW_COUNT (sizeof FIELD_ROWS / sizeof FIELD_ROWS[0])

/* One field as it stands in the file; all positions are byte offsets of the file. */
typedef struct wire_field {
    uint32_t number;
    uint32_t wire;
    size_t start;   /* of the tag */
    size_t content; /* of the payload: after the tag and, for bytes, after the length */
    size_t end;
} wire_field;

typedef struct scan_work {
    const uint8_t *bytes;
    i8x_writer *out;
    i8x_onnx_counts *counts;
    uint32_t fields;
    uint32_t node_attrs;
} scan_work;

static i8x_status read_varint(const uint8_t *bytes, size_t *at, size_t end, uint64_t *value)
{
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        I8X_ENSURE(*at < end, I8X_EFORMAT, "the model is cut off at byte %zu", *at);
        const uint8_t byte = bytes[(*at)++];
        I8X_ENSURE(shift < 63 || byte <= 1, I8X_EFORMAT, "a number before byte %zu is too long",
                   *at);
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = result;
            return I8X_OK;
        }
    }
    I8X_FAIL(I8X_EFORMAT, "a number before byte %zu is too long", *at);
}

static i8x_status payload_size(const uint8_t *bytes, size_t *at, size_t end, uint32_t wire,
                               uint64_t *size)
{
    size_t probe = *at;
    switch (wire) {
    case WIRE_VARINT:
        I8X_TRY(read_varint(bytes, &probe, end, size));
        *size = probe - *at;
        return I8X_OK;
    case WIRE_64:
        *size = 8;
        return I8X_OK;
    case WIRE_BYTES:
        return read_varint(bytes, at, end, size);
    case WIRE_32:
        *size = 4;
        return I8X_OK;
    default:
        I8X_FAIL(I8X_EFORMAT, "unknown wire type %u at byte %zu", wire, *at);
    }
}

/* Reads tag and extent of the field at `at`, which lies before end. */
static i8x_status read_field(const uint8_t *bytes, size_t at, size_t end, wire_field *field)
{
    uint64_t tag, size;
    field->start = at;
    I8X_TRY(read_varint(bytes, &at, end, &tag));
    I8X_ENSURE(tag >> 3 != 0 && tag >> 3 < (1u << 29), I8X_EFORMAT,
               "impossible field number at byte %zu", field->start);
    field->number = (uint32_t)(tag >> 3);
    field->wire = (uint32_t)(tag & 7);
    I8X_TRY(payload_size(bytes, &at, end, field->wire, &size));
    I8X_ENSURE(size <= end - at, I8X_EFORMAT,
               "the field at byte %zu says %llu bytes where %zu are left", field->start,
               (unsigned long long)size, end - at);
    field->content = at;
    field->end = at + (size_t)size;
    return I8X_OK;
}

static const field_row *find_row(message in, uint32_t number)
{
    for (size_t i = 0; i < FIELD_ROW_COUNT; i++)
        if (FIELD_ROWS[i].in == in && FIELD_ROWS[i].field == number)
            return &FIELD_ROWS[i];
    return NULL;
}

/* Length of the UTF-8 sequence at text (RFC 3629: no overlong forms, no surrogates), 0 if it is
 * none. */
static size_t utf8_length(const uint8_t *text, size_t left)
{
    const uint8_t lead = text[0];
    size_t length = lead < 0x80   ? 1
                    : lead < 0xc2 ? 0
                    : lead < 0xe0 ? 2
                    : lead < 0xf0 ? 3
                    : lead < 0xf5 ? 4
                                  : 0;
    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] > 0x9f) ||
        (lead == 0xf0 && text[1] < 0x90) || (lead == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

static i8x_status check_text(const scan_work *work, const wire_field *field, const char *name)
{
    I8X_ENSURE(field->wire == WIRE_BYTES, I8X_EFORMAT, "%s at byte %zu is no text", name,
               field->start);
    for (size_t at = field->content; at < field->end;) {
        const size_t length = utf8_length(work->bytes + at, field->end - at);
        I8X_ENSURE(length > 0 && work->bytes[at] != 0, I8X_EFORMAT,
                   "%s at byte %zu is not valid UTF-8 text", name, at);
        at += length;
    }
    return I8X_OK;
}

static void copy_field(const scan_work *work, const wire_field *field)
{
    i8x_writer_put_bytes(work->out, work->bytes + field->start, field->end - field->start);
}

static void put_tag(i8x_writer *out, uint32_t number, uint32_t wire)
{
    i8x_writer_put_varint(out, (uint64_t)number << 3 | wire);
}

/* Places of data in the file: `count` numbers as one packed field. */
static void put_where(const scan_work *work, const uint64_t *numbers, int count)
{
    put_tag(work->out, I8X_ONNX_WHERE_FIELD, WIRE_BYTES);
    i8x_writer_put_varint(work->out, (uint64_t)count * 8);
    for (int i = 0; i < count; i++)
        i8x_writer_put_u64(work->out, numbers[i]);
}

#define PADDED_LENGTH 5

static void patch_length(i8x_writer *out, size_t at)
{
    if (out->bytes == NULL || out->size < at + PADDED_LENGTH)
        return; /* the writer has failed, which is asked for at the end */
    size_t size = out->size - at - PADDED_LENGTH;
    for (int i = 0; i < PADDED_LENGTH; i++, size >>= 7)
        out->bytes[at + (size_t)i] = (uint8_t)((size & 0x7f) | (i < PADDED_LENGTH - 1 ? 0x80 : 0));
}

static i8x_status count_one(uint32_t *count, uint32_t limit, const char *what)
{
    *count += 1;
    I8X_ENSURE(*count <= limit, I8X_ELIMIT, "more than %u %s", limit, what);
    return I8X_OK;
}

/* Counts what the graph will need; emit false: inside a sub-graph, which is not built. */
static i8x_status count_message(scan_work *work, message m, message in, bool emit)
{
    if (!emit)
        return I8X_OK;
    if (m == NODE) {
        work->node_attrs = 0;
        return count_one(&work->counts->nodes, I8X_GRAPH_NODES_MAX, "nodes");
    }
    if (m == TENSOR && in == GRAPH)
        return count_one(&work->counts->initializers, I8X_GRAPH_VALUES_MAX, "initializers");
    if (m == VALUE_INFO)
        return count_one(&work->counts->value_infos, 2 * I8X_GRAPH_VALUES_MAX,
                         "value descriptions");
    if (m != ATTR)
        return I8X_OK;
    I8X_TRY(count_one(&work->node_attrs, I8X_ONNX_NODE_ATTRS_MAX, "attributes of one node"));
    return count_one(&work->counts->attrs, I8X_ONNX_ATTRS_MAX, "attributes");
}

static i8x_status walk(scan_work *work, message m, size_t at, size_t end, int depth, bool emit);

static i8x_status walk_sub(scan_work *work, message in, const field_row *row,
                           const wire_field *field, int depth, bool emit)
{
    I8X_ENSURE(field->wire == WIRE_BYTES, I8X_EFORMAT, "%s at byte %zu is no message", row->detail,
               field->start);
    I8X_ENSURE(depth < I8X_MODEL_NESTING_MAX, I8X_ELIMIT,
               "messages are nested deeper than %d at byte %zu", I8X_MODEL_NESTING_MAX,
               field->start);
    I8X_TRY(count_message(work, (message)row->sub, in, emit));
    if (!emit)
        return walk(work, (message)row->sub, field->content, field->end, depth + 1, false);
    if (row->role == CHECK) {
        copy_field(work, field);
        return walk(work, (message)row->sub, field->content, field->end, depth + 1, false);
    }
    put_tag(work->out, field->number, WIRE_BYTES);
    const size_t length_at = work->out->size;
    i8x_writer_put_bytes(work->out, "\0\0\0\0\0", PADDED_LENGTH);
    I8X_TRY(walk(work, (message)row->sub, field->content, field->end, depth + 1, true));
    patch_length(work->out, length_at);
    return i8x_writer_status(work->out);
}

static i8x_status walk_field(scan_work *work, message m, const wire_field *field, int depth,
                             bool emit)
{
    I8X_TRY(count_one(&work->fields, I8X_ONNX_FIELDS_MAX, "fields"));
    I8X_ENSURE(field->number != I8X_ONNX_WHERE_FIELD, I8X_EFORMAT,
               "field number %u at byte %zu is kept for internal use", field->number, field->start);
    const field_row *row = find_row(m, field->number);
    if (row == NULL) {
        if (emit)
            copy_field(work, field);
        return I8X_OK;
    }
    I8X_ENSURE(row->role != REFUSE || !emit, I8X_EUNSUPPORTED, "%s", row->detail);
    if (row->role == SUB || row->role == CHECK)
        return walk_sub(work, m, row, field, depth, emit);
    if (row->role == TEXT)
        I8X_TRY(check_text(work, field, row->detail));
    if (emit)
        copy_field(work, field);
    return I8X_OK;
}

/* Fields of TensorProto that hold elements. */
static bool is_data_field(uint32_t number)
{
    return number == 4 || number == 5 || number == 7 || number == 9 || number == 10;
}

static i8x_status find_cuts(const scan_work *work, size_t at, size_t end, uint8_t seen[16])
{
    for (wire_field field; at < end; at = field.end) {
        I8X_TRY(read_field(work->bytes, at, end, &field));
        if (is_data_field(field.number) && seen[field.number] < 2)
            seen[field.number]++;
    }
    return I8X_OK;
}

/* A data field in one large piece stays in the file. Elements given one by one, or in several
 * pieces (which the wire format allows), are left to the parser. */
static i8x_status walk_tensor(scan_work *work, size_t at, size_t end, int depth)
{
    uint8_t seen[16] = {0};
    uint64_t where[3 * 6];
    int count = 0;
    const size_t start = at;
    I8X_TRY(find_cuts(work, at, end, seen));
    for (wire_field field; at < end; at = field.end) {
        I8X_TRY(read_field(work->bytes, at, end, &field));
        const size_t size = field.end - field.content;
        if (!is_data_field(field.number) || seen[field.number] != 1 || field.wire != WIRE_BYTES ||
            size < I8X_ONNX_CUT_BYTES) {
            I8X_TRY(walk_field(work, TENSOR, &field, depth, true));
            continue;
        }
        where[count++] = field.number;
        where[count++] = field.content;
        where[count++] = size;
    }
    where[count++] = 0;
    where[count++] = start;
    where[count++] = end - start;
    put_where(work, where, count);
    return I8X_OK;
}

static bool is_opaque_field(uint32_t number)
{
    return number == 6 || number == 10 || number == 11 || number == 14 || number == 15 ||
           number == 21 || number == 22 || number == 23;
}

/* An attribute with a kind of content that is not read leaves only its name, type and place. */
static i8x_status walk_attr(scan_work *work, size_t at, size_t end, int depth)
{
    uint64_t where[3] = {at, end - at, 0};
    bool opaque = false;
    for (size_t probe = at; probe < end;) {
        wire_field field;
        I8X_TRY(read_field(work->bytes, probe, end, &field));
        opaque = opaque || is_opaque_field(field.number);
        probe = field.end;
    }
    where[2] = opaque;
    for (wire_field field; at < end; at = field.end) {
        I8X_TRY(read_field(work->bytes, at, end, &field));
        const bool kept = !opaque || field.number == 1 || field.number == 20;
        I8X_TRY(walk_field(work, ATTR, &field, depth, kept));
    }
    put_where(work, where, 3);
    return I8X_OK;
}

static i8x_status walk_value_info(scan_work *work, size_t at, size_t end, int depth)
{
    uint64_t where[2] = {0, 0};
    for (wire_field field; at < end; at = field.end) {
        I8X_TRY(read_field(work->bytes, at, end, &field));
        I8X_TRY(walk_field(work, VALUE_INFO, &field, depth, true));
        if (field.number != 2)
            continue;
        I8X_ENSURE(where[0] == 0, I8X_EFORMAT, "a value has two types at byte %zu", field.start);
        where[0] = field.content;
        where[1] = field.end - field.content;
    }
    put_where(work, where, 2);
    return I8X_OK;
}

/* Recursion ends at I8X_MODEL_NESTING_MAX (walk_sub). */
static i8x_status walk(scan_work *work, message m, size_t at, size_t end, int depth, bool emit)
{
    if (emit && m == TENSOR)
        return walk_tensor(work, at, end, depth);
    if (emit && m == ATTR)
        return walk_attr(work, at, end, depth);
    if (emit && m == VALUE_INFO)
        return walk_value_info(work, at, end, depth);
    for (wire_field field; at < end; at = field.end) {
        I8X_TRY(read_field(work->bytes, at, end, &field));
        I8X_TRY(walk_field(work, m, &field, depth, emit));
    }
    return I8X_OK;
}

i8x_status i8x_onnx_scan(const void *bytes, size_t size, i8x_writer *skeleton,
                         i8x_onnx_counts *counts)
{
    *counts = (i8x_onnx_counts){0};
    scan_work work = {.bytes = bytes, .out = skeleton, .counts = counts};
    I8X_TRY(walk(&work, MODEL, 0, size, 1, true));
    return i8x_writer_status(skeleton);
}

/* Names that a sub-graph defines and reads. A first walk counts, a second one fills. */
typedef struct name_list {
    i8x_onnx_text *names; /* NULL: counting */
    size_t count;
} name_list;

typedef struct capture_work {
    const uint8_t *bytes;
    name_list defined, read;
} capture_work;

static void add_name(name_list *list, const uint8_t *bytes, const wire_field *field)
{
    if (list->names != NULL)
        list->names[list->count] =
            (i8x_onnx_text){(const char *)bytes + field->content, field->end - field->content};
    list->count++;
}

static void note_name(capture_work *work, message m, message in, uint32_t in_field,
                      const wire_field *field)
{
    if (m == NODE && field->number == 1)
        add_name(&work->read, work->bytes, field);
    else if (m == NODE && field->number == 2)
        add_name(&work->defined, work->bytes, field);
    else if (m == TENSOR && in == GRAPH && field->number == 8)
        add_name(&work->defined, work->bytes, field);
    else if (m == VALUE_INFO && field->number == 1 && in_field == 11)
        add_name(&work->defined, work->bytes, field);
    else if (m == VALUE_INFO && field->number == 1 && in_field == 12)
        add_name(&work->read, work->bytes, field);
}

/* The depth was checked by the scan. */
static i8x_status collect(capture_work *work, message m, message in, uint32_t in_field, size_t at,
                          size_t end, int depth)
{
    I8X_ENSURE(depth < I8X_MODEL_NESTING_MAX, I8X_ELIMIT, "messages are nested deeper than %d",
               I8X_MODEL_NESTING_MAX);
    for (wire_field field; at < end; at = field.end) {
        I8X_TRY(read_field(work->bytes, at, end, &field));
        note_name(work, m, in, in_field, &field);
        const field_row *row = find_row(m, field.number);
        const bool inside =
            row != NULL && (row->sub == GRAPH || row->sub == NODE || row->sub == ATTR ||
                            row->sub == TENSOR || row->sub == VALUE_INFO);
        if (inside && (row->role == SUB || row->role == CHECK))
            I8X_TRY(collect(work, (message)row->sub, m, field.number, field.content, field.end,
                            depth + 1));
    }
    return I8X_OK;
}

static int compare_texts(const void *a, const void *b)
{
    const i8x_onnx_text *x = a, *y = b;
    const size_t shorter = x->size < y->size ? x->size : y->size;
    const int order = shorter == 0 ? 0 : memcmp(x->text, y->text, shorter);
    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

static bool is_defined(const name_list *defined, const i8x_onnx_text *name)
{
    return defined->count > 0 &&
           bsearch(name, defined->names, defined->count, sizeof *name, compare_texts) != NULL;
}

i8x_status i8x_onnx_scan_captured(const void *bytes, size_t size, i8x_arena *arena,
                                  i8x_onnx_text **names, size_t *count)
{
    capture_work work = {.bytes = bytes};
    I8X_TRY(collect(&work, ATTR, NODE, 5, 0, size, 0));
    work.defined.names = i8x_arena_array(arena, work.defined.count, sizeof(i8x_onnx_text));
    I8X_TRY(i8x_alloc_check(work.defined.names));
    work.read.names = i8x_arena_array(arena, work.read.count, sizeof(i8x_onnx_text));
    I8X_TRY(i8x_alloc_check(work.read.names));
    work.defined.count = work.read.count = 0;
    I8X_TRY(collect(&work, ATTR, NODE, 5, 0, size, 0));
    if (work.defined.count > 0)
        qsort(work.defined.names, work.defined.count, sizeof(i8x_onnx_text), compare_texts);
    if (work.read.count > 0)
        qsort(work.read.names, work.read.count, sizeof(i8x_onnx_text), compare_texts);
    size_t kept = 0;
    for (size_t i = 0; i < work.read.count; i++) {
        const i8x_onnx_text name = work.read.names[i];
        const bool again = kept > 0 && compare_texts(&name, &work.read.names[kept - 1]) == 0;
        if (name.size > 0 && !again && !is_defined(&work.defined, &name))
            work.read.names[kept++] = name;
    }
    *names = work.read.names;
    *count = kept;
    return I8X_OK;
}
