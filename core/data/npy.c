/* SPDX-License-Identifier: Apache-2.0
 *
 * .npy: header of format 1.0, 2.0 and 3.0, conversion of elements, and a writer.
 *
 * The header is the text of a Python dictionary. The parser takes exactly the form that numpy
 * writes (three keys in any order, either kind of quotes, free blanks), never an expression;
 * anything else is refused with the byte offset. Elements may stand at any address, so they are
 * moved with memcpy. Format: numpy/lib/format (NEP 1).
 */
#include <stdio.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/half.h"
#include "int8x/data.h"

#define HEADER_MAX ((size_t)65000) /* bytes of the dictionary; numpy's own limit is 10,000 */
#define PREFIX_SIZE 8              /* magic and version */
#define DESCR_MAX 31

typedef struct type_row {
    const char *descr;
    i8x_dtype dtype;
    const char *advice; /* of a type that is not read */
} type_row;

static const type_row TYPE_ROWS[] = {
    {"<f4", I8X_DTYPE_F32, NULL},
    {"<f2", I8X_DTYPE_F16, NULL},
    {"|u1", I8X_DTYPE_U8, NULL},
    {"|i1", I8X_DTYPE_S8, NULL},
    {"<i4", I8X_DTYPE_S32, NULL},
    {"<i8", I8X_DTYPE_S64, NULL},
    {"<f8", I8X_DTYPE_NONE, "save it as float32"},
    {"|b1", I8X_DTYPE_NONE, "save it as uint8"},
    {"<i2", I8X_DTYPE_NONE, "save it as int32 or float32"},
    {"<u2", I8X_DTYPE_NONE, "save it as int32 or float32"},
    {">f4", I8X_DTYPE_NONE, "save it little endian"},
    {"|O", I8X_DTYPE_NONE, "it holds Python objects"},
};
#define TYPE_ROW_COUNT (sizeof TYPE_ROWS / sizeof TYPE_ROWS[0])

/* Cursor over the dictionary; at counts from the start of the file. */
typedef struct header {
    const char *text; /* the file's bytes */
    size_t at, end;
} header;

static i8x_status malformed(const header *h, const char *wanted)
{
    I8X_FAIL(I8X_EFORMAT, "the .npy header is malformed at byte %zu: %s expected", h->at, wanted);
}

static void skip_blanks(header *h)
{
    while (h->at < h->end && (h->text[h->at] == ' ' || h->text[h->at] == '\n'))
        h->at++;
}

static bool take(header *h, char c)
{
    skip_blanks(h);
    if (h->at >= h->end || h->text[h->at] != c)
        return false;
    h->at++;
    return true;
}

/* A quoted word of at most DESCR_MAX bytes, without escapes. */
static i8x_status take_word(header *h, char word[DESCR_MAX + 1])
{
    skip_blanks(h);
    const char quote = h->at < h->end ? h->text[h->at] : '\0';
    if (quote != '\'' && quote != '"')
        return malformed(h, "a quoted word");
    size_t length = 0;
    for (h->at++; h->at < h->end && h->text[h->at] != quote; h->at++) {
        const char c = h->text[h->at];
        if (length == DESCR_MAX || c < ' ' || c > '~' || c == '\\')
            return malformed(h, "a short plain word");
        word[length++] = c;
    }
    if (h->at == h->end)
        return malformed(h, "a closing quote");
    h->at++;
    word[length] = '\0';
    return I8X_OK;
}

static bool take_literal(header *h, const char *literal)
{
    const size_t length = strlen(literal);
    skip_blanks(h);
    if (h->end - h->at < length || memcmp(h->text + h->at, literal, length) != 0)
        return false;
    h->at += length;
    return true;
}

static i8x_status read_descr(header *h, i8x_npy_info *info)
{
    char descr[DESCR_MAX + 1];
    skip_blanks(h);
    I8X_ENSURE(h->at >= h->end || h->text[h->at] != '[', I8X_EUNSUPPORTED,
               "the array has records as elements; save one plain array per input");
    I8X_TRY(take_word(h, descr));
    const type_row *row = NULL;
    for (size_t i = 0; i < TYPE_ROW_COUNT; i++)
        if (strcmp(TYPE_ROWS[i].descr, descr) == 0)
            row = &TYPE_ROWS[i];
    I8X_ENSURE(row != NULL && row->dtype != I8X_DTYPE_NONE, I8X_EUNSUPPORTED,
               "the array has elements of type '%s': %s", descr,
               row != NULL ? row->advice
                           : "float32, float16, uint8, int8, int32 and int64 are read");
    info->dtype = row->dtype;
    return I8X_OK;
}

static i8x_status read_order(header *h)
{
    I8X_ENSURE(!take_literal(h, "True"), I8X_EUNSUPPORTED,
               "the array is in Fortran order; save numpy.ascontiguousarray of it");
    return take_literal(h, "False") ? I8X_OK : malformed(h, "True or False");
}

static i8x_status read_dim(header *h, int64_t *dim)
{
    skip_blanks(h);
    size_t digits = 0;
    int64_t value = 0;
    for (; h->at < h->end && h->text[h->at] >= '0' && h->text[h->at] <= '9'; h->at++, digits++) {
        I8X_ENSURE(digits < 18, I8X_ELIMIT, "a dimension of the array is too large");
        value = value * 10 + (h->text[h->at] - '0');
    }
    *dim = value;
    return digits > 0 ? I8X_OK : malformed(h, "a dimension");
}

static i8x_status read_shape(header *h, i8x_npy_info *info)
{
    if (!take(h, '('))
        return malformed(h, "'('");
    info->shape = (i8x_shape){0};
    while (!take(h, ')')) {
        I8X_ENSURE(info->shape.rank < I8X_RANK_MAX, I8X_ELIMIT,
                   "the array has more than %d dimensions", I8X_RANK_MAX);
        I8X_TRY(read_dim(h, &info->shape.dims[info->shape.rank++]));
        if (take(h, ','))
            continue;
        return take(h, ')') && info->shape.rank > 1 ? I8X_OK : malformed(h, "','");
    }
    return I8X_OK;
}

enum { HAS_DESCR = 1, HAS_ORDER = 2, HAS_SHAPE = 4, HAS_ALL = 7 };

static i8x_status read_entry(header *h, i8x_npy_info *info, int *seen)
{
    char key[DESCR_MAX + 1];
    I8X_TRY(take_word(h, key));
    if (!take(h, ':'))
        return malformed(h, "':'");
    const int bit = strcmp(key, "descr") == 0           ? HAS_DESCR
                    : strcmp(key, "fortran_order") == 0 ? HAS_ORDER
                    : strcmp(key, "shape") == 0         ? HAS_SHAPE
                                                        : 0;
    I8X_ENSURE(bit != 0 && (*seen & bit) == 0, I8X_EFORMAT, "the .npy header has the key '%s' %s",
               key, bit != 0 ? "twice" : "which the format does not know");
    *seen |= bit;
    if (bit == HAS_DESCR)
        return read_descr(h, info);
    return bit == HAS_ORDER ? read_order(h) : read_shape(h, info);
}

static i8x_status read_dictionary(header *h, i8x_npy_info *info)
{
    int seen = 0;
    if (!take(h, '{'))
        return malformed(h, "'{'");
    while (!take(h, '}')) { /* at most four turns: each key may come once */
        I8X_TRY(read_entry(h, info, &seen));
        if (take(h, ','))
            continue;
        if (!take(h, '}'))
            return malformed(h, "',' or '}'");
        break;
    }
    I8X_ENSURE(seen == HAS_ALL, I8X_EFORMAT, "the .npy header lacks %s",
               !(seen & HAS_DESCR)   ? "'descr'"
               : !(seen & HAS_ORDER) ? "'fortran_order'"
                                     : "'shape'");
    skip_blanks(h);
    return h->at == h->end ? I8X_OK : malformed(h, "the end of the header");
}

/* Where the dictionary lies: magic, version, length. */
static i8x_status find_dictionary(const uint8_t *bytes, size_t size, header *h)
{
    I8X_ENSURE(size >= PREFIX_SIZE + 2 && memcmp(bytes, "\x93NUMPY", 6) == 0, I8X_EFORMAT,
               "this is no .npy file (its first bytes are others)");
    const unsigned major = bytes[6], minor = bytes[7];
    I8X_ENSURE(major >= 1 && major <= 3 && minor == 0, I8X_EFORMAT,
               "the .npy format has version %u.%u; 1.0 to 3.0 are known", major, minor);
    const size_t width = major == 1 ? 2 : 4;
    I8X_ENSURE(size >= PREFIX_SIZE + width, I8X_EFORMAT, "the .npy header is cut off at byte %zu",
               size);
    size_t length = 0;
    for (size_t i = 0; i < width; i++)
        length |= (size_t)bytes[PREFIX_SIZE + i] << (8 * i);
    h->text = (const char *)bytes;
    h->at = PREFIX_SIZE + width;
    I8X_ENSURE(length <= HEADER_MAX, I8X_ELIMIT, "the .npy header has %zu bytes, more than %zu",
               length, HEADER_MAX);
    I8X_ENSURE(length <= size - h->at, I8X_EFORMAT, "the .npy header is cut off at byte %zu", size);
    h->end = h->at + length;
    return I8X_OK;
}

/* Sizes from the shape: every dimension at least one, everything in 64 bits, and the file has it
 * all. */
static i8x_status measure(uint64_t file_bytes, i8x_npy_info *info)
{
    const uint64_t element_bytes = (uint64_t)i8x_dtype_bits(info->dtype) / 8;
    uint64_t sample_elements = 1;
    char text[160];
    I8X_ENSURE(info->shape.rank >= 1, I8X_ESHAPE,
               "the array is a single number: the first axis must count samples");
    for (int i = 0; i < info->shape.rank; i++) {
        I8X_ENSURE(info->shape.dims[i] > 0, I8X_ESHAPE, "the array is empty: shape %s",
                   i8x_shape_text(&info->shape, text, sizeof text));
        if (i == 0)
            continue;
        I8X_ENSURE(!__builtin_mul_overflow(sample_elements, (uint64_t)info->shape.dims[i],
                                           &sample_elements) &&
                       sample_elements <= (uint64_t)I8X_ELEMENTS_MAX,
                   I8X_ELIMIT, "the array is too large: shape %s",
                   i8x_shape_text(&info->shape, text, sizeof text));
    }
    I8X_ENSURE(info->shape.dims[0] <= I8X_SAMPLES_MAX, I8X_ELIMIT,
               "the set has %lld samples, more than %lld", (long long)info->shape.dims[0],
               (long long)I8X_SAMPLES_MAX);
    info->sample_bytes = sample_elements * element_bytes;
    uint64_t data_bytes;
    I8X_ENSURE(
        !__builtin_mul_overflow(info->sample_bytes, (uint64_t)info->shape.dims[0], &data_bytes),
        I8X_ELIMIT, "the array is too large: shape %s",
        i8x_shape_text(&info->shape, text, sizeof text));
    const uint64_t left = file_bytes - info->data_offset;
    I8X_ENSURE(left == data_bytes, I8X_EFORMAT,
               "the .npy file has %llu bytes of data where its shape %s asks for %llu",
               (unsigned long long)left, i8x_shape_text(&info->shape, text, sizeof text),
               (unsigned long long)data_bytes);
    return I8X_OK;
}

i8x_status i8x_npy_parse(const void *bytes, size_t size_bytes, uint64_t file_bytes,
                         i8x_npy_info *info)
{
    header h;
    i8x_npy_info found = {0};
    I8X_ENSURE(size_bytes <= file_bytes, I8X_EARG, "%zu bytes of a file of %llu were given",
               size_bytes, (unsigned long long)file_bytes);
    I8X_TRY(find_dictionary(bytes, size_bytes, &h));
    I8X_TRY(read_dictionary(&h, &found));
    found.data_offset = h.end;
    I8X_TRY(measure(file_bytes, &found));
    *info = found;
    return I8X_OK;
}

static const char *descr_of(i8x_dtype dtype)
{
    for (size_t i = 0; i < TYPE_ROW_COUNT && dtype != I8X_DTYPE_NONE; i++)
        if (TYPE_ROWS[i].dtype == dtype)
            return TYPE_ROWS[i].descr;
    return NULL;
}

i8x_status i8x_npy_write(const i8x_tensor *tensor, i8x_sink_fn sink, void *user)
{
    char text[384] = "\x93NUMPY\x01"; /* the zero after it is the minor version */
    const char *descr = descr_of(tensor->dtype);
    int64_t elements;
    I8X_ENSURE(descr != NULL, I8X_EUNSUPPORTED, "a .npy file of %s is not written",
               i8x_dtype_name(tensor->dtype));
    I8X_TRY(i8x_shape_elements(&tensor->shape, &elements));
    size_t at = PREFIX_SIZE + 2;
    at += (size_t)snprintf(text + at, sizeof text - at,
                           "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < tensor->shape.rank; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, i == 0 ? "%lld" : ", %lld",
                               (long long)tensor->shape.dims[i]);
    at +=
        (size_t)snprintf(text + at, sizeof text - at, "%s), }", tensor->shape.rank == 1 ? "," : "");
    const size_t end = (at + 1 + 63) & ~(size_t)63;
    memset(text + at, ' ', end - at);
    text[end - 1] = '\n';
    text[PREFIX_SIZE] = (char)((end - PREFIX_SIZE - 2) & 0xff);
    text[PREFIX_SIZE + 1] = (char)((end - PREFIX_SIZE - 2) >> 8);
    I8X_TRY(sink(user, text, end));
    return elements > 0 ? sink(user, tensor->data, i8x_tensor_size_bytes(tensor)) : I8X_OK;
}

static float half_at(const uint8_t *bytes, size_t index)
{
    uint16_t bits;
    memcpy(&bits, bytes + 2 * index, sizeof bits);
    return i8x_half_to_f32(bits);
}

static float f32_at(const uint8_t *bytes, size_t index)
{
    float value;
    memcpy(&value, bytes + 4 * index, sizeof value);
    return value;
}

static int64_t s32_at(const uint8_t *bytes, size_t index)
{
    int32_t value;
    memcpy(&value, bytes + 4 * index, sizeof value);
    return value;
}

static int64_t s64_at(const uint8_t *bytes, size_t index)
{
    int64_t value;
    memcpy(&value, bytes + 8 * index, sizeof value);
    return value;
}

i8x_status i8x_npy_to_f32(i8x_dtype dtype, const void *elements, int64_t count, float *values)
{
    const uint8_t *bytes = elements;
    const size_t n = (size_t)count;
    I8X_ENSURE(count >= 0, I8X_EARG, "a negative number of elements");
    if (dtype == I8X_DTYPE_F32 && n > 0)
        memcpy(values, bytes, n * sizeof *values);
    else if (dtype == I8X_DTYPE_F16)
        for (size_t i = 0; i < n; i++)
            values[i] = half_at(bytes, i);
    else if (dtype == I8X_DTYPE_U8)
        for (size_t i = 0; i < n; i++)
            values[i] = bytes[i];
    else if (dtype == I8X_DTYPE_S8)
        for (size_t i = 0; i < n; i++)
            values[i] = (int8_t)bytes[i];
    else if (dtype == I8X_DTYPE_S32)
        for (size_t i = 0; i < n; i++)
            values[i] = (float)s32_at(bytes, i);
    else if (dtype == I8X_DTYPE_S64)
        for (size_t i = 0; i < n; i++)
            values[i] = (float)s64_at(bytes, i);
    else
        I8X_ENSURE(dtype == I8X_DTYPE_F32, I8X_EDTYPE, "%s is not converted to f32",
                   i8x_dtype_name(dtype));
    return I8X_OK;
}

/* Whole numbers up to 2^53 in size are labels; a float beyond that has lost its last digits. */
static i8x_status whole_number(float value, size_t index, int64_t *result)
{
    const float limit = 9007199254740992.0f;
    I8X_ENSURE(value >= -limit && value <= limit && (float)(int64_t)value == value, I8X_ERANGE,
               "element %zu (%g) is no whole number", index, (double)value);
    *result = (int64_t)value;
    return I8X_OK;
}

i8x_status i8x_npy_to_s64(i8x_dtype dtype, const void *elements, int64_t count, int64_t *values)
{
    const uint8_t *bytes = elements;
    const size_t n = (size_t)count;
    I8X_ENSURE(count >= 0, I8X_EARG, "a negative number of elements");
    if (dtype == I8X_DTYPE_U8)
        for (size_t i = 0; i < n; i++)
            values[i] = bytes[i];
    else if (dtype == I8X_DTYPE_S8)
        for (size_t i = 0; i < n; i++)
            values[i] = (int8_t)bytes[i];
    else if (dtype == I8X_DTYPE_S32)
        for (size_t i = 0; i < n; i++)
            values[i] = s32_at(bytes, i);
    else if (dtype == I8X_DTYPE_S64)
        for (size_t i = 0; i < n; i++)
            values[i] = s64_at(bytes, i);
    else if (dtype == I8X_DTYPE_F16 || dtype == I8X_DTYPE_F32)
        for (size_t i = 0; i < n; i++)
            I8X_TRY(whole_number(dtype == I8X_DTYPE_F16 ? half_at(bytes, i) : f32_at(bytes, i), i,
                                 &values[i]));
    else
        I8X_FAIL(I8X_EDTYPE, "%s is not converted to whole numbers", i8x_dtype_name(dtype));
    return I8X_OK;
}
