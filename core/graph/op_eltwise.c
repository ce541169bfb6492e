/* SPDX-License-Identifier: Apache-2.0
 *
 * Element by element operators: unary, binary, variadic, Where, Not, Cast, BatchNormalization.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/base/half.h"
#include "core/graph/op_params.h"
#include "core/kernels/kernels.h"
#include "core/tensor/tensor.h"

/* --- unary --- */

static i8x_status clip_bounds(const i8x_infer_call *call, i8x_unary_params *p)
{
    p->alpha = i8x_node_attr_float(call->node, "min", -INFINITY);
    p->beta = i8x_node_attr_float(call->node, "max", INFINITY);
    I8X_TRY(i8x_infer_float(call, 1, p->alpha, &p->alpha));
    I8X_TRY(i8x_infer_float(call, 2, p->beta, &p->beta));
    if (p->alpha > p->beta) /* ONNX: all elements become max */
        p->alpha = p->beta;
    return I8X_OK;
}

i8x_status i8x_op_unary_infer(const i8x_infer_call *call)
{
    i8x_unary_params *p = call->params;
    p->op = (i8x_unary)call->op->variant;
    I8X_TRY(i8x_infer_expect(call, 0, I8X_DTYPE_F32));
    if (p->op == I8X_UNARY_CLIP)
        I8X_TRY(clip_bounds(call, p));
    if (p->op == I8X_UNARY_LEAKY_RELU)
        p->alpha = i8x_node_attr_float(call->node, "alpha", 0.01f);
    if (p->op == I8X_UNARY_HARD_SIGMOID) {
        p->alpha = i8x_node_attr_float(call->node, "alpha", 0.2f);
        p->beta = i8x_node_attr_float(call->node, "beta", 0.5f);
    }
    if (p->op == I8X_UNARY_GELU && i8x_node_attr_is(call->node, "approximate", "tanh", false))
        p->op = I8X_UNARY_GELU_TANH;
    i8x_infer_set(call, I8X_DTYPE_F32, &call->inputs[0].shape);
    return I8X_OK;
}

i8x_status i8x_op_unary_run(const i8x_op_call *call)
{
    i8x_unary_run(call->params, call->inputs[0].data, call->outputs[0].data,
                  i8x_tensor_elements(&call->outputs[0]), call->threads);
    return I8X_OK;
}

/* --- binary and variadic --- */

static bool gives_truth(i8x_binary op)
{
    return op >= I8X_BINARY_EQUAL;
}

static i8x_status check_operands(const i8x_infer_call *call, int a, int b)
{
    const i8x_tensor *ta = &call->inputs[a], *tb = &call->inputs[b];
    I8X_ENSURE(ta->dtype == tb->dtype, I8X_EDTYPE, "operands are %s and %s",
               i8x_dtype_name(ta->dtype), i8x_dtype_name(tb->dtype));
    I8X_ENSURE(i8x_binary_supports((i8x_binary)call->op->variant, ta->dtype), I8X_EUNSUPPORTED,
               "operands of type %s", i8x_dtype_name(ta->dtype));
    return I8X_OK;
}

i8x_status i8x_op_binary_infer(const i8x_infer_call *call)
{
    i8x_binary op = (i8x_binary)call->op->variant;
    i8x_shape shape;
    I8X_TRY(check_operands(call, 0, 1));
    I8X_TRY(i8x_shape_broadcast(&call->inputs[0].shape, &call->inputs[1].shape, &shape));
    i8x_infer_set(call, gives_truth(op) ? I8X_DTYPE_BOOL : call->inputs[0].dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_binary_run(const i8x_op_call *call)
{
    i8x_binary_run((i8x_binary)call->op->variant, &call->inputs[0], &call->inputs[1],
                   &call->outputs[0], call->threads);
    return I8X_OK;
}

i8x_status i8x_op_variadic_infer(const i8x_infer_call *call)
{
    i8x_shape shape = call->inputs[0].shape;
    for (int i = 0; i < call->input_count; i++) {
        I8X_TRY(check_operands(call, 0, i));
        I8X_TRY(i8x_shape_broadcast(&shape, &call->inputs[i].shape, &shape));
    }
    i8x_infer_set(call, call->inputs[0].dtype, &shape);
    return I8X_OK;
}

/* y = in0 (+ nothing), then y = y op in_i: left to right. */
i8x_status i8x_op_variadic_run(const i8x_op_call *call)
{
    i8x_binary op = (i8x_binary)call->op->variant;
    i8x_tensor *y = &call->outputs[0];
    if (call->input_count == 1) {
        memcpy(y->data, call->inputs[0].data, i8x_tensor_size_bytes(y));
        return I8X_OK;
    }
    i8x_binary_run(op, &call->inputs[0], &call->inputs[1], y, call->threads);
    for (int i = 2; i < call->input_count; i++)
        i8x_binary_run(op, y, &call->inputs[i], y, call->threads);
    return I8X_OK;
}

i8x_status i8x_op_where_infer(const i8x_infer_call *call)
{
    i8x_shape shape;
    I8X_TRY(i8x_infer_expect(call, 0, I8X_DTYPE_BOOL));
    I8X_ENSURE(call->inputs[1].dtype == call->inputs[2].dtype, I8X_EDTYPE, "branches of two types");
    I8X_ENSURE(i8x_dtype_size(call->inputs[1].dtype) > 0, I8X_EUNSUPPORTED, "4-bit elements");
    I8X_TRY(i8x_shape_broadcast(&call->inputs[1].shape, &call->inputs[2].shape, &shape));
    I8X_TRY(i8x_shape_broadcast(&shape, &call->inputs[0].shape, &shape));
    i8x_infer_set(call, call->inputs[1].dtype, &shape);
    return I8X_OK;
}

i8x_status i8x_op_where_run(const i8x_op_call *call)
{
    i8x_where_run(&call->inputs[0], &call->inputs[1], &call->inputs[2], &call->outputs[0]);
    return I8X_OK;
}

i8x_status i8x_op_not_infer(const i8x_infer_call *call)
{
    I8X_TRY(i8x_infer_expect(call, 0, I8X_DTYPE_BOOL));
    i8x_infer_set(call, I8X_DTYPE_BOOL, &call->inputs[0].shape);
    return I8X_OK;
}

i8x_status i8x_op_not_run(const i8x_op_call *call)
{
    const uint8_t *x = call->inputs[0].data;
    uint8_t *y = call->outputs[0].data;
    int64_t count = i8x_tensor_elements(&call->outputs[0]);
    for (int64_t i = 0; i < count; i++)
        y[i] = !x[i];
    return I8X_OK;
}

/* --- Cast: through double (floats) or s64 (integers), as C converts; out of range saturates --- */

/* ONNX numbers of element types */
static const i8x_dtype onnx_types[] = {
    [1] = I8X_DTYPE_F32,  [2] = I8X_DTYPE_U8,   [3] = I8X_DTYPE_S8,  [4] = I8X_DTYPE_U16,
    [5] = I8X_DTYPE_S16,  [6] = I8X_DTYPE_S32,  [7] = I8X_DTYPE_S64, [9] = I8X_DTYPE_BOOL,
    [10] = I8X_DTYPE_F16, [11] = I8X_DTYPE_F64,
};

static bool is_float(i8x_dtype dtype)
{
    return dtype == I8X_DTYPE_F32 || dtype == I8X_DTYPE_F16 || dtype == I8X_DTYPE_F64;
}

i8x_status i8x_op_cast_infer(const i8x_infer_call *call)
{
    int64_t to = i8x_node_attr_int(call->node, "to", 0);
    int64_t known = (int64_t)(sizeof onnx_types / sizeof onnx_types[0]);
    I8X_ENSURE(to > 0 && to < known && onnx_types[to] != I8X_DTYPE_NONE, I8X_EUNSUPPORTED,
               "element type number %" PRId64, to);
    I8X_ENSURE(i8x_dtype_bits(call->inputs[0].dtype) >= 8, I8X_EUNSUPPORTED, "from %s",
               i8x_dtype_name(call->inputs[0].dtype));
    i8x_infer_set(call, onnx_types[to], &call->inputs[0].shape);
    return I8X_OK;
}

static double float_at(const i8x_tensor *t, int64_t i)
{
    if (t->dtype == I8X_DTYPE_F32)
        return (double)((const float *)t->data)[i];
    if (t->dtype == I8X_DTYPE_F64)
        return ((const double *)t->data)[i];
    return (double)i8x_half_to_f32(((const uint16_t *)t->data)[i]);
}

static void put_float(i8x_tensor *t, int64_t i, double v)
{
    if (t->dtype == I8X_DTYPE_F32)
        ((float *)t->data)[i] = (float)v;
    else if (t->dtype == I8X_DTYPE_F64)
        ((double *)t->data)[i] = v;
    else
        ((uint16_t *)t->data)[i] = i8x_half_from_f32((float)v);
}

static void put_int(i8x_tensor *t, int64_t i, int64_t v)
{
    size_t size = i8x_dtype_size(t->dtype);
    if (t->dtype == I8X_DTYPE_BOOL)
        v = v != 0;
    uint64_t bits = (uint64_t)v;
    if (size == 1)
        ((uint8_t *)t->data)[i] = (uint8_t)bits;
    else if (size == 2)
        ((uint16_t *)t->data)[i] = (uint16_t)bits;
    else if (size == 4)
        ((uint32_t *)t->data)[i] = (uint32_t)bits;
    else
        ((uint64_t *)t->data)[i] = bits;
}

static int64_t whole(double v, i8x_dtype to)
{
    if (to == I8X_DTYPE_BOOL)
        return v != 0;
    double low = (double)i8x_dtype_min(to), high = (double)i8x_dtype_max(to);
    if (!(v > low))
        return v != v ? 0 : i8x_dtype_min(to);
    return v >= high ? i8x_dtype_max(to) : (int64_t)v;
}

i8x_status i8x_op_cast_run(const i8x_op_call *call)
{
    const i8x_tensor *x = &call->inputs[0];
    i8x_tensor *y = &call->outputs[0];
    int64_t count = i8x_tensor_elements(y);
    if (x->dtype == y->dtype) {
        memcpy(y->data, x->data, i8x_tensor_size_bytes(y));
        return I8X_OK;
    }
    for (int64_t i = 0; i < count; i++) {
        if (is_float(x->dtype) && is_float(y->dtype))
            put_float(y, i, float_at(x, i));
        else if (is_float(x->dtype))
            put_int(y, i, whole(float_at(x, i), y->dtype));
        else if (is_float(y->dtype))
            put_float(y, i, (double)i8x_tensor_int(x, i));
        else
            put_int(y, i, i8x_tensor_int(x, i));
    }
    return I8X_OK;
}

/* --- BatchNormalization in inference form; params: epsilon --- */

i8x_status i8x_op_batch_norm_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    I8X_ENSURE(i8x_node_attr_int(call->node, "training_mode", 0) == 0, I8X_EUNSUPPORTED,
               "training mode");
    I8X_ENSURE(x->rank >= 2, I8X_ESHAPE, "input of rank %d", x->rank);
    for (int i = 0; i < 5; i++) {
        I8X_TRY(i8x_infer_expect(call, i, I8X_DTYPE_F32));
        I8X_ENSURE(i == 0 || i8x_tensor_elements(&call->inputs[i]) == x->dims[1], I8X_ESHAPE,
                   "input %d does not have one element per channel", i);
    }
    *(float *)call->params = i8x_node_attr_float(call->node, "epsilon", 1e-5f);
    i8x_infer_set(call, I8X_DTYPE_F32, x);
    return I8X_OK;
}

typedef struct norm_work {
    const i8x_op_call *call;
    int64_t channels, plane;
} norm_work;

/* scale and shift of a channel in double, rounded once */
static void norm_planes(void *user, int64_t begin, int64_t end, int thread_index)
{
    const norm_work *w = user;
    const i8x_op_call *call = w->call;
    double epsilon = (double)*(const float *)call->params;
    (void)thread_index;
    for (int64_t i = begin; i < end; i++) {
        int64_t c = i % w->channels;
        double scale = (double)((const float *)call->inputs[1].data)[c];
        double bias = (double)((const float *)call->inputs[2].data)[c];
        double mean = (double)((const float *)call->inputs[3].data)[c];
        double variance = (double)((const float *)call->inputs[4].data)[c];
        double factor = scale / sqrt(variance + epsilon);
        i8x_kernels_get()->scale_shift_f32((const float *)call->inputs[0].data + i * w->plane,
                                           (float)factor, (float)(bias - mean * factor),
                                           (float *)call->outputs[0].data + i * w->plane,
                                           (size_t)w->plane);
    }
}

i8x_status i8x_op_batch_norm_run(const i8x_op_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    norm_work w = {.call = call, .channels = x->dims[1], .plane = i8x_shape_product(x, 2, x->rank)};
    i8x_threads_for(call->threads, 0, x->dims[0] * w.channels, 1 + 16384 / (w.plane + 1),
                    norm_planes, &w);
    return I8X_OK;
}
