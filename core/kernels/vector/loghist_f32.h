/* SPDX-License-Identifier: Apache-2.0
 *
 * Histogram on the log grid without compressing instructions: keys are read from x itself, and zeros are
 * counted in a register, so that a run of them is no chain of increments of one memory word.
 */
void THIS(loghist_f32)(const float *x, size_t n, uint32_t *bins)
{
    uint32_t zeros = 0;
    size_t i = 0;
    for (; i < n; ++i) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        if ((bits << 1) == 0)
            ++zeros;
        else
            bins[bits >> I8X_LOGHIST_SHIFT] += 1;
    }
    bins[0] += zeros;
}
