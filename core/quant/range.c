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
#include "int8x/alloc.h"

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
/* Adding and taking it away rounds to a whole number, ties to even (numbers below 2^51). */
#define ROUND_F64 0x1.8p52

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

/* The bins as numbers, made once a choice: the searches read them a hundred times and more. */
typedef struct bins {
    uint32_t count;
    double total;
    double *lower, *upper, *middle, *mass;
} bins;

static double middle(const i8x_histogram *histogram, double lower, double upper)
{
    lower = lower < (double)histogram->min ? (double)histogram->min : lower;
    upper = upper > (double)histogram->max ? (double)histogram->max : upper;
    return (lower + upper) / 2;
}

static i8x_status bins_of(const i8x_histogram *histogram, i8x_arena *arena, bins *b)
{
    size_t count = histogram->bin_count;
    double *numbers = i8x_arena_array(arena, 4 * count, sizeof *numbers);
    I8X_TRY(i8x_alloc_check(numbers));
    *b = (bins){.count = histogram->bin_count,
                .total = (double)histogram->count,
                .lower = numbers,
                .upper = numbers + count,
                .middle = numbers + 2 * count,
                .mass = numbers + 3 * count};
    for (uint32_t i = 0; i < b->count; i++) {
        i8x_histogram_edges(histogram, i, &b->lower[i], &b->upper[i]);
        b->middle[i] = middle(histogram, b->lower[i], b->upper[i]);
        b->mass[i] = (double)histogram->counts[i];
    }
    return I8X_OK;
}

static i8x_range range_percentile(const bins *b, double percentile, i8x_range range)
{
    double cut = (1.0 - percentile / 100.0) / 2 * b->total;
    double below = 0, above = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        below += b->mass[i];
        if (below > cut) {
            double lower = b->lower[i] < 0 ? b->lower[i] : 0;
            range.lo = lower > (double)range.lo ? (float)lower : range.lo;
            break;
        }
    }
    for (uint32_t i = b->count; i-- > 0;) {
        above += b->mass[i];
        if (above > cut) {
            double upper = b->upper[i] > 0 ? b->upper[i] : 0;
            range.hi = upper < (double)range.hi ? (float)upper : range.hi;
            break;
        }
    }
    return range;
}

static double bins_error(const bins *b, const i8x_target_info *target, i8x_range range)
{
    float scale;
    int32_t zero_point;
    i8x_range_params(target, range.lo, range.hi, &scale, &zero_point);
    double total = 0, inverse = 1.0 / (double)scale;
    double least = target->qmin - zero_point, most = target->qmax - zero_point;
    for (uint32_t i = 0; i < b->count; i++) {
        double q = b->middle[i] * inverse;
        q = q < least ? least : q > most ? most : q;
        q = (q + ROUND_F64) - ROUND_F64;
        double d = b->middle[i] - q * (double)scale;
        total += b->mass[i] * (d * d);
    }
    return total / b->total;
}

/* Tries one end at from, from * ratio, from * ratio^2 ... within the whole range. */
static void end_search(const bins *b, const i8x_range_opts *opts, i8x_range whole, bool high,
                       double from, double ratio, int steps, i8x_range *best, double *least)
{
    for (int k = 0; k < steps; k++, from *= ratio) {
        i8x_range tried = *best;
        if (high)
            tried.hi = fminf((float)from, whole.hi);
        else
            tried.lo = fmaxf((float)from, whole.lo);
        double error = bins_error(b, opts->target, tried);
        if (error < *least) {
            *least = error;
            *best = tried;
        }
    }
}

static i8x_range range_mse(const bins *b, const i8x_range_opts *opts, i8x_range whole)
{
    i8x_range best = whole;
    double least = bins_error(b, opts->target, whole);
    for (int round = 0; round < 2 * MSE_ROUNDS; round++) {
        bool coarse = round < MSE_ROUNDS;
        for (int end = 0; end < 2; end++) {
            double from = (double)(end == 0 ? coarse ? whole.hi : best.hi
                                   : coarse ? whole.lo
                                            : best.lo);
            end_search(b, opts, whole, end == 0, coarse ? from : from / MSE_COARSE,
                       coarse ? MSE_COARSE : MSE_FINE, coarse ? MSE_STEPS : MSE_FINE_STEPS, &best,
                       &least);
        }
    }
    return best;
}

/* Spreads the elements of a bin [from, to) of the line evenly over the linear bins it overlaps;
 * what sticks out goes to the outer ones. */
static void spread(double *linear, double from, double to, double count)
{
    double begin = from < 0 ? 0 : from, end = to > KL_BINS ? KL_BINS : to;
    int first = (int)begin, last = (int)end < KL_BINS ? (int)end : KL_BINS - 1;
    if (first == last) {
        linear[first] += count;
        return;
    }
    double density = count / (to - from);
    linear[first] += density * (first + 1 - from);
    for (int i = first + 1; i < last; i++)
        linear[i] += density;
    linear[last] += density * (to - last);
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
    for (int i = first; i < last && occupied > 1; i++) {
        if (p[i] > 0)
            divergence += p[i] * i8x_fmath_log_f64(p[i] * occupied / mass);
    }
    return divergence - (occupied > 1 ? (occupied - 1) / 2 : 0);
}

/* The line: KL_BINS bins over the range. Returns the mass that lies wholly below it and above it.
 */
static void line_fill(const bins *b, i8x_range range, double *inside, double outside[2])
{
    double lo = (double)range.lo, inverse = KL_BINS / ((double)range.hi - lo);
    memset(inside, 0, KL_BINS * sizeof *inside);
    outside[0] = outside[1] = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        double from = (b->lower[i] - lo) * inverse, to = (b->upper[i] - lo) * inverse;
        if (to <= 0)
            outside[0] += b->mass[i];
        else if (from >= KL_BINS)
            outside[1] += b->mass[i];
        else
            spread(inside, from, to, b->mass[i]);
    }
}

/* Q sees only what is inside; P holds the rest in its outer bins, which is the cost of clipping. */
static double range_divergence(const bins *b, i8x_range range)
{
    double inside[KL_BINS], outside[2];
    line_fill(b, range, inside, outside);
    double divergence = 0, kept = b->total - outside[0] - outside[1];
    for (int code = 0; code < KL_CODES; code++) {
        int first = code * KL_BINS / KL_CODES, last = (code + 1) * KL_BINS / KL_CODES;
        divergence += kl_of_code(inside, first, last);
    }
    kept = kept > 0 ? kept : 1;
    divergence /= kept;
    /* an empty outer bin behind clipped mass: as if it held one element */
    double least = 1.0 / b->total;
    for (int end = 0; end < 2; end++) {
        double bin = inside[end == 0 ? 0 : KL_BINS - 1];
        double p = (bin + outside[end]) / b->total, q = bin / kept;
        if (outside[end] > 0)
            divergence += p * i8x_fmath_log_f64(p / (q > least ? q : least));
    }
    return divergence;
}

static i8x_range range_kl(const bins *b, i8x_range whole)
{
    i8x_range best = whole;
    double least = range_divergence(b, whole);
    for (int end = 0; end < 2; end++) {
        if ((end == 0 ? whole.hi : whole.lo) == 0)
            continue; /* nothing to cut on this side */
        for (int k = 1; k < KL_STEPS; k++) {
            double factor = 1.0 - k / 100.0;
            i8x_range tried = best;
            if (end == 0)
                tried.hi = (float)((double)whole.hi * factor);
            else
                tried.lo = (float)((double)whole.lo * factor);
            if (!(tried.hi > tried.lo))
                continue;
            double divergence = range_divergence(b, tried);
            if (divergence < least) {
                least = divergence;
                best = tried;
            }
        }
    }
    return best;
}

static i8x_status range_search(const bins *b, i8x_clip clip, const i8x_range_opts *opts,
                               i8x_range whole, i8x_range *range)
{
    switch (clip) {
    case I8X_CLIP_PERCENTILE:
        I8X_ENSURE(opts->percentile > 0 && opts->percentile <= 100, I8X_EARG, "percentile %g",
                   opts->percentile);
        *range = range_percentile(b, opts->percentile, whole);
        break;
    case I8X_CLIP_MSE:
        *range = range_mse(b, opts, whole);
        break;
    case I8X_CLIP_KL:
        *range = range_kl(b, whole);
        break;
    default:
        I8X_FAIL(I8X_EARG, "clip method %d is no method of its own", (int)clip);
    }
    if (!(range->hi > range->lo))
        *range = whole;
    return I8X_OK;
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
    i8x_arena *arena;
    bins b;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_status status = bins_of(histogram, arena, &b);
    if (status == I8X_OK)
        status = range_search(&b, clip, opts, whole, range);
    i8x_arena_free(arena);
    return status;
}

i8x_status i8x_range_error(const i8x_histogram *histogram, const i8x_target_info *target,
                           i8x_range range, double *error)
{
    i8x_arena *arena;
    bins b;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_status status = bins_of(histogram, arena, &b);
    if (status == I8X_OK)
        *error = bins_error(&b, target, range);
    i8x_arena_free(arena);
    return status;
}
