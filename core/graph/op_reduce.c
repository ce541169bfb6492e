/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions, pools, Softmax, LayerNormalization: attributes and shapes.
 */
#include <inttypes.h>
#include <string.h>

#include "core/graph/op_params.h"
#include "core/tensor/tensor.h"

static void kept_shape(const i8x_shape *x, const bool *reduced, bool keep, i8x_shape *y)
{
    *y = (i8x_shape){.rank = 0};
    for (int d = 0; d < x->rank; d++) {
        if (reduced[d] && keep)
            y->dims[y->rank++] = 1;
        else if (!reduced[d])
            y->dims[y->rank++] = x->dims[d];
    }
}

i8x_status i8x_op_reduce_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    i8x_dtype dtype = call->inputs[0].dtype;
    i8x_reduce_params *p = call->params;
    const int64_t *axes;
    int count;
    i8x_shape shape;
    I8X_ENSURE(dtype == I8X_DTYPE_F32 || dtype == I8X_DTYPE_S64 || dtype == I8X_DTYPE_S32,
               I8X_EUNSUPPORTED, "elements of type %s", i8x_dtype_name(dtype));
    p->op = (i8x_reduce)call->op->variant;
    I8X_TRY(i8x_infer_list(call, "axes", 1, &axes, &count));
    bool all = count <= 0 && i8x_node_attr_int(call->node, "noop_with_empty_axes", 0) == 0;
    for (int d = 0; d < x->rank; d++)
        p->reduced[d] = all;
    for (int i = 0; i < count; i++) {
        int axis;
        I8X_TRY(i8x_shape_axis(x->rank, axes[i], &axis));
        p->reduced[axis] = true;
    }
    kept_shape(x, p->reduced, i8x_node_attr_int(call->node, "keepdims", 1) != 0, &shape);
    i8x_infer_set(call, dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_reduce_run(const i8x_op_call *call)
{
    return i8x_reduce_run(call->params, &call->inputs[0], &call->outputs[0], call->scratch,
                          call->threads);
}

i8x_status i8x_op_global_pool_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    i8x_reduce_params *p = call->params;
    i8x_shape shape;
    I8X_TRY(i8x_infer_expect(call, 0, I8X_DTYPE_F32));
    I8X_ENSURE(x->rank >= 3, I8X_ESHAPE, "input of rank %d", x->rank);
    p->op = (i8x_reduce)call->op->variant;
    for (int d = 2; d < x->rank; d++)
        p->reduced[d] = true;
    kept_shape(x, p->reduced, true, &shape);
    i8x_infer_set(call, I8X_DTYPE_F32, &shape);
    return I8X_OK;
}

i8x_status i8x_op_global_pool_run(const i8x_op_call *call)
{
    return i8x_op_reduce_run(call);
}

i8x_status i8x_op_pool_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    const i8x_attr *kernel = i8x_node_attr(call->node, "kernel_shape");
    i8x_pool_params *p = call->params;
    int64_t pads_end[2];
    I8X_TRY(i8x_infer_expect(call, 0, I8X_DTYPE_F32));
    I8X_ENSURE(x->rank == 3 || x->rank == 4, I8X_EUNSUPPORTED,
               "input of rank %d; 1-D and 2-D are supported", x->rank);
    I8X_ENSURE(kernel != NULL && kernel->kind == I8X_ATTR_INTS && kernel->count == x->rank - 2,
               I8X_EFORMAT, "kernel_shape does not have %d integers", x->rank - 2);
    I8X_ENSURE(call->output_count < 2 || call->node->outputs[1] == I8X_GRAPH_NONE, I8X_EUNSUPPORTED,
               "the indices output");
    I8X_TRY(i8x_window_parse(call, kernel->ints, &p->window, pads_end));
    p->pad_bottom = pads_end[0];
    p->pad_right = pads_end[1];
    p->max = call->op->variant == 1;
    p->count_padding = i8x_node_attr_int(call->node, "count_include_pad", 0) != 0;
    p->planes = x->dims[0] * x->dims[1];
    i8x_shape shape = i8x_window_shape(&p->window, x->rank, x->dims[0], x->dims[1]);
    i8x_infer_set(call, I8X_DTYPE_F32, &shape);
    return I8X_OK;
}

i8x_status i8x_op_pool_run(const i8x_op_call *call)
{
    return i8x_pool_run(call->params, call->inputs[0].data, call->outputs[0].data, call->scratch,
                        call->threads);
}

i8x_status i8x_op_softmax_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    i8x_softmax_params *p = call->params;
    int axis;
    bool flattens = call->opset < 13; /* up to 12: everything from axis on is one row */
    I8X_TRY(i8x_infer_expect(call, 0, I8X_DTYPE_F32));
    I8X_ENSURE(x->rank > 0, I8X_ESHAPE, "a scalar");
    I8X_TRY(
        i8x_shape_axis(x->rank, i8x_node_attr_int(call->node, "axis", flattens ? 1 : -1), &axis));
    p->outer = i8x_shape_product(x, 0, axis);
    p->count = i8x_shape_product(x, axis, flattens ? x->rank : axis + 1);
    p->inner = flattens ? 1 : i8x_shape_product(x, axis + 1, x->rank);
    i8x_infer_set(call, I8X_DTYPE_F32, x);
    return I8X_OK;
}

i8x_status i8x_op_softmax_run(const i8x_op_call *call)
{
    i8x_softmax_run(call->params, call->inputs[0].data, call->outputs[0].data, call->threads);
    return I8X_OK;
}

i8x_status i8x_op_layer_norm_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    i8x_layer_norm_params *p = call->params;
    int axis;
    I8X_TRY(i8x_shape_axis(x->rank, i8x_node_attr_int(call->node, "axis", -1), &axis));
    p->rows = i8x_shape_product(x, 0, axis);
    p->count = i8x_shape_product(x, axis, x->rank);
    p->epsilon = i8x_node_attr_float(call->node, "epsilon", 1e-5f);
    for (int i = 0; i < 3; i++) {
        if (!i8x_infer_has(call, i))
            continue;
        I8X_TRY(i8x_infer_expect(call, i, I8X_DTYPE_F32));
        I8X_ENSURE(i == 0 || i8x_tensor_elements(&call->inputs[i]) == p->count, I8X_EUNSUPPORTED,
                   "input %d does not have %" PRId64 " elements", i, p->count);
    }
    i8x_infer_set(call, I8X_DTYPE_F32, x);
    return I8X_OK;
}

i8x_status i8x_op_layer_norm_run(const i8x_op_call *call)
{
    i8x_layer_norm_run(call->params, call->inputs[0].data, call->inputs[1].data,
                       call->input_count > 2 ? call->inputs[2].data : NULL, call->outputs[0].data,
                       call->threads);
    return I8X_OK;
}
