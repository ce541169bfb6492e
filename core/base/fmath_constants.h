/* SPDX-License-Identifier: Apache-2.0
 *
 * Fmath constants: every number that fmath.h uses, in one table, for the scalar functions and for
 * the vector kernels that repeat them operation by operation. The polynomials are made by
 * core/base/fmath_fit.py: weighted minimax fits (Lawson's algorithm), coefficients rounded to
 * binary32 one after the other from the lowest power up, the rest refitted each time.
 */
#ifndef I8X_BASE_FMATH_CONSTANTS_H
#define I8X_BASE_FMATH_CONSTANTS_H

/* Adding and taking away 1.5 * 2^23 rounds to an integer, nearest even, for |x| < 2^22. */
#define I8X_FMATH_ROUND 0x1.8p23f
#define I8X_FMATH_ROUND_BITS 0x4b400000u

/* ln 2 = HI + LO; HI has 15 significant bits, so that n * HI is exact for |n| < 2^9. */
#define I8X_FMATH_LOG2E 0x1.715476p0f
#define I8X_FMATH_LN2_HI 0x1.62e4p-1f
#define I8X_FMATH_LN2_LO 0x1.7f7d1cp-20f

/* exp: below MIN the result is 0 (it would be denormal), above MAX infinity. */
#define I8X_FMATH_EXP_MIN (-0x1.5d589ep6f)
#define I8X_FMATH_EXP_MAX 0x1.62e42ep6f

/* exp(r) = 1 + r + r^2 (E0 + E1 r + ... + E4 r^4), |r| <= ln2 / 2; fit error 2^-28.2 */
#define I8X_FMATH_E0 0x1.fffffcp-2f
#define I8X_FMATH_E1 0x1.555492p-3f
#define I8X_FMATH_E2 0x1.5558bp-5f
#define I8X_FMATH_E3 0x1.12398ep-7f
#define I8X_FMATH_E4 0x1.6a4d6p-10f

/* log(1 + r) = r - r^2 / 2 + r^3 (L0 + ... + L7 r^7), sqrt(1/2) <= 1 + r < sqrt(2);
 * fit error 2^-27.4 */
#define I8X_FMATH_L0 0x1.555554p-2f
#define I8X_FMATH_L1 (-0x1.000226p-2f)
#define I8X_FMATH_L2 0x1.99a01cp-3f
#define I8X_FMATH_L3 (-0x1.54728ap-3f)
#define I8X_FMATH_L4 0x1.22d92ep-3f
#define I8X_FMATH_L5 (-0x1.0d8242p-3f)
#define I8X_FMATH_L6 0x1.055ec6p-3f
#define I8X_FMATH_L7 (-0x1.38c9dep-4f)
/* bits of sqrt(1/2), where the mantissa's range begins */
#define I8X_FMATH_SQRT_HALF_BITS 0x3f3504f3u

/* tanh(x) = x + x^3 (T0 + T1 x^2 + ... + T4 x^8), |x| <= 0.625; fit error 2^-27.7 */
#define I8X_FMATH_TANH_SMALL 0.625f
#define I8X_FMATH_TANH_MAX 9.125f /* from here on the result is 1 */
#define I8X_FMATH_T0 (-0x1.555532p-2f)
#define I8X_FMATH_T1 0x1.1106f6p-3f
#define I8X_FMATH_T2 (-0x1.b835a4p-5f)
#define I8X_FMATH_T3 0x1.51f8cep-6f
#define I8X_FMATH_T4 (-0x1.750ce2p-8f)

/* erf(x) = x + x (F0 + F1 x^2 + ... + F5 x^10), |x| <= 0.84375; fit error 2^-27.2 */
#define I8X_FMATH_ERF_SMALL 0.84375f
#define I8X_FMATH_ERF_MAX 3.9375f /* from here on the result is 1 */
#define I8X_FMATH_F0 0x1.06eba8p-3f
#define I8X_FMATH_F1 (-0x1.812728p-2f)
#define I8X_FMATH_F2 0x1.ce25e8p-4f
#define I8X_FMATH_F3 (-0x1.b73f58p-6f)
#define I8X_FMATH_F4 0x1.4bbc48p-8f
#define I8X_FMATH_F5 (-0x1.4e3b52p-11f)

/* erf(t) = 1 - exp(-t + t (G0 + G1 t + ... + G6 t^6)), 0.84375 < t < 3.9375; fit error 2^-29.4 */
#define I8X_FMATH_G0 (-0x1.07624ap-3f)
#define I8X_FMATH_G1 (-0x1.454a16p-1f)
#define I8X_FMATH_G2 (-0x1.b1e624p-4f)
#define I8X_FMATH_G3 0x1.80eabcp-6f
#define I8X_FMATH_G4 (-0x1.cc6748p-9f)
#define I8X_FMATH_G5 0x1.304a68p-12f
#define I8X_FMATH_G6 (-0x1.0967a2p-17f)

/* sigmoid: below MIN the result is 0 (it would be denormal). */
#define I8X_FMATH_SIGMOID_MIN I8X_FMATH_EXP_MIN

#endif
