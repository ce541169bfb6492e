/* SPDX-License-Identifier: Apache-2.0
 *
 * Qspec: questions, numbers and encoding. The structure is made in qspec_plan.c.
 */
#include "core/quant/qspec.h"

#include <math.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/quant/range.h"

#define QSPEC_MAGIC 0x51583849u /* "I8XQ" */

const char *i8x_qreason_text(i8x_qreason reason)
{
    static const char *const texts[] = {
#define X(name, sentence) sentence,
        I8X_QREASON_LIST(X)
#undef X
    };
    return (unsigned)reason < sizeof texts / sizeof texts[0] ? texts[reason] : "?";
}

int i8x_qspec_quantized_count(const i8x_qspec *qspec)
{
    int count = 0;
    for (int i = 0; i < qspec->layer_count; i++)
        count += qspec->layers[i].reason == I8X_QREASON_NONE;
    return count;
}

const i8x_qlayer *i8x_qspec_layer(const i8x_qspec *qspec, int node)
{
    for (int i = 0; i < qspec->layer_count; i++) {
        if (qspec->layers[i].node == node)
            return &qspec->layers[i];
    }
    return NULL;
}

static i8x_status group_solve(const i8x_qspec *qspec, i8x_qgroup *group, const i8x_graph *graph,
                              const i8x_recipe *recipe, const i8x_histograms *histograms,
                              int chosen, const i8x_range *chosen_range)
{
    const char *name = graph->values[group->root].name;
    const i8x_histogram *histogram = i8x_histograms_find(histograms, group->root);
    I8X_ENSURE(histogram != NULL && histogram->count > 0, I8X_EARG, "'%s': no statistics", name);
    i8x_range_opts opts = {.target = i8x_target_info_get(qspec->target),
                           .percentile = recipe->percentile,
                           .bound_lo = group->bound_lo,
                           .bound_hi = group->bound_hi};
    i8x_range range;
    int clip = chosen;
    if (chosen >= 0) {
        range = *chosen_range;
    } else {
        /* what the caller feeds and auto without a choice keep their whole range */
        bool whole = recipe->clip == I8X_CLIP_AUTO || graph->values[group->root].is_input;
        clip = whole ? I8X_CLIP_MINMAX : recipe->clip;
        I8X_TRY(i8x_range_choose(histogram, (i8x_clip)clip, &opts, &range));
    }
    I8X_ENSURE(isfinite(range.lo) && isfinite(range.hi) && isfinite(range.hi - range.lo) &&
                   range.lo <= 0 && range.hi >= 0,
               I8X_ERANGE, "'%s': range [%g, %g]", name, (double)range.lo, (double)range.hi);
    group->min = histogram->min;
    group->max = histogram->max;
    group->lo = range.lo;
    group->hi = range.hi;
    group->clip = clip;
    i8x_range_params(opts.target, range.lo, range.hi, &group->scale, &group->zero_point);
    return I8X_OK;
}

i8x_status i8x_qspec_solve(i8x_qspec *qspec, const i8x_graph *graph, const i8x_recipe *recipe,
                           const i8x_histograms *histograms, const i8x_selection *selection)
{
    I8X_ENSURE(selection == NULL || selection->group_count == qspec->group_count, I8X_EARG,
               "selection of %d groups for %d", selection == NULL ? 0 : selection->group_count,
               qspec->group_count);
    for (int g = 0; g < qspec->group_count; g++) {
        int chosen = selection == NULL ? -1 : selection->clip[g];
        i8x_range range = {0};
        if (chosen >= 0)
            range = (i8x_range){.lo = selection->lo[g], .hi = selection->hi[g]};
        I8X_TRY(group_solve(qspec, &qspec->groups[g], graph, recipe, histograms, chosen, &range));
    }
    qspec->solved = true;
    return I8X_OK;
}

static void group_put(i8x_writer *writer, const i8x_qgroup *group)
{
    i8x_writer_put_s32(writer, group->root);
    i8x_writer_put_f32(writer, group->bound_lo);
    i8x_writer_put_f32(writer, group->bound_hi);
    i8x_writer_put_f32(writer, group->min + 0.0f);
    i8x_writer_put_f32(writer, group->max + 0.0f);
    i8x_writer_put_f32(writer, group->lo + 0.0f);
    i8x_writer_put_f32(writer, group->hi + 0.0f);
    i8x_writer_put_f32(writer, group->scale);
    i8x_writer_put_s32(writer, group->zero_point);
    i8x_writer_put_s32(writer, group->clip);
}

static void layer_put(i8x_writer *writer, const i8x_qlayer *layer)
{
    i8x_writer_put_s32(writer, layer->node);
    i8x_writer_put_u8(writer, (uint8_t)layer->reason);
    i8x_writer_put_s32(writer, layer->input);
    i8x_writer_put_s32(writer, layer->output);
    i8x_writer_put_s32(writer, layer->weight);
    i8x_writer_put_s32(writer, layer->bias);
    i8x_writer_put_u8(writer, (uint8_t)layer->axis);
    i8x_writer_put_s64(writer, layer->channels);
    i8x_writer_put_s64(writer, layer->elements);
    i8x_writer_put_u8(writer, layer->depthwise);
}

i8x_status i8x_qspec_encode(const i8x_qspec *qspec, i8x_arena *arena, const uint8_t **bytes,
                            size_t *size_bytes)
{
    i8x_writer writer;
    i8x_writer_init(&writer, NULL, 0);
    i8x_writer_put_u32(&writer, QSPEC_MAGIC);
    i8x_writer_put_u32(&writer, I8X_QSPEC_REVISION);
    i8x_writer_put_u8(&writer, (uint8_t)qspec->target);
    i8x_writer_put_u8(&writer, qspec->solved);
    i8x_writer_put_u32(&writer, (uint32_t)qspec->value_count);
    i8x_writer_put_u32(&writer, (uint32_t)qspec->node_count);
    i8x_writer_put_u32(&writer, (uint32_t)qspec->group_count);
    i8x_writer_put_u32(&writer, (uint32_t)qspec->layer_count);
    for (int v = 0; v < qspec->value_count; v++)
        i8x_writer_put_s32(&writer, qspec->value_group[v]);
    i8x_writer_put_bytes(&writer, qspec->node_role, (size_t)qspec->node_count);
    i8x_writer_put_bytes(&writer, qspec->node_reason, (size_t)qspec->node_count);
    for (int g = 0; g < qspec->group_count; g++)
        group_put(&writer, &qspec->groups[g]);
    for (int l = 0; l < qspec->layer_count; l++)
        layer_put(&writer, &qspec->layers[l]);
    i8x_status status = i8x_writer_status(&writer);
    if (status == I8X_OK) {
        *size_bytes = writer.size;
        *bytes = i8x_arena_copy(arena, writer.bytes, writer.size);
        status = i8x_alloc_check(*bytes);
    }
    i8x_writer_deinit(&writer);
    return status;
}

static void group_take(i8x_reader *reader, const i8x_qspec *qspec, i8x_qgroup *group)
{
    group->root = i8x_reader_s32(reader);
    group->bound_lo = i8x_reader_f32(reader);
    group->bound_hi = i8x_reader_f32(reader);
    group->min = i8x_reader_f32(reader);
    group->max = i8x_reader_f32(reader);
    group->lo = i8x_reader_f32(reader);
    group->hi = i8x_reader_f32(reader);
    group->scale = i8x_reader_f32(reader);
    group->zero_point = i8x_reader_s32(reader);
    group->clip = i8x_reader_s32(reader);
    const i8x_target_info *target = i8x_target_info_get(qspec->target);
    bool numbers = isfinite(group->scale) && group->scale > 0 && isfinite(group->lo) &&
                   isfinite(group->hi) && group->zero_point >= target->qmin &&
                   group->zero_point <= target->qmax && group->clip >= 0 &&
                   group->clip < I8X_CLIP_COUNT;
    if (group->root < 0 || group->root >= qspec->value_count || (qspec->solved && !numbers))
        (void)i8x_reader_fail(reader, "bad group");
}

static void layer_take(i8x_reader *reader, const i8x_qspec *qspec, i8x_qlayer *layer)
{
    layer->node = i8x_reader_s32(reader);
    layer->reason = (i8x_qreason)i8x_reader_u8(reader);
    layer->input = i8x_reader_s32(reader);
    layer->output = i8x_reader_s32(reader);
    layer->weight = i8x_reader_s32(reader);
    layer->bias = i8x_reader_s32(reader);
    layer->axis = i8x_reader_u8(reader);
    layer->channels = i8x_reader_s64(reader);
    layer->elements = i8x_reader_s64(reader);
    layer->depthwise = i8x_reader_u8(reader) != 0;
    int values = qspec->value_count;
    if (layer->node < 0 || layer->node >= qspec->node_count || layer->input < 0 ||
        layer->input >= values || layer->output < 0 || layer->output >= values ||
        layer->weight < 0 || layer->weight >= values || layer->bias >= values ||
        layer->bias < I8X_GRAPH_NONE || layer->axis >= I8X_RANK_MAX || layer->channels < 0 ||
        layer->elements < layer->channels)
        (void)i8x_reader_fail(reader, "bad layer");
}

static i8x_status qspec_alloc(i8x_qspec *q, i8x_arena *arena)
{
    q->value_group = i8x_arena_array(arena, (size_t)q->value_count, sizeof *q->value_group);
    I8X_TRY(i8x_alloc_check(q->value_group));
    q->node_role = i8x_arena_array(arena, (size_t)q->node_count, 1);
    I8X_TRY(i8x_alloc_check(q->node_role));
    q->node_reason = i8x_arena_array(arena, (size_t)q->node_count, 1);
    I8X_TRY(i8x_alloc_check(q->node_reason));
    q->groups = i8x_arena_array(arena, (size_t)q->group_count, sizeof *q->groups);
    I8X_TRY(i8x_alloc_check(q->groups));
    q->layers = i8x_arena_array(arena, (size_t)q->layer_count, sizeof *q->layers);
    return i8x_alloc_check(q->layers);
}

/* Roles and reasons: one byte a node each, checked against their lists. */
static void nodes_take(i8x_reader *reader, uint8_t *to, int count, unsigned limit)
{
    const uint8_t *bytes = i8x_reader_bytes(reader, (size_t)count);
    for (int i = 0; bytes != NULL && i < count; i++) {
        to[i] = bytes[i];
        if (bytes[i] >= limit)
            (void)i8x_reader_fail(reader, "unknown role or reason of a node");
    }
}

i8x_status i8x_qspec_decode(const void *bytes, size_t size_bytes, i8x_arena *arena, i8x_qspec *q)
{
    i8x_reader reader;
    i8x_reader_init(&reader, bytes, size_bytes, "qspec");
    uint32_t magic = i8x_reader_u32(&reader), revision = i8x_reader_u32(&reader);
    uint8_t target = i8x_reader_u8(&reader), solved = i8x_reader_u8(&reader);
    uint32_t counts[4]; /* values, nodes, groups, layers */
    for (int i = 0; i < 4; i++)
        counts[i] = i8x_reader_u32(&reader);
    I8X_TRY(i8x_reader_status(&reader));
    I8X_ENSURE(magic == QSPEC_MAGIC, I8X_EFORMAT, "qspec: not such a record");
    I8X_ENSURE(revision == I8X_QSPEC_REVISION, I8X_EVERSION, "qspec: revision %u", revision);
    I8X_ENSURE(target < I8X_TARGET_COUNT && solved <= 1, I8X_EFORMAT, "qspec: target %u", target);
    I8X_ENSURE(counts[0] <= I8X_GRAPH_VALUES_MAX && counts[1] <= I8X_GRAPH_NODES_MAX &&
                   counts[2] <= counts[0] && counts[3] <= counts[1],
               I8X_ELIMIT, "qspec: %u values, %u nodes, %u groups, %u layers", counts[0], counts[1],
               counts[2], counts[3]);
    *q = (i8x_qspec){.target = (i8x_target)target,
                     .solved = solved != 0,
                     .value_count = (int)counts[0],
                     .node_count = (int)counts[1],
                     .group_count = (int)counts[2],
                     .layer_count = (int)counts[3]};
    I8X_TRY(qspec_alloc(q, arena));
    for (int v = 0; v < q->value_count; v++) {
        q->value_group[v] = i8x_reader_s32(&reader);
        if (q->value_group[v] < -1 || q->value_group[v] >= q->group_count)
            (void)i8x_reader_fail(&reader, "bad group of a value");
    }
    nodes_take(&reader, q->node_role, q->node_count, I8X_QROLE_ABSORBED + 1);
    nodes_take(&reader, q->node_reason, q->node_count, I8X_QREASON_ISOLATED + 1);
    for (int g = 0; g < q->group_count && i8x_reader_ok(&reader); g++)
        group_take(&reader, q, &q->groups[g]);
    for (int l = 0; l < q->layer_count && i8x_reader_ok(&reader); l++)
        layer_take(&reader, q, &q->layers[l]);
    I8X_TRY(i8x_reader_status(&reader));
    return i8x_reader_end(&reader);
}

i8x_status i8x_qspec_check(const i8x_qspec *qspec, const i8x_graph *graph)
{
    I8X_ENSURE(qspec->value_count == graph->value_count && qspec->node_count == graph->node_count,
               I8X_EFORMAT, "qspec of %d values and %d nodes for a graph of %d and %d",
               qspec->value_count, qspec->node_count, graph->value_count, graph->node_count);
    for (int i = 0; i < qspec->layer_count; i++) {
        const i8x_qlayer *layer = &qspec->layers[i];
        if (layer->reason != I8X_QREASON_NONE)
            continue;
        const i8x_value *weight = &graph->values[layer->weight];
        I8X_ENSURE(i8x_value_is_constant(weight) && weight->dtype == I8X_DTYPE_F32 &&
                       layer->axis < weight->shape.rank &&
                       weight->shape.dims[layer->axis] == layer->channels &&
                       layer->input == graph->nodes[layer->node].inputs[0] &&
                       qspec->value_group[layer->input] >= 0,
                   I8X_EFORMAT, "qspec: layer %d does not fit '%s'", i,
                   graph->nodes[layer->node].name);
    }
    return I8X_OK;
}
