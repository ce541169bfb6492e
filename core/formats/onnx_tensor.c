/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX tensor: element types, and the four ways in which a TensorProto holds its elements: raw
 * bytes, a typed list, a place in the mapped file (left there by the scan), or another file.
 *
 * Little endian is the file's order and is demanded of the machine, so raw bytes are used as they
 * are.
 */
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/checked.h"
#include "core/formats/onnx_parts.h"
#include "onnx.pb-c.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ONNX data are used in place");

#define FORGET_BYTES ((size_t)16 << 10) /* pages of larger tensors are given back */
#define NAME_SHOWN 80                   /* characters of a name in a sentence */

typedef Int8xOnnx__TensorProto tensor_proto;

enum { FLOAT_DATA = 4, INT32_DATA = 5, INT64_DATA = 7, RAW_DATA = 9, DOUBLE_DATA = 10 };

typedef struct type_row {
    int32_t data_type;
    i8x_dtype dtype;
    const char *name;
    uint32_t field; /* of the typed list */
} type_row;

static const type_row TYPE_ROWS[] = {
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, I8X_DTYPE_F32, "FLOAT", FLOAT_DATA},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, I8X_DTYPE_U8, "UINT8", INT32_DATA},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__INT8, I8X_DTYPE_S8, "INT8", INT32_DATA},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__UINT16, I8X_DTYPE_U16, "UINT16", INT32_DATA},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__INT16, I8X_DTYPE_S16, "INT16", INT32_DATA},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__INT32, I8X_DTYPE_S32, "INT32", INT32_DATA},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__INT64, I8X_DTYPE_S64, "INT64", INT64_DATA},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__STRING, I8X_DTYPE_NONE, "STRING", 0},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, I8X_DTYPE_BOOL, "BOOL", INT32_DATA},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, I8X_DTYPE_F16, "FLOAT16", INT32_DATA},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, I8X_DTYPE_F64, "DOUBLE", DOUBLE_DATA},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__UINT32, I8X_DTYPE_NONE, "UINT32", 0},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__UINT64, I8X_DTYPE_NONE, "UINT64", 0},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX64, I8X_DTYPE_NONE, "COMPLEX64", 0},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX128, I8X_DTYPE_NONE, "COMPLEX128", 0},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16, I8X_DTYPE_NONE, "BFLOAT16", 0},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E4M3FN, I8X_DTYPE_NONE, "FLOAT8E4M3FN", 0},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E4M3FNUZ, I8X_DTYPE_NONE, "FLOAT8E4M3FNUZ", 0},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E5M2, I8X_DTYPE_NONE, "FLOAT8E5M2", 0},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E5M2FNUZ, I8X_DTYPE_NONE, "FLOAT8E5M2FNUZ", 0},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__UINT4, I8X_DTYPE_U4, "UINT4", INT32_DATA},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__INT4, I8X_DTYPE_S4, "INT4", INT32_DATA},
    {INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT4E2M1, I8X_DTYPE_NONE, "FLOAT4E2M1", 0},
};
#define TYPE_ROW_COUNT (sizeof TYPE_ROWS / sizeof TYPE_ROWS[0])

static const type_row *find_type(int32_t data_type)
{
    for (size_t i = 0; i < TYPE_ROW_COUNT; i++)
        if (TYPE_ROWS[i].data_type == data_type)
            return &TYPE_ROWS[i];
    return NULL;
}

i8x_dtype i8x_onnx_dtype(int32_t data_type)
{
    const type_row *row = find_type(data_type);
    return row != NULL ? row->dtype : I8X_DTYPE_NONE;
}

int32_t i8x_onnx_data_type(i8x_dtype dtype)
{
    for (size_t i = 0; i < TYPE_ROW_COUNT && dtype != I8X_DTYPE_NONE; i++)
        if (TYPE_ROWS[i].dtype == dtype)
            return TYPE_ROWS[i].data_type;
    return INT8X_ONNX__TENSOR_PROTO__DATA_TYPE__UNDEFINED;
}

const char *i8x_onnx_data_type_name(int32_t data_type)
{
    const type_row *row = find_type(data_type);
    return row != NULL ? row->name : "unknown";
}

/* Elements of one tensor, wherever they are. */
typedef struct data_place {
    uint32_t field;       /* RAW_DATA or a typed list; 0 = none */
    bool in_file;         /* bytes of the model file or of an external one; they stay */
    const uint8_t *bytes; /* raw bytes, or a packed list as it stands in the file */
    size_t size;
    size_t count; /* elements of a list that the parser has decoded (bytes is NULL then) */
} data_place;

static i8x_status set_place(const char *name, data_place *place, data_place found)
{
    I8X_ENSURE(place->field == 0, I8X_EFORMAT, "tensor '%.*s' has its data in two fields",
               NAME_SHOWN, name);
    *place = found;
    return I8X_OK;
}

static i8x_status find_inline(const tensor_proto *proto, const char *name, data_place *place)
{
    const struct {
        uint32_t field;
        size_t count;
    } lists[] = {
        {FLOAT_DATA, proto->n_float_data},
        {INT32_DATA, proto->n_int32_data},
        {INT64_DATA, proto->n_int64_data},
        {DOUBLE_DATA, proto->n_double_data},
    };
    if (proto->has_raw_data && proto->raw_data.len > 0)
        I8X_TRY(set_place(name, place,
                          (data_place){.field = RAW_DATA,
                                       .bytes = proto->raw_data.data,
                                       .size = proto->raw_data.len}));
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (lists[i].count > 0)
            I8X_TRY(set_place(name, place,
                              (data_place){.field = lists[i].field, .count = lists[i].count}));
    return I8X_OK;
}

/* The scan wrote these numbers, from offsets it had checked. */
static i8x_status find_in_file(const i8x_onnx_source *source, const tensor_proto *proto,
                               const char *name, data_place *place)
{
    for (size_t i = 0; i + 2 < proto->n_int8x_where; i += 3) {
        const uint64_t *where = &proto->int8x_where[i];
        if (where[0] != 0)
            I8X_TRY(set_place(name, place,
                              (data_place){.field = (uint32_t)where[0],
                                           .in_file = true,
                                           .bytes = source->bytes + where[1],
                                           .size = (size_t)where[2]}));
    }
    return I8X_OK;
}

/* A decimal number without sign or blanks, as external data keys have them. */
static i8x_status parse_number(const char *name, const char *key, const char *text,
                               uint64_t *number)
{
    uint64_t result = 0;
    bool good = text[0] != '\0' && strlen(text) <= 18;
    for (const char *c = text; good && *c != '\0'; c++) {
        good = *c >= '0' && *c <= '9';
        result = result * 10 + (uint64_t)(*c - '0');
    }
    I8X_ENSURE(good, I8X_EFORMAT, "tensor '%.*s': external %s '%.40s' is no number", NAME_SHOWN,
               name, key, text);
    *number = result;
    return I8X_OK;
}

static i8x_status find_external(const i8x_onnx_source *source, const tensor_proto *proto,
                                const char *name, size_t size, data_place *place)
{
    const char *location = NULL;
    uint64_t offset = 0, length = size;
    I8X_ENSURE(source->external_allowed, I8X_EUNSUPPORTED,
               "tensor '%.*s' has external data, which are not accepted here", NAME_SHOWN, name);
    for (size_t i = 0; i < proto->n_external_data; i++) {
        const Int8xOnnx__StringStringEntryProto *entry = proto->external_data[i];
        if (entry->key == NULL || entry->value == NULL)
            continue;
        if (strcmp(entry->key, "location") == 0)
            location = entry->value;
        else if (strcmp(entry->key, "offset") == 0)
            I8X_TRY(parse_number(name, "offset", entry->value, &offset));
        else if (strcmp(entry->key, "length") == 0)
            I8X_TRY(parse_number(name, "length", entry->value, &length));
    }
    I8X_ENSURE(location != NULL, I8X_EFORMAT, "tensor '%.*s': external data without a location",
               NAME_SHOWN, name);
    I8X_ENSURE(length == size, I8X_EFORMAT,
               "tensor '%.*s' needs %zu bytes, its external data have %llu", NAME_SHOWN, name, size,
               (unsigned long long)length);
    data_place found = {.field = RAW_DATA, .in_file = true, .size = size};
    I8X_TRY(i8x_model_map_external(source->map, location, offset, size, &found.bytes));
    return set_place(name, place, found);
}

static i8x_status read_shape(const tensor_proto *proto, const char *name, i8x_tensor *tensor,
                             size_t *elements)
{
    I8X_ENSURE(proto->n_dims <= I8X_RANK_MAX, I8X_ELIMIT,
               "tensor '%.*s' has %zu dimensions, more than %d", NAME_SHOWN, name, proto->n_dims,
               I8X_RANK_MAX);
    int64_t count = 1;
    tensor->shape = (i8x_shape){.rank = (int)proto->n_dims};
    for (size_t i = 0; i < proto->n_dims; i++) {
        I8X_ENSURE(proto->dims[i] >= 0, I8X_EFORMAT,
                   "tensor '%.*s': dimension %zu is negative (%lld)", NAME_SHOWN, name, i,
                   (long long)proto->dims[i]);
        I8X_ENSURE(i8x_mul_s64(count, proto->dims[i], &count) && count <= I8X_ELEMENTS_MAX,
                   I8X_ELIMIT, "tensor '%.*s': the dimensions overflow", NAME_SHOWN, name);
        tensor->shape.dims[i] = proto->dims[i];
    }
    I8X_ENSURE(i8x_size_from_s64(count, elements), I8X_ELIMIT, "tensor '%.*s' is too large",
               NAME_SHOWN, name);
    return I8X_OK;
}

/* Stores one entry of an integer list; 4-bit lists hold two elements in each entry. */
static bool store_integer(i8x_dtype dtype, int64_t value, uint8_t *data, size_t index)
{
    const bool nibbles = dtype == I8X_DTYPE_S4 || dtype == I8X_DTYPE_U4;
    int64_t low = 0, high = 1; /* BOOL */
    if (nibbles)
        low = INT8_MIN, high = UINT8_MAX;
    else if (dtype == I8X_DTYPE_F16)
        high = UINT16_MAX;
    else if (dtype != I8X_DTYPE_BOOL)
        low = i8x_dtype_min(dtype), high = i8x_dtype_max(dtype);
    if (value < low || value > high)
        return false;
    const size_t bytes = nibbles ? 1 : (size_t)i8x_dtype_bits(dtype) / 8;
    memcpy(data + index * bytes, &value, bytes); /* little endian: the low bytes come first */
    return true;
}

/* Entry index of an integer list, decoded by the parser or read here from the packed field. */
static int64_t integer_at(const tensor_proto *proto, const data_place *place, i8x_reader *reader,
                          size_t index)
{
    if (place->bytes != NULL)
        return (int64_t)i8x_reader_varint(reader);
    return place->field == INT64_DATA ? proto->int64_data[index] : proto->int32_data[index];
}

static i8x_status copy_integers(const tensor_proto *proto, const char *name,
                                const data_place *place, i8x_dtype dtype, size_t entries,
                                uint8_t *data)
{
    i8x_reader reader;
    i8x_reader_init(&reader, place->bytes, place->size, "packed data");
    I8X_ENSURE(place->bytes != NULL || place->count == entries, I8X_EFORMAT,
               "tensor '%.*s' has %zu entries where its dimensions ask for %zu", NAME_SHOWN, name,
               place->count, entries);
    for (size_t i = 0; i < entries; i++) {
        I8X_ENSURE(place->bytes == NULL || i8x_reader_left(&reader) > 0, I8X_EFORMAT,
                   "tensor '%.*s' has %zu entries where its dimensions ask for %zu", NAME_SHOWN,
                   name, i, entries);
        const int64_t value = integer_at(proto, place, &reader, i);
        I8X_ENSURE(store_integer(dtype, value, data, i), I8X_ERANGE,
                   "tensor '%.*s': entry %zu (%lld) does not fit into %s", NAME_SHOWN, name, i,
                   (long long)value, i8x_dtype_name(dtype));
    }
    return i8x_reader_end(&reader);
}

static i8x_status length_mismatch(const char *name, size_t has, size_t needs)
{
    I8X_FAIL(I8X_EFORMAT, "tensor '%.*s' has %zu bytes of data where its dimensions ask for %zu",
             NAME_SHOWN, name, has, needs);
}

static bool is_aligned(const void *data, i8x_dtype dtype)
{
    const size_t bytes = (size_t)i8x_dtype_bits(dtype) / 8;
    return bytes < 2 || (uintptr_t)data % bytes == 0;
}

/* Elements as they are in memory: in place, or one copy. */
static i8x_status take_bytes(const i8x_onnx_source *source, const char *name,
                             const data_place *place, const void *bytes, size_t size,
                             i8x_tensor *tensor)
{
    const size_t needs = i8x_tensor_size_bytes(tensor);
    if (size != needs)
        return length_mismatch(name, size, needs);
    if (place->in_file && is_aligned(bytes, tensor->dtype)) {
        tensor->data = (void *)(uintptr_t)bytes; /* constants are never written through it */
        return I8X_OK;
    }
    tensor->data = i8x_arena_copy(source->arena, bytes, size);
    I8X_TRY(i8x_alloc_check(tensor->data));
    if (place->in_file)
        i8x_model_map_forget(source->map, bytes, size);
    return I8X_OK;
}

static i8x_status take_list(const i8x_onnx_source *source, const tensor_proto *proto,
                            const char *name, const data_place *place, uint32_t wanted,
                            i8x_tensor *tensor)
{
    I8X_ENSURE(place->field == wanted, I8X_EFORMAT,
               "tensor '%.*s' holds %s elements in the wrong field (number %u)", NAME_SHOWN, name,
               i8x_onnx_data_type_name(proto->data_type), place->field);
    const bool decoded = place->bytes == NULL;
    if (wanted == FLOAT_DATA)
        return take_bytes(source, name, place,
                          decoded ? (const void *)proto->float_data : place->bytes,
                          decoded ? place->count * sizeof(float) : place->size, tensor);
    if (wanted == DOUBLE_DATA)
        return take_bytes(source, name, place,
                          decoded ? (const void *)proto->double_data : place->bytes,
                          decoded ? place->count * sizeof(double) : place->size, tensor);
    const size_t size = i8x_tensor_size_bytes(tensor);
    const size_t bits = (size_t)i8x_dtype_bits(tensor->dtype);
    const size_t entries = bits < 8 ? size : size / (bits / 8);
    /* an entry takes at least one byte on the wire, so the size of a list bounds what is asked for
     */
    if (!decoded && entries > place->size)
        return length_mismatch(name, place->size, entries);
    I8X_ENSURE(!decoded || entries == place->count, I8X_EFORMAT,
               "tensor '%.*s' has %zu entries where its dimensions ask for %zu", NAME_SHOWN, name,
               place->count, entries);
    tensor->data = i8x_arena_alloc(source->arena, size);
    I8X_TRY(i8x_alloc_check(tensor->data));
    return copy_integers(proto, name, place, tensor->dtype, entries, tensor->data);
}

/* Index of the first element whose exponent bits are all set, or count. */
static size_t first_not_finite(const i8x_tensor *tensor, size_t count)
{
    const uint32_t *f32 = tensor->data;
    const uint16_t *f16 = tensor->data;
    const uint64_t *f64 = tensor->data;
    size_t i = 0;
    if (tensor->dtype == I8X_DTYPE_F32)
        while (i < count && (f32[i] & 0x7f800000u) != 0x7f800000u)
            i++;
    else if (tensor->dtype == I8X_DTYPE_F16)
        while (i < count && (f16[i] & 0x7c00u) != 0x7c00u)
            i++;
    else if (tensor->dtype == I8X_DTYPE_F64)
        while (i < count && (f64[i] & 0x7ff0000000000000u) != 0x7ff0000000000000u)
            i++;
    else
        return count;
    return i;
}

static bool is_nan_at(const i8x_tensor *tensor, size_t index)
{
    if (tensor->dtype == I8X_DTYPE_F32)
        return (((const uint32_t *)tensor->data)[index] & 0x7fffffu) != 0;
    if (tensor->dtype == I8X_DTYPE_F16)
        return (((const uint16_t *)tensor->data)[index] & 0x3ffu) != 0;
    return (((const uint64_t *)tensor->data)[index] & 0xfffffffffffffu) != 0;
}

/* A single infinite element is a bound or a mask value (Clip, Where, masked attention), not a
 * weight. */
static i8x_status check_finite(const char *name, const i8x_tensor *tensor, size_t count)
{
    const size_t index = first_not_finite(tensor, count);
    if (index == count)
        return I8X_OK;
    const bool nan = is_nan_at(tensor, index);
    I8X_ENSURE(!nan && count == 1, I8X_ERANGE, "weight '%.*s': element %zu is %s", NAME_SHOWN, name,
               index, nan ? "NaN" : "infinite");
    return I8X_OK;
}

static i8x_status check_bool(const char *name, const i8x_tensor *tensor, size_t count)
{
    const uint8_t *bytes = tensor->data;
    for (size_t i = 0; i < count; i++)
        I8X_ENSURE(bytes[i] <= 1, I8X_ERANGE,
                   "tensor '%.*s': element %zu (%u) is neither false nor true", NAME_SHOWN, name, i,
                   bytes[i]);
    return I8X_OK;
}

static i8x_status check_elements(const i8x_onnx_source *source, const char *name, bool is_weight,
                                 const i8x_tensor *tensor, size_t count)
{
    if (is_weight)
        I8X_TRY(check_finite(name, tensor, count));
    if (tensor->dtype == I8X_DTYPE_BOOL)
        I8X_TRY(check_bool(name, tensor, count));
    const size_t size = i8x_tensor_size_bytes(tensor);
    if (size >= FORGET_BYTES)
        i8x_model_map_forget(source->map, tensor->data, size);
    return I8X_OK;
}

i8x_status i8x_onnx_tensor_read(const i8x_onnx_source *source, const tensor_proto *proto,
                                const char *name, bool is_weight, i8x_tensor *tensor)
{
    const type_row *row = find_type(proto->data_type);
    size_t elements = 0;
    I8X_ENSURE(row != NULL && row->dtype != I8X_DTYPE_NONE, I8X_EUNSUPPORTED,
               "tensor '%.*s' has elements of type %s (%d)", NAME_SHOWN, name,
               i8x_onnx_data_type_name(proto->data_type), proto->data_type);
    *tensor = (i8x_tensor){.dtype = row->dtype};
    I8X_TRY(read_shape(proto, name, tensor, &elements));
    data_place place = {0};
    I8X_TRY(find_in_file(source, proto, name, &place));
    I8X_TRY(find_inline(proto, name, &place));
    if (proto->data_location == INT8X_ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        I8X_TRY(find_external(source, proto, name, i8x_tensor_size_bytes(tensor), &place));
    if (elements == 0) { /* still has an address: a constant is known by its data */
        tensor->data = i8x_arena_alloc(source->arena, 0);
        I8X_TRY(i8x_alloc_check(tensor->data));
        return place.size + place.count == 0 ? I8X_OK
                                             : length_mismatch(name, place.size + place.count, 0);
    }
    if (place.field == 0)
        return length_mismatch(name, 0, i8x_tensor_size_bytes(tensor));
    if (place.field == RAW_DATA)
        I8X_TRY(take_bytes(source, name, &place, place.bytes, place.size, tensor));
    else
        I8X_TRY(take_list(source, proto, name, &place, row->field, tensor));
    return check_elements(source, name, is_weight, tensor, elements);
}

i8x_bytes_view i8x_onnx_tensor_bytes(const i8x_onnx_source *source, const tensor_proto *proto)
{
    for (size_t i = 0; i + 2 < proto->n_int8x_where; i += 3)
        if (proto->int8x_where[i] == 0)
            return (i8x_bytes_view){source->bytes + proto->int8x_where[i + 1],
                                    (size_t)proto->int8x_where[i + 2]};
    return (i8x_bytes_view){NULL, 0};
}
