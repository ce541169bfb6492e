/* SPDX-License-Identifier: Apache-2.0
 *
 * Exec plan: from nodes to steps and memory, in four passes over the nodes:
 *   1. mark what is known, folded into a neighbour, or wanted by nobody;
 *   2. make the steps;
 *   3. find the last reader of every value;
 *   4. give each step's results a place: their own, a view of the input's, or an operand's (in
 * place).
 */
#include "core/graph/exec_plan.h"

#include <math.h>
#include <string.h>

#include "core/graph/infer.h"
#include "core/graph/op_params.h"
#include "core/graph/placement.h"
#include "core/tensor/tensor.h"

typedef struct maker {
    const i8x_graph *graph;
    const i8x_exec_opts *opts;
    i8x_arena *arena;
    i8x_exec_plan *plan;
    bool *skipped;              /* [node_count] no step of its own */
    i8x_exec_integer **integer; /* [node_count] */
    int *clamp;                 /* [node_count] activation node folded in, or -1 */
    int *uses; /* [value_count] reads by steps; graph outputs and observed values count too */
    int *last; /* [value_count] last step that reads it */
} maker;

bool i8x_exec_observes(const i8x_exec_opts *opts, int value)
{
    return opts->observer != NULL && (opts->observed == NULL || opts->observed[value]);
}

static i8x_status new_ints(maker *m, int count, int value, int **list)
{
    *list = i8x_arena_array(m->arena, (size_t)count, sizeof **list);
    I8X_TRY(i8x_alloc_check(*list));
    for (int i = 0; i < count; i++)
        (*list)[i] = value;
    return I8X_OK;
}

/* Types, shapes and known values; those that were computed move into the plan's arena. */
static i8x_status known_values(maker *m)
{
    const i8x_graph *graph = m->graph;
    i8x_arena *side;
    m->plan->tensors =
        i8x_arena_array(m->arena, (size_t)graph->value_count, sizeof *m->plan->tensors);
    I8X_TRY(i8x_alloc_check(m->plan->tensors));
    I8X_TRY(i8x_arena_new(NULL, 0, &side));
    i8x_status status = i8x_infer_values(graph, m->plan->tensors, side);
    for (int i = 0; i < graph->value_count && status == I8X_OK; i++) {
        i8x_tensor *t = &m->plan->tensors[i];
        if (t->data == NULL || i8x_value_is_constant(&graph->values[i]))
            continue;
        t->data = i8x_arena_copy(m->arena, t->data, i8x_tensor_size_bytes(t));
        status = i8x_alloc_check(t->data);
    }
    i8x_arena_free(side);
    return status;
}

static bool is_known(const maker *m, int value)
{
    return m->plan->tensors[value].data != NULL;
}

static void skip_known(maker *m)
{
    for (int n = 0; n < m->graph->node_count; n++) {
        const i8x_node *node = &m->graph->nodes[n];
        m->skipped[n] = i8x_node_removed(node);
        bool all = node->output_count > 0;
        for (int i = 0; i < node->output_count; i++)
            all = all && (node->outputs[i] == I8X_GRAPH_NONE || is_known(m, node->outputs[i]));
        m->skipped[n] = m->skipped[n] || all;
    }
}

/* The only reader of a value that nobody else wants to see, or -1. */
static int private_reader(const maker *m, int value)
{
    int user = value == I8X_GRAPH_NONE ? -1 : i8x_graph_single_user(m->graph, value);
    if (user < 0 || m->skipped[user] || i8x_exec_observes(m->opts, value))
        return -1;
    return user;
}

static bool clamp_of(const i8x_node *node, i8x_op_clamp *clamp)
{
    const i8x_unary_params *p = node->params;
    if (!i8x_node_is(node, I8X_OP_CLIP) && !i8x_node_is(node, I8X_OP_RELU))
        return false;
    bool relu = i8x_node_is(node, I8X_OP_RELU);
    *clamp =
        (i8x_op_clamp){.on = true, .lo = relu ? 0.0f : p->alpha, .hi = relu ? INFINITY : p->beta};
    return true;
}

static i8x_status fold_linear(maker *m)
{
    i8x_op_clamp clamp;
    for (int n = 0; n < m->graph->node_count; n++) {
        const i8x_node *node = &m->graph->nodes[n];
        const i8x_op *op = i8x_op_of(node);
        if (m->skipped[n] || !(op->flags & I8X_OP_LINEAR))
            continue;
        int user = private_reader(m, node->outputs[0]);
        bool quantizer = user >= 0 && i8x_node_is(&m->graph->nodes[user], I8X_OP_QUANTIZE_LINEAR) &&
                         m->graph->nodes[user].inputs[0] == node->outputs[0];
        I8X_TRY(i8x_exec_integer_match(m->graph, m->plan->tensors, n, quantizer ? user : -1,
                                       m->arena, &m->integer[n]));
        if (m->integer[n] != NULL && m->integer[n]->quantize >= 0)
            m->skipped[m->integer[n]->quantize] = true;
        if (m->integer[n] == NULL && user >= 0 && clamp_of(&m->graph->nodes[user], &clamp)) {
            m->clamp[n] = user;
            m->skipped[user] = true;
        }
    }
    return I8X_OK;
}

/* Values that a node's step reads. */
static int step_reads(const maker *m, int n, int *values)
{
    const i8x_node *node = &m->graph->nodes[n];
    if (m->integer[n] != NULL) {
        values[0] = m->integer[n]->x;
        return 1;
    }
    memcpy(values, node->inputs, (size_t)node->input_count * sizeof *values);
    return node->input_count;
}

static const i8x_node *result_node(const maker *m, int n)
{
    if (m->integer[n] != NULL && m->integer[n]->quantize >= 0)
        return &m->graph->nodes[m->integer[n]->quantize];
    return &m->graph->nodes[m->clamp[n] >= 0 ? m->clamp[n] : n];
}

static bool wanted(const maker *m, int n)
{
    const i8x_node *node = result_node(m, n);
    for (int i = 0; i < node->output_count; i++) {
        int value = node->outputs[i];
        if (value != I8X_GRAPH_NONE && (m->uses[value] > 0 || m->graph->values[value].is_output ||
                                        i8x_exec_observes(m->opts, value)))
            return true;
    }
    return false;
}

/* Backwards, so that a DequantizeLinear whose readers all work on codes is found to have none. */
static i8x_status count_uses(maker *m)
{
    int *reads;
    I8X_TRY(new_ints(m, I8X_GRAPH_NODE_IO_MAX, 0, &reads));
    for (int n = m->graph->node_count - 1; n >= 0; n--) {
        if (m->skipped[n])
            continue;
        if (!wanted(m, n)) {
            m->skipped[n] = true;
            continue;
        }
        int count = step_reads(m, n, reads);
        for (int i = 0; i < count; i++)
            if (reads[i] != I8X_GRAPH_NONE)
                m->uses[reads[i]]++;
    }
    return I8X_OK;
}

static i8x_status make_step(maker *m, int n)
{
    i8x_exec_step *step = &m->plan->steps[m->plan->step_count];
    const i8x_node *node = &m->graph->nodes[n], *result = result_node(m, n);
    *step = (i8x_exec_step){.op = i8x_op_of(node), .node = n, .integer = m->integer[n]};
    step->view = (step->op->flags & I8X_OP_VIEW) != 0;
    if (m->clamp[n] >= 0)
        (void)clamp_of(result, &step->clamp);
    I8X_TRY(new_ints(m, node->input_count, I8X_GRAPH_NONE, &step->inputs));
    step->input_count = step_reads(m, n, step->inputs);
    step->outputs = result->outputs;
    step->output_count = result->output_count;
    for (int i = 0; i < step->input_count; i++)
        if (step->inputs[i] != I8X_GRAPH_NONE)
            m->last[step->inputs[i]] = m->plan->step_count;
    m->plan->step_count++;
    return I8X_OK;
}

static i8x_status make_steps(maker *m)
{
    i8x_exec_plan *plan = m->plan;
    plan->steps = i8x_arena_array(m->arena, (size_t)m->graph->node_count, sizeof *plan->steps);
    I8X_TRY(i8x_alloc_check(plan->steps));
    for (int n = 0; n < m->graph->node_count; n++)
        if (!m->skipped[n])
            I8X_TRY(make_step(m, n));
    for (int i = 0; i < m->graph->output_count; i++)
        m->last[m->graph->outputs[i]] = plan->step_count; /* alive to the end */
    return I8X_OK;
}

static void extend(maker *m, int item, int value)
{
    if (m->last[value] > m->plan->items[item].last)
        m->plan->items[item].last = m->last[value];
}

/* An operand whose memory the result may take: nobody reads it later, and it has the result's size.
 */
static int operand_to_reuse(const maker *m, const i8x_exec_step *step, int index)
{
    const i8x_exec_plan *plan = m->plan;
    const i8x_tensor *y = &plan->tensors[step->outputs[0]];
    if (!(step->op->flags & I8X_OP_ELEMENTWISE) || step->output_count != 1)
        return -1;
    for (int i = 0; i < step->input_count; i++) {
        int value = step->inputs[i], item = value == I8X_GRAPH_NONE ? -1 : plan->place[value];
        bool fits = item >= 0 && plan->items[item].last == index &&
                    plan->tensors[value].dtype == y->dtype &&
                    i8x_shape_equal(&plan->tensors[value].shape, &y->shape);
        for (int k = 0; k < step->input_count && fits; k++) {
            int other = step->inputs[k];
            fits = other == I8X_GRAPH_NONE || plan->place[other] != item ||
                   i8x_shape_equal(&plan->tensors[other].shape, &y->shape);
        }
        if (fits)
            return item;
    }
    return -1;
}

static void place_output(maker *m, const i8x_exec_step *step, int index, int output)
{
    i8x_exec_plan *plan = m->plan;
    int value = step->outputs[output], item = -1;
    if (value == I8X_GRAPH_NONE || is_known(m, value))
        return;
    if (step->view) {
        item = plan->place[step->inputs[0]]; /* -1: a view of an input or a constant */
        if (item < 0)
            return;
    } else {
        item = operand_to_reuse(m, step, index);
    }
    if (item < 0) {
        item = plan->item_count++;
        plan->items[item] =
            (i8x_placement_item){.first = index,
                                 .last = index,
                                 .size_bytes = i8x_tensor_size_bytes(&plan->tensors[value])};
    }
    plan->place[value] = item;
    extend(m, item, value);
}

static i8x_status place_values(maker *m)
{
    i8x_exec_plan *plan = m->plan;
    plan->items = i8x_arena_array(m->arena, (size_t)m->graph->value_count, sizeof *plan->items);
    I8X_TRY(i8x_alloc_check(plan->items));
    I8X_TRY(new_ints(m, m->graph->value_count, -1, &plan->place));
    for (int i = 0; i < plan->step_count; i++)
        for (int k = 0; k < plan->steps[i].output_count; k++)
            place_output(m, &plan->steps[i], i, k);
    return I8X_OK;
}

i8x_status i8x_exec_plan_make(const i8x_graph *graph, const i8x_exec_opts *opts, i8x_arena *arena,
                              i8x_exec_plan *plan)
{
    maker m = {.graph = graph, .opts = opts, .arena = arena, .plan = plan};
    *plan = (i8x_exec_plan){.step_count = 0};
    for (int n = 0; n < graph->node_count; n++)
        I8X_ENSURE(i8x_node_removed(&graph->nodes[n]) || graph->nodes[n].params != NULL, I8X_EARG,
                   "node '%s' has not been inferred", graph->nodes[n].name);
    m.skipped = i8x_arena_array(arena, (size_t)graph->node_count, sizeof *m.skipped);
    I8X_TRY(i8x_alloc_check(m.skipped));
    m.integer = i8x_arena_array(arena, (size_t)graph->node_count, sizeof(i8x_exec_integer *));
    I8X_TRY(i8x_alloc_check(m.integer));
    I8X_TRY(new_ints(&m, graph->node_count, -1, &m.clamp));
    I8X_TRY(new_ints(&m, graph->value_count, 0, &m.uses));
    I8X_TRY(new_ints(&m, graph->value_count, -1, &m.last));
    I8X_TRY(known_values(&m));
    skip_known(&m);
    I8X_TRY(fold_linear(&m));
    I8X_TRY(count_uses(&m));
    I8X_TRY(make_steps(&m));
    return place_values(&m);
}
