/* SPDX-License-Identifier: Apache-2.0
 *
 * Planted faults: each is a scalar kernel with one thing wrong. A tester that lets one pass is
 * worthless.
 */
#include <math.h>

#include "tests/kernels/harness.h"

void kernel_tester_clobber(void);
void kernel_tester_smash(void);
void kernel_tester_illegal(void);

static i8x_kernels scalar;
static volatile float keep;

static float over_read(const float *x, size_t n)
{
    keep = x[n];
    return scalar.sum_f32(x, n);
}

static float under_read(const float *x, size_t n)
{
    keep = x[-1];
    return scalar.sum_f32(x, n);
}

static void over_write(const float *x, float lo, float hi, float *y, size_t n)
{
    scalar.clip_f32(x, lo, hi, y, n);
    y[n] = 0;
}

static void input_write(const float *x, float scale, float shift, float *y, size_t n)
{
    scalar.scale_shift_f32(x, scale, shift, y, n);
    if (n)
        ((float *)(uintptr_t)x)[0] += 1;
}

static void wrong_tail(const float *a, size_t a_step, const float *b, size_t b_step, float *y,
                       size_t n)
{
    scalar.add_f32(a, a_step, b, b_step, y, n & ~(size_t)3);
}

static void half_away(const float *x, size_t n, float scale, int32_t zero_point, int8_t *q)
{
    for (size_t i = 0; i < n; ++i) {
        float t = x[i] / scale;
        t = t != t ? 0 : t < -400 ? -400 : t > 400 ? 400 : roundf(t);
        int32_t v = (int32_t)t + zero_point;
        q[i] = (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
    }
}

/* Reciprocal where the contract is a division: differs in about one of 10^7 values, all near ties.
 */
static void reciprocal(const float *x, size_t n, float scale, int32_t zero_point, uint8_t *q)
{
    scalar.quantize_rcp_f32_u8(x, n, 1.0f / scale, zero_point, q);
}

static void overflow_wraps(const float *x, size_t n, float inv_scale, int32_t zero_point, int8_t *q)
{
    for (size_t i = 0; i < n; ++i) {
        float t = x[i] * inv_scale;
        int32_t v = t != t ? 0 : t >= 0x1p31f || t < -0x1p31f ? INT32_MIN : (int32_t)lrintf(t);
        v = v < -100000 ? -100000 : v > 100000 ? 100000 : v;
        v += zero_point;
        q[i] = (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
    }
}

static void descending(size_t k, const float *a, const float *b, float *c, size_t c_stride,
                       size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; ++r)
        for (size_t j = 0; j < cols; ++j)
            for (size_t t = k; t-- > 0;)
                c[r * c_stride + j] = fmaf(a[t * scalar.gemm_f32.mr + r],
                                           b[t * scalar.gemm_f32.nr + j], c[r * c_stride + j]);
}

static void rounded_twice(const float *x, const ptrdiff_t *offset, const float *w, size_t taps,
                          float init, float *y, size_t n)
{
    for (size_t p = 0; p < n; ++p) {
        volatile float acc = init;
        for (size_t t = 0; t < taps; ++t) {
            volatile float product = x[offset[t] + (ptrdiff_t)p] * w[t];
            acc = acc + product;
        }
        y[p] = acc;
    }
}

static float one_chain(const float *a, const float *b, size_t n)
{
    float acc = 0;
    for (size_t i = 0; i < n; ++i)
        acc = fmaf(a[i], b[i], acc);
    return acc;
}

static size_t misses_infinity(const float *x, size_t n, float *min, float *max)
{
    size_t i = 0;
    *min = INFINITY, *max = -INFINITY;
    for (; i < n && x[i] == x[i]; ++i) {
        *min = fminf(x[i], *min);
        *max = fmaxf(x[i], *max);
    }
    *min += 0.0f;
    *max += 0.0f;
    return i;
}

static void minus_zero_bin(const float *x, size_t n, uint32_t *bins)
{
    for (size_t i = 0; i < n; ++i) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bins[bits >> I8X_LOGHIST_SHIFT] += 1;
    }
}

static void divides_by_zero(const float *x, float *y, size_t n)
{
    (void)x, (void)y, (void)n;
    raise(SIGFPE);
}

typedef struct planted {
    const char *fault, *kernel;
} planted;

/* The order is that of the assignments below. */
static const planted faults[] = {
    {"reads one behind", "sum_f32"},
    {"reads one before", "sum_f32"},
    {"writes one behind", "clip_f32"},
    {"writes to its input", "scale_shift_f32"},
    {"leaves the tail out", "add_f32"},
    {"rounds half away from zero", "quantize_f32_s8"},
    {"multiplies by the reciprocal instead of dividing", "quantize_f32_u8"},
    {"lets an overflow wrap", "quantize_rcp_f32_s8"},
    {"adds in descending order", "gemm_f32"},
    {"rounds product and sum", "fir_f32"},
    {"one partial sum instead of sixteen", "dot_f32"},
    {"takes infinity for a number", "minmax_f32"},
    {"gives -0 its own bin", "loghist_f32"},
    {"spoils a callee-saved register", "tanh_f32"},
    {"writes to its caller's stack", "tanh_f32"},
    {"executes an illegal instruction", "tanh_f32"},
    {"raises FPE", "tanh_f32"},
};
enum { FAULTS = sizeof faults / sizeof faults[0] };

static void plant(int index, i8x_kernels *k)
{
    *k = scalar;
    switch (index) {
    case 0:
        k->sum_f32 = over_read;
        break;
    case 1:
        k->sum_f32 = under_read;
        break;
    case 2:
        k->clip_f32 = over_write;
        break;
    case 3:
        k->scale_shift_f32 = input_write;
        break;
    case 4:
        k->add_f32 = wrong_tail;
        break;
    case 5:
        k->quantize_f32_s8 = half_away;
        break;
    case 6:
        k->quantize_f32_u8 = reciprocal;
        break;
    case 7:
        k->quantize_rcp_f32_s8 = overflow_wraps;
        break;
    case 8:
        k->gemm_f32.kernel = descending;
        break;
    case 9:
        k->fir_f32 = rounded_twice;
        break;
    case 10:
        k->dot_f32 = one_chain;
        break;
    case 11:
        k->minmax_f32 = misses_infinity;
        break;
    case 12:
        k->loghist_f32 = minus_zero_bin;
        break;
    case 13:
        k->tanh_f32 = (void (*)(const float *, float *, size_t))kernel_tester_clobber;
        break;
    case 14:
        k->tanh_f32 = (void (*)(const float *, float *, size_t))kernel_tester_smash;
        break;
    case 15:
        k->tanh_f32 = (void (*)(const float *, float *, size_t))kernel_tester_illegal;
        break;
    default:
        k->tanh_f32 = divides_by_zero;
        break;
    }
}

int self_test(tester *t, const test *const *all, size_t count, int *caught)
{
    int missed = 0;
    i8x_kernels_init(&scalar, I8X_CPU_SCALAR);
    for (int i = 0; i < FAULTS; ++i) {
        i8x_kernels broken;
        plant(i, &broken);
        bool passed = true, found = false;
        for (size_t j = 0; j < count && passed; ++j)
            if (strcmp(all[j]->name, faults[i].kernel) == 0) {
                found = true;
                passed = run_test(t, all[j], &scalar, &broken, 4);
            }
        if (!found || passed) {
            printf("self-test  MISSED  %s: %s\n", faults[i].kernel, faults[i].fault);
            ++missed;
        } else {
            printf("self-test  caught  %s: %s: %s\n", faults[i].kernel, faults[i].fault,
                   t->message);
            ++*caught;
        }
    }
    return missed;
}
