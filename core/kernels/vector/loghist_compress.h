/* SPDX-License-Identifier: Apache-2.0
 *
 * compress_keys() of loghist_f32 for levels without a compressing instruction.
 */
/* Every key is written, and the next one over it if it was a zero's: no branch. */
static size_t compress_keys(const float *x, size_t count, uint32_t *keys)
{
    size_t used = 0;
    for (size_t i = 0; i < count; ++i) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        keys[used] = bits >> I8X_LOGHIST_SHIFT;
        used += (bits << 1) != 0;
    }
    return used;
}
