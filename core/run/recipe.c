/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipe: everything about a field is made from its line in int8x/fields.def: the row of the table,
 * the default, the limits, the text form and the canonical form. Adding a field touches fields.def
 * and the code that uses it, nothing here.
 */
#include "core/run/recipe.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts of each enum as members of one constant object: the address of a member is a constant that
 * a static table can hold, which an array element is not. */
#define TEXT_MEMBER(name, text, sentence) char name[sizeof text];
#define TEXT_VALUE(name, text, sentence) text,
#define CHOICE_ROW(name, text, sentence) {text, sentence},
#define FIELD_ENUM(name, list, def, sentence)                                                      \
    static const struct {                                                                          \
        list##_LIST(TEXT_MEMBER)                                                                   \
    } name##_texts = {list##_LIST(TEXT_VALUE)};                                                    \
    static const i8x_field_choice name##_choices[] = {list##_LIST(CHOICE_ROW)};
#define FIELD_INT(name, def, min, max, unit, sentence)
#define FIELD_FLOAT(name, def, min, max, unit, sentence)
#define FIELD_TEXT(name, def, max_bytes, sentence)
#include "int8x/fields.def"
#undef FIELD_ENUM
#undef FIELD_INT
#undef FIELD_FLOAT
#undef FIELD_TEXT

#define OFFSET(name) offsetof(i8x_recipe, name)
static const i8x_field field_table[] = {
#define FIELD_ENUM(name, list, def, sentence)                                                      \
    {#name,                                                                                        \
     I8X_FIELD_ENUM,                                                                               \
     name##_texts.def,                                                                             \
     0,                                                                                            \
     0,                                                                                            \
     "",                                                                                           \
     sentence,                                                                                     \
     name##_choices,                                                                               \
     (int)(sizeof name##_choices / sizeof name##_choices[0]),                                      \
     OFFSET(name)},
#define FIELD_INT(name, def, min, max, unit, sentence)                                             \
    {#name, I8X_FIELD_INT, #def, min, max, unit, sentence, NULL, 0, OFFSET(name)},
#define FIELD_FLOAT(name, def, min, max, unit, sentence)                                           \
    {#name, I8X_FIELD_FLOAT, #def, min, max, unit, sentence, NULL, 0, OFFSET(name)},
#define FIELD_TEXT(name, def, max_bytes, sentence)                                                 \
    {#name, I8X_FIELD_TEXT, def, 0, max_bytes, "bytes", sentence, NULL, 0, OFFSET(name)},
#include "int8x/fields.def"
#undef FIELD_ENUM
#undef FIELD_INT
#undef FIELD_FLOAT
#undef FIELD_TEXT
};
enum { FIELD_COUNT = sizeof field_table / sizeof field_table[0] };

static void *field_at(i8x_recipe *recipe, const i8x_field *field)
{
    return (char *)recipe + field->offset;
}

static const void *field_of(const i8x_recipe *recipe, const i8x_field *field)
{
    return (const char *)recipe + field->offset;
}

const i8x_field *i8x_fields(int *count)
{
    *count = FIELD_COUNT;
    return field_table;
}

const i8x_field *i8x_recipe_field(const char *name)
{
    for (int i = 0; i < FIELD_COUNT; i++)
        if (strcmp(field_table[i].name, name) == 0)
            return &field_table[i];
    return NULL;
}

/* Edit distance (insert, delete, replace) of two short names; long ones count as far apart. */
static int edit_distance(const char *a, const char *b)
{
    enum { LENGTH_MAX = 63 };
    size_t rows = strlen(a), cols = strlen(b);
    if (rows > LENGTH_MAX || cols > LENGTH_MAX)
        return LENGTH_MAX + 1;
    int row[LENGTH_MAX + 1];
    for (size_t j = 0; j <= cols; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= rows; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= cols; j++) {
            int above = row[j];
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[cols];
}

const char *i8x_nearest(const char *name, const char *const *names, int count)
{
    const char *best = NULL;
    int best_distance = 0;
    for (int i = 0; i < count; i++) {
        int distance = edit_distance(name, names[i]);
        if (best == NULL || distance < best_distance) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}

static const char *nearest_field(const char *name)
{
    const char *names[FIELD_COUNT];
    for (int i = 0; i < FIELD_COUNT; i++)
        names[i] = field_table[i].name;
    return i8x_nearest(name, names, FIELD_COUNT);
}

static i8x_status enum_set(const i8x_field *field, const char *text, int *value)
{
    char list[160] = "";
    for (int i = 0; i < field->choice_count; i++) {
        if (strcmp(field->choices[i].text, text) == 0) {
            *value = i;
            return I8X_OK;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", field->choices[i].text);
    }
    I8X_FAIL(I8X_EARG, "recipe field '%s' is '%.40s'; it must be one of %s", field->name, text,
             list);
}

static i8x_status int_set(const i8x_field *field, const char *text, int64_t *value)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    I8X_ENSURE(end != text && *end == '\0', I8X_EARG,
               "recipe field '%s' is '%.40s'; it must be a whole number", field->name, text);
    I8X_ENSURE(errno == 0 && number >= (long long)field->min && number <= (long long)field->max,
               I8X_ERANGE, "recipe field '%s' is %.40s; it must lie in %.0f to %.0f %s",
               field->name, text, field->min, field->max, field->unit);
    *value = number;
    return I8X_OK;
}

static i8x_status float_check(const i8x_field *field, double number, double *value)
{
    /* written so that NaN fails too */
    I8X_ENSURE(number >= field->min && number <= field->max, I8X_ERANGE,
               "recipe field '%s' is %g; it must lie in %g to %g %s", field->name, number,
               field->min, field->max, field->unit);
    *value = number;
    return I8X_OK;
}

static i8x_status float_set(const i8x_field *field, const char *text, double *value)
{
    char *end = NULL;
    double number = strtod(text, &end);
    I8X_ENSURE(end != text && *end == '\0', I8X_EARG,
               "recipe field '%s' is '%.40s'; it must be a number", field->name, text);
    return float_check(field, number, value);
}

static i8x_status text_set(const i8x_field *field, const char *text, char *value)
{
    size_t length = strlen(text);
    I8X_ENSURE(length <= (size_t)field->max, I8X_ERANGE,
               "recipe field '%s' has %zu bytes; the limit is %.0f", field->name, length,
               field->max);
    memcpy(value, text, length + 1);
    return I8X_OK;
}

static i8x_status field_set(i8x_recipe *recipe, const i8x_field *field, const char *text)
{
    void *at = field_at(recipe, field);
    switch (field->type) {
    case I8X_FIELD_ENUM:
        return enum_set(field, text, at);
    case I8X_FIELD_INT:
        return int_set(field, text, at);
    case I8X_FIELD_FLOAT:
        return float_set(field, text, at);
    case I8X_FIELD_TEXT:
        return text_set(field, text, at);
    }
    I8X_FAIL(I8X_EINTERNAL, "recipe field '%s' has no type", field->name);
}

void i8x_recipe_default(i8x_recipe *recipe)
{
    memset(recipe, 0, sizeof *recipe); /* unused bytes of the texts too, so that recipes compare */
    for (int i = 0; i < FIELD_COUNT; i++)
        I8X_ASSERT(field_set(recipe, &field_table[i], field_table[i].def) == I8X_OK);
}

i8x_status i8x_recipe_set(i8x_recipe *recipe, const char *name, const char *text)
{
    const i8x_field *field = i8x_recipe_field(name);
    I8X_ENSURE(field != NULL, I8X_EARG, "unknown recipe field '%.60s'; the nearest is '%s'", name,
               nearest_field(name));
    return field_set(recipe, field, text);
}

i8x_status i8x_recipe_get(const i8x_recipe *recipe, const char *name, char *buffer,
                          size_t size_bytes)
{
    const i8x_field *field = i8x_recipe_field(name);
    I8X_ENSURE(field != NULL, I8X_EARG, "unknown recipe field '%.60s'; the nearest is '%s'", name,
               nearest_field(name));
    const void *at = field_of(recipe, field);
    int length = 0;
    switch (field->type) {
    case I8X_FIELD_ENUM:
        length = snprintf(buffer, size_bytes, "%s", field->choices[*(const int *)at].text);
        break;
    case I8X_FIELD_INT:
        length = snprintf(buffer, size_bytes, "%lld", (long long)*(const int64_t *)at);
        break;
    case I8X_FIELD_FLOAT:
        /* the shortest of 15 to 17 digits that reads back as the same number */
        for (int digits = 15; digits <= 17; digits++) {
            length = snprintf(buffer, size_bytes, "%.*g", digits, *(const double *)at);
            if (strtod(buffer, NULL) == *(const double *)at)
                break;
        }
        break;
    case I8X_FIELD_TEXT:
        length = snprintf(buffer, size_bytes, "%s", (const char *)at);
        break;
    }
    I8X_ENSURE(length >= 0 && (size_t)length < size_bytes, I8X_EARG,
               "the buffer for recipe field '%s' has %zu bytes", name, size_bytes);
    return I8X_OK;
}

/* Fields that stop short of the artifact; all others reach it. */
static const struct {
    const char *name;
    i8x_reach reach;
} short_reach[] = {
    {"batch", I8X_REACH_SPEED},
    {"layer_samples", I8X_REACH_REPORT},
};

i8x_reach i8x_field_reach(const i8x_field *field)
{
    for (size_t i = 0; i < sizeof short_reach / sizeof short_reach[0]; i++)
        if (strcmp(short_reach[i].name, field->name) == 0)
            return short_reach[i].reach;
    return I8X_REACH_ARTIFACT;
}

static void put_field(i8x_canon_writer *writer, const i8x_recipe *recipe, const i8x_field *field)
{
    const void *at = field_of(recipe, field);
    i8x_canon_put_text(writer, field->name);
    switch (field->type) {
    case I8X_FIELD_ENUM:
        i8x_canon_put_text(writer, field->choices[*(const int *)at].text);
        break;
    case I8X_FIELD_INT:
        i8x_canon_put_s64(writer, *(const int64_t *)at);
        break;
    case I8X_FIELD_FLOAT:
        i8x_canon_put_f64(writer, *(const double *)at);
        break;
    case I8X_FIELD_TEXT:
        i8x_canon_put_text(writer, at);
        break;
    }
}

void i8x_recipe_put(i8x_canon_writer *writer, const i8x_recipe *recipe, const char *const *names,
                    int count)
{
    i8x_canon_begin_list(writer);
    for (int i = 0; i < count; i++) {
        const i8x_field *field = i8x_recipe_field(names[i]);
        I8X_ASSERT(field != NULL);
        put_field(writer, recipe, field);
    }
    i8x_canon_end_list(writer);
}

void i8x_recipe_put_reach(i8x_canon_writer *writer, const i8x_recipe *recipe, i8x_reach reach)
{
    i8x_canon_begin_list(writer);
    for (int i = 0; i < FIELD_COUNT; i++)
        if (i8x_field_reach(&field_table[i]) >= reach)
            put_field(writer, recipe, &field_table[i]);
    i8x_canon_end_list(writer);
}

static i8x_status field_take(i8x_canon_reader *reader, i8x_recipe *recipe, const i8x_field *field,
                             i8x_arena *scratch)
{
    void *at = field_at(recipe, field);
    if (field->type == I8X_FIELD_INT) {
        int64_t number = i8x_canon_get_s64_in(reader, (int64_t)field->min, (int64_t)field->max);
        I8X_TRY(i8x_canon_reader_status(reader));
        *(int64_t *)at = number;
        return I8X_OK;
    }
    if (field->type == I8X_FIELD_FLOAT) {
        double number = i8x_canon_get_f64(reader);
        I8X_TRY(i8x_canon_reader_status(reader));
        return float_check(field, number, at);
    }
    const char *text = i8x_canon_get_text(reader, scratch,
                                          field->type == I8X_FIELD_TEXT ? (size_t)field->max : 64);
    I8X_TRY(i8x_canon_reader_status(reader));
    return field_set(recipe, field, text);
}

static i8x_status named_field_take(i8x_canon_reader *reader, i8x_recipe *recipe,
                                   const i8x_field *field, i8x_arena *scratch)
{
    i8x_canon_expect_text(reader, field->name);
    I8X_TRY(i8x_canon_reader_status(reader));
    return field_take(reader, recipe, field, scratch);
}

i8x_status i8x_recipe_take(i8x_canon_reader *reader, i8x_recipe *recipe, const char *const *names,
                           int count, i8x_arena *scratch)
{
    i8x_recipe_default(recipe);
    i8x_canon_get_begin_list(reader);
    for (int i = 0; i < count; i++) {
        const i8x_field *field = i8x_recipe_field(names[i]);
        I8X_ASSERT(field != NULL);
        I8X_TRY(named_field_take(reader, recipe, field, scratch));
    }
    i8x_canon_get_end_list(reader);
    return i8x_canon_reader_status(reader);
}

i8x_status i8x_recipe_take_reach(i8x_canon_reader *reader, i8x_recipe *recipe, i8x_reach reach,
                                 i8x_arena *scratch)
{
    i8x_recipe_default(recipe);
    i8x_canon_get_begin_list(reader);
    for (int i = 0; i < FIELD_COUNT; i++)
        if (i8x_field_reach(&field_table[i]) >= reach)
            I8X_TRY(named_field_take(reader, recipe, &field_table[i], scratch));
    i8x_canon_get_end_list(reader);
    return i8x_canon_reader_status(reader);
}

const char *i8x_recipe_text(const i8x_recipe *recipe, i8x_arena *arena)
{
    size_t size = sizeof *recipe + FIELD_COUNT * 128;
    char *value = i8x_arena_alloc(arena, sizeof *recipe), *text = i8x_arena_alloc(arena, size);
    if (value == NULL || text == NULL)
        return NULL;
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (i8x_field_reach(&field_table[i]) < I8X_REACH_ARTIFACT)
            continue;
        I8X_ASSERT(i8x_recipe_get(recipe, field_table[i].name, value, sizeof *recipe) == I8X_OK);
        used += (size_t)snprintf(text + used, size - used, "%s%s=%s", used ? ";" : "",
                                 field_table[i].name, value);
    }
    return text;
}

i8x_status i8x_recipe_split(const char *text, i8x_arena *arena, const char *const **entries,
                            int *count)
{
    const char **list = i8x_arena_array(arena, I8X_RECIPE_LIST_MAX, sizeof *list);
    I8X_TRY(i8x_alloc_check(list));
    *count = 0;
    *entries = list;
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, ",");
        const char *begin = at, *end = at + length;
        while (begin < end && *begin == ' ')
            begin++;
        while (end > begin && end[-1] == ' ')
            end--;
        if (end > begin) {
            I8X_ENSURE(*count < I8X_RECIPE_LIST_MAX, I8X_ELIMIT,
                       "a list in the recipe has more than %d entries", I8X_RECIPE_LIST_MAX);
            list[*count] = i8x_arena_format(arena, "%.*s", (int)(end - begin), begin);
            I8X_TRY(i8x_alloc_check(list[*count]));
            (*count)++;
        }
        at += length + (at[length] == ',');
    }
    return I8X_OK;
}

/* One "1,3,224,224" between text and end. */
static i8x_status shape_parse(const char *text, const char *end, i8x_shape *shape)
{
    shape->rank = 0;
    const char *at = text;
    while (at < end) {
        I8X_ENSURE(shape->rank < I8X_RANK_MAX, I8X_EARG, "shape '%.*s' has more than %d dimensions",
                   (int)(end - text), text, I8X_RANK_MAX);
        char *stop = NULL;
        errno = 0;
        long long dim = strtoll(at, &stop, 10);
        bool closed = stop > at && stop <= end && (stop == end || (*stop == ',' && stop + 1 < end));
        I8X_ENSURE(
            closed && errno == 0 && dim >= 1 && dim <= I8X_ELEMENTS_MAX, I8X_EARG,
            "shape '%.*s' must be positive numbers with commas between them, like 1,3,224,224",
            (int)(end - text), text);
        shape->dims[shape->rank++] = dim;
        at = stop == end ? end : stop + 1;
    }
    return I8X_OK;
}

i8x_status i8x_recipe_shapes(const i8x_recipe *recipe, i8x_arena *arena,
                             i8x_shape_binding **bindings, int *count)
{
    int entries = 1;
    for (const char *at = recipe->shapes; *at != '\0'; at++)
        entries += *at == ';';
    i8x_shape_binding *list = i8x_arena_array(arena, (size_t)entries, sizeof *list);
    I8X_TRY(i8x_alloc_check(list));
    *count = 0;
    *bindings = list;
    for (const char *at = recipe->shapes; *at != '\0';) {
        size_t length = strcspn(at, ";");
        const char *end = at + length;
        if (length > 0) {
            /* names may hold '=', shapes may not: the last one divides */
            const char *divide = end;
            while (divide > at && *divide != '=')
                divide--;
            I8X_ENSURE(divide > at && divide + 1 < end, I8X_EARG,
                       "recipe field 'shapes' has '%.*s'; write NAME=1,3,224,224", (int)length, at);
            I8X_TRY(shape_parse(divide + 1, end, &list[*count].shape));
            list[*count].input = i8x_arena_format(arena, "%.*s", (int)(divide - at), at);
            I8X_TRY(i8x_alloc_check(list[*count].input));
            (*count)++;
        }
        at = end + (*end == ';');
    }
    return I8X_OK;
}

i8x_status i8x_recipe_check(const i8x_recipe *recipe)
{
    I8X_ENSURE(recipe->exclude[0] == '\0' || recipe->only[0] == '\0', I8X_EARG,
               "recipe fields 'exclude' and 'only' are both given; use one of them");
    i8x_arena *scratch = NULL;
    I8X_TRY(i8x_arena_new(NULL, 0, &scratch));
    i8x_shape_binding *bindings;
    int count;
    i8x_status status = i8x_recipe_shapes(recipe, scratch, &bindings, &count);
    const char *const texts[] = {recipe->exclude, recipe->only, recipe->op_types};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && status == I8X_OK; i++) {
        const char *const *entries;
        status = i8x_recipe_split(texts[i], scratch, &entries, &count);
    }
    i8x_arena_free(scratch);
    return status;
}
