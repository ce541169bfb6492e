/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer steps: recognising them, and running them through core/ops/conv_integer.
 */
#include "core/graph/exec_integer.h"

#include <math.h>
#include <string.h>

#include "core/graph/op_params.h"
#include "core/tensor/tensor.h"

bool i8x_dequantize_of(const i8x_graph *graph, const i8x_tensor *tensors, int value,
                       i8x_dequantize_view *view)
{
    static const i8x_tensor none = {.data = NULL};
    if (value == I8X_GRAPH_NONE || graph->values[value].producer == I8X_GRAPH_NONE)
        return false;
    const i8x_node *node = &graph->nodes[graph->values[value].producer];
    if (!i8x_node_is(node, I8X_OP_DEQUANTIZE_LINEAR))
        return false;
    bool zeros = node->input_count > 2 && node->inputs[2] != I8X_GRAPH_NONE;
    view->codes = node->inputs[0];
    view->params = node->params;
    view->scale = tensors[node->inputs[1]].data;
    view->zero_point = zeros ? &tensors[node->inputs[2]] : &none;
    return view->scale != NULL && (!zeros || view->zero_point->data != NULL);
}

/* Sizes of the matrix or filter that a node multiplies with. */
typedef struct operand_sizes {
    int64_t channels, depth;
    bool transposed; /* stored [depth][channels] */
    int axis;        /* of the channels in w */
} operand_sizes;

static bool conv_sizes(const i8x_conv_params *p, operand_sizes *s)
{
    s->channels = p->oc;
    s->depth = p->ic / p->group * p->window.kh * p->window.kw;
    s->transposed = false;
    s->axis = 0;
    return true;
}

static bool gemm_sizes(const i8x_gemm_params *p, operand_sizes *s)
{
    s->channels = p->n;
    s->depth = p->k;
    s->transposed = !p->b_transposed;
    s->axis = p->b_transposed ? 0 : 1;
    return !p->a_transposed && p->alpha == 1.0f && p->beta == 1.0f;
}

static bool sizes_of(const i8x_node *node, const i8x_tensor *w, operand_sizes *s)
{
    if (node->op == I8X_OP_CONV)
        return conv_sizes(node->params, s);
    if (node->op == I8X_OP_GEMM)
        return gemm_sizes(node->params, s);
    const i8x_matmul_params *p = node->params;
    return node->op == I8X_OP_MATMUL && w->shape.rank == 2 && p->y_batch.rank == 0 &&
           gemm_sizes(&p->gemm, s);
}

static int32_t zero_at(const i8x_dequantize_view *view, int64_t channel)
{
    if (view->zero_point->data == NULL)
        return 0;
    return (int32_t)i8x_tensor_int(view->zero_point, view->params->channels == 1 ? 0 : channel);
}

static float scale_at(const i8x_dequantize_view *view, int64_t channel)
{
    return view->scale[view->params->channels == 1 ? 0 : channel];
}

/* s32 codes whose scale is s_x s_w[c]. */
static bool bias_fits(const i8x_dequantize_view *x, const i8x_dequantize_view *w,
                      const i8x_dequantize_view *bias, const i8x_tensor *codes, int64_t channels)
{
    if (codes->data == NULL || codes->dtype != I8X_DTYPE_S32 || codes->shape.rank != 1 ||
        codes->shape.dims[0] != channels)
        return false;
    for (int64_t c = 0; c < channels; c++) {
        float expected = x->scale[0] * scale_at(w, c), given = scale_at(bias, c);
        if (zero_at(bias, c) != 0 || !(fabsf(given - expected) <= 1e-5f * fabsf(expected)))
            return false;
    }
    return true;
}

typedef struct match {
    i8x_dequantize_view x, w, bias;
    bool has_bias;
    operand_sizes sizes;
} match;

static bool matches(const i8x_graph *graph, const i8x_tensor *tensors, const i8x_node *node,
                    match *m)
{
    int bias = node->input_count > 2 ? node->inputs[2] : I8X_GRAPH_NONE;
    if (!i8x_dequantize_of(graph, tensors, node->inputs[0], &m->x) ||
        !i8x_dequantize_of(graph, tensors, node->inputs[1], &m->w))
        return false;
    const i8x_tensor *x = &tensors[m->x.codes], *w = &tensors[m->w.codes];
    if (m->x.params->channels != 1 || (x->dtype != I8X_DTYPE_U8 && x->dtype != I8X_DTYPE_S8))
        return false;
    if (w->data == NULL || i8x_dtype_bits(w->dtype) > 8 || !sizes_of(node, w, &m->sizes))
        return false;
    if (m->w.params->channels != 1 && m->w.params->axis != m->sizes.axis)
        return false;
    m->has_bias = bias != I8X_GRAPH_NONE;
    return !m->has_bias ||
           (i8x_dequantize_of(graph, tensors, bias, &m->bias) &&
            bias_fits(&m->x, &m->w, &m->bias, &tensors[m->bias.codes], m->sizes.channels));
}

static i8x_status fill_scales(const match *m, const float *y_scale, i8x_arena *arena,
                              i8x_integer_layer *layer)
{
    bool zeros = false;
    float *multiplier = i8x_arena_array(arena, (size_t)layer->channels, sizeof *multiplier);
    I8X_TRY(i8x_alloc_check(multiplier));
    int32_t *w_zero = i8x_arena_array(arena, (size_t)layer->channels, sizeof *w_zero);
    I8X_TRY(i8x_alloc_check(w_zero));
    for (int64_t c = 0; c < layer->channels; c++) {
        float product = m->x.scale[0] * scale_at(&m->w, c);
        multiplier[c] = y_scale ? product / *y_scale : product;
        w_zero[c] = zero_at(&m->w, c);
        zeros = zeros || w_zero[c] != 0;
    }
    layer->multiplier = multiplier;
    layer->w_zero = zeros ? w_zero : NULL;
    return I8X_OK;
}

/* The quantiser behind the node, if it has one scale and 8-bit codes. */
static bool quantizer_fits(const i8x_graph *graph, const i8x_tensor *tensors, int node,
                           i8x_integer_layer *layer, const float **scale)
{
    *scale = NULL;
    if (node < 0)
        return false;
    const i8x_node *q = &graph->nodes[node];
    const i8x_quantize_params *p = q->params;
    bool zeros = q->input_count > 2 && q->inputs[2] != I8X_GRAPH_NONE;
    if (p->channels != 1 || (p->code != I8X_DTYPE_U8 && p->code != I8X_DTYPE_S8) ||
        tensors[q->inputs[1]].data == NULL || (zeros && tensors[q->inputs[2]].data == NULL))
        return false;
    layer->y_dtype = p->code;
    layer->y_zero = zeros ? (int32_t)i8x_tensor_int(&tensors[q->inputs[2]], 0) : 0;
    *scale = tensors[q->inputs[1]].data;
    return true;
}

i8x_status i8x_exec_integer_match(const i8x_graph *graph, const i8x_tensor *tensors, int node,
                                  int quantize, i8x_arena *arena, i8x_exec_integer **integer)
{
    const i8x_node *n = &graph->nodes[node];
    const float *y_scale;
    match m;
    *integer = NULL;
    if (!matches(graph, tensors, n, &m))
        return I8X_OK;
    i8x_exec_integer *made = i8x_arena_array(arena, 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    i8x_integer_layer *layer = &made->layer;
    *layer = (i8x_integer_layer){.x_dtype = tensors[m.x.codes].dtype,
                                 .x_zero = zero_at(&m.x, 0),
                                 .w = tensors[m.w.codes],
                                 .w_transposed = m.sizes.transposed,
                                 .channels = m.sizes.channels,
                                 .output = I8X_INTEGER_F32};
    layer->bias = m.has_bias ? tensors[m.bias.codes].data : NULL;
    made->x = m.x.codes;
    made->params = n->params;
    made->quantize = quantizer_fits(graph, tensors, quantize, layer, &y_scale) ? quantize : -1;
    if (made->quantize >= 0)
        layer->output = I8X_INTEGER_CODES;
    I8X_TRY(fill_scales(&m, y_scale, arena, layer));
    i8x_status status = i8x_integer_layer_init(layer, m.sizes.depth, arena);
    if (status == I8X_ERANGE) /* the sums could leave 32 bits: floats it is */
        return I8X_OK;
    I8X_TRY(status);
    *integer = made;
    return I8X_OK;
}

static int64_t matrix_rows(const i8x_exec_integer *integer, const i8x_op *op)
{
    if (op->id == I8X_OP_GEMM)
        return ((const i8x_gemm_params *)integer->params)->m;
    return ((const i8x_matmul_params *)integer->params)->gemm.m;
}

size_t i8x_exec_integer_scratch_bytes(const i8x_exec_integer *integer, const i8x_op *op,
                                      int threads)
{
    if (op->id == I8X_OP_CONV)
        return i8x_conv_integer_scratch_bytes(&integer->layer, integer->params, threads);
    return i8x_matrix_integer_scratch_bytes(&integer->layer, matrix_rows(integer, op), threads);
}

i8x_status i8x_exec_integer_run(const i8x_exec_integer *integer, const i8x_op *op,
                                const i8x_tensor *x, i8x_tensor *y, i8x_arena *scratch,
                                i8x_threads *threads)
{
    if (op->id == I8X_OP_CONV)
        return i8x_conv_integer_run(&integer->layer, integer->params, x->data, y->data, scratch,
                                    threads);
    return i8x_matrix_integer_run(&integer->layer, matrix_rows(integer, op), x->data, y->data,
                                  scratch, threads);
}
