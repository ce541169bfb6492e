/* SPDX-License-Identifier: Apache-2.0
 *
 * Task kind inspect: checks model and data against each other before anything is computed, so that
 * a wrong file fails at once and with a sentence about the file. Gives the summary that the plan is
 * made from, and takes the arrays of a .npz out into .npy blobs, so that all later tasks read byte
 * ranges.
 */
#include <string.h>

#include "core/run/inspect.h"
#include "core/run/recipe.h"
#include "core/run/task.h"
#include "int8x/data.h"

/* One data file of the job. */
struct data {
    const char *role, *head_role;
    const char *what; /* in sentences */
};

static bool is_zip(const uint8_t *bytes, size_t size)
{
    return size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0;
}

static void set_array(i8x_sample_array *array, const i8x_npy_info *info, const i8x_blob_ref *blob)
{
    memset(array, 0, sizeof *array);
    array->type.dtype = info->dtype;
    array->type.shape = i8x_shape_make(info->shape.rank - 1, info->shape.dims + 1);
    array->blob = *blob;
    array->data_offset = info->data_offset;
    array->sample_bytes = info->sample_bytes;
}

static i8x_status read_npy(i8x_task_ctx *ctx, const struct data *data, i8x_sample_set *set)
{
    const uint8_t *head;
    size_t head_size;
    I8X_TRY(i8x_task_open(ctx, data->head_role, 0, &head, &head_size));
    const i8x_task_input *input = i8x_task_input_find(ctx, data->role, 0);
    I8X_ENSURE(input != NULL, I8X_EFORMAT, "the task has no input '%s'", data->role);
    i8x_npy_info info;
    if (i8x_npy_parse(head, head_size, input->ref.size_bytes, &info) != I8X_OK)
        return i8x_fail_prefix("%s data: ", data->what);
    set->samples = info.shape.dims[0];
    set->array_count = 1;
    set_array(&set->arrays[0], &info, &input->ref);
    return I8X_OK;
}

/* ---- .npz ---- */

/* An entry on its way out; the first bytes are kept, for its header. A task reads its inputs and no
 * blob that it has just written. */
struct entry {
    const i8x_npz *npz;
    int index;
    uint8_t *head; /* [I8X_INSPECT_HEAD_BYTES] */
    size_t head_size;
    i8x_sink_fn sink;
    void *sink_user;
};

static i8x_status keep_head(void *user, const void *bytes, size_t size_bytes)
{
    struct entry *entry = user;
    size_t room = (size_t)I8X_INSPECT_HEAD_BYTES - entry->head_size;
    size_t kept = size_bytes < room ? size_bytes : room;
    memcpy(entry->head + entry->head_size, bytes, kept);
    entry->head_size += kept;
    return entry->sink(entry->sink_user, bytes, size_bytes);
}

static i8x_status produce_entry(void *user, i8x_sink_fn sink, void *sink_user)
{
    struct entry *entry = user;
    entry->sink = sink;
    entry->sink_user = sink_user;
    return i8x_npz_extract(entry->npz, entry->index, keep_head, entry);
}

static i8x_status extract_entry(i8x_task_ctx *ctx, const i8x_npz *npz, int index,
                                i8x_sample_array *array, int64_t *samples)
{
    struct entry entry = {.npz = npz, .index = index};
    entry.head = i8x_arena_alloc(ctx->arena, (size_t)I8X_INSPECT_HEAD_BYTES);
    I8X_TRY(i8x_alloc_check(entry.head));
    i8x_blob_ref blob;
    i8x_npy_info info;
    I8X_TRY(i8x_task_output_stream(ctx, "array", produce_entry, &entry, &blob));
    if (i8x_npy_parse(entry.head, entry.head_size, blob.size_bytes, &info) != I8X_OK)
        return i8x_fail_prefix("array '%.60s': ", i8x_npz_name(npz, index));
    set_array(array, &info, &blob);
    *samples = info.shape.dims[0];
    return I8X_OK;
}

/* Entry for an input: by name, or the only one for the only input. */
static i8x_status find_entry(const i8x_npz *npz, const char *name, int wanted, const char *what,
                             int *index)
{
    int count = i8x_npz_count(npz);
    for (*index = 0; *index < count; (*index)++)
        if (strcmp(i8x_npz_name(npz, *index), name) == 0)
            return I8X_OK;
    if (wanted == 1 && count == 1) {
        *index = 0;
        return I8X_OK;
    }
    I8X_FAIL(I8X_ESHAPE,
             "%s data has %d arrays (the first is '%.40s') and none is named '%.60s' like the "
             "model's input",
             what, count, count > 0 ? i8x_npz_name(npz, 0) : "", name);
}

static i8x_status read_entries(i8x_task_ctx *ctx, const i8x_npz *npz, const i8x_graph *graph,
                               const struct data *data, i8x_sample_set *set)
{
    int wanted = graph != NULL ? graph->input_count : 1;
    for (int i = 0; i < wanted; i++) {
        const char *name = graph != NULL ? graph->values[graph->inputs[i]].name : "labels";
        int index;
        int64_t samples = 0;
        I8X_TRY(find_entry(npz, name, wanted, data->what, &index));
        if (extract_entry(ctx, npz, index, &set->arrays[i], &samples) != I8X_OK)
            return i8x_fail_prefix("%s data: ", data->what);
        I8X_ENSURE(i == 0 || samples == set->samples, I8X_ESHAPE,
                   "%s data: array '%.60s' has %lld samples, the others have %lld", data->what,
                   i8x_npz_name(npz, index), (long long)samples, (long long)set->samples);
        set->samples = samples;
        set->array_count = i + 1;
    }
    return I8X_OK;
}

static i8x_status read_npz(i8x_task_ctx *ctx, const i8x_graph *graph, const struct data *data,
                           i8x_sample_set *set)
{
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_task_open(ctx, data->role, 0, &bytes, &size));
    i8x_npz *npz = NULL;
    if (i8x_npz_open(bytes, size, &npz) != I8X_OK)
        return i8x_fail_prefix("%s data: ", data->what);
    i8x_status status = read_entries(ctx, npz, graph, data, set);
    i8x_npz_close(npz);
    return status;
}

/* ---- checks ---- */

/* graph NULL: labels, which have no input to be checked against. */
static i8x_status read_data(i8x_task_ctx *ctx, const i8x_graph *graph, const struct data *data,
                            i8x_sample_set *set)
{
    memset(set, 0, sizeof *set);
    if (i8x_task_input_count(ctx, data->role) == 0)
        return I8X_OK;
    const uint8_t *head;
    size_t size;
    I8X_TRY(i8x_task_open(ctx, data->head_role, 0, &head, &size));
    if (is_zip(head, size))
        I8X_TRY(read_npz(ctx, graph, data, set));
    else
        I8X_TRY(read_npy(ctx, data, set));
    I8X_ENSURE(set->samples > 0, I8X_ESHAPE, "the %s set is empty", data->what);
    I8X_ENSURE(set->samples <= I8X_SAMPLES_MAX, I8X_ELIMIT,
               "the %s set has %lld samples; the limit is %lld", data->what,
               (long long)set->samples, (long long)I8X_SAMPLES_MAX);
    if (graph == NULL)
        return I8X_OK;
    I8X_ENSURE(set->array_count == graph->input_count, I8X_ESHAPE,
               "the model has %d inputs; give the %s data as a .npz with one array per input name",
               graph->input_count, data->what);
    for (int i = 0; i < graph->input_count; i++)
        I8X_TRY(i8x_sample_type_check(&set->arrays[i].type, graph, i, data->what));
    return I8X_OK;
}

static i8x_status check_labels(const i8x_inspect_summary *summary)
{
    const i8x_sample_set *labels = &summary->labels;
    if (labels->samples == 0)
        return I8X_OK;
    I8X_ENSURE(labels->samples == summary->eval.samples, I8X_ESHAPE,
               "there are %lld labels for %lld evaluation samples", (long long)labels->samples,
               (long long)summary->eval.samples);
    char shape[96];
    I8X_ENSURE(i8x_sample_elements(&labels->arrays[0].type) == 1, I8X_ESHAPE,
               "a label is one class index, but each entry of the labels is %s",
               i8x_shape_text(&labels->arrays[0].type.shape, shape, sizeof shape));
    return I8X_OK;
}

/* A model whose inputs fix the first dimension takes samples in multiples of it. */
static i8x_status find_batch_step(const i8x_graph *graph, i8x_inspect_summary *summary)
{
    summary->batch_step = 1;
    for (int i = 0; i < graph->input_count; i++) {
        const i8x_value *value = &graph->values[graph->inputs[i]];
        I8X_ENSURE(value->shape_known && value->shape.rank >= 1, I8X_ESHAPE,
                   "input '%.60s' has no sample axis; int8x needs the first axis to count samples",
                   value->name);
        I8X_ENSURE(i == 0 || value->shape.dims[0] == summary->batch_step, I8X_ESHAPE,
                   "input '%.60s' takes %lld samples at once, the first input %lld", value->name,
                   (long long)value->shape.dims[0], (long long)summary->batch_step);
        summary->batch_step = value->shape.dims[0];
    }
    I8X_ENSURE(summary->batch_step >= 1 && summary->batch_step <= (1 << 20), I8X_ESHAPE,
               "the model takes %lld samples at once", (long long)summary->batch_step);
    const i8x_sample_set *const sets[] = {&summary->calib, &summary->eval};
    for (int i = 0; i < 2; i++)
        I8X_ENSURE(sets[i]->samples % summary->batch_step == 0, I8X_ESHAPE,
                   "the model takes %lld samples at once, but the %s set has %lld; give a multiple",
                   (long long)summary->batch_step, i == 0 ? "calibration" : "evaluation",
                   (long long)sets[i]->samples);
    return I8X_OK;
}

static i8x_status read_all_data(i8x_task_ctx *ctx, const i8x_graph *graph,
                                i8x_inspect_summary *summary)
{
    static const struct data calib = {"calib", "calib.head", "calibration"};
    static const struct data eval = {"eval", "eval.head", "evaluation"};
    static const struct data labels = {"labels", "labels.head", "label"};
    I8X_TRY(read_data(ctx, graph, &calib, &summary->calib));
    I8X_TRY(read_data(ctx, graph, &eval, &summary->eval));
    I8X_TRY(read_data(ctx, NULL, &labels, &summary->labels));
    I8X_TRY(check_labels(summary));
    return find_batch_step(graph, summary);
}

static i8x_status put_records(i8x_task_ctx *ctx, const i8x_inspection *inspection,
                              const i8x_inspect_summary *summary)
{
    i8x_canon_writer writer;
    i8x_canon_writer_init(&writer, NULL, I8X_TASK_RECORD_MAX);
    i8x_inspection_put(&writer, inspection);
    I8X_TRY(i8x_task_output_record(ctx, "inspection", &writer));
    i8x_canon_writer_init(&writer, NULL, I8X_TASK_SUMMARY_MAX);
    i8x_inspect_summary_put(&writer, summary);
    return i8x_task_summary(ctx, &writer);
}

static i8x_status inspect_probe(i8x_task_ctx *ctx, const uint8_t *bytes, size_t size)
{
    i8x_inspect_summary *summary = i8x_arena_array(ctx->arena, 1, sizeof *summary);
    i8x_inspection *inspection = i8x_arena_array(ctx->arena, 1, sizeof *inspection);
    I8X_TRY(i8x_alloc_check(summary));
    I8X_TRY(i8x_alloc_check(inspection));
    I8X_TRY(i8x_probe_parse(bytes, size, &summary->probe));
    inspection->producer = "probe";
    return put_records(ctx, inspection, summary);
}

i8x_status i8x_task_inspect(i8x_task_ctx *ctx)
{
    const uint8_t *bytes;
    size_t size;
    I8X_TRY(i8x_task_open(ctx, "model", 0, &bytes, &size));
    if (i8x_probe_is(bytes, size))
        return inspect_probe(ctx, bytes, size);
    i8x_graph *graph;
    I8X_TRY(i8x_task_graph(ctx, "model", 1, &graph));
    I8X_ENSURE(graph->input_count >= 1 && graph->input_count <= I8X_SAMPLE_ARRAYS_MAX,
               I8X_EUNSUPPORTED, "the model has %d inputs; int8x takes 1 to %d", graph->input_count,
               I8X_SAMPLE_ARRAYS_MAX);
    i8x_inspect_summary *summary = i8x_arena_array(ctx->arena, 1, sizeof *summary);
    i8x_inspection *inspection = i8x_arena_array(ctx->arena, 1, sizeof *inspection);
    I8X_TRY(i8x_alloc_check(summary));
    I8X_TRY(i8x_alloc_check(inspection));
    I8X_TRY(read_all_data(ctx, graph, summary));
    I8X_TRY(i8x_inspect_graph(graph, true, &ctx->params.recipe, ctx->arena, inspection));
    inspection->file_bytes = ctx->params.model_bytes;
    summary->layers = inspection->layer_count;
    I8X_ENSURE(
        inspection->quantized_count == 0, I8X_EARG,
        "the model is quantized already: %d layers have integer weights; give the float model",
        inspection->quantized_count);
    return put_records(ctx, inspection, summary);
}
