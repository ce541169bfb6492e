/* SPDX-License-Identifier: Apache-2.0
 *
 * Pool: maximum and average over sliding windows of NCHW images; 1-D images have height 1.
 *
 * Maximum: padding never wins. Average: the taps are summed in ascending order (kernel row, column;
 * padding adds +0), then divided once by the number of taps: all that lie in the padded image if
 * count_padding, else those in the image.
 */
#ifndef CORE_OPS_POOL_H
#define CORE_OPS_POOL_H

#include <stdbool.h>

#include "core/base/threads.h"
#include "core/ops/planes.h"
#include "int8x/alloc.h"

typedef struct i8x_pool_params {
    int64_t planes; /* batch x channels */
    i8x_window window;
    int64_t pad_bottom, pad_right;
    bool max;
    bool count_padding;
} i8x_pool_params;

/** x [planes][ih][iw] -> y [planes][oh][ow]. Errors: I8X_ENOMEM, I8X_ELIMIT (scratch). */
I8X_FALLIBLE i8x_status i8x_pool_run(const i8x_pool_params *params, const float *x, float *y,
                                     i8x_arena *scratch, i8x_threads *threads);

#endif
