/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that move elements: Transpose, Concat, Split, Slice, Gather, Expand, Pad, Resize.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/graph/op_params.h"
#include "core/ops/move.h"
#include "core/tensor/tensor.h"

static i8x_status expect_bytes(const i8x_infer_call *call, int input)
{
    I8X_ENSURE(i8x_dtype_size(call->inputs[input].dtype) > 0, I8X_EUNSUPPORTED,
               "elements of type %s", i8x_dtype_name(call->inputs[input].dtype));
    return I8X_OK;
}

/* --- Transpose; params: the permutation --- */

i8x_status i8x_op_transpose_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    const i8x_attr *perm = i8x_node_attr(call->node, "perm");
    i8x_shape *p = call->params, shape = {.rank = x->rank};
    bool seen[I8X_RANK_MAX] = {false};
    I8X_TRY(expect_bytes(call, 0));
    I8X_ENSURE(perm == NULL || (perm->kind == I8X_ATTR_INTS && perm->count == x->rank), I8X_ESHAPE,
               "perm does not have %d axes", x->rank);
    p->rank = x->rank;
    for (int i = 0; i < x->rank; i++) {
        int axis;
        I8X_TRY(i8x_shape_axis(x->rank, perm ? perm->ints[i] : x->rank - 1 - i, &axis));
        I8X_ENSURE(!seen[axis], I8X_ESHAPE, "perm has axis %d twice", axis);
        seen[axis] = true;
        p->dims[i] = axis;
        shape.dims[i] = x->dims[axis];
    }
    i8x_infer_set(call, call->inputs[0].dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_transpose_run(const i8x_op_call *call)
{
    const i8x_shape *p = call->params;
    i8x_transpose_run(&call->inputs[0], p->dims, call->outputs[0].data, call->threads);
    return I8X_OK;
}

/* --- Concat and Split: pieces along an axis; params: the axis --- */

i8x_status i8x_op_concat_infer(const i8x_infer_call *call)
{
    i8x_shape shape = call->inputs[0].shape;
    int *axis = call->params;
    I8X_TRY(expect_bytes(call, 0));
    I8X_TRY(i8x_shape_axis(shape.rank, i8x_node_attr_int(call->node, "axis", 1), axis));
    for (int i = 1; i < call->input_count; i++) {
        const i8x_tensor *t = &call->inputs[i];
        I8X_ENSURE(t->dtype == call->inputs[0].dtype, I8X_EDTYPE, "inputs 0 and %d have two types",
                   i);
        I8X_ENSURE(t->shape.rank == shape.rank, I8X_ESHAPE, "inputs 0 and %d have two ranks", i);
        for (int d = 0; d < shape.rank; d++)
            I8X_ENSURE(d == *axis || t->shape.dims[d] == shape.dims[d], I8X_ESHAPE,
                       "inputs 0 and %d differ in axis %d", i, d);
        shape.dims[*axis] += t->shape.dims[*axis];
    }
    i8x_infer_set(call, call->inputs[0].dtype, &shape);
    return I8X_OK;
}

/* Copies between a piece and its place in the whole, along axis; the whole is y if `join`. */
static void copy_piece(const i8x_tensor *whole, const i8x_tensor *piece, int axis, int64_t at,
                       bool join, i8x_threads *threads)
{
    i8x_move m = {.rank = 2, .element_size = i8x_dtype_size(whole->dtype)};
    int64_t inner = i8x_shape_product(&whole->shape, axis + 1, whole->shape.rank);
    int64_t piece_row = piece->shape.dims[axis] * inner,
            whole_row = whole->shape.dims[axis] * inner;
    m.dims[0] = i8x_shape_product(&whole->shape, 0, axis);
    m.dims[1] = piece_row;
    m.x_step[0] = join ? piece_row : whole_row;
    m.y_step[0] = join ? whole_row : piece_row;
    m.x_step[1] = m.y_step[1] = 1;
    char *place = (char *)whole->data + (size_t)(at * inner) * m.element_size;
    i8x_move_run(&m, join ? piece->data : place, join ? (void *)place : piece->data, threads);
}

i8x_status i8x_op_concat_run(const i8x_op_call *call)
{
    int axis = *(const int *)call->params;
    int64_t at = 0;
    for (int i = 0; i < call->input_count; i++) {
        copy_piece(&call->outputs[0], &call->inputs[i], axis, at, true, call->threads);
        at += call->inputs[i].shape.dims[axis];
    }
    return I8X_OK;
}

i8x_status i8x_op_split_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    const int64_t *sizes;
    int count, *axis = call->params;
    I8X_TRY(expect_bytes(call, 0));
    I8X_TRY(i8x_shape_axis(x->rank, i8x_node_attr_int(call->node, "axis", 0), axis));
    I8X_TRY(i8x_infer_list(call, "split", 1, &sizes, &count));
    I8X_ENSURE(count < 0 || count == call->output_count, I8X_ESHAPE, "%d sizes for %d outputs",
               count, call->output_count);
    int64_t left = x->dims[*axis], even = (left + call->output_count - 1) / call->output_count;
    for (int i = 0; i < call->output_count; i++) {
        int64_t size = count >= 0 ? sizes[i] : even < left ? even : left;
        I8X_ENSURE(size >= 0 && size <= left, I8X_ESHAPE, "the pieces do not fit axis %d", *axis);
        left -= size;
        call->outputs[i].dtype = call->inputs[0].dtype;
        call->outputs[i].shape = *x;
        call->outputs[i].shape.dims[*axis] = size;
    }
    I8X_ENSURE(left == 0, I8X_ESHAPE, "%" PRId64 " elements of axis %d are left over", left, *axis);
    return I8X_OK;
}

i8x_status i8x_op_split_run(const i8x_op_call *call)
{
    int axis = *(const int *)call->params;
    int64_t at = 0;
    for (int i = 0; i < call->output_count; i++) {
        if (call->outputs[i].data != NULL)
            copy_piece(&call->inputs[0], &call->outputs[i], axis, at, false, call->threads);
        at += call->outputs[i].shape.dims[axis];
    }
    return I8X_OK;
}

/* --- Slice --- */

/* start and count along one axis as ONNX clamps them */
static i8x_status slice_axis(int64_t dim, int64_t start, int64_t end, int64_t step, int64_t *first,
                             int64_t *count)
{
    I8X_ENSURE(step != 0 && step > -I8X_ELEMENTS_MAX && step < I8X_ELEMENTS_MAX, I8X_EUNSUPPORTED,
               "step %" PRId64, step);
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
    start = start < 0 ? start + dim : start;
    end = end < 0 ? (end < -dim ? -1 : end + dim) : end;
    if (step > 0 && end < 0)
        end = 0;
    start = start < 0 ? (step > 0 ? 0 : -1) : start;
    start = start < low ? low : start > high ? high : start;
    end = end < low ? low : end > high + (step < 0) ? high + (step < 0) : end;
    int64_t room = step > 0 ? end - start : start - end, size = step > 0 ? step : -step;
    *count = room <= 0 ? 0 : (room + size - 1) / size;
    *first = start;
    return I8X_OK;
}

i8x_status i8x_op_slice_infer(const i8x_infer_call *call)
{
    const int64_t *list[4] = {NULL, NULL, NULL, NULL}; /* starts, ends, axes, steps */
    int count[4] = {-1, -1, -1, -1};
    i8x_slice_params *p = call->params;
    i8x_shape shape = call->inputs[0].shape;
    I8X_TRY(expect_bytes(call, 0));
    for (int i = 0; i < 4; i++)
        I8X_TRY(i8x_infer_list(call, NULL, i + 1, &list[i], &count[i]));
    for (int i = 1; i < 4; i++)
        I8X_ENSURE(count[i] < 0 || count[i] == count[0], I8X_ESHAPE, "lists of two lengths");
    for (int d = 0; d < shape.rank; d++)
        p->step[d] = 1;
    for (int i = 0; i < count[0]; i++) {
        int axis;
        I8X_TRY(i8x_shape_axis(shape.rank, list[2] ? list[2][i] : i, &axis));
        p->step[axis] = list[3] ? list[3][i] : 1;
        I8X_TRY(slice_axis(call->inputs[0].shape.dims[axis], list[0][i], list[1][i], p->step[axis],
                           &p->start[axis], &shape.dims[axis]));
    }
    i8x_infer_set(call, call->inputs[0].dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_slice_run(const i8x_op_call *call)
{
    const i8x_slice_params *p = call->params;
    const i8x_tensor *x = &call->inputs[0];
    i8x_tensor *y = &call->outputs[0];
    i8x_move m = {.rank = y->shape.rank, .element_size = i8x_dtype_size(x->dtype)};
    int64_t at = 0;
    if (i8x_tensor_elements(y) == 0)
        return I8X_OK;
    i8x_shape_strides(&x->shape, m.x_step);
    i8x_shape_strides(&y->shape, m.y_step);
    for (int d = 0; d < m.rank; d++) {
        at += p->start[d] * m.x_step[d];
        m.dims[d] = y->shape.dims[d];
        m.x_step[d] *= m.dims[d] > 1 ? p->step[d] : 1;
    }
    i8x_move_run(&m, (const char *)x->data + (size_t)at * m.element_size, y->data, call->threads);
    return I8X_OK;
}

/* --- Gather; params: the axis --- */

i8x_status i8x_op_gather_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape, *at = &call->inputs[1].shape;
    i8x_dtype index = call->inputs[1].dtype;
    int *axis = call->params;
    I8X_TRY(expect_bytes(call, 0));
    I8X_ENSURE(index == I8X_DTYPE_S64 || index == I8X_DTYPE_S32, I8X_EDTYPE, "indices of type %s",
               i8x_dtype_name(index));
    I8X_TRY(i8x_shape_axis(x->rank, i8x_node_attr_int(call->node, "axis", 0), axis));
    I8X_ENSURE(x->rank + at->rank - 1 <= I8X_RANK_MAX, I8X_EUNSUPPORTED, "more than %d dimensions",
               I8X_RANK_MAX);
    i8x_shape shape = {.rank = 0};
    for (int d = 0; d < x->rank; d++) {
        for (int i = 0; d == *axis && i < at->rank; i++)
            shape.dims[shape.rank++] = at->dims[i];
        if (d != *axis)
            shape.dims[shape.rank++] = x->dims[d];
    }
    i8x_infer_set(call, call->inputs[0].dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_gather_run(const i8x_op_call *call)
{
    const i8x_tensor *x = &call->inputs[0], *indices = &call->inputs[1];
    int axis = *(const int *)call->params;
    int64_t dim = x->shape.dims[axis], count = i8x_tensor_elements(indices);
    int64_t outer = i8x_shape_product(&x->shape, 0, axis);
    size_t inner =
        (size_t)i8x_shape_product(&x->shape, axis + 1, x->shape.rank) * i8x_dtype_size(x->dtype);
    char *to = call->outputs[0].data;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < count; i++, to += inner) {
            int64_t index = i8x_tensor_int(indices, i);
            I8X_ENSURE(index >= -dim && index < dim, I8X_ERANGE,
                       "index %" PRId64 " of an axis of %" PRId64, index, dim);
            index = index < 0 ? index + dim : index;
            memcpy(to, (const char *)x->data + (size_t)(o * dim + index) * inner, inner);
        }
    return I8X_OK;
}

/* --- Expand --- */

i8x_status i8x_op_expand_infer(const i8x_infer_call *call)
{
    const int64_t *list;
    int count;
    i8x_shape shape;
    I8X_TRY(expect_bytes(call, 0));
    I8X_TRY(i8x_infer_ints(call, 1, &list, &count));
    I8X_ENSURE(count <= I8X_RANK_MAX, I8X_EUNSUPPORTED, "%d dimensions", count);
    shape = i8x_shape_make(count, list);
    I8X_ENSURE(i8x_shape_known(&shape), I8X_ESHAPE, "a negative dimension");
    I8X_TRY(i8x_shape_broadcast(&call->inputs[0].shape, &shape, &shape));
    i8x_infer_set(call, call->inputs[0].dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_expand_run(const i8x_op_call *call)
{
    const i8x_tensor *x = &call->inputs[0];
    i8x_tensor *y = &call->outputs[0];
    i8x_move m = {.rank = y->shape.rank, .element_size = i8x_dtype_size(x->dtype)};
    int64_t strides[I8X_RANK_MAX];
    int shift = y->shape.rank - x->shape.rank;
    i8x_shape_strides(&x->shape, strides);
    i8x_shape_strides(&y->shape, m.y_step);
    for (int d = 0; d < m.rank; d++) {
        m.dims[d] = y->shape.dims[d];
        m.x_step[d] = d < shift || x->shape.dims[d - shift] == 1 ? 0 : strides[d - shift];
    }
    i8x_move_run(&m, x->data, y->data, call->threads);
    return I8X_OK;
}

/* --- Pad --- */

static int64_t pad_index(int64_t i, int64_t dim, int mode)
{
    if (i >= 0 && i < dim)
        return i;
    if (mode == 0)
        return -1;
    if (mode == 1) /* edge */
        return i < 0 ? 0 : dim - 1;
    if (dim == 1)
        return 0;
    int64_t period = 2 * (dim - 1); /* reflect: the border itself is not repeated */
    i = (i % period + period) % period;
    return i < dim ? i : period - i;
}

static i8x_status pad_fill(const i8x_infer_call *call, i8x_pad_params *p)
{
    float value = i8x_node_attr_float(call->node, "value", 0.0f);
    i8x_dtype dtype = call->inputs[0].dtype;
    if (dtype == I8X_DTYPE_F32)
        memcpy(p->fill, &value, sizeof value);
    if (!i8x_infer_has(call, 2))
        return I8X_OK;
    const i8x_tensor *t = &call->inputs[2];
    I8X_ENSURE(t->dtype == dtype && t->data != NULL && i8x_tensor_elements(t) == 1,
               I8X_EUNSUPPORTED, "the fill value is not a constant scalar of the input's type");
    memcpy(p->fill, t->data, i8x_dtype_size(dtype));
    return I8X_OK;
}

i8x_status i8x_op_pad_infer(const i8x_infer_call *call)
{
    static const char *const modes[] = {"constant", "edge", "reflect"};
    const i8x_shape *x = &call->inputs[0].shape;
    i8x_pad_params *p = call->params;
    const int64_t *pads, *axes;
    int pad_count, axis_count, mode = 0;
    int64_t before[I8X_RANK_MAX] = {0}, size = 0;
    i8x_shape shape = *x;
    I8X_TRY(expect_bytes(call, 0));
    while (mode < 3 && !i8x_node_attr_is(call->node, "mode", modes[mode], mode == 0))
        mode++;
    I8X_ENSURE(mode < 3, I8X_EUNSUPPORTED, "this mode");
    I8X_TRY(i8x_infer_list(call, "pads", 1, &pads, &pad_count));
    I8X_TRY(i8x_infer_list(call, NULL, 3, &axes, &axis_count));
    int n = axis_count >= 0 ? axis_count : x->rank;
    I8X_ENSURE(pad_count == 2 * n, I8X_ESHAPE, "%d pads for %d axes", pad_count, n);
    for (int i = 0; i < n; i++) {
        int axis;
        I8X_TRY(i8x_shape_axis(x->rank, axis_count >= 0 ? axes[i] : i, &axis));
        before[axis] = pads[i];
        I8X_ENSURE(pads[i] > -(1 << 24) && pads[i] < 1 << 24 && pads[n + i] > -(1 << 24) &&
                       pads[n + i] < 1 << 24,
                   I8X_ELIMIT, "pads of axis %d", axis);
        shape.dims[axis] = x->dims[axis] + pads[i] + pads[n + i];
        I8X_ENSURE(shape.dims[axis] >= 0 && (x->dims[axis] > 0 || mode == 0), I8X_ESHAPE,
                   "pads of axis %d", axis);
    }
    for (int d = 0; d < shape.rank; d++)
        size += shape.dims[d];
    int64_t *tables = i8x_arena_array(call->arena, (size_t)size, sizeof *tables);
    I8X_TRY(i8x_alloc_check(tables));
    p->tables = tables;
    for (int d = 0; d < shape.rank; d++)
        for (int64_t i = 0; i < shape.dims[d]; i++)
            *tables++ = pad_index(i - before[d], x->dims[d], mode);
    I8X_TRY(pad_fill(call, p));
    i8x_infer_set(call, call->inputs[0].dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_pad_run(const i8x_op_call *call)
{
    const i8x_pad_params *p = call->params;
    i8x_pick_run(&call->inputs[0], p->tables, p->fill, &call->outputs[0]);
    return I8X_OK;
}
