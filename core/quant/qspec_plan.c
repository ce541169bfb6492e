/* SPDX-License-Identifier: Apache-2.0
 *
 * Qspec, structure: from a graph and a recipe to roles, pairs and groups.
 *
 * 1. Every node gets the role that its operator could have (table `rules`), or a reason against it.
 * 2. Roles are taken back until nothing changes: an operator without weights is quantized only
 * between quantized neighbours, because a pair around a float operator costs accuracy and saves
 * nothing.
 * 3. Pairs stand where a quantized operator reads, and behind one where the runtime needs it.
 * 4. Operators that move values tie their input and output into one group.
 * Concat is no sharing operator: runtimes take a pair of parameters for each of its inputs, and one
 * range for all would cost the narrow inputs their resolution.
 */
#include "core/quant/qspec.h"

#include <math.h>
#include <string.h>

#include "core/quant/node_filter.h"

typedef struct op_rule {
    const char *op_type;
    i8x_qrole role;
} op_rule;

/* Operators that can be quantized. What is not here stays float. */
static const op_rule rules[] = {
    {"Add", I8X_QROLE_POINT},
    {"AveragePool", I8X_QROLE_POINT},
    {"Clip", I8X_QROLE_ABSORBED},
    {"Concat", I8X_QROLE_POINT},
    {"Conv", I8X_QROLE_LAYER},
    {"ConvTranspose", I8X_QROLE_LAYER},
    {"DepthToSpace", I8X_QROLE_SHARE},
    {"Flatten", I8X_QROLE_SHARE},
    {"Gather", I8X_QROLE_SHARE},
    {"Gemm", I8X_QROLE_LAYER},
    {"GlobalAveragePool", I8X_QROLE_POINT},
    {"Identity", I8X_QROLE_SHARE},
    {"LeakyRelu", I8X_QROLE_POINT},
    {"MatMul", I8X_QROLE_LAYER},
    {"MaxPool", I8X_QROLE_SHARE},
    {"Mul", I8X_QROLE_POINT},
    {"Relu", I8X_QROLE_ABSORBED},
    {"Reshape", I8X_QROLE_SHARE},
    {"Resize", I8X_QROLE_SHARE}, /* nearest only */
    {"Sigmoid", I8X_QROLE_POINT},
    {"Slice", I8X_QROLE_SHARE},
    {"SpaceToDepth", I8X_QROLE_SHARE},
    {"Squeeze", I8X_QROLE_SHARE},
    {"Transpose", I8X_QROLE_SHARE},
    {"Unsqueeze", I8X_QROLE_SHARE},
};

/* What planning works on. */
typedef struct plan {
    const i8x_graph *graph;
    const i8x_recipe *recipe;
    const i8x_target_info *target;
    i8x_qspec *q;
    int *uses;   /* [value_count] */
    int *parent; /* [value_count] union-find over values: groups */
    uint8_t *paired;
} plan;

static bool is_op(const i8x_node *node, const char *op_type)
{
    return strcmp(node->op_type, op_type) == 0;
}

bool i8x_qspec_clamp(const i8x_graph *graph, int index, float *lo, float *hi)
{
    const i8x_node *node = &graph->nodes[index];
    *lo = is_op(node, "Relu") ? 0.0f : i8x_node_attr_float(node, "min", -INFINITY);
    *hi = i8x_node_attr_float(node, "max", INFINITY);
    for (int k = 1; k < node->input_count && k < 3; k++) {
        if (node->inputs[k] < 0)
            continue;
        const i8x_value *bound = &graph->values[node->inputs[k]];
        if (!i8x_value_is_constant(bound) || bound->dtype != I8X_DTYPE_F32)
            return false;
        *(k == 1 ? lo : hi) = *(const float *)bound->data;
    }
    return *lo <= *hi;
}

static i8x_qrole role_of_op(const i8x_node *node)
{
    if (node->domain[0] != '\0')
        return I8X_QROLE_FLOAT;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (!is_op(node, rules[i].op_type))
            continue;
        const i8x_attr *mode = i8x_node_attr(node, "mode");
        bool nearest = mode == NULL || strcmp(mode->s, "nearest") == 0;
        return is_op(node, "Resize") && !nearest ? I8X_QROLE_FLOAT : rules[i].role;
    }
    return I8X_QROLE_FLOAT;
}

static bool is_constant(const plan *p, int value)
{
    return value >= 0 && i8x_value_is_constant(&p->graph->values[value]);
}

static bool is_float_value(const plan *p, int value)
{
    return value >= 0 && p->graph->values[value].dtype == I8X_DTYPE_F32;
}

static int64_t elements_of(const i8x_value *value)
{
    int64_t count = 1;
    for (int d = 0; d < value->shape.rank; d++)
        count *= value->shape.dims[d];
    return count;
}

static i8x_qreason gemm_reason(const plan *p, const i8x_node *node, const i8x_qlayer *layer)
{
    bool plain = i8x_node_attr_float(node, "alpha", 1.0f) == 1.0f &&
                 i8x_node_attr_int(node, "transA", 0) == 0;
    if (layer->bias >= 0) {
        const i8x_value *bias = &p->graph->values[layer->bias];
        int64_t last = bias->shape.rank > 0 ? bias->shape.dims[bias->shape.rank - 1] : 1;
        plain = plain && i8x_node_attr_float(node, "beta", 1.0f) == 1.0f &&
                elements_of(bias) == layer->channels && last == layer->channels;
    }
    return plain ? I8X_QREASON_NONE : I8X_QREASON_GEMM_FORM;
}

/* Facts of a node with weights, and why it cannot be quantized. */
static i8x_qreason layer_describe(const plan *p, int index, i8x_qlayer *layer)
{
    const i8x_node *node = &p->graph->nodes[index];
    *layer = (i8x_qlayer){.node = index,
                          .input = node->inputs[0],
                          .output = node->outputs[0],
                          .weight = node->inputs[1],
                          .bias = node->input_count > 2 ? node->inputs[2] : I8X_GRAPH_NONE};
    if (!is_constant(p, layer->weight))
        return I8X_QREASON_WEIGHT_NOT_CONSTANT;
    const i8x_value *weight = &p->graph->values[layer->weight];
    bool matrix = is_op(node, "Gemm") || is_op(node, "MatMul");
    layer->elements = elements_of(weight);
    if (weight->dtype != I8X_DTYPE_F32)
        return I8X_QREASON_WEIGHT_NOT_FLOAT;
    if (layer->elements == 0 || (matrix ? weight->shape.rank != 2 : weight->shape.rank < 3))
        return I8X_QREASON_WEIGHT_RANK;
    layer->axis = is_op(node, "Conv") || i8x_node_attr_int(node, "transB", 0) != 0 ? 0 : 1;
    layer->channels = weight->shape.dims[layer->axis];
    layer->depthwise = is_op(node, "Conv") && weight->shape.dims[1] == 1 && layer->channels > 1;
    if (is_op(node, "ConvTranspose") && i8x_node_attr_int(node, "group", 1) != 1)
        return I8X_QREASON_WEIGHT_GROUPS;
    if (!is_float_value(p, layer->input) || is_constant(p, layer->input))
        return I8X_QREASON_INPUT_NOT_FLOAT;
    if (layer->bias >= 0 && !is_constant(p, layer->bias))
        return I8X_QREASON_BIAS_NOT_CONSTANT;
    return is_op(node, "Gemm") ? gemm_reason(p, node, layer) : I8X_QREASON_NONE;
}

static i8x_qreason recipe_reason(const plan *p, const i8x_node *node)
{
    const i8x_recipe *recipe = p->recipe;
    if (i8x_glob_list_match(recipe->exclude, node->name))
        return I8X_QREASON_EXCLUDED;
    if (recipe->only[0] != '\0' && !i8x_glob_list_match(recipe->only, node->name))
        return I8X_QREASON_NOT_IN_ONLY;
    if (recipe->op_types[0] != '\0' && !i8x_glob_list_match(recipe->op_types, node->op_type))
        return I8X_QREASON_NOT_IN_OP_TYPES;
    return I8X_QREASON_NONE;
}

static void node_demote(plan *p, int node, i8x_qreason reason)
{
    p->q->node_role[node] = I8X_QROLE_FLOAT;
    p->q->node_reason[node] = (uint8_t)reason;
}

/* Step 1: roles by operator, weights and recipe. */
static void roles_start(plan *p)
{
    for (int i = 0; i < p->graph->node_count; i++) {
        const i8x_node *node = &p->graph->nodes[i];
        i8x_qrole role = role_of_op(node);
        p->q->node_role[i] = (uint8_t)role;
        p->q->node_reason[i] = I8X_QREASON_NONE;
        if (role == I8X_QROLE_FLOAT) {
            p->q->node_reason[i] = I8X_QREASON_OPERATOR;
            continue;
        }
        i8x_qreason reason = I8X_QREASON_NONE;
        if (role == I8X_QROLE_LAYER) {
            i8x_qlayer *layer = &p->q->layers[p->q->layer_count];
            reason = layer_describe(p, i, layer);
            p->q->layer_count++;
            if (!is_constant(p, layer->weight) && is_constant(p, layer->input))
                layer->elements = elements_of(&p->graph->values[layer->input]);
        }
        bool follows = role == I8X_QROLE_SHARE || role == I8X_QROLE_ABSORBED;
        if (reason == I8X_QREASON_NONE && !follows)
            reason = recipe_reason(p, node);
        if (reason == I8X_QREASON_NONE && follows &&
            i8x_glob_list_match(p->recipe->exclude, node->name))
            reason = I8X_QREASON_EXCLUDED;
        if (reason != I8X_QREASON_NONE)
            node_demote(p, i, reason);
    }
}

static i8x_qrole producer_role(const plan *p, int value)
{
    int producer = p->graph->values[value].producer;
    return producer < 0 ? I8X_QROLE_FLOAT : (i8x_qrole)p->q->node_role[producer];
}

/* Codes of the value exist anyway: it is fed, or a quantized node makes it. */
static bool available(const plan *p, int value)
{
    return p->graph->values[value].is_input || producer_role(p, value) != I8X_QROLE_FLOAT;
}

/* Some quantized node reads the value, or the caller does. */
static bool wanted(const plan *p, int value)
{
    if (p->graph->values[value].is_output)
        return true;
    for (int i = 0; i < p->graph->node_count; i++) {
        const i8x_node *node = &p->graph->nodes[i];
        i8x_qrole role = (i8x_qrole)p->q->node_role[i];
        if (role == I8X_QROLE_FLOAT || i8x_node_removed(node))
            continue;
        int inputs = role == I8X_QROLE_POINT ? node->input_count : 1;
        for (int k = 0; k < inputs; k++) {
            if (node->inputs[k] == value)
                return true;
        }
    }
    return false;
}

/* An activation vanishes into the range behind it if it is the only one to see what it clamps, all
 * the way up through operators that move values to the node that computed it, and if the clamp
 * contains 0. */
static bool absorbable(const plan *p, int index)
{
    const i8x_node *node = &p->graph->nodes[index];
    float lo, hi;
    if (!i8x_qspec_clamp(p->graph, index, &lo, &hi) || lo > 0 || hi < 0 || (lo == 0 && hi == 0))
        return false;
    for (int value = node->inputs[0];;) {
        int producer = p->graph->values[value].producer;
        if (p->uses[value] != 1 || producer < 0)
            return false;
        i8x_qrole role = (i8x_qrole)p->q->node_role[producer];
        if (role == I8X_QROLE_LAYER || role == I8X_QROLE_POINT)
            return true;
        if (role != I8X_QROLE_SHARE)
            return false;
        value = p->graph->nodes[producer].inputs[0];
    }
}

static i8x_qreason neighbour_reason(const plan *p, int index)
{
    const i8x_node *node = &p->graph->nodes[index];
    i8x_qrole role = (i8x_qrole)p->q->node_role[index];
    if (role == I8X_QROLE_ABSORBED)
        return absorbable(p, index) ? I8X_QREASON_NONE : I8X_QREASON_ISOLATED;
    int inputs = role == I8X_QROLE_POINT ? node->input_count : 1;
    for (int k = 0; k < inputs; k++) {
        if (!is_float_value(p, node->inputs[k]) || is_constant(p, node->inputs[k]))
            return I8X_QREASON_OPERATOR;
        if (!available(p, node->inputs[k]))
            return I8X_QREASON_ISOLATED;
    }
    for (int k = 0; k < node->output_count; k++) {
        if (node->outputs[k] >= 0 && wanted(p, node->outputs[k]))
            return I8X_QREASON_NONE;
    }
    return I8X_QREASON_ISOLATED;
}

/* A Relu or Clip that cannot be absorbed is quantized as an operator of its own where that fits. */
static bool activation_retry(plan *p, int index)
{
    if (p->q->node_role[index] != I8X_QROLE_ABSORBED || p->target->symmetric)
        return false;
    p->q->node_role[index] = I8X_QROLE_POINT;
    return true;
}

/* Step 2: takes roles back until nothing changes. Each turn demotes at least one node or is the
 * last. */
static void roles_settle(plan *p)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < p->graph->node_count; i++) {
            i8x_qrole role = (i8x_qrole)p->q->node_role[i];
            if (role == I8X_QROLE_FLOAT || role == I8X_QROLE_LAYER)
                continue;
            i8x_qreason reason = neighbour_reason(p, i);
            if (reason == I8X_QREASON_NONE)
                continue;
            changed = true;
            if (!activation_retry(p, i))
                node_demote(p, i, reason);
        }
    }
}

/* The value behind an absorbed activation that alone reads this one, else the value itself. */
static int behind_activation(const plan *p, int value)
{
    int user = p->uses[value] == 1 ? i8x_graph_single_user(p->graph, value) : I8X_GRAPH_NONE;
    if (user < 0 || p->q->node_role[user] != I8X_QROLE_ABSORBED)
        return value;
    return p->graph->nodes[user].outputs[0];
}

/* Step 3: which values carry a pair. */
static void pairs_place(plan *p)
{
    for (int i = 0; i < p->graph->node_count; i++) {
        const i8x_node *node = &p->graph->nodes[i];
        i8x_qrole role = (i8x_qrole)p->q->node_role[i];
        if (role == I8X_QROLE_FLOAT || role == I8X_QROLE_ABSORBED)
            continue;
        int inputs = role == I8X_QROLE_POINT ? node->input_count : 1;
        for (int k = 0; k < inputs; k++)
            p->paired[node->inputs[k]] = 1;
        bool matrix = is_op(node, "Gemm") || is_op(node, "MatMul");
        for (int k = 0; k < node->output_count; k++) {
            if (node->outputs[k] < 0)
                continue;
            int value = behind_activation(p, node->outputs[k]);
            bool output = p->graph->values[value].is_output && p->target->output_quantized;
            if ((p->target->results_paired && !matrix) || output)
                p->paired[value] = 1;
        }
    }
}

static int find(const plan *p, int value)
{
    while (p->parent[value] != value)
        value = p->parent[value];
    return value;
}

/* Step 4: groups. The input of a sharing node comes first in the order, so it stays the root. */
static i8x_status groups_make(plan *p, i8x_arena *arena)
{
    i8x_qspec *q = p->q;
    for (int i = 0; i < p->graph->node_count; i++) {
        const i8x_node *node = &p->graph->nodes[i];
        for (int k = 0; q->node_role[i] == I8X_QROLE_SHARE && k < node->output_count; k++) {
            int value = node->outputs[k] >= 0 ? behind_activation(p, node->outputs[k]) : -1;
            if (value >= 0 && p->paired[value])
                p->parent[find(p, value)] = find(p, node->inputs[0]);
        }
    }
    q->groups = i8x_arena_array(arena, (size_t)q->value_count, sizeof *q->groups);
    I8X_TRY(i8x_alloc_check(q->groups));
    for (int v = 0; v < q->value_count; v++)
        q->value_group[v] = -1;
    for (int v = 0; v < q->value_count; v++) {
        if (!p->paired[v])
            continue;
        int root = find(p, v);
        if (q->value_group[root] < 0) {
            q->groups[q->group_count] =
                (i8x_qgroup){.root = root, .bound_lo = -INFINITY, .bound_hi = INFINITY, .clip = -1};
            q->value_group[root] = q->group_count++;
        }
        q->value_group[v] = q->value_group[root];
    }
    return I8X_OK;
}

static void bounds_make(plan *p)
{
    for (int i = 0; i < p->graph->node_count; i++) {
        const i8x_node *node = &p->graph->nodes[i];
        float lo, hi;
        if (p->q->node_role[i] != I8X_QROLE_ABSORBED || !i8x_qspec_clamp(p->graph, i, &lo, &hi))
            continue;
        int group = p->q->value_group[node->outputs[0]];
        if (group < 0)
            continue;
        i8x_qgroup *g = &p->q->groups[group];
        g->bound_lo = lo > g->bound_lo ? lo : g->bound_lo;
        g->bound_hi = hi < g->bound_hi ? hi : g->bound_hi;
    }
}

static void layers_finish(plan *p)
{
    for (int i = 0; i < p->q->layer_count; i++) {
        i8x_qlayer *layer = &p->q->layers[i];
        layer->reason = (i8x_qreason)p->q->node_reason[layer->node];
        layer->output = behind_activation(p, p->graph->nodes[layer->node].outputs[0]);
    }
}

static i8x_status plan_alloc(plan *p, i8x_arena *arena)
{
    i8x_qspec *q = p->q;
    size_t values = (size_t)q->value_count, nodes = (size_t)q->node_count;
    q->value_group = i8x_arena_array(arena, values, sizeof *q->value_group);
    I8X_TRY(i8x_alloc_check(q->value_group));
    q->node_role = i8x_arena_array(arena, nodes, sizeof *q->node_role);
    I8X_TRY(i8x_alloc_check(q->node_role));
    q->node_reason = i8x_arena_array(arena, nodes, sizeof *q->node_reason);
    I8X_TRY(i8x_alloc_check(q->node_reason));
    q->layers = i8x_arena_array(arena, nodes, sizeof *q->layers);
    I8X_TRY(i8x_alloc_check(q->layers));
    p->uses = i8x_arena_array(arena, values, sizeof *p->uses);
    I8X_TRY(i8x_alloc_check(p->uses));
    p->parent = i8x_arena_array(arena, values, sizeof *p->parent);
    I8X_TRY(i8x_alloc_check(p->parent));
    p->paired = i8x_arena_array(arena, values, sizeof *p->paired);
    I8X_TRY(i8x_alloc_check(p->paired));
    i8x_graph_count_uses(p->graph, p->uses);
    for (int v = 0; v < q->value_count; v++)
        p->parent[v] = v;
    return I8X_OK;
}

i8x_status i8x_qspec_survey(const i8x_graph *graph, const i8x_recipe *recipe, i8x_arena *arena,
                            i8x_qspec *qspec)
{
    I8X_TRY(i8x_node_filter_check(graph, recipe));
    *qspec = (i8x_qspec){.target = (i8x_target)recipe->target,
                         .value_count = graph->value_count,
                         .node_count = graph->node_count};
    plan p = {.graph = graph,
              .recipe = recipe,
              .target = i8x_target_info_get((i8x_target)recipe->target),
              .q = qspec};
    I8X_TRY(plan_alloc(&p, arena));
    roles_start(&p);
    roles_settle(&p);
    pairs_place(&p);
    I8X_TRY(groups_make(&p, arena));
    bounds_make(&p);
    layers_finish(&p);
    return I8X_OK;
}

i8x_status i8x_qspec_plan(const i8x_graph *graph, const i8x_recipe *recipe, i8x_arena *arena,
                          i8x_qspec *qspec)
{
    I8X_TRY(i8x_qspec_survey(graph, recipe, arena, qspec));
    if (i8x_qspec_quantized_count(qspec) > 0)
        return I8X_OK;
    I8X_ENSURE(qspec->layer_count > 0, I8X_EARG,
               "nothing can be quantized: the model has no Conv, Gemm or MatMul with weights");
    const i8x_qlayer *layer = &qspec->layers[0];
    I8X_FAIL(I8X_EARG, "nothing would be quantized: all %d layers stay float; '%.100s': %s",
             qspec->layer_count, graph->nodes[layer->node].name, i8x_qreason_text(layer->reason));
}
