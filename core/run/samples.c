/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples: types and places of sample arrays, their check against the model, and the feed that
 * turns the byte range of a task into batches of f32 (or the model's integer type).
 */
#include "core/run/samples.h"

#include <stdio.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/run/task.h"
#include "int8x/data.h"

void i8x_sample_type_put(i8x_canon_writer *writer, const i8x_sample_type *type)
{
    i8x_canon_begin_list(writer);
    i8x_canon_put_text(writer, i8x_dtype_name(type->dtype));
    for (int i = 0; i < type->shape.rank; i++)
        i8x_canon_put_s64(writer, type->shape.dims[i]);
    i8x_canon_end_list(writer);
}

static i8x_dtype dtype_of(const uint8_t *name, size_t size)
{
    for (int i = 1; i < I8X_DTYPE_COUNT; i++)
        if (strlen(i8x_dtype_name((i8x_dtype)i)) == size &&
            memcmp(i8x_dtype_name((i8x_dtype)i), name, size) == 0)
            return (i8x_dtype)i;
    return I8X_DTYPE_NONE;
}

void i8x_sample_type_take(i8x_canon_reader *reader, i8x_sample_type *type)
{
    memset(type, 0, sizeof *type);
    i8x_arena *scratch = NULL;
    if (i8x_arena_new(NULL, 0, &scratch) != I8X_OK)
        return;
    i8x_canon_get_begin_list(reader);
    const char *name = i8x_canon_get_text(reader, scratch, 16);
    type->dtype = name == NULL ? I8X_DTYPE_NONE : dtype_of((const uint8_t *)name, strlen(name));
    while (i8x_canon_more(reader) && type->shape.rank < I8X_RANK_MAX)
        type->shape.dims[type->shape.rank++] = i8x_canon_get_s64_in(reader, 0, I8X_ELEMENTS_MAX);
    i8x_canon_get_end_list(reader);
    i8x_arena_free(scratch);
}

void i8x_sample_set_put(i8x_canon_writer *writer, const i8x_sample_set *set)
{
    i8x_canon_put_s64(writer, set->samples);
    i8x_canon_begin_list(writer);
    for (int i = 0; i < set->array_count; i++) {
        const i8x_sample_array *array = &set->arrays[i];
        i8x_sample_type_put(writer, &array->type);
        i8x_canon_put_digest(writer, &array->blob.digest);
        i8x_canon_put_u64(writer, array->blob.size_bytes);
        i8x_canon_put_u64(writer, array->data_offset);
        i8x_canon_put_u64(writer, array->sample_bytes);
    }
    i8x_canon_end_list(writer);
}

static bool array_fits(const i8x_sample_array *array, int64_t samples)
{
    uint64_t bytes;
    return !__builtin_mul_overflow(array->sample_bytes, (uint64_t)samples, &bytes) &&
           array->data_offset <= array->blob.size_bytes &&
           bytes <= array->blob.size_bytes - array->data_offset;
}

i8x_status i8x_sample_set_take(i8x_canon_reader *reader, i8x_sample_set *set)
{
    memset(set, 0, sizeof *set);
    set->samples = i8x_canon_get_s64_in(reader, 0, I8X_SAMPLES_MAX);
    i8x_canon_get_begin_list(reader);
    while (i8x_canon_more(reader) && set->array_count < I8X_SAMPLE_ARRAYS_MAX) {
        i8x_sample_array *array = &set->arrays[set->array_count++];
        i8x_sample_type_take(reader, &array->type);
        array->blob.digest = i8x_canon_get_digest(reader);
        array->blob.size_bytes = i8x_canon_get_u64(reader);
        array->blob.whole = true;
        array->data_offset = i8x_canon_get_u64(reader);
        array->sample_bytes = i8x_canon_get_u64(reader);
    }
    i8x_canon_get_end_list(reader);
    I8X_TRY(i8x_canon_reader_status(reader));
    for (int i = 0; i < set->array_count; i++)
        I8X_ENSURE(array_fits(&set->arrays[i], set->samples), I8X_EFORMAT,
                   "the summary of the samples does not fit their blob of %llu bytes",
                   (unsigned long long)set->arrays[i].blob.size_bytes);
    I8X_ENSURE((set->samples == 0) == (set->array_count == 0), I8X_EFORMAT,
               "the summary of the samples is incomplete");
    return I8X_OK;
}

i8x_blob_ref i8x_sample_array_range(const i8x_sample_array *array, int64_t first, int64_t count)
{
    i8x_blob_ref ref;
    memset(&ref, 0, sizeof ref);
    ref.digest = array->blob.digest;
    ref.offset = array->data_offset + (uint64_t)first * array->sample_bytes;
    ref.size_bytes = (uint64_t)count * array->sample_bytes;
    ref.whole = false;
    return ref;
}

int64_t i8x_sample_elements(const i8x_sample_type *type)
{
    int64_t elements;
    return i8x_shape_elements(&type->shape, &elements) == I8X_OK ? elements : 0;
}

/* ---- the check against the model ---- */

/* Dimensions of a sample of this input: the model's shape without the first axis. */
static i8x_shape sample_shape(const i8x_shape *input)
{
    return i8x_shape_make(input->rank - 1, input->dims + 1);
}

static bool same_layout(const i8x_shape *a, const i8x_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i] && b->dims[i] != I8X_DIM_UNKNOWN)
            return false;
    return true;
}

/* True if found is wanted with the channel axis moved: last instead of first (to_last), or the
 * reverse. */
static bool channels_moved(const i8x_shape *found, const i8x_shape *wanted, bool to_last)
{
    int rank = wanted->rank;
    if (rank < 2 || found->rank != rank)
        return false;
    i8x_shape moved = *wanted;
    for (int i = 0; i < rank; i++)
        moved.dims[i] = wanted->dims[to_last ? (i + 1) % rank : (i + rank - 1) % rank];
    return same_layout(found, &moved);
}

static const char *layout_name(int rank, bool channels_last)
{
    static const char *const names[2][4] = {{"NC", "NCW", "NCHW", "NCDHW"},
                                            {"NC", "NWC", "NHWC", "NDHWC"}};
    return rank >= 1 && rank <= 4 ? names[channels_last][rank - 1] : "";
}

/* "Conv 'stem'": the first node that reads the input, which users know better than the input's
 * name. */
static const char *reader_text(const i8x_graph *graph, int value, char *buffer, size_t size)
{
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; j < graph->nodes[i].input_count; j++)
            if (graph->nodes[i].inputs[j] == value) {
                snprintf(buffer, size, "%s '%.60s'", graph->nodes[i].op_type, graph->nodes[i].name);
                return buffer;
            }
    snprintf(buffer, size, "input '%.60s'", graph->values[value].name);
    return buffer;
}

static i8x_status shape_check(const i8x_sample_type *type, const i8x_graph *graph, int value,
                              const char *what)
{
    const i8x_shape wanted = sample_shape(&graph->values[value].shape);
    if (same_layout(&type->shape, &wanted))
        return I8X_OK;
    char reader[96], found_text[96], wanted_text[96];
    reader_text(graph, value, reader, sizeof reader);
    i8x_shape_text(&type->shape, found_text, sizeof found_text);
    i8x_shape_text(&wanted, wanted_text, sizeof wanted_text);
    for (int last = 0; last < 2; last++)
        if (channels_moved(&type->shape, &wanted, last != 0))
            I8X_FAIL(I8X_ESHAPE, "%s: %s is %s %s, the model wants %s %s; transpose the array",
                     reader, what, layout_name(wanted.rank, last != 0), found_text,
                     layout_name(wanted.rank, last == 0), wanted_text);
    I8X_FAIL(I8X_ESHAPE, "%s: a %s sample is %s, input '%.60s' wants %s (first axis = samples)",
             reader, what, found_text, graph->values[value].name, wanted_text);
}

i8x_status i8x_sample_type_check(const i8x_sample_type *type, const i8x_graph *graph, int input,
                                 const char *what)
{
    const i8x_value *value = &graph->values[graph->inputs[input]];
    I8X_ENSURE(value->shape_known && value->shape.rank >= 1, I8X_ESHAPE,
               "input '%.60s' has no sample axis; int8x needs the first axis to count samples",
               value->name);
    bool floats = value->dtype == I8X_DTYPE_F32 &&
                  (type->dtype == I8X_DTYPE_F32 || type->dtype == I8X_DTYPE_F16);
    I8X_ENSURE(floats || type->dtype == value->dtype, I8X_EDTYPE,
               "input '%.60s': %s is %s, the model wants %s; convert it the way the model was "
               "trained with",
               value->name, what, i8x_dtype_name(type->dtype), i8x_dtype_name(value->dtype));
    return shape_check(type, graph, graph->inputs[input], what);
}

/* ---- the feed ----
 * Each batch opens just its own bytes and closes them again: a task's memory is that of one batch
 * however many samples it has (mapped pages count as memory while they are mapped). */

static i8x_status feed_array(i8x_sample_feed *feed, i8x_task_ctx *ctx, const i8x_graph *graph,
                             int index)
{
    const i8x_sample_type *type = &ctx->params.arrays[index];
    I8X_TRY(i8x_sample_type_check(type, graph, index, "sample"));
    const i8x_task_input *input = i8x_task_input_find(ctx, "samples", index);
    I8X_ENSURE(input != NULL, I8X_EFORMAT, "the task has no input 'samples' number %d", index);
    size_t expected, sample_bytes;
    I8X_ENSURE(i8x_mul_size((size_t)i8x_sample_elements(type),
                            (size_t)(i8x_dtype_bits(type->dtype) / 8), &sample_bytes) &&
                   i8x_mul_size(sample_bytes, (size_t)ctx->params.count, &expected) &&
                   expected == input->ref.size_bytes,
               I8X_EFORMAT, "the task's samples have %llu bytes; %lld samples were announced",
               (unsigned long long)input->ref.size_bytes, (long long)ctx->params.count);
    const i8x_value *value = &graph->values[graph->inputs[index]];
    i8x_tensor *tensor = &feed->tensors[index];
    feed->names[index] = value->name;
    feed->refs[index] = &input->ref;
    feed->sample_bytes[index] = sample_bytes;
    tensor->dtype = value->dtype;
    tensor->shape = value->shape;
    tensor->data = i8x_arena_alloc(ctx->arena, i8x_tensor_size_bytes(tensor));
    return i8x_alloc_check(tensor->data);
}

i8x_status i8x_sample_feed_init(i8x_sample_feed *feed, struct i8x_task_ctx *ctx,
                                const i8x_graph *graph, int64_t batch)
{
    memset(feed, 0, sizeof *feed);
    feed->ctx = ctx;
    feed->batch = batch;
    feed->array_count = ctx->params.array_count;
    I8X_ENSURE(feed->array_count == graph->input_count, I8X_ESHAPE,
               "the samples have %d arrays, the model has %d inputs", feed->array_count,
               graph->input_count);
    for (int i = 0; i < feed->array_count; i++)
        I8X_TRY(feed_array(feed, ctx, graph, i));
    return I8X_OK;
}

/* Index of the first NaN or infinity, or -1. */
static int64_t find_not_finite(const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!(values[i] - values[i] == 0.0f))
            return i;
    return -1;
}

/* Sample `sample` of the task, whose bytes are `from`, into slot `slot` of the batch. */
static i8x_status load_sample(i8x_sample_feed *feed, int index, const uint8_t *from, int64_t sample,
                              int64_t slot)
{
    const i8x_sample_type *type = &feed->ctx->params.arrays[index];
    i8x_tensor *tensor = &feed->tensors[index];
    int64_t elements = i8x_sample_elements(type);
    if (tensor->dtype != I8X_DTYPE_F32) {
        memcpy((uint8_t *)tensor->data + (size_t)slot * feed->sample_bytes[index], from,
               feed->sample_bytes[index]);
        return I8X_OK;
    }
    float *to = (float *)tensor->data + slot * elements;
    I8X_TRY(i8x_npy_to_f32(type->dtype, from, elements, to));
    int64_t bad = find_not_finite(to, elements);
    I8X_ENSURE(bad < 0, I8X_ERANGE,
               "input '%.60s', sample %lld: element %lld is %s; remove or repair it",
               feed->names[index], (long long)(feed->ctx->params.first + sample), (long long)bad,
               to[bad] != to[bad] ? "NaN" : "infinite");
    return I8X_OK;
}

static i8x_status load_array(i8x_sample_feed *feed, int index, int64_t at, int64_t count)
{
    const i8x_blob_io *io = feed->ctx->env->io;
    size_t bytes = feed->sample_bytes[index];
    i8x_blob_ref ref = *feed->refs[index];
    ref.offset += (uint64_t)at * bytes;
    ref.size_bytes = (uint64_t)count * bytes;
    ref.whole = false;
    const void *data;
    void *handle;
    I8X_TRY(io->open(io->user, &ref, &data, &handle));
    i8x_status status = I8X_OK;
    for (int64_t slot = 0; slot < feed->batch && status == I8X_OK; slot++) {
        int64_t sample = slot < count ? slot : count - 1;
        status = load_sample(feed, index, (const uint8_t *)data + (size_t)sample * bytes,
                             at + sample, slot);
    }
    io->close(io->user, handle);
    return status;
}

i8x_status i8x_sample_feed_load(i8x_sample_feed *feed, int64_t at, int64_t *count)
{
    int64_t left = feed->ctx->params.count - at;
    *count = left < feed->batch ? left : feed->batch;
    for (int i = 0; i < feed->array_count; i++)
        I8X_TRY(load_array(feed, i, at, *count));
    return I8X_OK;
}
