/* SPDX-License-Identifier: Apache-2.0
 *
 * Phase planes: see planes.h for the arithmetic.
 */
#include "core/ops/planes.h"

#include "core/kernels/kernels.h"

static int64_t min_s64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Smallest q >= 0 with q * step >= n. Sizes of images fit 32 bits, where a division costs a third;
 * for small planes these divisions were half of the time. */
static int64_t first_at_least(int64_t n, int64_t step)
{
    if (n <= 0 || step == 1)
        return n <= 0 ? 0 : n;
    uint64_t sum = (uint64_t)(n + step - 1);
    return sum <= UINT32_MAX ? (int64_t)((uint32_t)sum / (uint32_t)step)
                             : (int64_t)(sum / (uint64_t)step);
}

int64_t i8x_window_out(int64_t in, int64_t pads, int64_t span, int64_t stride, int ceil_mode)
{
    int64_t room = in + pads - span;
    if (room < 0)
        return 0;
    return (ceil_mode ? (room + stride - 1) / stride : room / stride) + 1;
}

void i8x_planes_init(i8x_planes *planes, const i8x_window *w)
{
    int64_t rows = (w->kh - 1) * w->dilation_h / w->stride_h + w->oh;
    int64_t cols = (w->kw - 1) * w->dilation_w / w->stride_w + w->ow;
    *planes = (i8x_planes){.window = *w, .height = rows, .width = cols};
    planes->elements = (size_t)(rows * cols * w->stride_h * w->stride_w);
    planes->span = w->oh > 0 && w->ow > 0 ? (size_t)((w->oh - 1) * cols + w->ow) : 0;
}

void i8x_planes_offsets(const i8x_planes *planes, ptrdiff_t *offset)
{
    const i8x_window *w = &planes->window;
    int64_t phase_elements = planes->height * planes->width;
    for (int64_t ky = 0; ky < w->kh; ky++)
        for (int64_t kx = 0; kx < w->kw; kx++) {
            int64_t y = ky * w->dilation_h, x = kx * w->dilation_w;
            int64_t phase = y % w->stride_h * w->stride_w + x % w->stride_w;
            offset[ky * w->kw + kx] =
                (ptrdiff_t)(phase * phase_elements + y / w->stride_h * planes->width +
                            x / w->stride_w);
        }
}

void i8x_planes_clear(const i8x_planes *planes, float value, float *scratch)
{
    for (size_t i = 0; i < planes->elements; i++)
        scratch[i] = value;
}

/* One phase: rows and columns of the image whose padded index is (a, b) modulo the strides. */
static void fill_phase(const i8x_planes *planes, int64_t a, int64_t b, const float *x, float *phase)
{
    const i8x_window *w = &planes->window;
    int64_t row = first_at_least(w->pad_top - a, w->stride_h);
    int64_t row_end = min_s64(planes->height, first_at_least(w->ih + w->pad_top - a, w->stride_h));
    int64_t col = first_at_least(w->pad_left - b, w->stride_w);
    int64_t col_end = min_s64(planes->width, first_at_least(w->iw + w->pad_left - b, w->stride_w));
    if (col >= col_end)
        return;
    if (row >= row_end)
        return;
    const float *from =
        x + (row * w->stride_h + a - w->pad_top) * w->iw + (col * w->stride_w + b - w->pad_left);
    i8x_kernels_get()->copy_rows_f32(from, (size_t)(w->stride_h * w->iw), (size_t)w->stride_w,
                                     phase + row * planes->width + col, (size_t)planes->width,
                                     (size_t)(row_end - row), (size_t)(col_end - col));
}

void i8x_planes_fill(const i8x_planes *planes, const float *x, float *scratch)
{
    const i8x_window *w = &planes->window;
    for (int64_t a = 0; a < w->stride_h; a++)
        for (int64_t b = 0; b < w->stride_w; b++)
            fill_phase(planes, a, b, x,
                       scratch + (a * w->stride_w + b) * planes->height * planes->width);
}
