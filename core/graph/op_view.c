/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that give the same elements another shape, and those that make values out of shapes.
 * The executor lets a view share its input's memory; run copies where it cannot.
 */
#include <inttypes.h>
#include <string.h>

#include "core/graph/op_params.h"
#include "core/tensor/tensor.h"

static i8x_status run_view(const i8x_op_call *call)
{
    if (call->outputs[0].data != call->inputs[0].data)
        memmove(call->outputs[0].data, call->inputs[0].data,
                i8x_tensor_size_bytes(&call->outputs[0]));
    return I8X_OK;
}

i8x_status i8x_op_identity_infer(const i8x_infer_call *call)
{
    if (call->output_count > 1) {
        I8X_ENSURE(call->node->outputs[1] == I8X_GRAPH_NONE, I8X_EUNSUPPORTED, "the mask output");
    }
    i8x_infer_set(call, call->inputs[0].dtype, &call->inputs[0].shape);
    return I8X_OK;
}

i8x_status i8x_op_identity_run(const i8x_op_call *call)
{
    return run_view(call);
}

/* 0 copies the dimension of x (unless allowzero), one -1 takes what is left. */
static i8x_status reshape_to(const i8x_infer_call *call, const int64_t *list, int count,
                             i8x_shape *y)
{
    const i8x_shape *x = &call->inputs[0].shape;
    bool zero_copies = i8x_node_attr_int(call->node, "allowzero", 0) == 0;
    int64_t known = 1, all;
    int open = -1;
    char text[2][96];
    I8X_ENSURE(count <= I8X_RANK_MAX, I8X_EUNSUPPORTED, "%d dimensions", count);
    I8X_TRY(i8x_shape_elements(x, &all));
    y->rank = count;
    for (int i = 0; i < count; i++) {
        int64_t dim = list[i];
        if (dim == 0 && zero_copies) {
            I8X_ENSURE(i < x->rank, I8X_ESHAPE, "dimension %d is copied from a tensor of rank %d",
                       i, x->rank);
            dim = x->dims[i];
        }
        I8X_ENSURE(dim >= 0 || (dim == -1 && open < 0), I8X_ESHAPE, "dimension %d is %" PRId64, i,
                   dim);
        y->dims[i] = dim;
        if (dim == -1)
            open = i;
        else
            I8X_ENSURE(!__builtin_mul_overflow(known, dim, &known), I8X_ELIMIT, "shape too large");
    }
    if (open >= 0)
        y->dims[open] = known ? all / known : 0;
    I8X_ENSURE(i8x_shape_product(y, 0, count) == all, I8X_ESHAPE, "%s does not fit into %s",
               i8x_shape_text(x, text[0], sizeof text[0]),
               i8x_shape_text(y, text[1], sizeof text[1]));
    return I8X_OK;
}

i8x_status i8x_op_reshape_infer(const i8x_infer_call *call)
{
    const int64_t *list;
    int count;
    i8x_shape shape;
    I8X_TRY(i8x_infer_ints(call, 1, &list, &count));
    I8X_TRY(reshape_to(call, list, count, &shape));
    i8x_infer_set(call, call->inputs[0].dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_reshape_run(const i8x_op_call *call)
{
    return run_view(call);
}

i8x_status i8x_op_flatten_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    int64_t axis = i8x_node_attr_int(call->node, "axis", 1);
    I8X_ENSURE(axis >= -x->rank && axis <= x->rank, I8X_ESHAPE, "axis %" PRId64 " of rank %d", axis,
               x->rank);
    int at = (int)(axis < 0 ? axis + x->rank : axis);
    i8x_shape shape = {.rank = 2};
    shape.dims[0] = i8x_shape_product(x, 0, at);
    shape.dims[1] = i8x_shape_product(x, at, x->rank);
    i8x_infer_set(call, call->inputs[0].dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_flatten_run(const i8x_op_call *call)
{
    return run_view(call);
}

static i8x_status mark_axes(const int64_t *axes, int count, int rank, bool *marked)
{
    for (int i = 0; i < count; i++) {
        int axis;
        I8X_TRY(i8x_shape_axis(rank, axes[i], &axis));
        I8X_ENSURE(!marked[axis], I8X_ESHAPE, "axis %d twice", axis);
        marked[axis] = true;
    }
    return I8X_OK;
}

i8x_status i8x_op_squeeze_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    const int64_t *axes;
    int count;
    bool marked[I8X_RANK_MAX] = {false};
    I8X_TRY(i8x_infer_list(call, "axes", 1, &axes, &count));
    if (count >= 0)
        I8X_TRY(mark_axes(axes, count, x->rank, marked));
    i8x_shape shape = {.rank = 0};
    for (int i = 0; i < x->rank; i++) {
        bool drop = count < 0 ? x->dims[i] == 1 : marked[i];
        I8X_ENSURE(!drop || x->dims[i] == 1, I8X_ESHAPE, "axis %d has %" PRId64 " elements", i,
                   x->dims[i]);
        if (!drop)
            shape.dims[shape.rank++] = x->dims[i];
    }
    i8x_infer_set(call, call->inputs[0].dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_squeeze_run(const i8x_op_call *call)
{
    return run_view(call);
}

i8x_status i8x_op_unsqueeze_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    const int64_t *axes;
    int count, from = 0;
    bool marked[I8X_RANK_MAX] = {false};
    I8X_TRY(i8x_infer_list(call, "axes", 1, &axes, &count));
    I8X_ENSURE(count >= 0, I8X_EFORMAT, "no axes");
    I8X_ENSURE(x->rank + count <= I8X_RANK_MAX, I8X_EUNSUPPORTED, "more than %d dimensions",
               I8X_RANK_MAX);
    i8x_shape shape = {.rank = x->rank + count};
    I8X_TRY(mark_axes(axes, count, shape.rank, marked));
    for (int i = 0; i < shape.rank; i++)
        shape.dims[i] = marked[i] ? 1 : x->dims[from++];
    i8x_infer_set(call, call->inputs[0].dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_unsqueeze_run(const i8x_op_call *call)
{
    return run_view(call);
}

/* --- values made of shapes and attributes --- */

static int64_t clamp_axis(int64_t axis, int rank)
{
    axis = axis < 0 ? axis + rank : axis;
    return axis < 0 ? 0 : axis > rank ? rank : axis;
}

/* params: the dimensions from start to end (opset 15) */
i8x_status i8x_op_shape_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    i8x_shape *p = call->params;
    int64_t start = clamp_axis(i8x_node_attr_int(call->node, "start", 0), x->rank);
    int64_t end = clamp_axis(i8x_node_attr_int(call->node, "end", x->rank), x->rank);
    for (int64_t i = start; i < end; i++)
        p->dims[p->rank++] = x->dims[i];
    i8x_shape shape = {.rank = 1, .dims = {p->rank}};
    i8x_infer_set(call, I8X_DTYPE_S64, &shape);
    return I8X_OK;
}

i8x_status i8x_op_shape_run(const i8x_op_call *call)
{
    const i8x_shape *p = call->params;
    memcpy(call->outputs[0].data, p->dims, (size_t)p->rank * sizeof p->dims[0]);
    return I8X_OK;
}

i8x_status i8x_op_size_infer(const i8x_infer_call *call)
{
    i8x_shape scalar = {.rank = 0};
    i8x_infer_set(call, I8X_DTYPE_S64, &scalar);
    return I8X_OK;
}

i8x_status i8x_op_size_run(const i8x_op_call *call)
{
    *(int64_t *)call->outputs[0].data = i8x_tensor_elements(&call->inputs[0]);
    return I8X_OK;
}

static i8x_tensor list_tensor(i8x_dtype dtype, int count, bool scalar, const void *data)
{
    i8x_shape shape = {.rank = scalar ? 0 : 1, .dims = {count}};
    return i8x_tensor_make(dtype, &shape, (void *)(uintptr_t)data);
}

i8x_status i8x_op_constant_infer(const i8x_infer_call *call)
{
    i8x_tensor *p = call->params;
    I8X_ENSURE(call->node->attr_count == 1, I8X_EFORMAT, "%d attributes, one is expected",
               call->node->attr_count);
    const i8x_attr *a = &call->node->attrs[0];
    if (a->kind == I8X_ATTR_TENSOR)
        *p = a->tensor;
    else if (a->kind == I8X_ATTR_FLOAT)
        *p = list_tensor(I8X_DTYPE_F32, 1, true, &a->f);
    else if (a->kind == I8X_ATTR_INT)
        *p = list_tensor(I8X_DTYPE_S64, 1, true, &a->i);
    else if (a->kind == I8X_ATTR_FLOATS)
        *p = list_tensor(I8X_DTYPE_F32, a->count, false, a->floats);
    else if (a->kind == I8X_ATTR_INTS)
        *p = list_tensor(I8X_DTYPE_S64, a->count, false, a->ints);
    else
        I8X_FAIL(I8X_EUNSUPPORTED, "attribute %s", a->name);
    i8x_infer_set(call, p->dtype, &p->shape);
    return I8X_OK;
}

i8x_status i8x_op_constant_run(const i8x_op_call *call)
{
    const i8x_tensor *p = call->params;
    memcpy(call->outputs[0].data, p->data, i8x_tensor_size_bytes(p));
    return I8X_OK;
}

i8x_status i8x_op_constant_of_shape_infer(const i8x_infer_call *call)
{
    static const float zero = 0.0f;
    const i8x_attr *a = i8x_node_attr(call->node, "value");
    i8x_tensor *p = call->params;
    const int64_t *list;
    int count;
    int64_t elements;
    *p = list_tensor(I8X_DTYPE_F32, 1, true, &zero);
    if (a != NULL) {
        I8X_ENSURE(a->kind == I8X_ATTR_TENSOR && i8x_tensor_elements(&a->tensor) == 1 &&
                       i8x_dtype_bits(a->tensor.dtype) >= 8,
                   I8X_EUNSUPPORTED, "attribute value is no single element");
        *p = a->tensor;
    }
    I8X_TRY(i8x_infer_ints(call, 0, &list, &count));
    I8X_ENSURE(count <= I8X_RANK_MAX, I8X_EUNSUPPORTED, "%d dimensions", count);
    i8x_shape shape = i8x_shape_make(count, list);
    I8X_TRY(i8x_shape_elements(&shape, &elements));
    i8x_infer_set(call, p->dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_constant_of_shape_run(const i8x_op_call *call)
{
    const i8x_tensor *p = call->params;
    size_t size = i8x_dtype_size(p->dtype);
    int64_t count = i8x_tensor_elements(&call->outputs[0]);
    for (int64_t i = 0; i < count; i++)
        memcpy((char *)call->outputs[0].data + (size_t)i * size, p->data, size);
    return I8X_OK;
}

static double number(const i8x_tensor *t)
{
    return t->dtype == I8X_DTYPE_F32 ? (double)*(const float *)t->data
                                     : (double)i8x_tensor_int(t, 0);
}

i8x_status i8x_op_range_infer(const i8x_infer_call *call)
{
    i8x_dtype dtype = call->inputs[0].dtype;
    I8X_ENSURE(dtype == I8X_DTYPE_F32 || dtype == I8X_DTYPE_S64 || dtype == I8X_DTYPE_S32,
               I8X_EUNSUPPORTED, "elements of type %s", i8x_dtype_name(dtype));
    for (int i = 0; i < 3; i++)
        I8X_ENSURE(call->inputs[i].data != NULL && call->inputs[i].dtype == dtype &&
                       i8x_tensor_elements(&call->inputs[i]) == 1,
                   I8X_EUNSUPPORTED, "input %d is not a constant scalar of one type", i);
    double start = number(&call->inputs[0]), limit = number(&call->inputs[1]),
           delta = number(&call->inputs[2]);
    double steps = delta != 0 ? (limit - start) / delta : -1;
    I8X_ENSURE(delta != 0 && steps < 1e9, I8X_ERANGE, "from %g to %g by %g", start, limit, delta);
    int64_t count = steps <= 0 ? 0 : (int64_t)steps;
    count += (double)count < steps; /* ceil */
    i8x_shape shape = {.rank = 1, .dims = {count}};
    i8x_infer_set(call, dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_range_run(const i8x_op_call *call)
{
    i8x_tensor *y = &call->outputs[0];
    int64_t count = i8x_tensor_elements(y);
    for (int64_t i = 0; i < count; i++) {
        double v = number(&call->inputs[0]) + (double)i * number(&call->inputs[2]);
        if (y->dtype == I8X_DTYPE_F32)
            ((float *)y->data)[i] = (float)v;
        else if (y->dtype == I8X_DTYPE_S64)
            ((int64_t *)y->data)[i] = (int64_t)v;
        else
            ((int32_t *)y->data)[i] = (int32_t)v;
    }
    return I8X_OK;
}
