/* SPDX-License-Identifier: Apache-2.0
 *
 * Histogram on the log grid: the bin of x is its sign, exponent and 10 top bits of mantissa.
 */
#include <string.h>

#include "core/kernels/scalar/scalar.h"

/* bins[bits(x) >> 13] += 1, with -0 taken as +0 */
void i8x_scalar_loghist_f32(const float *x, size_t n, uint32_t *bins)
{
    for (size_t i = 0; i < n; ++i) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bins[bits == 0x80000000u ? 0 : bits >> I8X_LOGHIST_SHIFT] += 1;
    }
}
