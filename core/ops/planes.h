/* SPDX-License-Identifier: Apache-2.0
 *
 * Planes: a padded copy of one image plane, cut into stride x stride phases, so that every tap of a
 * window (depthwise convolution, pooling) is a unit-stride read at a fixed offset.
 *
 * Output (oy, ox) and tap (ky, kx) meet at padded row oy * s + ky * d. Its phase is (ky * d) mod s,
 * its row within the phase oy + (ky * d) / s, and the same holds for columns. So position p = oy *
 * width + ox of the flattened phase grid reads at p + offset[tap]; positions whose ox >= ow are
 * computed too and dropped.
 */
#ifndef CORE_OPS_PLANES_H
#define CORE_OPS_PLANES_H

#include <stddef.h>
#include <stdint.h>

/* A sliding window over [height][width] images; 1-D images have height 1. */
typedef struct i8x_window {
    int64_t ih, iw, oh, ow, kh, kw;
    int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
} i8x_window;

typedef struct i8x_planes {
    i8x_window window;
    int64_t height, width; /* of one phase */
    size_t elements;       /* of all phases */
    size_t span;           /* positions to compute: (oh - 1) * width + ow */
} i8x_planes;

void i8x_planes_init(i8x_planes *planes, const i8x_window *window);
/** offset [kh * kw] of every tap, rows first. */
void i8x_planes_offsets(const i8x_planes *planes, ptrdiff_t *offset);
/** Sets everything, border too, to `value`. Once per scratch; fill leaves the border alone. */
void i8x_planes_clear(const i8x_planes *planes, float value, float *scratch);
/** Copies the image x [ih][iw] into the phases. */
void i8x_planes_fill(const i8x_planes *planes, const float *x, float *scratch);
/** Output size of a window along one axis: floor or ceil of (in + pads - span) / stride + 1, >= 0.
 */
int64_t i8x_window_out(int64_t in, int64_t pads, int64_t span, int64_t stride, int ceil_mode);

#endif
