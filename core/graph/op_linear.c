/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv, ConvTranspose, Gemm, MatMul: attributes, shapes, and the calls into core/ops.
 */
#include <inttypes.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/graph/op_params.h"
#include "core/tensor/tensor.h"

/* --- windows: what Conv and the pools share --- */

static i8x_status spatial_list(const i8x_infer_call *call, const char *name, int count, int64_t low,
                               int64_t otherwise, int64_t *values)
{
    const i8x_attr *a = i8x_node_attr(call->node, name);
    for (int i = 0; i < count; i++)
        values[i] = otherwise;
    if (a == NULL)
        return I8X_OK;
    I8X_ENSURE(a->kind == I8X_ATTR_INTS && a->count == count, I8X_EFORMAT,
               "attribute %s does not have %d integers", name, count);
    for (int i = 0; i < count; i++) {
        I8X_ENSURE(a->ints[i] >= low && a->ints[i] < 1 << 24, I8X_EUNSUPPORTED,
                   "attribute %s has the value %" PRId64, name, a->ints[i]);
        values[i] = a->ints[i];
    }
    return I8X_OK;
}

typedef struct axis {
    int64_t in, kernel, stride, dilation, begin, end, out;
} axis;

/* SAME: out = ceil(in / stride), the odd pad goes behind (UPPER) or before (LOWER). */
static void axis_same(axis *a, bool upper)
{
    a->out = (a->in + a->stride - 1) / a->stride;
    int64_t pads = (a->out - 1) * a->stride + (a->kernel - 1) * a->dilation + 1 - a->in;
    pads = pads < 0 ? 0 : pads;
    a->begin = upper ? pads / 2 : pads - pads / 2;
    a->end = pads - a->begin;
}

static void axis_out(axis *a, int ceil_mode)
{
    int64_t span = (a->kernel - 1) * a->dilation + 1;
    a->out = i8x_window_out(a->in, a->begin + a->end, span, a->stride, ceil_mode);
    /* a last window that would begin in the padding behind the image is left out */
    if (ceil_mode && a->out > 0 && (a->out - 1) * a->stride >= a->in + a->begin)
        a->out--;
}

/* The padded image, rounded up to whole strides, is what scratch is made for. */
static i8x_status check_padded(const axis *a)
{
    int64_t size[2], all;
    for (int i = 0; i < 2; i++)
        size[i] = a[i].out * a[i].stride + (a[i].kernel - 1) * a[i].dilation;
    I8X_ENSURE(i8x_mul_s64(size[0], size[1], &all) && all <= I8X_ELEMENTS_MAX, I8X_ELIMIT,
               "a padded image of %" PRId64 " x %" PRId64, size[0], size[1]);
    return I8X_OK;
}

i8x_status i8x_window_parse(const i8x_infer_call *call, const int64_t *kernel, i8x_window *window,
                            int64_t *pads_end)
{
    const i8x_shape *x = &call->inputs[0].shape;
    int n = x->rank - 2;
    int64_t strides[2], dilations[2], pads[4];
    axis a[2] = {{1, 1, 1, 1, 0, 0, 1}, {1, 1, 1, 1, 0, 0, 1}};
    I8X_ENSURE(n == 1 || n == 2, I8X_EUNSUPPORTED, "%d spatial dimensions; 1 and 2 are supported",
               n);
    I8X_TRY(spatial_list(call, "strides", n, 1, 1, strides));
    I8X_TRY(spatial_list(call, "dilations", n, 1, 1, dilations));
    I8X_TRY(spatial_list(call, "pads", 2 * n, 0, 0, pads));
    bool notset = i8x_node_attr_is(call->node, "auto_pad", "NOTSET", true);
    bool valid = i8x_node_attr_is(call->node, "auto_pad", "VALID", false);
    bool upper = i8x_node_attr_is(call->node, "auto_pad", "SAME_UPPER", false);
    I8X_ENSURE(notset || valid || upper ||
                   i8x_node_attr_is(call->node, "auto_pad", "SAME_LOWER", false),
               I8X_EUNSUPPORTED, "attribute auto_pad has an unknown value");
    int ceil_mode = i8x_node_attr_int(call->node, "ceil_mode", 0) != 0;
    for (int i = 0; i < n; i++) {
        axis *s = &a[2 - n + i];
        *s = (axis){x->dims[2 + i], kernel[i], strides[i], dilations[i], 0, 0, 0};
        I8X_ENSURE(kernel[i] > 0 && kernel[i] < 1 << 20, I8X_ESHAPE, "kernel size %" PRId64,
                   kernel[i]);
        if (notset) {
            s->begin = pads[i];
            s->end = pads[n + i];
        }
        if (notset || valid)
            axis_out(s, ceil_mode);
        else
            axis_same(s, upper);
        I8X_ENSURE(s->out > 0, I8X_ESHAPE, "a window of %" PRId64 " does not fit into %" PRId64,
                   (s->kernel - 1) * s->dilation + 1, s->in);
    }
    *window = (i8x_window){.ih = a[0].in,
                           .iw = a[1].in,
                           .oh = a[0].out,
                           .ow = a[1].out,
                           .kh = a[0].kernel,
                           .kw = a[1].kernel,
                           .stride_h = a[0].stride,
                           .stride_w = a[1].stride,
                           .dilation_h = a[0].dilation,
                           .dilation_w = a[1].dilation,
                           .pad_top = a[0].begin,
                           .pad_left = a[1].begin};
    I8X_TRY(check_padded(a));
    pads_end[0] = a[0].end;
    pads_end[1] = a[1].end;
    return I8X_OK;
}

i8x_shape i8x_window_shape(const i8x_window *window, int rank, int64_t batch, int64_t channels)
{
    i8x_shape shape = {.rank = rank, .dims = {batch, channels, window->ow}};
    if (rank == 4) {
        shape.dims[2] = window->oh;
        shape.dims[3] = window->ow;
    }
    return shape;
}

/* --- Conv --- */

i8x_status i8x_op_conv_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape, *w = &call->inputs[1].shape;
    i8x_conv_params *p = call->params;
    int64_t kernel[2], pads_end[2];
    char text[2][96];
    for (int i = 0; i < 3; i++)
        if (i8x_infer_has(call, i))
            I8X_TRY(i8x_infer_expect(call, i, I8X_DTYPE_F32));
    I8X_ENSURE(x->rank == 3 || x->rank == 4, I8X_EUNSUPPORTED,
               "input of rank %d; 1-D and 2-D convolutions are supported", x->rank);
    I8X_ENSURE(w->rank == x->rank, I8X_ESHAPE, "weight of rank %d for an input of rank %d", w->rank,
               x->rank);
    p->group = i8x_node_attr_int(call->node, "group", 1);
    p->batch = x->dims[0];
    p->ic = x->dims[1];
    p->oc = w->dims[0];
    I8X_ENSURE(p->group > 0 && p->ic == w->dims[1] * p->group && p->oc % p->group == 0, I8X_ESHAPE,
               "weight %s against input %s in %" PRId64 " groups",
               i8x_shape_text(w, text[0], sizeof text[0]),
               i8x_shape_text(x, text[1], sizeof text[1]), p->group);
    I8X_ENSURE(!i8x_infer_has(call, 2) ||
                   (call->inputs[2].shape.rank == 1 && call->inputs[2].shape.dims[0] == p->oc),
               I8X_ESHAPE, "bias %s for %" PRId64 " channels",
               i8x_shape_text(&call->inputs[2].shape, text[0], sizeof text[0]), p->oc);
    for (int i = 0; i < x->rank - 2; i++)
        kernel[i] = w->dims[2 + i];
    I8X_TRY(i8x_window_parse(call, kernel, &p->window, pads_end));
    i8x_shape shape = i8x_window_shape(&p->window, x->rank, p->batch, p->oc);
    i8x_infer_set(call, I8X_DTYPE_F32, &shape);
    return I8X_OK;
}

static i8x_status run_conv(const i8x_op_call *call, const i8x_conv_params *p, const float *x,
                           const float *w)
{
    i8x_conv_store store = {.y = call->outputs[0].data,
                            .oc = p->oc,
                            .plane = p->window.oh * p->window.ow,
                            .clipped = call->clamp.on,
                            .lo = call->clamp.lo,
                            .hi = call->clamp.hi};
    i8x_conv_args args = {.params = p, .x = x, .w = w, .sink = i8x_conv_store_sink, .user = &store};
    args.bias = call->input_count > 2 ? call->inputs[2].data : NULL;
    return i8x_conv_run(&args, call->scratch, call->threads);
}

i8x_status i8x_op_conv_run(const i8x_op_call *call)
{
    return run_conv(call, call->params, call->inputs[0].data, call->inputs[1].data);
}

size_t i8x_op_conv_scratch_bytes(const i8x_op_call *call)
{
    return i8x_conv_scratch_bytes(call->params, 1, i8x_threads_count(call->threads));
}

uint64_t i8x_op_conv_macs(const void *params)
{
    return i8x_conv_macs(params);
}

/* --- ConvTranspose: a Conv over the input with stride - 1 zeros between its elements, kernel
 * turned around. params describe that convolution: its ih, iw are those of the spread input. --- */

static i8x_status transpose_axis(const i8x_infer_call *call, int i, int n, axis *a, int64_t extra)
{
    const i8x_attr *sizes = i8x_node_attr(call->node, "output_shape");
    int64_t span = (a->kernel - 1) * a->dilation + 1;
    int64_t full = a->stride * (a->in - 1) + extra + span;
    bool upper = i8x_node_attr_is(call->node, "auto_pad", "SAME_UPPER", false);
    bool same = upper || i8x_node_attr_is(call->node, "auto_pad", "SAME_LOWER", false);
    bool given = sizes != NULL && sizes->kind == I8X_ATTR_INTS && sizes->count == n;
    if (given || same) {
        a->out = given ? sizes->ints[i] : a->in * a->stride;
        int64_t pads = full - a->out < 0 ? 0 : full - a->out;
        a->begin = upper ? pads / 2 : pads - pads / 2;
        a->end = pads - a->begin;
    } else {
        a->out = full - a->begin - a->end;
    }
    I8X_ENSURE(a->out > 0 && a->begin < span, I8X_EUNSUPPORTED,
               "output size %" PRId64 ", padding %" PRId64, a->out, a->begin);
    return I8X_OK;
}

i8x_status i8x_op_conv_transpose_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape, *w = &call->inputs[1].shape;
    i8x_conv_params *p = call->params;
    int n = x->rank - 2;
    int64_t strides[2], dilations[2], pads[4], extra[2];
    axis a[2] = {{1, 1, 1, 1, 0, 0, 1}, {1, 1, 1, 1, 0, 0, 1}};
    for (int i = 0; i < 3; i++)
        if (i8x_infer_has(call, i))
            I8X_TRY(i8x_infer_expect(call, i, I8X_DTYPE_F32));
    I8X_ENSURE(n == 1 || n == 2, I8X_EUNSUPPORTED, "%d spatial dimensions; 1 and 2 are supported",
               n);
    I8X_ENSURE(w->rank == x->rank && w->dims[0] == x->dims[1], I8X_ESHAPE,
               "weight does not fit the input");
    I8X_TRY(spatial_list(call, "strides", n, 1, 1, strides));
    I8X_TRY(spatial_list(call, "dilations", n, 1, 1, dilations));
    I8X_TRY(spatial_list(call, "pads", 2 * n, 0, 0, pads));
    I8X_TRY(spatial_list(call, "output_padding", n, 0, 0, extra));
    for (int i = 0; i < n; i++) {
        axis *s = &a[2 - n + i];
        *s = (axis){x->dims[2 + i], w->dims[2 + i], strides[i], dilations[i],
                    pads[i],        pads[n + i],    0};
        I8X_TRY(transpose_axis(call, i, n, s, extra[i]));
    }
    p->batch = x->dims[0];
    p->ic = x->dims[1];
    p->group = i8x_node_attr_int(call->node, "group", 1);
    I8X_ENSURE(p->group > 0 && p->ic % p->group == 0, I8X_ESHAPE, "%" PRId64 " groups", p->group);
    p->oc = w->dims[1] * p->group;
    p->window = (i8x_window){.ih = (a[0].in - 1) * a[0].stride + 1,
                             .iw = (a[1].in - 1) * a[1].stride + 1,
                             .oh = a[0].out,
                             .ow = a[1].out,
                             .kh = a[0].kernel,
                             .kw = a[1].kernel,
                             .stride_h = 1,
                             .stride_w = 1,
                             .dilation_h = a[0].dilation,
                             .dilation_w = a[1].dilation,
                             .pad_top = (a[0].kernel - 1) * a[0].dilation - a[0].begin,
                             .pad_left = (a[1].kernel - 1) * a[1].dilation - a[1].begin};
    i8x_shape spread = {.rank = 4, .dims = {p->batch, p->ic, p->window.ih, p->window.iw}};
    int64_t elements;
    I8X_TRY(i8x_shape_elements(&spread, &elements));
    I8X_ENSURE(x->dims[2] > 0 && x->dims[x->rank - 1] > 0, I8X_ESHAPE, "an empty image");
    a[0].stride = a[1].stride = 1;
    I8X_TRY(check_padded(a));
    i8x_shape shape = i8x_window_shape(&p->window, x->rank, p->batch, p->oc);
    i8x_infer_set(call, I8X_DTYPE_F32, &shape);
    return I8X_OK;
}

/* w [ic][oc / group][kh][kw] -> [oc][ic / group][kh][kw] with the kernel turned around. */
static void turn_weights(const i8x_conv_params *p, const float *w, float *turned)
{
    int64_t taps = p->window.kh * p->window.kw;
    int64_t channels = p->ic / p->group, rows = p->oc / p->group;
    for (int64_t oc = 0; oc < p->oc; oc++)
        for (int64_t c = 0; c < channels; c++) {
            int64_t ic = oc / rows * channels + c;
            const float *from = w + (ic * rows + oc % rows) * taps;
            float *to = turned + (oc * channels + c) * taps;
            for (int64_t t = 0; t < taps; t++)
                to[t] = from[taps - 1 - t];
        }
}

i8x_status i8x_op_conv_transpose_run(const i8x_op_call *call)
{
    const i8x_conv_params *p = call->params;
    const i8x_shape *x = &call->inputs[0].shape;
    bool flat = x->rank == 3;
    int64_t ih = flat ? 1 : x->dims[2], iw = flat ? x->dims[2] : x->dims[3];
    int64_t step_h = ih > 1 ? (p->window.ih - 1) / (ih - 1) : 1,
            step_w = iw > 1 ? (p->window.iw - 1) / (iw - 1) : 1;
    int64_t planes = p->batch * p->ic, spread_plane = p->window.ih * p->window.iw;
    i8x_arena_mark mark = i8x_arena_mark_get(call->scratch);
    float *spread = i8x_arena_array(call->scratch, (size_t)(planes * spread_plane), sizeof(float));
    I8X_TRY(i8x_alloc_check(spread));
    float *turned = i8x_arena_alloc(call->scratch, i8x_tensor_size_bytes(&call->inputs[1]));
    I8X_TRY(i8x_alloc_check(turned));
    const float *from = call->inputs[0].data;
    for (int64_t i = 0; i < planes; i++)
        for (int64_t y = 0; y < ih; y++)
            for (int64_t c = 0; c < iw; c++)
                spread[i * spread_plane + y * step_h * p->window.iw + c * step_w] = *from++;
    turn_weights(p, call->inputs[1].data, turned);
    i8x_status status = run_conv(call, p, spread, turned);
    i8x_arena_rewind(call->scratch, mark);
    return status;
}

size_t i8x_op_conv_transpose_scratch_bytes(const i8x_op_call *call)
{
    const i8x_conv_params *p = call->params;
    size_t spread = (size_t)(p->batch * p->ic * p->window.ih * p->window.iw) * sizeof(float);
    return spread + i8x_tensor_size_bytes(&call->inputs[1]) + 4 * (size_t)I8X_ALIGNMENT +
           i8x_conv_scratch_bytes(p, 1, i8x_threads_count(call->threads));
}

uint64_t i8x_op_conv_transpose_macs(const void *params)
{
    return i8x_conv_macs(params);
}

/* --- Gemm --- */

i8x_status i8x_op_gemm_infer(const i8x_infer_call *call)
{
    const i8x_shape *a = &call->inputs[0].shape, *b = &call->inputs[1].shape;
    i8x_gemm_params *p = call->params;
    char text[2][96];
    for (int i = 0; i < 3; i++)
        if (i8x_infer_has(call, i))
            I8X_TRY(i8x_infer_expect(call, i, I8X_DTYPE_F32));
    I8X_ENSURE(a->rank == 2 && b->rank == 2, I8X_ESHAPE, "operands of rank %d and %d", a->rank,
               b->rank);
    p->a_transposed = i8x_node_attr_int(call->node, "transA", 0) != 0;
    p->b_transposed = i8x_node_attr_int(call->node, "transB", 0) != 0;
    p->alpha = i8x_node_attr_float(call->node, "alpha", 1.0f);
    p->beta = i8x_node_attr_float(call->node, "beta", 1.0f);
    p->m = a->dims[p->a_transposed];
    p->k = a->dims[!p->a_transposed];
    p->n = b->dims[!p->b_transposed];
    I8X_ENSURE(b->dims[p->b_transposed] == p->k, I8X_ESHAPE, "%s times %s",
               i8x_shape_text(a, text[0], sizeof text[0]),
               i8x_shape_text(b, text[1], sizeof text[1]));
    i8x_shape shape = {.rank = 2, .dims = {p->m, p->n}};
    if (i8x_infer_has(call, 2)) {
        const i8x_shape *c = &call->inputs[2].shape;
        i8x_shape both;
        I8X_TRY(i8x_shape_broadcast(&shape, c, &both));
        I8X_ENSURE(i8x_shape_equal(&both, &shape), I8X_ESHAPE, "C %s is larger than the result",
                   i8x_shape_text(c, text[0], sizeof text[0]));
        p->c_col_step = c->rank > 0 && c->dims[c->rank - 1] > 1;
        p->c_row_step = c->rank > 1 && c->dims[0] > 1 ? c->dims[1] : 0;
    }
    i8x_infer_set(call, I8X_DTYPE_F32, &shape);
    return I8X_OK;
}

static void clamp_output(const i8x_op_call *call)
{
    const i8x_unary_params clip = {
        .op = I8X_UNARY_CLIP, .alpha = call->clamp.lo, .beta = call->clamp.hi};
    float *y = call->outputs[0].data;
    if (call->clamp.on)
        i8x_unary_run(&clip, y, y, i8x_tensor_elements(&call->outputs[0]), call->threads);
}

i8x_status i8x_op_gemm_run(const i8x_op_call *call)
{
    i8x_gemm_args args = {.params = call->params,
                          .a = call->inputs[0].data,
                          .b = call->inputs[1].data,
                          .y = call->outputs[0].data};
    args.c = call->input_count > 2 ? call->inputs[2].data : NULL;
    I8X_TRY(i8x_gemm_run(&args, call->scratch, call->threads));
    clamp_output(call);
    return I8X_OK;
}

size_t i8x_op_gemm_scratch_bytes(const i8x_op_call *call)
{
    return i8x_gemm_scratch_bytes(call->params, 1, i8x_threads_count(call->threads));
}

uint64_t i8x_op_gemm_macs(const void *params)
{
    const i8x_gemm_params *p = params;
    return (uint64_t)(p->m * p->n) * (uint64_t)p->k;
}

/* --- MatMul --- */

static i8x_shape leading(const i8x_shape *shape)
{
    i8x_shape batch = *shape;
    batch.rank = shape->rank > 2 ? shape->rank - 2 : 0;
    return batch;
}

i8x_status i8x_op_matmul_infer(const i8x_infer_call *call)
{
    const i8x_shape *a = &call->inputs[0].shape, *b = &call->inputs[1].shape;
    i8x_matmul_params *p = call->params;
    char text[2][96];
    I8X_TRY(i8x_infer_expect(call, 0, I8X_DTYPE_F32));
    I8X_TRY(i8x_infer_expect(call, 1, I8X_DTYPE_F32));
    I8X_ENSURE(a->rank >= 1 && b->rank >= 1, I8X_ESHAPE, "a scalar operand");
    i8x_gemm_params *g = &p->gemm;
    *g = (i8x_gemm_params){.alpha = 1.0f, .beta = 1.0f};
    g->m = a->rank > 1 ? a->dims[a->rank - 2] : 1;
    g->k = a->dims[a->rank - 1];
    g->n = b->rank > 1 ? b->dims[b->rank - 1] : 1;
    I8X_ENSURE((b->rank > 1 ? b->dims[b->rank - 2] : b->dims[0]) == g->k, I8X_ESHAPE, "%s times %s",
               i8x_shape_text(a, text[0], sizeof text[0]),
               i8x_shape_text(b, text[1], sizeof text[1]));
    p->a_batch = leading(a);
    p->b_batch = leading(b);
    I8X_TRY(i8x_shape_broadcast(&p->a_batch, &p->b_batch, &p->y_batch));
    i8x_shape shape = p->y_batch;
    I8X_ENSURE(shape.rank + 2 <= I8X_RANK_MAX, I8X_EUNSUPPORTED, "more than %d dimensions",
               I8X_RANK_MAX);
    if (a->rank > 1)
        shape.dims[shape.rank++] = g->m;
    if (b->rank > 1)
        shape.dims[shape.rank++] = g->n;
    if (i8x_shape_product(&p->b_batch, 0, p->b_batch.rank) ==
        1) { /* one matrix b: one long product */
        g->m *= i8x_shape_product(&p->a_batch, 0, p->a_batch.rank);
        p->a_batch.rank = p->b_batch.rank = p->y_batch.rank = 0;
    }
    i8x_infer_set(call, I8X_DTYPE_F32, &shape);
    return I8X_OK;
}

/* Index of the operand's matrix for product i of the result. */
static int64_t batch_index(const i8x_shape *operand, const i8x_shape *result, int64_t i)
{
    int64_t index = 0, step = 1;
    for (int d = result->rank - 1; d >= 0; d--) {
        int at = d - (result->rank - operand->rank);
        int64_t dim = at >= 0 ? operand->dims[at] : 1;
        index += (dim == 1 ? 0 : i % result->dims[d]) * step;
        step *= dim;
        i /= result->dims[d];
    }
    return index;
}

i8x_status i8x_op_matmul_run(const i8x_op_call *call)
{
    const i8x_matmul_params *p = call->params;
    const i8x_gemm_params *g = &p->gemm;
    int64_t products = i8x_shape_product(&p->y_batch, 0, p->y_batch.rank);
    for (int64_t i = 0; i < products; i++) {
        i8x_gemm_args args = {.params = g, .y = (float *)call->outputs[0].data + i * g->m * g->n};
        args.a = (const float *)call->inputs[0].data +
                 batch_index(&p->a_batch, &p->y_batch, i) * g->m * g->k;
        args.b = (const float *)call->inputs[1].data +
                 batch_index(&p->b_batch, &p->y_batch, i) * g->k * g->n;
        I8X_TRY(i8x_gemm_run(&args, call->scratch, call->threads));
    }
    clamp_output(call);
    return I8X_OK;
}

size_t i8x_op_matmul_scratch_bytes(const i8x_op_call *call)
{
    const i8x_matmul_params *p = call->params;
    return i8x_gemm_scratch_bytes(&p->gemm, 1, i8x_threads_count(call->threads));
}

uint64_t i8x_op_matmul_macs(const void *params)
{
    const i8x_matmul_params *p = params;
    return i8x_op_gemm_macs(&p->gemm) *
           (uint64_t)i8x_shape_product(&p->y_batch, 0, p->y_batch.rank);
}
