/* SPDX-License-Identifier: Apache-2.0
 *
 * Laws of quantization: histograms merge to the same bytes in any order and grouping, a value
 * inside the range comes back within half a step, moments and weights survive their records, ranges
 * contain 0.
 */
#include <math.h>
#include <string.h>

#include "core/kernels/kernels.h"
#include "core/quant/histogram.h"
#include "core/quant/range.h"
#include "core/quant/weights.h"
#include "tests/prop/prop.h"
#include "tests/support/suite.h"

static uint32_t bins[I8X_LOGHIST_BINS];

static bool histogram_make(prop_case *c, const float *x, size_t count, i8x_histogram *h)
{
    i8x_histogram_sum sum;
    float min, max;
    i8x_histogram_sum_init(&sum);
    (void)i8x_kernels_get()->minmax_f32(x, count, &min, &max);
    i8x_kernels_get()->loghist_f32(x, count, bins);
    return i8x_histogram_sum_dense(&sum, bins, count, min, max, c->arena) == I8X_OK &&
           i8x_histogram_sum_finish(&sum, 1, c->arena, h) == I8X_OK;
}

/* Elements of very different sizes, so that parts have different largest octaves. */
static float element(prop_case *c, int spread)
{
    float x = prop_uniform(c, -1.0f, 1.0f);
    return prop_bool(c) ? ldexpf(x, (int)prop_range(c, -spread, spread)) : prop_f32(c);
}

static bool merge_in_order(prop_case *c, const i8x_histogram *parts, const size_t *order,
                           size_t count, const uint8_t **bytes, size_t *size)
{
    /* by turns: some parts are merged pairwise first */
    i8x_histograms left = {0}, merged;
    for (size_t i = 0; i < count; i++) {
        i8x_histogram item = parts[order[i]];
        i8x_histograms pair[2] = {left, {.samples = 1, .items = &item, .count = 1}};
        if (i8x_histograms_merge(pair, 2, c->arena, &merged) != I8X_OK)
            return false;
        left = merged;
    }
    return i8x_histograms_encode(&left, c->arena, bytes, size) == I8X_OK;
}

static bool merging_commutes(prop_case *c)
{
    size_t parts_count = 2 + prop_below(c, 6), order[8];
    i8x_histogram parts[8];
    int spread = (int)prop_below(c, 40);
    for (size_t p = 0; p < parts_count; p++) {
        size_t count = 1 + prop_below(c, 4 * c->size + 8);
        float *x = prop_array(c, count, sizeof *x);
        for (size_t i = 0; i < count; i++)
            x[i] = element(c, spread);
        PROP_CHECK(c, histogram_make(c, x, count, &parts[p]), "no histogram");
        order[p] = p;
    }
    const uint8_t *first, *again;
    size_t first_size, again_size;
    PROP_CHECK(c, merge_in_order(c, parts, order, parts_count, &first, &first_size), "no merge");
    for (int round = 0; round < 3; round++) {
        for (size_t i = parts_count; i-- > 1;) {
            size_t k = prop_below(c, i + 1), swap = order[i];
            order[i] = order[k];
            order[k] = swap;
        }
        PROP_CHECK(c, merge_in_order(c, parts, order, parts_count, &again, &again_size),
                   "no merge");
        PROP_CHECK(c, first_size == again_size && memcmp(first, again, first_size) == 0,
                   "another order, other bytes");
    }
    i8x_histograms all[8], merged;
    for (size_t p = 0; p < parts_count; p++)
        all[p] = (i8x_histograms){.samples = 1, .items = &parts[p], .count = 1};
    PROP_CHECK(c, i8x_histograms_merge(all, (int)parts_count, c->arena, &merged) == I8X_OK,
               "merge");
    PROP_CHECK(c, i8x_histograms_encode(&merged, c->arena, &again, &again_size) == I8X_OK,
               "encode");
    PROP_CHECK(c, first_size == again_size && memcmp(first, again, first_size) == 0,
               "all at once gives other bytes");
    return true;
}

static bool decoding_undoes_encoding(prop_case *c)
{
    size_t count = 1 + prop_below(c, 8 * c->size + 8);
    float *x = prop_array(c, count, sizeof *x);
    for (size_t i = 0; i < count; i++)
        x[i] = element(c, 30);
    i8x_histogram h;
    PROP_CHECK(c, histogram_make(c, x, count, &h), "no histogram");
    i8x_histograms all = {.samples = 1, .items = &h, .count = 1}, back;
    const uint8_t *a, *b;
    size_t a_size, b_size;
    PROP_CHECK(c, i8x_histograms_encode(&all, c->arena, &a, &a_size) == I8X_OK, "encode");
    PROP_CHECK(c, i8x_histograms_decode(a, a_size, c->arena, &back) == I8X_OK, "decode: %s",
               i8x_last_error()->detail);
    PROP_CHECK(c, i8x_histograms_encode(&back, c->arena, &b, &b_size) == I8X_OK, "encode");
    PROP_CHECK(c, a_size == b_size && memcmp(a, b, a_size) == 0, "other bytes");
    /* damage is refused or gives a record that can be used */
    uint8_t *bad = i8x_arena_copy(c->arena, a, a_size);
    bad[prop_below(c, a_size)] ^= (uint8_t)(1u << prop_below(c, 8));
    i8x_histograms merged;
    if (i8x_histograms_decode(bad, a_size, c->arena, &back) == I8X_OK)
        PROP_CHECK(c, i8x_histograms_merge(&back, 1, c->arena, &merged) == I8X_OK,
                   "merge of damage");
    return true;
}

static bool a_value_in_range_comes_back_within_half_a_step(prop_case *c)
{
    const i8x_target_info *target =
        i8x_target_info_get((i8x_target)prop_below(c, I8X_TARGET_COUNT));
    float lo = -fabsf(prop_uniform(c, 0.0f, 8.0f)), hi = fabsf(prop_uniform(c, 0.0f, 8.0f));
    float scale;
    int32_t zero;
    i8x_range_params(target, lo, hi, &scale, &zero);
    float least = scale * (float)(target->qmin - zero), most = scale * (float)(target->qmax - zero);
    for (size_t i = 0; i < c->size + 4; i++) {
        float x = prop_uniform(c, lo, hi), y;
        x = x < least ? least : x > most ? most : x;
        i8x_kernels_get()->fakequant_f32(&x, 1, scale, zero, target->qmin, target->qmax, &y);
        PROP_CHECK(c, fabsf(x - y) <= 0.5f * scale * 1.00001f, "%g comes back as %g, step %g",
                   (double)x, (double)y, (double)scale);
    }
    float zero_back, nothing = 0;
    i8x_kernels_get()->fakequant_f32(&nothing, 1, scale, zero, target->qmin, target->qmax,
                                     &zero_back);
    PROP_CHECK(c, zero_back == 0, "0 comes back as %g", (double)zero_back);
    return true;
}

static bool ranges_contain_zero_and_lie_in_the_data(prop_case *c)
{
    size_t count = 1 + prop_below(c, 4 * c->size + 2);
    float *x = prop_array(c, count, sizeof *x);
    float shift = prop_uniform(c, -2.0f, 2.0f);
    for (size_t i = 0; i < count; i++)
        x[i] = ldexpf(prop_uniform(c, -1.0f, 1.0f) + shift, (int)prop_range(c, -6, 6));
    i8x_histogram h;
    PROP_CHECK(c, histogram_make(c, x, count, &h), "no histogram");
    i8x_range_opts opts = {.target = i8x_target_info_get(I8X_TARGET_ORT_X86),
                           .percentile = 99.0,
                           .bound_lo = -INFINITY,
                           .bound_hi = prop_bool(c) ? 1.0f : INFINITY};
    for (int clip = I8X_CLIP_MINMAX; clip < I8X_CLIP_COUNT; clip++) {
        i8x_range r;
        PROP_CHECK(c, i8x_range_choose(&h, (i8x_clip)clip, &opts, &r) == I8X_OK, "clip %d", clip);
        PROP_CHECK(c, r.lo <= 0 && r.hi >= 0 && r.hi <= opts.bound_hi, "[%g, %g]", (double)r.lo,
                   (double)r.hi);
        PROP_CHECK(c, (r.lo >= h.min || r.lo == 0) && (r.hi <= h.max || r.hi == 0),
                   "clip %d: [%g, %g] of [%g, %g]", clip, (double)r.lo, (double)r.hi, (double)h.min,
                   (double)h.max);
    }
    return true;
}

static bool bias_codes_fit(prop_case *c)
{
    float bias = prop_f32(c),
          input_scale = ldexpf(1 + prop_uniform(c, 0, 1), (int)prop_range(c, -40, 10));
    float scale = ldexpf(1 + prop_uniform(c, 0, 1), (int)prop_range(c, -60, 0));
    if (!isfinite(bias / input_scale) || fabsf(bias) > 1e20f)
        return true;
    (void)i8x_weights_scale_raise(&scale, bias, input_scale);
    double code = rint((double)bias / ((double)input_scale * (double)scale));
    PROP_CHECK(c, fabs(code) <= 0x1p30 * 1.0001, "bias %g, code %g", (double)bias, code);
    return true;
}

START_TEST(histograms_merge_in_any_order)
{
    prop_run("merging_commutes", merging_commutes, 300, 64);
}
END_TEST

START_TEST(histograms_survive_records)
{
    prop_run("decoding_undoes_encoding", decoding_undoes_encoding, 300, 64);
}
END_TEST

START_TEST(codes_are_half_a_step_away)
{
    prop_run("a_value_in_range_comes_back_within_half_a_step",
             a_value_in_range_comes_back_within_half_a_step, 1000, 32);
}
END_TEST

START_TEST(ranges_are_sound)
{
    prop_run("ranges_contain_zero_and_lie_in_the_data", ranges_contain_zero_and_lie_in_the_data, 60,
             64);
}
END_TEST

START_TEST(biases_never_wrap)
{
    prop_run("bias_codes_fit", bias_codes_fit, 2000, 8);
}
END_TEST

Suite *prop_quant_laws_suite(void)
{
    const TTest *tests[] = {histograms_merge_in_any_order, histograms_survive_records,
                            codes_are_half_a_step_away, ranges_are_sound, biases_never_wrap};
    return i8x_suite("quant_laws", tests, sizeof tests / sizeof tests[0]);
}
