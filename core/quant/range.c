/* SPDX-License-Identifier: Apache-2.0
 *
 * Range: clip searches on a histogram. Elements of a bin count as lying at its middle; the bins
 * near the ends are at most 1/2048 of the range wide, an eighth of a code, so this costs nothing
 * that can be measured.
 *
 *   percentile  share p kept: (1 - p) / 2 of the elements may be cut off at each end
 *   mse         least sum of n (x - dq(q(x)))^2; ends searched in turn, coarse factors, then fine
 *   kl          least KL(P || Q): P the elements on 2,048 linear bins, what is cut off added to the
 *               outer ones; Q the same after 256 codes, each code's mass spread over its occupied
 *               bins (Migacz, "8-bit Inference with TensorRT", GTC 2017, with a fine grid)
 */
#include "core/quant/range.h"

#include <math.h>
#include <string.h>

#include "core/base/fmath.h"

#define KL_BINS 2048
#define KL_CODES 256
#define KL_STEPS 96  /* candidates: factors 1, 1 - 1/100, 1 - 2/100 ... */
#define MSE_STEPS 48 /* candidates of an end: 0.93^k */
#define MSE_COARSE 0.93
#define MSE_FINE_STEPS 17 /* then between the neighbours of the best: steps of an eighth */
#define MSE_FINE 0.991
#define MSE_ROUNDS 2
/* Least scale: the product with a weight scale must stay a normal float. */
#define SCALE_LEAST 0x1p-60f

void i8x_range_params(const i8x_target_info *target, float lo, float hi, float *scale,
                      int32_t *zero_point)
{
    float range = target->symmetric ? fmaxf(-lo, hi) : hi - lo;
    float steps = (float)(target->symmetric ? target->qmax : target->qmax - target->qmin);
    *scale = range > 0 ? range / steps : 1.0f;
    if (!(*scale >= SCALE_LEAST))
        *scale = SCALE_LEAST;
    *zero_point = 0;
    if (target->symmetric)
        return;
    float zero = rintf((float)target->qmin - lo / *scale);
    zero = zero < (float)target->qmin ? (float)target->qmin : zero;
    *zero_point = (int32_t)(zero > (float)target->qmax ? (float)target->qmax : zero);
}

static i8x_range range_whole(const i8x_histogram *histogram, const i8x_range_opts *opts)
{
    i8x_range range = {.lo = histogram->min < 0 ? histogram->min : 0.0f,
                       .hi = histogram->max > 0 ? histogram->max : 0.0f};
    if (opts->bound_lo <= 0 && range.lo < opts->bound_lo)
        range.lo = opts->bound_lo;
    if (opts->bound_hi >= 0 && range.hi > opts->bound_hi)
        range.hi = opts->bound_hi;
    return range;
}

static double middle(const i8x_histogram *histogram, uint32_t bin)
{
    double lower, upper;
    i8x_histogram_edges(histogram, bin, &lower, &upper);
    lower = lower < (double)histogram->min ? (double)histogram->min : lower;
    upper = upper > (double)histogram->max ? (double)histogram->max : upper;
    return (lower + upper) / 2;
}

static i8x_range range_percentile(const i8x_histogram *histogram, double percentile,
                                  i8x_range range)
{
    double cut = (1.0 - percentile / 100.0) / 2 * (double)histogram->count;
    double lower, upper, below = 0;
    for (uint32_t i = 0; i < histogram->bin_count; i++) {
        below += (double)histogram->counts[i];
        if (below > cut) {
            i8x_histogram_edges(histogram, i, &lower, &upper);
            range.lo = lower > (double)range.lo ? (float)(lower < 0 ? lower : 0) : range.lo;
            break;
        }
    }
    double above = 0;
    for (uint32_t i = histogram->bin_count; i-- > 0;) {
        above += (double)histogram->counts[i];
        if (above > cut) {
            i8x_histogram_edges(histogram, i, &lower, &upper);
            range.hi = upper < (double)range.hi ? (float)(upper > 0 ? upper : 0) : range.hi;
            break;
        }
    }
    return range;
}

double i8x_range_error(const i8x_histogram *histogram, const i8x_target_info *target,
                       i8x_range range)
{
    float scale;
    int32_t zero_point;
    i8x_range_params(target, range.lo, range.hi, &scale, &zero_point);
    double total = 0, inverse = 1.0 / (double)scale;
    double least = target->qmin - zero_point, most = target->qmax - zero_point;
    for (uint32_t i = 0; i < histogram->bin_count; i++) {
        double x = middle(histogram, i);
        double q = rint(x * inverse);
        q = q < least ? least : q > most ? most : q;
        double d = x - q * (double)scale;
        total += (double)histogram->counts[i] * (d * d);
    }
    return total / (double)histogram->count;
}

/* Tries one end at from, from * ratio, from * ratio^2 ... within the whole range. */
static void end_search(const i8x_histogram *histogram, const i8x_range_opts *opts, i8x_range whole,
                       bool high, double from, double ratio, int steps, i8x_range *best,
                       double *least)
{
    for (int k = 0; k < steps; k++, from *= ratio) {
        i8x_range tried = *best;
        if (high)
            tried.hi = fminf((float)from, whole.hi);
        else
            tried.lo = fmaxf((float)from, whole.lo);
        double error = i8x_range_error(histogram, opts->target, tried);
        if (error < *least) {
            *least = error;
            *best = tried;
        }
    }
}

static i8x_range range_mse(const i8x_histogram *histogram, const i8x_range_opts *opts,
                           i8x_range whole)
{
    i8x_range best = whole;
    double least = i8x_range_error(histogram, opts->target, whole);
    for (int round = 0; round < 2 * MSE_ROUNDS; round++) {
        bool coarse = round < MSE_ROUNDS;
        for (int end = 0; end < 2; end++) {
            double from = (double)(end == 0 ? coarse ? whole.hi : best.hi
                                   : coarse ? whole.lo
                                            : best.lo);
            end_search(histogram, opts, whole, end == 0, coarse ? from : from / MSE_COARSE,
                       coarse ? MSE_COARSE : MSE_FINE, coarse ? MSE_STEPS : MSE_FINE_STEPS, &best,
                       &least);
        }
    }
    return best;
}

/* Spreads the elements of one bin evenly over the linear bins it overlaps; outside mass goes to the
 * ends. */
static void spread(double *linear, double lo, double width, double lower, double upper,
                   double count)
{
    double from = (lower - lo) / width, to = (upper - lo) / width;
    if (to <= 0 || from >= KL_BINS) {
        linear[to <= 0 ? 0 : KL_BINS - 1] += count;
        return;
    }
    double span = to - from;
    for (double at = from; at < to;) {
        double next = floor(at) + 1 < to ? floor(at) + 1 : to;
        int index = at < 0 ? 0 : at >= KL_BINS ? KL_BINS - 1 : (int)at;
        linear[index] += span > 0 ? count * ((next - at) / span) : count;
        at = next;
    }
}

/* Divergence of one code's bins from their mean, less what the noise of counts alone would give
 * (one half for each free bin, Miller 1955): without that, fine ranges look bad wherever elements
 * are few. */
static double kl_of_code(const double *p, int first, int last)
{
    double mass = 0, occupied = 0;
    for (int i = first; i < last; i++) {
        mass += p[i];
        occupied += p[i] > 0;
    }
    double divergence = 0;
    for (int i = first; i < last && mass > 0; i++) {
        if (p[i] > 0)
            divergence += p[i] * i8x_fmath_log_f64(p[i] * occupied / mass);
    }
    return divergence - (occupied > 1 ? (occupied - 1) / 2 : 0);
}

static double range_divergence(const i8x_histogram *histogram, i8x_range range)
{
    double linear[KL_BINS] = {0}, inside[KL_BINS] = {0};
    double lo = (double)range.lo, width = ((double)range.hi - lo) / KL_BINS;
    for (uint32_t i = 0; i < histogram->bin_count; i++) {
        double lower, upper;
        i8x_histogram_edges(histogram, i, &lower, &upper);
        double count = (double)histogram->counts[i];
        spread(linear, lo, width, lower, upper, count);
        if (upper > lo && lower < (double)range.hi)
            spread(inside, lo, width, lower, upper, count);
    }
    /* Q sees only what is inside; P holds the rest in its outer bins, which is the cost of clipping
     */
    double divergence = 0, total = (double)histogram->count, kept = 0;
    for (int i = 0; i < KL_BINS; i++)
        kept += inside[i];
    for (int code = 0; code < KL_CODES; code++) {
        int first = code * KL_BINS / KL_CODES, last = (code + 1) * KL_BINS / KL_CODES;
        divergence += kl_of_code(inside, first, last);
    }
    divergence /= kept > 0 ? kept : 1;
    int ends[2] = {0, KL_BINS - 1};
    for (int e = 0; e < 2; e++) {
        double p = linear[ends[e]] / total, q = inside[ends[e]] / (kept > 0 ? kept : 1);
        double least =
            1.0 / total; /* an empty outer bin behind clipped mass: as if it held one element */
        if (linear[ends[e]] > inside[ends[e]])
            divergence += p * i8x_fmath_log_f64(p / (q > least ? q : least));
    }
    return divergence;
}

static i8x_range range_kl(const i8x_histogram *histogram, i8x_range whole)
{
    i8x_range best = whole;
    double least = range_divergence(histogram, whole);
    for (int end = 0; end < 2; end++) {
        for (int k = 1; k < KL_STEPS; k++) {
            double factor = 1.0 - k / 100.0;
            i8x_range tried = best;
            if (end == 0)
                tried.hi = (float)((double)whole.hi * factor);
            else
                tried.lo = (float)((double)whole.lo * factor);
            if (!(tried.hi > tried.lo))
                continue;
            double divergence = range_divergence(histogram, tried);
            if (divergence < least) {
                least = divergence;
                best = tried;
            }
        }
    }
    return best;
}

i8x_status i8x_range_choose(const i8x_histogram *histogram, i8x_clip clip,
                            const i8x_range_opts *opts, i8x_range *range)
{
    I8X_ENSURE(histogram->count > 0, I8X_EARG, "range of no elements");
    i8x_range whole = range_whole(histogram, opts);
    if (whole.hi <= whole.lo || clip == I8X_CLIP_MINMAX) {
        *range = whole;
        return I8X_OK;
    }
    switch (clip) {
    case I8X_CLIP_PERCENTILE:
        I8X_ENSURE(opts->percentile > 0 && opts->percentile <= 100, I8X_EARG, "percentile %g",
                   opts->percentile);
        *range = range_percentile(histogram, opts->percentile, whole);
        break;
    case I8X_CLIP_MSE:
        *range = range_mse(histogram, opts, whole);
        break;
    case I8X_CLIP_KL:
        *range = range_kl(histogram, whole);
        break;
    default:
        I8X_FAIL(I8X_EARG, "clip method %d is no method of its own", (int)clip);
    }
    if (!(range->hi > range->lo))
        *range = whole;
    return I8X_OK;
}
