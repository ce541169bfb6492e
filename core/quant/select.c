/* SPDX-License-Identifier: Apache-2.0
 *
 * Select: one FP32 forward a sample; whenever a value of a group of ours is computed, each layer
 * that reads it runs on the value itself and on the value quantized to each candidate range. A
 * group that no layer reads is judged by its own error. Errors are taken relative to the layer's
 * output power and added over the layers.
 */
#include "core/quant/select.h"

#include <math.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/graph/exec.h"
#include "core/kernels/kernels.h"
#include "core/quant/range.h"
#include "core/tensor/tensor.h"

#define SELECTION_MAGIC 0x53583849u /* "I8XS" */
#define SELECTION_VERSION 1

/* Candidates, in the order in which equals win. */
/* Every method of the list but auto itself, in the list's order. */
#define CANDIDATES (I8X_CLIP_COUNT - I8X_CLIP_AUTO - 1)

static i8x_clip candidate(int index)
{
    return (i8x_clip)(I8X_CLIP_AUTO + 1 + index);
}

typedef struct trial {
    i8x_range range;
    float scale;
    int32_t zero_point;
} trial;

typedef struct group_work {
    trial trials[CANDIDATES];
    double total[CANDIDATES]; /* over layers of error / power */
    bool read;                /* some layer reads the group */
} group_work;

/* Sums of one layer over the samples (or of a value that no layer reads). */
typedef struct reader_work {
    int layer; /* in qspec, or -1 */
    int value, group;
    double error[CANDIDATES], power;
} reader_work;

typedef struct work {
    const i8x_graph *graph;
    const i8x_qspec *qspec;
    const i8x_target_info *target;
    group_work *groups; /* [group_count], those outside the part unused */
    reader_work *readers;
    int reader_count;
    i8x_arena *scratch;
    i8x_threads *threads;
} work;

static i8x_status layer_output(const work *w, const reader_work *r, const i8x_tensor *x, float **y,
                               size_t *count)
{
    const i8x_qlayer *layer = &w->qspec->layers[r->layer];
    const i8x_node *node = &w->graph->nodes[layer->node];
    i8x_tensor inputs[3] = {*x, i8x_value_tensor(&w->graph->values[layer->weight])};
    if (layer->bias >= 0)
        inputs[2] = i8x_value_tensor(&w->graph->values[layer->bias]);
    const i8x_value *v = &w->graph->values[node->outputs[0]];
    i8x_tensor output = i8x_tensor_make(v->dtype, &v->shape, NULL);
    output.data = i8x_arena_alloc(w->scratch, i8x_tensor_size_bytes(&output));
    I8X_TRY(i8x_alloc_check(output.data));
    *y = output.data;
    *count = (size_t)i8x_tensor_elements(&output);
    return i8x_exec_node(w->graph, layer->node, inputs, &output, w->scratch, w->threads);
}

static i8x_status reader_add(work *w, reader_work *r, const i8x_tensor *x)
{
    const i8x_kernels *kernels = i8x_kernels_get();
    size_t size = (size_t)i8x_tensor_elements(x), count = size;
    float *reference = x->data;
    i8x_arena_mark mark = i8x_arena_mark_get(w->scratch);
    if (r->layer >= 0)
        I8X_TRY(layer_output(w, r, x, &reference, &count));
    i8x_tensor quantized = *x;
    quantized.data = i8x_arena_alloc(w->scratch, size * sizeof(float));
    I8X_TRY(i8x_alloc_check(quantized.data));
    for (int k = 0; k < CANDIDATES; k++) {
        const trial *t = &w->groups[r->group].trials[k];
        kernels->fakequant_f32(x->data, size, t->scale, t->zero_point, w->target->qmin,
                               w->target->qmax, quantized.data);
        float *y = quantized.data;
        i8x_arena_mark inner = i8x_arena_mark_get(w->scratch);
        if (r->layer >= 0)
            I8X_TRY(layer_output(w, r, &quantized, &y, &count));
        double error, power;
        kernels->sq_error_f32(reference, y, count, &error, &power);
        r->error[k] += error;
        r->power += k == 0 ? power : 0;
        i8x_arena_rewind(w->scratch, inner);
    }
    i8x_arena_rewind(w->scratch, mark);
    return I8X_OK;
}

static i8x_status see(void *user, int value, const i8x_tensor *tensor)
{
    work *w = user;
    for (int i = 0; i < w->reader_count; i++) {
        if (w->readers[i].value == value)
            I8X_TRY(reader_add(w, &w->readers[i], tensor));
    }
    return I8X_OK;
}

static i8x_status group_trials(work *w, int index, const i8x_recipe *recipe,
                               const i8x_histograms *histograms)
{
    const i8x_qgroup *g = &w->qspec->groups[index];
    const i8x_histogram *histogram = i8x_histograms_find(histograms, g->root);
    I8X_ENSURE(histogram != NULL && histogram->count > 0, I8X_EARG, "'%s': no statistics",
               w->graph->values[g->root].name);
    i8x_range_opts opts = {.target = w->target,
                           .percentile = recipe->percentile,
                           .bound_lo = g->bound_lo,
                           .bound_hi = g->bound_hi};
    for (int k = 0; k < CANDIDATES; k++) {
        trial *t = &w->groups[index].trials[k];
        I8X_TRY(i8x_range_choose(histogram, candidate(k), &opts, &t->range));
        i8x_range_params(w->target, t->range.lo, t->range.hi, &t->scale, &t->zero_point);
    }
    return I8X_OK;
}

static void readers_find(work *w, int begin, int end)
{
    for (int l = 0; l < w->qspec->layer_count; l++) {
        const i8x_qlayer *layer = &w->qspec->layers[l];
        int group = layer->reason == I8X_QREASON_NONE ? w->qspec->value_group[layer->input] : -1;
        if (group < begin || group >= end)
            continue;
        w->groups[group].read = true;
        w->readers[w->reader_count++] =
            (reader_work){.layer = l, .value = layer->input, .group = group};
    }
    for (int g = begin; g < end; g++) {
        if (!w->groups[g].read)
            w->readers[w->reader_count++] =
                (reader_work){.layer = -1, .value = w->qspec->groups[g].root, .group = g};
    }
}

static i8x_status samples_run(work *w, const i8x_sample_block *block, i8x_arena *arena)
{
    const i8x_graph *graph = w->graph;
    uint8_t *observed = i8x_arena_array(arena, (size_t)graph->value_count, 1);
    I8X_TRY(i8x_alloc_check(observed));
    for (int i = 0; i < w->reader_count; i++)
        observed[w->readers[i].value] = 1;
    i8x_tensor *inputs = i8x_arena_array(arena, (size_t)graph->input_count, sizeof *inputs);
    I8X_TRY(i8x_alloc_check(inputs));
    i8x_tensor *outputs = i8x_arena_array(arena, (size_t)graph->output_count, sizeof *outputs);
    I8X_TRY(i8x_alloc_check(outputs));
    i8x_exec_opts opts = {
        .threads = w->threads, .observer = see, .observer_user = w, .observed = observed};
    i8x_exec *exec;
    I8X_TRY(i8x_exec_new(graph, &opts, &exec));
    i8x_status status = I8X_OK;
    for (int64_t s = 0; s < block->samples && status == I8X_OK; s++) {
        for (int k = 0; k < graph->input_count; k++) {
            inputs[k] = block->inputs[k];
            inputs[k].shape.dims[0] /= block->samples;
            inputs[k].data =
                (uint8_t *)inputs[k].data + (size_t)s * i8x_tensor_size_bytes(&inputs[k]);
        }
        status = i8x_exec_run(exec, inputs, outputs);
    }
    i8x_exec_free(exec);
    return status;
}

static void choose(const work *w, int group, const i8x_graph *graph, i8x_selection *selection)
{
    const group_work *g = &w->groups[group];
    int best = 0;
    /* what the caller feeds keeps its whole range: values beyond it cost more than resolution gains
     */
    for (int k = 1; k < CANDIDATES && !graph->values[w->qspec->groups[group].root].is_input; k++) {
        if (g->total[k] < g->total[best])
            best = k;
    }
    selection->clip[group] = (int8_t)candidate(best);
    selection->lo[group] = g->trials[best].range.lo;
    selection->hi[group] = g->trials[best].range.hi;
}

static i8x_status selection_alloc(int group_count, i8x_arena *arena, i8x_selection *selection)
{
    size_t count = (size_t)group_count;
    selection->group_count = group_count;
    selection->clip = i8x_arena_array(arena, count, sizeof *selection->clip);
    I8X_TRY(i8x_alloc_check(selection->clip));
    selection->lo = i8x_arena_array(arena, count, sizeof *selection->lo);
    I8X_TRY(i8x_alloc_check(selection->lo));
    selection->hi = i8x_arena_array(arena, count, sizeof *selection->hi);
    I8X_TRY(i8x_alloc_check(selection->hi));
    memset(selection->clip, -1, count);
    return I8X_OK;
}

i8x_status i8x_select_run(const i8x_graph *graph, const i8x_qspec *qspec, const i8x_recipe *recipe,
                          const i8x_histograms *histograms, const i8x_sample_block *block,
                          int group_begin, int group_end, i8x_threads *threads, i8x_arena *arena,
                          i8x_selection *selection)
{
    I8X_ENSURE(group_begin >= 0 && group_begin <= group_end && group_end <= qspec->group_count,
               I8X_EARG, "groups [%d, %d) of %d", group_begin, group_end, qspec->group_count);
    I8X_ENSURE(block->samples > 0, I8X_EARG, "a block of no samples");
    I8X_TRY(selection_alloc(qspec->group_count, arena, selection));
    work w = {.graph = graph,
              .qspec = qspec,
              .target = i8x_target_info_get(qspec->target),
              .threads = threads};
    w.groups = i8x_arena_array(arena, (size_t)qspec->group_count, sizeof *w.groups);
    I8X_TRY(i8x_alloc_check(w.groups));
    w.readers = i8x_arena_array(arena, (size_t)qspec->layer_count + (size_t)qspec->group_count,
                                sizeof *w.readers);
    I8X_TRY(i8x_alloc_check(w.readers));
    for (int g = group_begin; g < group_end; g++)
        I8X_TRY(group_trials(&w, g, recipe, histograms));
    readers_find(&w, group_begin, group_end);
    I8X_TRY(i8x_arena_new(NULL, 0, &w.scratch));
    i8x_status status = samples_run(&w, block, arena);
    i8x_arena_free(w.scratch);
    for (int i = 0; i < w.reader_count; i++) {
        const reader_work *r = &w.readers[i];
        for (int k = 0; k < CANDIDATES; k++)
            w.groups[r->group].total[k] += r->power > 0 ? r->error[k] / r->power : 0;
    }
    for (int g = group_begin; g < group_end && status == I8X_OK; g++)
        choose(&w, g, graph, selection);
    return status;
}

i8x_status i8x_selection_merge(const i8x_selection *parts, int part_count, i8x_arena *arena,
                               i8x_selection *merged)
{
    I8X_ENSURE(part_count > 0, I8X_EARG, "no selections to merge");
    I8X_TRY(selection_alloc(parts[0].group_count, arena, merged));
    for (int p = 0; p < part_count; p++) {
        I8X_ENSURE(parts[p].group_count == merged->group_count, I8X_ESHAPE,
                   "selections of %d and of %d groups", merged->group_count, parts[p].group_count);
        for (int g = 0; g < merged->group_count; g++) {
            if (parts[p].clip[g] < 0)
                continue;
            I8X_ENSURE(merged->clip[g] < 0 ||
                           (merged->clip[g] == parts[p].clip[g] &&
                            merged->lo[g] == parts[p].lo[g] && merged->hi[g] == parts[p].hi[g]),
                       I8X_EFORMAT, "two selections differ in group %d", g);
            merged->clip[g] = parts[p].clip[g];
            merged->lo[g] = parts[p].lo[g];
            merged->hi[g] = parts[p].hi[g];
        }
    }
    return I8X_OK;
}

i8x_status i8x_selection_encode(const i8x_selection *selection, i8x_arena *arena,
                                const uint8_t **bytes, size_t *size_bytes)
{
    i8x_writer writer;
    i8x_writer_init(&writer, NULL, 0);
    i8x_writer_put_u32(&writer, SELECTION_MAGIC);
    i8x_writer_put_u32(&writer, SELECTION_VERSION);
    i8x_writer_put_u32(&writer, (uint32_t)selection->group_count);
    for (int g = 0; g < selection->group_count; g++) {
        i8x_writer_put_s8(&writer, selection->clip[g]);
        i8x_writer_put_f32(&writer, selection->lo[g] + 0.0f);
        i8x_writer_put_f32(&writer, selection->hi[g] + 0.0f);
    }
    i8x_status status = i8x_writer_status(&writer);
    if (status == I8X_OK) {
        *size_bytes = writer.size;
        *bytes = i8x_arena_copy(arena, writer.bytes, writer.size);
        status = i8x_alloc_check(*bytes);
    }
    i8x_writer_deinit(&writer);
    return status;
}

i8x_status i8x_selection_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                                i8x_selection *selection)
{
    i8x_reader reader;
    i8x_reader_init(&reader, bytes, size_bytes, "selection");
    uint32_t magic = i8x_reader_u32(&reader), version = i8x_reader_u32(&reader);
    uint32_t count = i8x_reader_u32(&reader);
    I8X_TRY(i8x_reader_status(&reader));
    I8X_ENSURE(magic == SELECTION_MAGIC, I8X_EFORMAT, "selection: not such a record");
    I8X_ENSURE(version == SELECTION_VERSION, I8X_EVERSION, "selection: version %u", version);
    I8X_ENSURE(count <= I8X_GRAPH_VALUES_MAX && count <= i8x_reader_left(&reader) / 9, I8X_ELIMIT,
               "selection: %u groups", count);
    I8X_TRY(selection_alloc((int)count, arena, selection));
    for (uint32_t g = 0; g < count; g++) {
        selection->clip[g] = i8x_reader_s8(&reader);
        selection->lo[g] = i8x_reader_f32(&reader);
        selection->hi[g] = i8x_reader_f32(&reader);
        bool range = isfinite(selection->lo[g]) && isfinite(selection->hi[g]) &&
                     selection->lo[g] <= 0 && selection->hi[g] >= 0;
        if (selection->clip[g] < -1 || selection->clip[g] >= I8X_CLIP_COUNT || !range)
            (void)i8x_reader_fail(&reader, "bad method or range");
    }
    I8X_TRY(i8x_reader_status(&reader));
    return i8x_reader_end(&reader);
}
