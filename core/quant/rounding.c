/* SPDX-License-Identifier: Apache-2.0
 *
 * Coordinate descent on e' H e, one output channel at a time. With g = H e the best move of code k
 * alone is -g[k] / (H[k][k] scale) steps, rounded; each move updates g by one column of H. In the
 * factored form p = Z' e takes the place of g. Tried and left out: more sweeps (the second already
 * moves next to nothing), moves of pairs.
 */
#include "core/quant/rounding.h"

#include <math.h>
#include <string.h>

#include "core/kernels/kernels.h"

#define CODE_MAX 127
#define STEP_MAX 2
#define REFIT_LOW 0.8 /* a fitted scale outside these bounds is a sign of a degenerate row */
#define REFIT_HIGH 1.25

static const float scale_grid[] = {0.9f, 0.93f, 0.96f,
                                   0.98f}; /* start scales tried for depthwise rows */

/* One row at work. */
typedef struct row {
    const i8x_gram *gram;
    int64_t taps, rank;
    const double *h; /* full */
    const float *z;  /* factors */
    const double *norms, *diagonal;
    const float *w;
    double *e, *g;     /* [taps]; g: full only */
    float *p, *floats; /* [rank], [taps]; factors only */
} row;

int64_t i8x_rounding_scratch(const i8x_gram *gram)
{
    return 4 * gram->taps + gram->rank_max + 8;
}

static int64_t input_of(const row *r, int64_t tap)
{
    return r->gram->plane_taps == 1 ? tap : tap / r->gram->plane_taps;
}

/* g = H v, or p = Z' v. */
static void product(row *r, const double *v)
{
    if (r->h != NULL) {
        memset(r->g, 0, (size_t)r->taps * sizeof *r->g);
        for (int64_t k = 0; k < r->taps; k++) {
            const double *column = r->h + k * r->taps;
            for (int64_t j = 0; v[k] != 0 && j < r->taps; j++)
                r->g[j] += v[k] * column[j];
        }
        return;
    }
    for (int64_t k = 0; k < r->taps; k++)
        r->floats[k] = (float)v[k];
    i8x_kernels_get()->fir_f32(r->z, r->gram->offsets, r->floats, (size_t)r->taps, 0.0f, r->p,
                               (size_t)r->rank);
}

static void errors(row *r, const int8_t *codes, float scale)
{
    for (int64_t k = 0; k < r->taps; k++)
        r->e[k] = (double)codes[k] * (double)scale - (double)r->w[k];
    product(r, r->e);
}

/* e' H e of the state that errors and sweeps have left. */
static double cost(const row *r)
{
    double total = 0;
    if (r->h != NULL) {
        for (int64_t k = 0; k < r->taps; k++)
            total += r->e[k] * r->g[k];
        return total;
    }
    for (int64_t j = 0; j < r->rank; j++)
        total += (double)r->p[j] * (double)r->p[j];
    for (int64_t k = 0; k < r->taps; k++)
        total += r->diagonal[input_of(r, k)] * r->e[k] * r->e[k];
    return total;
}

static double gradient(const row *r, int64_t k, double *curvature)
{
    if (r->h != NULL) {
        *curvature = r->h[k * r->taps + k];
        return r->g[k];
    }
    int64_t c = input_of(r, k);
    const float *z = r->z + c * r->gram->rank_max;
    *curvature = r->norms[c] + r->diagonal[c];
    return (double)i8x_kernels_get()->dot_f32(z, r->p, (size_t)r->rank) + r->diagonal[c] * r->e[k];
}

/* The loops work on pointers that do not alias, so that compilers use vectors. */
static void add_scaled_f64(double *restrict to, const double *restrict from, double factor,
                           int64_t count)
{
    for (int64_t j = 0; j < count; j++)
        to[j] += factor * from[j];
}

static void add_scaled_f32(float *restrict to, const float *restrict from, float factor,
                           int64_t count)
{
    for (int64_t j = 0; j < count; j++)
        to[j] += factor * from[j];
}

static void move(row *r, int64_t k, double delta)
{
    r->e[k] += delta;
    if (r->h != NULL)
        add_scaled_f64(r->g, r->h + k * r->taps, delta, r->taps);
    else
        add_scaled_f32(r->p, r->z + r->gram->offsets[k], (float)delta, r->rank);
}

static void sweep(row *r, int8_t *codes, float scale)
{
    for (int pass = 0; pass < I8X_ROUNDING_SWEEPS; pass++) {
        bool moved = false;
        for (int64_t k = 0; k < r->taps; k++) {
            double curvature, g = gradient(r, k, &curvature);
            double step = rint(-g / (curvature * (double)scale));
            step = step > STEP_MAX ? STEP_MAX : step < -STEP_MAX ? -STEP_MAX : step;
            int code = codes[k] + (int)step;
            code = code > CODE_MAX ? CODE_MAX : code < -CODE_MAX ? -CODE_MAX : code;
            if (code == codes[k])
                continue;
            moved = true;
            move(r, k, (double)(code - codes[k]) * (double)scale);
            codes[k] = (int8_t)code;
        }
        if (!moved)
            break;
    }
}

static void nearest(const row *r, float scale, int8_t *codes)
{
    for (int64_t k = 0; k < r->taps; k++) {
        double q = rint((double)r->w[k] / (double)scale);
        codes[k] = (int8_t)(q > CODE_MAX ? CODE_MAX : q < -CODE_MAX ? -CODE_MAX : q);
    }
}

/* The factor on scale that fits codes best: (v' H w) / (v' H v), v = scale * codes. */
static double refit(row *r, const int8_t *codes, float scale, double *v)
{
    for (int64_t k = 0; k < r->taps; k++)
        v[k] = (double)codes[k] * (double)scale;
    double across = 0, square = 0;
    if (r->h != NULL) {
        product(r, v);
        for (int64_t k = 0; k < r->taps; k++) {
            across += r->g[k] * (double)r->w[k];
            square += r->g[k] * v[k];
        }
    } else {
        /* v' H w = v' H v - v' H e: p holds Z' e now, so that one product is enough */
        for (int64_t k = 0; k < r->taps; k++) {
            double d = r->diagonal[input_of(r, k)];
            across -= d * v[k] * r->e[k];
            square += d * v[k] * v[k];
        }
        for (int64_t k = 0; k < r->taps; k++)
            across -= v[k] * (double)i8x_kernels_get()->dot_f32(
                                 r->z + input_of(r, k) * r->gram->rank_max, r->p, (size_t)r->rank);
        product(r, v);
        for (int64_t j = 0; j < r->rank; j++)
            square += (double)r->p[j] * (double)r->p[j];
        across += square;
    }
    double factor = square > 0 ? across / square : 1;
    return factor > REFIT_LOW && factor < REFIT_HIGH ? factor : 1;
}

/* Moves the tried codes from where they are under a new scale; keeps the result if it is better. */
static bool attempt(row *r, float scale, int8_t *tried, double *best, float *best_scale,
                    int8_t *codes)
{
    errors(r, tried, scale);
    sweep(r, tried, scale);
    double now = cost(r);
    if (!(now < *best))
        return false;
    *best = now;
    *best_scale = scale;
    memcpy(codes, tried, (size_t)r->taps);
    return true;
}

void i8x_rounding_row(const i8x_gram *gram, int64_t channel, const float *w, float *scale,
                      int8_t *codes, double *scratch)
{
    int64_t source = channel / (gram->channels / gram->sources);
    int64_t inputs = gram->inputs / gram->sources;
    row r = {.gram = gram, .taps = gram->taps, .rank = gram->rank, .w = w, .e = scratch};
    double *v = scratch + gram->taps;
    int8_t *tried = (int8_t *)v; /* v is free while codes are tried */
    if (gram->full != NULL) {
        r.h = gram->full + source * gram->taps * gram->taps;
        r.g = scratch + 2 * gram->taps;
    } else {
        r.z = gram->factors + source * inputs * gram->rank_max;
        r.norms = gram->norms + source * inputs;
        r.diagonal = gram->diagonal + source * inputs;
        r.floats = (void *)(scratch + 2 * gram->taps);
        r.p = (void *)(scratch + 3 * gram->taps);
    }
    double best = INFINITY;
    float first = *scale;
    nearest(&r, first, tried);
    (void)attempt(&r, first, tried, &best, scale, codes);
    for (int i = 0; i < I8X_ROUNDING_REFITS; i++) {
        errors(&r, codes, *scale);
        float fitted = (float)((double)*scale * refit(&r, codes, *scale, v));
        memcpy(tried, codes, (size_t)r.taps);
        if (!attempt(&r, fitted, tried, &best, scale, codes))
            break;
    }
    first = *scale;
    for (size_t i = 0; gram->grid && i < sizeof scale_grid / sizeof scale_grid[0]; i++) {
        nearest(&r, first * scale_grid[i], tried);
        (void)attempt(&r, first * scale_grid[i], tried, &best, scale, codes);
    }
}
