/* SPDX-License-Identifier: Apache-2.0
 *
 * gemm_f32 for levels whose tile() knows full tiles only: what is smaller goes through a full tile
 * on the stack. The including file defines MR, NR and tile().
 */
static void kernel(size_t k, const float *a, const float *b, float *c, size_t c_stride, size_t rows,
                   size_t cols)
{
    if (rows == MR && cols == NR) {
        tile(k, a, b, c, c_stride);
        return;
    }
    float full[MR * NR] = {0};
    for (size_t r = 0; r < rows; ++r)
        memcpy(full + r * NR, c + r * c_stride, cols * sizeof *c);
    tile(k, a, b, full, NR);
    for (size_t r = 0; r < rows; ++r)
        memcpy(c + r * c_stride, full + r * NR, cols * sizeof *c);
}
