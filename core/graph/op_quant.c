/* SPDX-License-Identifier: Apache-2.0
 *
 * QuantizeLinear and DequantizeLinear: attributes and shapes. Blocked quantisation is refused.
 */
#include <inttypes.h>

#include "core/graph/op_params.h"
#include "core/tensor/tensor.h"

static i8x_status quantize_infer(const i8x_infer_call *call, i8x_dtype code, i8x_dtype result)
{
    const i8x_shape *x = &call->inputs[0].shape;
    i8x_quantize_params *p = call->params;
    int64_t scales = i8x_tensor_elements(&call->inputs[1]);
    *p = (i8x_quantize_params){.outer = 1, .channels = 1, .axis = -1, .code = code};
    I8X_TRY(i8x_infer_expect(call, 1, I8X_DTYPE_F32));
    I8X_ENSURE(i8x_code_dtype(code), I8X_EUNSUPPORTED, "codes of type %s", i8x_dtype_name(code));
    I8X_ENSURE(i8x_node_attr_int(call->node, "block_size", 0) == 0, I8X_EUNSUPPORTED,
               "attribute block_size");
    I8X_ENSURE(
        !i8x_infer_has(call, 2) ||
            (call->inputs[2].dtype == code && i8x_tensor_elements(&call->inputs[2]) == scales),
        I8X_EFORMAT, "zero point of type %s with %" PRId64 " elements for %" PRId64 " scales",
        i8x_dtype_name(call->inputs[2].dtype), i8x_tensor_elements(&call->inputs[2]), scales);
    p->inner = i8x_shape_product(x, 0, x->rank);
    if (scales != 1) {
        int axis;
        I8X_TRY(i8x_shape_axis(x->rank, i8x_node_attr_int(call->node, "axis", 1), &axis));
        I8X_ENSURE(call->inputs[1].shape.rank == 1 && x->dims[axis] == scales, I8X_ESHAPE,
                   "%" PRId64 " scales along axis %d", scales, axis);
        p->axis = axis;
        p->channels = scales;
        p->outer = i8x_shape_product(x, 0, axis);
        p->inner = i8x_shape_product(x, axis + 1, x->rank);
    }
    i8x_infer_set(call, result, x);
    return I8X_OK;
}

i8x_status i8x_op_quantize_linear_infer(const i8x_infer_call *call)
{
    static const i8x_dtype types[] = {
        [2] = I8X_DTYPE_U8,  [3] = I8X_DTYPE_S8,  [4] = I8X_DTYPE_U16,
        [5] = I8X_DTYPE_S16, [21] = I8X_DTYPE_U4, [22] = I8X_DTYPE_S4};
    int64_t number = i8x_node_attr_int(call->node, "output_dtype", 2);
    I8X_TRY(i8x_infer_expect(call, 0, I8X_DTYPE_F32));
    I8X_ENSURE(number >= 0 && number <= 22, I8X_EUNSUPPORTED, "output_dtype %" PRId64, number);
    i8x_dtype code = i8x_infer_has(call, 2) ? call->inputs[2].dtype : types[number];
    return quantize_infer(call, code, code);
}

i8x_status i8x_op_quantize_linear_run(const i8x_op_call *call)
{
    const i8x_tensor none = {.data = NULL};
    return i8x_quantize_linear_run(call->params, call->inputs[0].data, call->inputs[1].data,
                                   call->input_count > 2 ? &call->inputs[2] : &none,
                                   call->outputs[0].data, call->scratch, call->threads);
}

i8x_status i8x_op_dequantize_linear_infer(const i8x_infer_call *call)
{
    return quantize_infer(call, call->inputs[0].dtype, I8X_DTYPE_F32);
}

i8x_status i8x_op_dequantize_linear_run(const i8x_op_call *call)
{
    const i8x_tensor none = {.data = NULL};
    return i8x_dequantize_linear_run(call->params, call->inputs[0].data, call->inputs[1].data,
                                     call->input_count > 2 ? &call->inputs[2] : &none,
                                     call->outputs[0].data, call->scratch, call->threads);
}
