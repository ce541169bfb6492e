/* SPDX-License-Identifier: Apache-2.0
 *
 * Range: from a histogram to the range (lo, hi) that the integer codes cover. Pure functions; the
 * range always contains 0. Formulas and sources: docs/numerics.md.
 */
#ifndef CORE_QUANT_RANGE_H
#define CORE_QUANT_RANGE_H

#include "core/quant/histogram.h"
#include "core/quant/target.h"
#include "int8x/recipe.h"

typedef struct i8x_range {
    float lo, hi; /* lo <= 0 <= hi, not both 0 */
} i8x_range;

typedef struct i8x_range_opts {
    const i8x_target_info *target;
    double percentile;        /* share kept by PERCENTILE, in percent */
    float bound_lo, bound_hi; /* what an absorbed activation lets through; -inf, +inf without one */
} i8x_range_opts;

/**
 * Range of one histogram by one method (not AUTO: that is select's).
 * Errors: I8X_EARG (method, percentile, empty histogram), I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_range_choose(const i8x_histogram *histogram, i8x_clip clip,
                                         const i8x_range_opts *opts, i8x_range *range);
/** Scale and zero point of a range that contains 0, after the target's rules. */
void i8x_range_params(const i8x_target_info *target, float lo, float hi, float *scale,
                      int32_t *zero_point);
/** Mean squared error of the histogram's elements when they are quantized with scale and zero point
 * of the range. Errors: I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_range_error(const i8x_histogram *histogram,
                                        const i8x_target_info *target, i8x_range range,
                                        double *error);

#endif
