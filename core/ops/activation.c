/* SPDX-License-Identifier: Apache-2.0
 *
 * Unary operations. Each works on a piece that fits the first-level cache, so that those made of
 * several kernels (HardSwish, Gelu) read memory once. Composite formulas are fixed sequences of
 * correctly rounded operations and POLY kernels, hence the same bits on every level.
 */
#include <math.h>
#include <string.h>

#include "core/kernels/kernels.h"
#include "core/ops/eltwise.h"

#define PIECE 1024
#define GRAIN 8192

typedef void (*piece_fn)(const i8x_unary_params *params, const float *x, float *y, size_t n);

#define PIECE_FN(name)                                                                             \
    static void name(const i8x_unary_params *params, const float *x, float *y, size_t n)

PIECE_FN(relu)
{
    const float zero = 0;
    (void)params;
    i8x_kernels_get()->max_f32(&zero, 0, x, 1, y, n);
}

PIECE_FN(leaky_relu)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < 0 ? x[i] * params->alpha : x[i];
}

PIECE_FN(sigmoid)
{
    (void)params;
    i8x_kernels_get()->sigmoid_f32(x, y, n);
}

PIECE_FN(hard_sigmoid)
{
    i8x_kernels_get()->scale_shift_f32(x, params->alpha, params->beta, y, n);
    i8x_kernels_get()->clip_f32(y, 0.0f, 1.0f, y, n);
}

PIECE_FN(hard_swish)
{
    float gate[PIECE];
    const i8x_unary_params sixth = {.alpha = 1.0f / 6.0f, .beta = 0.5f};
    (void)params;
    hard_sigmoid(&sixth, x, gate, n);
    i8x_kernels_get()->mul_f32(x, 1, gate, 1, y, n);
}

PIECE_FN(tanh_piece)
{
    (void)params;
    i8x_kernels_get()->tanh_f32(x, y, n);
}

PIECE_FN(erf_piece)
{
    (void)params;
    i8x_kernels_get()->erf_f32(x, y, n);
}

PIECE_FN(exp_piece)
{
    (void)params;
    i8x_kernels_get()->exp_f32(x, y, n);
}

PIECE_FN(log_piece)
{
    (void)params;
    i8x_kernels_get()->log_f32(x, y, n);
}

PIECE_FN(sqrt_piece)
{
    (void)params;
    for (size_t i = 0; i < n; i++)
        y[i] = sqrtf(x[i]);
}

PIECE_FN(reciprocal)
{
    const float one = 1;
    (void)params;
    i8x_kernels_get()->div_f32(&one, 0, x, 1, y, n);
}

PIECE_FN(negate)
{
    (void)params;
    for (size_t i = 0; i < n; i++)
        y[i] = -x[i];
}

PIECE_FN(absolute)
{
    (void)params;
    for (size_t i = 0; i < n; i++)
        y[i] = fabsf(x[i]);
}

/* y = x * (0.5 + 0.5 gate), gate = erf or tanh of something */
static void gated(const float *x, float *gate, float *y, size_t n)
{
    i8x_kernels_get()->scale_shift_f32(gate, 0.5f, 0.5f, gate, n);
    i8x_kernels_get()->mul_f32(x, 1, gate, 1, y, n);
}

PIECE_FN(gelu)
{
    float gate[PIECE];
    (void)params;
    i8x_kernels_get()->scale_shift_f32(x, 0.70710678118654752f, 0.0f, gate, n);
    i8x_kernels_get()->erf_f32(gate, gate, n);
    gated(x, gate, y, n);
}

/* tanh(sqrt(2 / pi) (x + 0.044715 x^3)) */
PIECE_FN(gelu_tanh)
{
    float gate[PIECE];
    (void)params;
    for (size_t i = 0; i < n; i++) {
        float cubic = fmaf(x[i] * x[i] * 0.044715f, x[i], x[i]);
        gate[i] = cubic * 0.79788456080286536f;
    }
    i8x_kernels_get()->tanh_f32(gate, gate, n);
    gated(x, gate, y, n);
}

PIECE_FN(clip)
{
    i8x_kernels_get()->clip_f32(x, params->alpha, params->beta, y, n);
}

PIECE_FN(floor_piece)
{
    (void)params;
    for (size_t i = 0; i < n; i++)
        y[i] = floorf(x[i]);
}

PIECE_FN(ceil_piece)
{
    (void)params;
    for (size_t i = 0; i < n; i++)
        y[i] = ceilf(x[i]);
}

PIECE_FN(round_piece)
{
    (void)params;
    for (size_t i = 0; i < n; i++)
        y[i] = rintf(x[i]);
}

static const piece_fn pieces[I8X_UNARY_COUNT] = {
    [I8X_UNARY_RELU] = relu,
    [I8X_UNARY_LEAKY_RELU] = leaky_relu,
    [I8X_UNARY_SIGMOID] = sigmoid,
    [I8X_UNARY_HARD_SIGMOID] = hard_sigmoid,
    [I8X_UNARY_HARD_SWISH] = hard_swish,
    [I8X_UNARY_TANH] = tanh_piece,
    [I8X_UNARY_ERF] = erf_piece,
    [I8X_UNARY_EXP] = exp_piece,
    [I8X_UNARY_LOG] = log_piece,
    [I8X_UNARY_SQRT] = sqrt_piece,
    [I8X_UNARY_RECIPROCAL] = reciprocal,
    [I8X_UNARY_NEG] = negate,
    [I8X_UNARY_ABS] = absolute,
    [I8X_UNARY_GELU] = gelu,
    [I8X_UNARY_GELU_TANH] = gelu_tanh,
    [I8X_UNARY_CLIP] = clip,
    [I8X_UNARY_FLOOR] = floor_piece,
    [I8X_UNARY_CEIL] = ceil_piece,
    [I8X_UNARY_ROUND] = round_piece,
};

typedef struct work {
    const i8x_unary_params *params;
    const float *x;
    float *y;
} work;

static void run_range(void *user, int64_t begin, int64_t end, int thread_index)
{
    const work *w = user;
    (void)thread_index;
    for (int64_t i = begin; i < end; i += PIECE)
        pieces[w->params->op](w->params, w->x + i, w->y + i,
                              (size_t)(end - i < PIECE ? end - i : PIECE));
}

void i8x_unary_run(const i8x_unary_params *params, const float *x, float *y, int64_t count,
                   i8x_threads *threads)
{
    work w = {.params = params, .x = x, .y = y};
    i8x_threads_for(threads, 0, count, GRAIN, run_range, &w);
}
