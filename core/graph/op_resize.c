/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize: nearest in any axes, linear over the last two. Coordinates are computed in double when
 * shapes are known and kept as tables, so that running is look-up and two multiply-adds.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/graph/op_params.h"
#include "core/ops/move.h"
#include "core/tensor/tensor.h"

typedef enum coordinate {
    HALF_PIXEL,
    ASYMMETRIC,
    ALIGN_CORNERS,
    PYTORCH_HALF_PIXEL,
    COORDINATES
} coordinate;

static const char *const coordinate_names[COORDINATES] = {"half_pixel", "asymmetric",
                                                          "align_corners", "pytorch_half_pixel"};

static double source_of(coordinate mode, int64_t i, int64_t in, int64_t out, double scale)
{
    switch (mode) {
    case ASYMMETRIC:
        return (double)i / scale;
    case ALIGN_CORNERS:
        return out > 1 ? (double)i * (double)(in - 1) / (double)(out - 1) : 0.0;
    case PYTORCH_HALF_PIXEL:
        return out > 1 ? ((double)i + 0.5) / scale - 0.5 : 0.0;
    default:
        return ((double)i + 0.5) / scale - 0.5;
    }
}

static double round_nearest(int rule, double x)
{
    switch (rule) {
    case 1:
        return floor(x + 0.5); /* round_prefer_ceil */
    case 2:
        return floor(x);
    case 3:
        return ceil(x);
    default:
        return ceil(x - 0.5); /* round_prefer_floor */
    }
}

static i8x_status pick_name(const i8x_infer_call *call, const char *attr, const char *const *names,
                            int count, int otherwise, int *index)
{
    for (*index = 0; *index < count; (*index)++)
        if (i8x_node_attr_is(call->node, attr, names[*index], *index == otherwise))
            return I8X_OK;
    I8X_FAIL(I8X_EUNSUPPORTED, "the value of attribute %s", attr);
}

/* Output size and scale per axis from the scales or sizes input. */
static i8x_status target(const i8x_infer_call *call, i8x_shape *y, double *scale)
{
    const i8x_shape *x = &call->inputs[0].shape;
    int scales_at = call->opset < 11 ? 1 : 2;
    const i8x_attr *axes = i8x_node_attr(call->node, "axes");
    I8X_ENSURE(axes == NULL, I8X_EUNSUPPORTED, "attribute axes");
    I8X_ENSURE(i8x_node_attr_is(call->node, "keep_aspect_ratio_policy", "stretch", true),
               I8X_EUNSUPPORTED, "attribute keep_aspect_ratio_policy");
    *y = *x;
    if (i8x_infer_has(call, 3) && i8x_tensor_elements(&call->inputs[3]) > 0) {
        const int64_t *sizes;
        int count;
        I8X_TRY(i8x_infer_ints(call, 3, &sizes, &count));
        I8X_ENSURE(count == x->rank, I8X_ESHAPE, "%d sizes for rank %d", count, x->rank);
        for (int d = 0; d < x->rank; d++) {
            y->dims[d] = sizes[d];
            scale[d] = (double)sizes[d] / (double)x->dims[d];
        }
    } else {
        I8X_ENSURE(i8x_infer_has(call, scales_at), I8X_EFORMAT, "neither scales nor sizes");
        const i8x_tensor *t = &call->inputs[scales_at];
        I8X_TRY(i8x_infer_expect(call, scales_at, I8X_DTYPE_F32));
        I8X_ENSURE(t->data != NULL && i8x_tensor_elements(t) == x->rank, I8X_EUNSUPPORTED,
                   "scales are not %d constants", x->rank);
        for (int d = 0; d < x->rank; d++) {
            scale[d] = (double)((const float *)t->data)[d];
            y->dims[d] = (int64_t)floor((double)x->dims[d] * scale[d]);
        }
    }
    for (int d = 0; d < x->rank; d++)
        I8X_ENSURE(y->dims[d] > 0 && y->dims[d] < 1 << 24 && scale[d] > 0, I8X_ESHAPE,
                   "axis %d of size %" PRId64, d, y->dims[d]);
    return I8X_OK;
}

static int64_t limit(double v, int64_t dim)
{
    return v < 0 ? 0 : v > (double)(dim - 1) ? dim - 1 : (int64_t)v;
}

static i8x_status nearest_tables(const i8x_infer_call *call, const i8x_shape *y,
                                 const double *scale, coordinate mode, i8x_resize_params *p)
{
    static const char *const rules[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    const i8x_shape *x = &call->inputs[0].shape;
    int rule;
    int64_t size = 0;
    I8X_TRY(pick_name(call, "nearest_mode", rules, 4, call->opset < 11 ? 2 : 0, &rule));
    for (int d = 0; d < y->rank; d++)
        size += y->dims[d];
    int64_t *tables = i8x_arena_array(call->arena, (size_t)size, sizeof *tables);
    I8X_TRY(i8x_alloc_check(tables));
    p->tables = tables;
    for (int d = 0; d < y->rank; d++)
        for (int64_t i = 0; i < y->dims[d]; i++)
            *tables++ =
                limit(round_nearest(rule, source_of(mode, i, x->dims[d], y->dims[d], scale[d])),
                      x->dims[d]);
    return I8X_OK;
}

static i8x_status linear_axis(const i8x_infer_call *call, const i8x_shape *y, const double *scale,
                              coordinate mode, int which)
{
    i8x_resize_params *p = call->params;
    int d = y->rank - 2 + which;
    int64_t in = call->inputs[0].shape.dims[d];
    size_t out = (size_t)y->dims[d];
    int64_t *low = i8x_arena_array(call->arena, 2 * out, sizeof *low);
    I8X_TRY(i8x_alloc_check(low));
    float *fraction = i8x_arena_array(call->arena, out, sizeof *fraction);
    I8X_TRY(i8x_alloc_check(fraction));
    p->low[which] = low;
    p->high[which] = low + out;
    p->fraction[which] = fraction;
    for (size_t i = 0; i < out; i++) {
        double at = source_of(mode, (int64_t)i, in, y->dims[d], scale[d]);
        at = at < 0 ? 0 : at > (double)(in - 1) ? (double)(in - 1) : at;
        low[i] = (int64_t)at;
        low[out + i] = low[i] + 1 < in ? low[i] + 1 : low[i];
        fraction[i] = (float)(at - (double)low[i]);
    }
    return I8X_OK;
}

i8x_status i8x_op_resize_infer(const i8x_infer_call *call)
{
    const i8x_shape *x = &call->inputs[0].shape;
    i8x_resize_params *p = call->params;
    double scale[I8X_RANK_MAX];
    i8x_shape y;
    int mode;
    I8X_TRY(pick_name(call, "coordinate_transformation_mode", coordinate_names, COORDINATES,
                      call->opset < 11 ? ASYMMETRIC : HALF_PIXEL, &mode));
    I8X_TRY(target(call, &y, scale));
    p->linear = i8x_node_attr_is(call->node, "mode", "linear", false);
    if (p->linear) {
        I8X_TRY(i8x_infer_expect(call, 0, I8X_DTYPE_F32));
        I8X_ENSURE(x->rank >= 2, I8X_EUNSUPPORTED, "linear in rank %d", x->rank);
        for (int d = 0; d < x->rank - 2; d++)
            I8X_ENSURE(x->dims[d] == y.dims[d], I8X_EUNSUPPORTED,
                       "linear in more than the last two axes");
        I8X_ENSURE(i8x_node_attr_int(call->node, "antialias", 0) == 0, I8X_EUNSUPPORTED,
                   "attribute antialias");
        I8X_TRY(linear_axis(call, &y, scale, (coordinate)mode, 0));
        I8X_TRY(linear_axis(call, &y, scale, (coordinate)mode, 1));
    } else {
        I8X_ENSURE(i8x_node_attr_is(call->node, "mode", "nearest", true), I8X_EUNSUPPORTED,
                   "this mode");
        I8X_ENSURE(i8x_dtype_size(call->inputs[0].dtype) > 0, I8X_EUNSUPPORTED, "4-bit elements");
        I8X_TRY(nearest_tables(call, &y, scale, (coordinate)mode, p));
    }
    i8x_infer_set(call, call->inputs[0].dtype, &y);
    return I8X_OK;
}

typedef struct linear_work {
    const i8x_resize_params *p;
    const float *x;
    float *y;
    int64_t ih, iw, oh, ow;
} linear_work;

static void linear_planes(void *user, int64_t begin, int64_t end, int thread_index)
{
    const linear_work *w = user;
    const i8x_resize_params *p = w->p;
    (void)thread_index;
    for (int64_t row = begin; row < end; row++) {
        int64_t oy = row % w->oh;
        const float *x = w->x + row / w->oh * w->ih * w->iw;
        const float *top = x + p->low[0][oy] * w->iw, *bottom = x + p->high[0][oy] * w->iw;
        float fy = p->fraction[0][oy], *y = w->y + row * w->ow;
        for (int64_t ox = 0; ox < w->ow; ox++) {
            int64_t l = p->low[1][ox], h = p->high[1][ox];
            float fx = p->fraction[1][ox];
            float upper = fmaf(fx, top[h] - top[l], top[l]);
            float lower = fmaf(fx, bottom[h] - bottom[l], bottom[l]);
            y[ox] = fmaf(fy, lower - upper, upper);
        }
    }
}

i8x_status i8x_op_resize_run(const i8x_op_call *call)
{
    const i8x_resize_params *p = call->params;
    const i8x_shape *x = &call->inputs[0].shape, *y = &call->outputs[0].shape;
    if (!p->linear) {
        i8x_pick_run(&call->inputs[0], p->tables, NULL, &call->outputs[0]);
        return I8X_OK;
    }
    linear_work w = {.p = p,
                     .x = call->inputs[0].data,
                     .y = call->outputs[0].data,
                     .ih = x->dims[x->rank - 2],
                     .iw = x->dims[x->rank - 1],
                     .oh = y->dims[x->rank - 2],
                     .ow = y->dims[x->rank - 1]};
    i8x_threads_for(call->threads, 0, i8x_shape_product(y, 0, y->rank - 1), 16, linear_planes, &w);
    return I8X_OK;
}
