/* SPDX-License-Identifier: Apache-2.0
 *
 * Exec: memory for a plan (exec_plan.h) and the loop over its steps. All results lie in one block;
 * every step gets the same scratch arena, reserved once at the size of the hungriest step.
 */
#include "core/graph/exec.h"

#include <inttypes.h>
#include <string.h>

#include "core/graph/exec_plan.h"
#include "core/graph/op_params.h"
#include "core/graph/placement.h"
#include "core/tensor/tensor.h"

#define SCRATCH_LEAST ((size_t)64 * 1024) /* for steps that do not say what they take */

struct i8x_exec {
    const i8x_graph *graph;
    i8x_exec_opts opts;
    i8x_arena *arena;   /* plan and block */
    i8x_arena *scratch; /* per step, rewound */
    i8x_exec_plan plan;
    i8x_tensor *inputs; /* of the step that runs */
    i8x_tensor *outputs;
    size_t block_bytes, scratch_bytes;
};

static i8x_op_call call_of(i8x_exec *exec, const i8x_exec_step *step)
{
    const i8x_node *node = &exec->graph->nodes[step->node];
    static const i8x_tensor none = {.dtype = I8X_DTYPE_NONE};
    for (int i = 0; i < step->input_count; i++)
        exec->inputs[i] =
            step->inputs[i] == I8X_GRAPH_NONE ? none : exec->plan.tensors[step->inputs[i]];
    for (int i = 0; i < step->output_count; i++)
        exec->outputs[i] =
            step->outputs[i] == I8X_GRAPH_NONE ? none : exec->plan.tensors[step->outputs[i]];
    return (i8x_op_call){.op = step->op,
                         .node = node,
                         .params = node->params,
                         .inputs = exec->inputs,
                         .input_count = step->input_count,
                         .outputs = exec->outputs,
                         .output_count = step->output_count,
                         .clamp = step->clamp,
                         .scratch = exec->scratch,
                         .threads = exec->opts.threads};
}

static size_t step_scratch(i8x_exec *exec, const i8x_exec_step *step)
{
    if (step->integer != NULL)
        return i8x_exec_integer_scratch_bytes(step->integer, step->op,
                                              i8x_threads_count(exec->opts.threads));
    if (step->op->scratch_bytes == NULL)
        return SCRATCH_LEAST;
    i8x_op_call call = call_of(exec, step);
    return step->op->scratch_bytes(&call);
}

static i8x_status allocate_tensors(i8x_exec *exec)
{
    int inputs = 1, outputs = 1;
    for (int i = 0; i < exec->plan.step_count; i++) {
        const i8x_exec_step *step = &exec->plan.steps[i];
        inputs = step->input_count > inputs ? step->input_count : inputs;
        outputs = step->output_count > outputs ? step->output_count : outputs;
    }
    exec->inputs = i8x_arena_array(exec->arena, (size_t)inputs, sizeof *exec->inputs);
    I8X_TRY(i8x_alloc_check(exec->inputs));
    exec->outputs = i8x_arena_array(exec->arena, (size_t)outputs, sizeof *exec->outputs);
    return i8x_alloc_check(exec->outputs);
}

static i8x_status allocate_block(i8x_exec *exec)
{
    i8x_exec_plan *plan = &exec->plan;
    I8X_TRY(i8x_placement_solve(plan->items, plan->item_count, exec->arena, &exec->block_bytes));
    for (int i = 0; i < plan->step_count; i++) {
        size_t bytes = step_scratch(exec, &plan->steps[i]);
        exec->scratch_bytes = bytes > exec->scratch_bytes ? bytes : exec->scratch_bytes;
    }
    size_t limit = exec->opts.limit_bytes, all = exec->block_bytes + exec->scratch_bytes;
    I8X_ENSURE(limit == 0 || all <= limit, I8X_ELIMIT,
               "%zu bytes of activations and scratch, %zu are allowed", all, limit);
    char *block = i8x_arena_alloc(exec->arena, exec->block_bytes);
    I8X_TRY(i8x_alloc_check(block));
    for (int v = 0; v < exec->graph->value_count; v++)
        if (plan->place[v] >= 0)
            plan->tensors[v].data = block + plan->items[plan->place[v]].offset;
    /* the first chunk of an arena survives a rewind, so this reserves it for good */
    i8x_arena_mark mark = i8x_arena_mark_get(exec->scratch);
    I8X_TRY(i8x_alloc_check(i8x_arena_alloc(exec->scratch, exec->scratch_bytes)));
    i8x_arena_rewind(exec->scratch, mark);
    return I8X_OK;
}

static i8x_status exec_build(i8x_exec *exec)
{
    I8X_TRY(i8x_exec_plan_make(exec->graph, &exec->opts, exec->arena, &exec->plan));
    I8X_TRY(i8x_arena_new(NULL, 0, &exec->scratch));
    I8X_TRY(allocate_tensors(exec));
    return allocate_block(exec);
}

i8x_status i8x_exec_new(const i8x_graph *graph, const i8x_exec_opts *opts, i8x_exec **exec)
{
    i8x_arena *arena;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_exec *made = i8x_arena_array(arena, 1, sizeof *made);
    i8x_status status = i8x_alloc_check(made);
    if (status == I8X_OK) {
        *made = (i8x_exec){.graph = graph, .arena = arena};
        if (opts != NULL)
            made->opts = *opts;
        status = exec_build(made);
    }
    if (status != I8X_OK) {
        if (made != NULL)
            i8x_arena_free(made->scratch);
        i8x_arena_free(arena);
        return status;
    }
    *exec = made;
    return I8X_OK;
}

void i8x_exec_free(i8x_exec *exec)
{
    if (exec == NULL)
        return;
    i8x_arena_free(exec->scratch);
    i8x_arena_free(exec->arena); /* exec lies in it */
}

static i8x_status observe(i8x_exec *exec, int value)
{
    if (value == I8X_GRAPH_NONE || !i8x_exec_observes(&exec->opts, value))
        return I8X_OK;
    return exec->opts.observer(exec->opts.observer_user, value, &exec->plan.tensors[value]);
}

static i8x_status take_inputs(i8x_exec *exec, const i8x_tensor *inputs)
{
    for (int i = 0; i < exec->graph->input_count; i++) {
        int value = exec->graph->inputs[i];
        i8x_tensor *t = &exec->plan.tensors[value];
        const char *name = exec->graph->values[value].name;
        char wanted[96], given[96];
        I8X_ENSURE(inputs[i].dtype == t->dtype, I8X_EDTYPE, "input '%s' is %s, %s was given", name,
                   i8x_dtype_name(t->dtype), i8x_dtype_name(inputs[i].dtype));
        I8X_ENSURE(i8x_shape_equal(&inputs[i].shape, &t->shape), I8X_ESHAPE,
                   "input '%s' is %s, %s was given", name,
                   i8x_shape_text(&t->shape, wanted, sizeof wanted),
                   i8x_shape_text(&inputs[i].shape, given, sizeof given));
        I8X_ENSURE(inputs[i].data != NULL, I8X_EARG, "input '%s' has no data", name);
        t->data = inputs[i].data;
    }
    for (int i = 0; i < exec->graph->input_count; i++)
        I8X_TRY(observe(exec, exec->graph->inputs[i]));
    return I8X_OK;
}

static i8x_status run_step(i8x_exec *exec, const i8x_exec_step *step)
{
    i8x_tensor *tensors = exec->plan.tensors;
    if (step->view) {
        tensors[step->outputs[0]].data = tensors[step->inputs[0]].data;
        return I8X_OK;
    }
    if (step->integer != NULL) {
        const i8x_node *node = &exec->graph->nodes[step->node];
        i8x_status status =
            i8x_exec_integer_run(step->integer, step->op, &tensors[step->inputs[0]],
                                 &tensors[step->outputs[0]], exec->scratch, exec->opts.threads);
        return status == I8X_OK ? I8X_OK : i8x_fail_prefix("%s '%s': ", node->op_type, node->name);
    }
    i8x_op_call call = call_of(exec, step);
    return i8x_op_run(&call);
}

i8x_status i8x_exec_run(i8x_exec *exec, const i8x_tensor *inputs, i8x_tensor *outputs)
{
    I8X_TRY(take_inputs(exec, inputs));
    i8x_arena_mark mark = i8x_arena_mark_get(exec->scratch);
    for (int i = 0; i < exec->plan.step_count; i++) {
        const i8x_exec_step *step = &exec->plan.steps[i];
        i8x_status status = run_step(exec, step);
        i8x_arena_rewind(exec->scratch, mark);
        I8X_TRY(status);
        for (int k = 0; k < step->output_count; k++)
            I8X_TRY(observe(exec, step->outputs[k]));
    }
    for (int i = 0; i < exec->graph->output_count; i++)
        outputs[i] = exec->plan.tensors[exec->graph->outputs[i]];
    return I8X_OK;
}

size_t i8x_exec_memory_bytes(const i8x_exec *exec)
{
    return exec->block_bytes + exec->scratch_bytes;
}

uint64_t i8x_exec_macs(const i8x_exec *exec)
{
    uint64_t macs = 0;
    for (int i = 0; i < exec->plan.step_count; i++) {
        const i8x_exec_step *step = &exec->plan.steps[i];
        if (step->op->macs != NULL)
            macs += step->op->macs(exec->graph->nodes[step->node].params);
    }
    return macs;
}

static i8x_status infer_here(const i8x_graph *graph, i8x_op_call *call, i8x_arena *scratch)
{
    i8x_infer_call infer = {.op = call->op,
                            .node = call->node,
                            .opset = i8x_graph_opset(graph, ""),
                            .inputs = call->inputs,
                            .input_count = call->input_count,
                            .output_count = call->output_count,
                            .arena = scratch};
    infer.params = i8x_arena_array(scratch, 1, call->op->params_size);
    I8X_TRY(i8x_alloc_check(infer.params));
    infer.outputs = i8x_arena_array(scratch, (size_t)call->output_count, sizeof *infer.outputs);
    I8X_TRY(i8x_alloc_check(infer.outputs));
    I8X_TRY(call->op->infer(&infer));
    for (int i = 0; i < call->output_count; i++) {
        I8X_ENSURE(call->outputs[i].data != NULL || call->node->outputs[i] == I8X_GRAPH_NONE,
                   I8X_EARG, "output %d has no room", i);
        call->outputs[i].dtype = infer.outputs[i].dtype;
        call->outputs[i].shape = infer.outputs[i].shape;
    }
    call->params = infer.params;
    return I8X_OK;
}

i8x_status i8x_exec_node(const i8x_graph *graph, int node, const i8x_tensor *inputs,
                         i8x_tensor *outputs, i8x_arena *scratch, i8x_threads *threads)
{
    const i8x_node *n = &graph->nodes[node];
    const i8x_op *op = i8x_op_of(n);
    I8X_ENSURE(op != NULL, I8X_EUNSUPPORTED, "operator %s (node '%s')", n->op_type, n->name);
    i8x_arena_mark mark = i8x_arena_mark_get(scratch);
    i8x_op_call call = {.op = op,
                        .node = n,
                        .inputs = inputs,
                        .input_count = n->input_count,
                        .outputs = outputs,
                        .output_count = n->output_count,
                        .scratch = scratch,
                        .threads = threads};
    i8x_status status = infer_here(graph, &call, scratch);
    if (status != I8X_OK)
        status = i8x_fail_prefix("%s '%s': ", n->op_type, n->name);
    else
        status = i8x_op_run(&call);
    i8x_arena_rewind(scratch, mark);
    return status;
}
