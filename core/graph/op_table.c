/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows made from ops.def, look-up, and what infer functions share.
 */
#include "core/graph/op_table.h"

#include <inttypes.h>
#include <string.h>

#include "core/graph/op_params.h"
#include "core/tensor/tensor.h"

#define LIST_MAX 65536

#define ROW(id_, name_, since_, min, max, outs, variant_, flags_, weight, axis, params, fn)        \
    .name = name_, .id = I8X_OP_##id_, .since = since_, .inputs_min = min,                         \
    .inputs_max = ((flags_)&I8X_OP_INPUTS_MANY) ? I8X_GRAPH_NODE_IO_MAX : (max),                   \
    .outputs_max = outs, .variant = variant_, .flags = flags_, .weight_input = weight,             \
    .weight_axis = axis, .params_size = sizeof(params), .infer = i8x_op_##fn##_infer,              \
    .run = i8x_op_##fn##_run
#define OP(id, name, since, min, max, outs, variant, flags, weight, axis, params, fn)              \
    {ROW(id, name, since, min, max, outs, variant, flags, weight, axis, params, fn)},
#define OP_HEAVY(id, name, since, min, max, outs, variant, flags, weight, axis, params, fn)        \
    {ROW(id, name, since, min, max, outs, variant, flags, weight, axis, params, fn),               \
     .scratch_bytes = i8x_op_##fn##_scratch_bytes, .macs = i8x_op_##fn##_macs},
static const i8x_op rows[I8X_OP_COUNT] = {
#include "core/graph/ops.def"
};
#undef OP
#undef OP_HEAVY

const i8x_op *i8x_op_get(i8x_op_id id)
{
    I8X_ASSERT((unsigned)id < I8X_OP_COUNT);
    return &rows[id];
}

const i8x_op *i8x_op_find(const char *name)
{
    for (int i = 0; i < I8X_OP_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

const i8x_op *i8x_op_of(const i8x_node *node)
{
    if (node->domain && node->domain[0] != 0 && strcmp(node->domain, "ai.onnx") != 0)
        return NULL;
    if (node->op >= 0 && node->op < I8X_OP_COUNT && strcmp(rows[node->op].name, node->op_type) == 0)
        return &rows[node->op];
    return i8x_op_find(node->op_type);
}

bool i8x_node_is(const i8x_node *node, i8x_op_id id)
{
    const i8x_op *op = i8x_op_of(node);
    return op != NULL && op->id == id;
}

bool i8x_infer_has(const i8x_infer_call *call, int input)
{
    return input < call->input_count && call->inputs[input].dtype != I8X_DTYPE_NONE;
}

void i8x_infer_set(const i8x_infer_call *call, i8x_dtype dtype, const i8x_shape *shape)
{
    call->outputs[0].dtype = dtype;
    call->outputs[0].shape = *shape;
}

i8x_status i8x_infer_expect(const i8x_infer_call *call, int input, i8x_dtype dtype)
{
    I8X_ENSURE(call->inputs[input].dtype == dtype, I8X_EUNSUPPORTED,
               "input %d is %s, only %s is supported", input,
               i8x_dtype_name(call->inputs[input].dtype), i8x_dtype_name(dtype));
    return I8X_OK;
}

i8x_status i8x_infer_ints(const i8x_infer_call *call, int input, const int64_t **list, int *count)
{
    const i8x_tensor *t = &call->inputs[input];
    int64_t n = i8x_tensor_elements(t);
    I8X_ENSURE(i8x_dtype_is_integer(t->dtype), I8X_EDTYPE, "input %d is %s, not an integer", input,
               i8x_dtype_name(t->dtype));
    I8X_ENSURE(t->data != NULL || n == 0, I8X_EUNSUPPORTED,
               "input %d is not constant; its values are needed before the run", input);
    I8X_ENSURE(n <= LIST_MAX, I8X_ELIMIT, "input %d has %" PRId64 " values", input, n);
    int64_t *copy = i8x_arena_array(call->arena, (size_t)n, sizeof *copy);
    I8X_TRY(i8x_alloc_check(copy));
    for (int64_t i = 0; i < n; i++)
        copy[i] = i8x_tensor_int(t, i);
    *list = copy;
    *count = (int)n;
    return I8X_OK;
}

i8x_status i8x_infer_list(const i8x_infer_call *call, const char *attr, int input,
                          const int64_t **list, int *count)
{
    const i8x_attr *a = attr ? i8x_node_attr(call->node, attr) : NULL;
    if (a != NULL) {
        I8X_ENSURE(a->kind == I8X_ATTR_INTS, I8X_EFORMAT, "attribute %s is no list of integers",
                   attr);
        *list = a->ints;
        *count = a->count;
        return I8X_OK;
    }
    if (input >= 0 && i8x_infer_has(call, input))
        return i8x_infer_ints(call, input, list, count);
    *list = NULL;
    *count = -1;
    return I8X_OK;
}

i8x_status i8x_infer_float(const i8x_infer_call *call, int input, float otherwise, float *value)
{
    *value = otherwise;
    if (!i8x_infer_has(call, input))
        return I8X_OK;
    const i8x_tensor *t = &call->inputs[input];
    I8X_TRY(i8x_infer_expect(call, input, I8X_DTYPE_F32));
    I8X_ENSURE(t->data != NULL && i8x_tensor_elements(t) == 1, I8X_EUNSUPPORTED,
               "input %d is not a constant scalar", input);
    *value = *(const float *)t->data;
    return I8X_OK;
}

bool i8x_node_attr_is(const i8x_node *node, const char *name, const char *text, bool otherwise)
{
    const i8x_attr *a = i8x_node_attr(node, name);
    if (a == NULL || a->kind != I8X_ATTR_STRING)
        return otherwise;
    return (size_t)a->count == strlen(text) && memcmp(a->s, text, (size_t)a->count) == 0;
}

i8x_status i8x_op_run(const i8x_op_call *call)
{
    i8x_status status = call->op->run(call);
    if (status != I8X_OK)
        return i8x_fail_prefix("%s '%s': ", call->op->name, call->node->name);
    return I8X_OK;
}
