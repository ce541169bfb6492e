/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweeps: a trial is a function of the sweep and its number; grids are whole, random orders repeat
 * nothing, refusals name the axis; the front is that of the definition.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"
#include "int8x/sweep.h"
#include "tests/support/suite.h"

static const char *const clips[] = {"minmax", "mse", "kl"};
static const char *const shards[] = {"4", "8"};
static i8x_sweep_axis axes[3];
static i8x_sweep sweep;

static void setup(i8x_search search, int trials)
{
    memset(&sweep, 0, sizeof sweep);
    i8x_recipe_default(&sweep.base);
    axes[0] = (i8x_sweep_axis){.field = "clip", .values = clips, .value_count = 3};
    axes[1] = (i8x_sweep_axis){.field = "shard_samples", .values = shards, .value_count = 2};
    axes[2] = (i8x_sweep_axis){.field = "percentile", .low = 99, .high = 100, .steps = 3};
    sweep.search = search;
    sweep.seed = 11;
    sweep.trials = trials;
    sweep.axes = axes;
    sweep.axis_count = 3;
}

static void text_of(int trial, char *text, size_t size)
{
    i8x_recipe recipe;
    ck_assert_ok(i8x_sweep_trial(&sweep, trial, &recipe));
    snprintf(text, size, "%d %lld %g", recipe.clip, (long long)recipe.shard_samples,
             recipe.percentile);
}

START_TEST(a_grid_has_every_combination_first_axis_slowest)
{
    setup(I8X_SEARCH_GRID, 0);
    int count;
    ck_assert_ok(i8x_sweep_count(&sweep, &count));
    ck_assert_int_eq(count, 18);
    int at = 0;
    for (int c = 0; c < 3; c++)
        for (int s = 4; s <= 8; s += 4)
            for (double p = 99; p <= 100; p += 0.5) {
                char wanted[64], got[64];
                static const int clip[] = {I8X_CLIP_MINMAX, I8X_CLIP_MSE, I8X_CLIP_KL};
                snprintf(wanted, sizeof wanted, "%d %d %g", clip[c], s, p);
                text_of(at++, got, sizeof got);
                ck_assert_str_eq(got, wanted);
            }
}
END_TEST

START_TEST(a_random_order_of_lists_repeats_nothing_and_is_complete)
{
    for (int trials = 1; trials <= 18; trials++) {
        setup(I8X_SEARCH_RANDOM, trials);
        int count;
        ck_assert_ok(i8x_sweep_count(&sweep, &count));
        ck_assert_int_eq(count, trials);
    }
    char seen[18][64];
    int in_order = 0;
    for (int i = 0; i < 18; i++) {
        char plain[64];
        text_of(i, seen[i], sizeof seen[i]);
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(seen[i], seen[k]);
        sweep.search = I8X_SEARCH_GRID;
        text_of(i, plain, sizeof plain);
        sweep.search = I8X_SEARCH_RANDOM;
        in_order += strcmp(plain, seen[i]) == 0;
    }
    ck_assert_int_lt(in_order, 9);
    sweep.seed++;
    char other[64];
    int same = 0;
    for (int i = 0; i < 18; i++) {
        text_of(i, other, sizeof other);
        same += strcmp(other, seen[i]) == 0;
    }
    ck_assert_int_lt(same, 9);
}
END_TEST

START_TEST(draws_of_a_range_lie_in_it_and_fill_it)
{
    setup(I8X_SEARCH_RANDOM, 400);
    axes[1] = (i8x_sweep_axis){.field = "shard_samples", .low = 1, .high = 256, .log = true};
    axes[2] = (i8x_sweep_axis){.field = "percentile", .low = 99, .high = 100};
    int count, small = 0, high = 0, clip[I8X_CLIP_COUNT] = {0};
    ck_assert_ok(i8x_sweep_count(&sweep, &count));
    for (int i = 0; i < count; i++) {
        i8x_recipe recipe;
        ck_assert_ok(i8x_sweep_trial(&sweep, i, &recipe));
        ck_assert(recipe.percentile >= 99 && recipe.percentile <= 100);
        ck_assert(recipe.shard_samples >= 1 && recipe.shard_samples <= 256);
        small += recipe.shard_samples <= 16; /* half of the octaves */
        high += recipe.percentile > 99.5;
        clip[recipe.clip]++;
    }
    ck_assert(small > 150 && small < 250 && high > 150 && high < 250);
    ck_assert(clip[I8X_CLIP_MINMAX] > 90 && clip[I8X_CLIP_MSE] > 90 && clip[I8X_CLIP_KL] > 90);
}
END_TEST

static void refused(i8x_status status, const char *words)
{
    int count;
    ck_assert_status(i8x_sweep_count(&sweep, &count), status);
    ck_assert_msg(strstr(i8x_last_error()->detail, words) != NULL, "'%s' is not in '%s'", words,
                  i8x_last_error()->detail);
}

START_TEST(what_is_wrong_is_named)
{
    static const char *const bad[] = {"minmax", "most"};
    setup(I8X_SEARCH_GRID, 0);
    axes[0].field = "clipp";
    refused(I8X_EARG, "nearest is 'clip'");
    setup(I8X_SEARCH_GRID, 0);
    axes[0].values = bad;
    refused(I8X_EARG, "sweep axis 'clip'");
    setup(I8X_SEARCH_GRID, 0);
    axes[2].field = "clip";
    refused(I8X_EARG, "'clip' is there twice");
    setup(I8X_SEARCH_GRID, 0);
    axes[2].field = "target";
    refused(I8X_EARG, "'target' is no number");
    setup(I8X_SEARCH_GRID, 0);
    axes[2].steps = 1;
    refused(I8X_EARG, "steps of at least 2");
    setup(I8X_SEARCH_GRID, 0);
    axes[2].low = 10;
    refused(I8X_ERANGE, "sweep axis 'percentile'");
    setup(I8X_SEARCH_GRID, 0);
    axes[2].high = NAN;
    refused(I8X_EARG, "a range from");
    setup(I8X_SEARCH_GRID, 17);
    refused(I8X_ELIMIT, "18 trials, 17 are allowed");
    setup(I8X_SEARCH_RANDOM, 19);
    refused(I8X_ELIMIT, "19 trials of a space of 18");
    setup(I8X_SEARCH_RANDOM, 0);
    refused(I8X_EARG, "wants trials");
    setup(I8X_SEARCH_GRID, 0);
    sweep.axis_count = 0;
    refused(I8X_EARG, "wants an axis");
}
END_TEST

START_TEST(the_front_is_what_no_other_point_beats)
{
    enum { N = 60 };
    const i8x_sweep_metric by = I8X_SWEEP_METRIC_AGREEMENT;
    i8x_sweep_point points[N];
    bool front[N];
    for (uint64_t seed = 0; seed < 50; seed++) {
        for (uint64_t i = 0; i < N; i++) { /* few values, so that ties are there */
            uint64_t r = i8x_rng_u64(seed, i);
            points[i].figures[by] = r % 11 == 0 ? NAN : (double)(r >> 8 & 15);
            points[i].size_bytes = 100 + (r >> 16 & 15);
        }
        ck_assert_ok(i8x_sweep_pareto(points, N, by, front));
        for (int i = 0; i < N; i++) {
            bool beaten = isnan(points[i].figures[by]);
            for (int k = 0; k < N; k++)
                beaten |= points[k].figures[by] >= points[i].figures[by] &&
                          points[k].size_bytes <= points[i].size_bytes &&
                          (points[k].figures[by] > points[i].figures[by] ||
                           points[k].size_bytes < points[i].size_bytes);
            ck_assert_msg(front[i] == !beaten, "seed %d point %d", (int)seed, i);
        }
        int best = i8x_sweep_best(points, N, by);
        for (int k = 0; k < N; k++)
            ck_assert(!(points[k].figures[by] > points[best].figures[by]));
        ck_assert(front[best]);
    }
    points[0].figures[by] = NAN;
    ck_assert_int_eq(i8x_sweep_best(points, 1, by), -1);
    ck_assert_ok(i8x_sweep_pareto(points, 0, by, front));
}
END_TEST

START_TEST(the_point_of_a_report_is_its_worst_output)
{
    i8x_report_output outputs[] = {{"a", 30, 0.9, -1, -1}, {"b", 20, -1, 0.8, 0.7}};
    i8x_report report = {.outputs = outputs, .output_count = 2, .artifact_bytes = 5};
    i8x_sweep_point point = i8x_sweep_point_of(&report);
    ck_assert(point.size_bytes == 5 && point.figures[I8X_SWEEP_METRIC_SQNR] == 20);
    ck_assert(point.figures[I8X_SWEEP_METRIC_AGREEMENT] == 0.9);
    ck_assert(point.figures[I8X_SWEEP_METRIC_TOP1] == 0.7);
    report.output_count = 0;
    ck_assert(isnan(i8x_sweep_point_of(&report).figures[I8X_SWEEP_METRIC_SQNR]));
    i8x_sweep_metric metric;
    ck_assert_ok(i8x_sweep_metric_parse("top1", &metric));
    ck_assert_int_eq(metric, I8X_SWEEP_METRIC_TOP1);
    ck_assert_status(i8x_sweep_metric_parse("size", &metric), I8X_EARG);
}
END_TEST

Suite *check_sweep_suite(void)
{
    const TTest *tests[] = {a_grid_has_every_combination_first_axis_slowest,
                            a_random_order_of_lists_repeats_nothing_and_is_complete,
                            draws_of_a_range_lie_in_it_and_fill_it,
                            what_is_wrong_is_named,
                            the_front_is_what_no_other_point_beats,
                            the_point_of_a_report_is_its_worst_output};
    return i8x_suite("sweep", tests, sizeof tests / sizeof tests[0]);
}
