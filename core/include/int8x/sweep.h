/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweep: many recipes for one model and one data set. A sweep is a base recipe and axes (a recipe
 * field with the values to try); a trial is one recipe, a function of the sweep and its number
 * alone, so that any machine makes the same trials in any order. Every trial runs as a job on the
 * shared task cache: what two trials have in common (a prepared model, statistics) is computed
 * once.
 *
 *   grid    every combination; the first axis changes slowest
 *   random  lists alone: positions of that grid in a seeded order, none twice; with a range among
 *           the axes: independent seeded draws
 *
 *     int count; I8X_TRY(i8x_sweep_count(&sweep, &count));
 *     for (int i = 0; i < count; i++) { i8x_recipe r; I8X_TRY(i8x_sweep_trial(&sweep, i, &r)); }
 *
 * Thread-safe: no state.
 */
#ifndef INT8X_SWEEP_H
#define INT8X_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/recipe.h"
#include "int8x/report.h"
#include "int8x/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define I8X_SWEEP_AXES_MAX 32
#define I8X_SWEEP_VALUES_MAX 256  /* of one axis */
#define I8X_SWEEP_TRIALS_MAX 4096 /* of one sweep */
#define I8X_SWEEP_TEXT_MAX 4200   /* bytes of a value as text */

/* X(name, text, sentence) */
#define I8X_SEARCH_LIST(X)                                                                         \
    X(GRID, "grid", "every combination of the values")                                             \
    X(RANDOM, "random", "trials drawn by a seed")

typedef enum i8x_search {
#define X(name, text, sentence) I8X_SEARCH_##name,
    I8X_SEARCH_LIST(X)
#undef X
        I8X_SEARCH_COUNT
} i8x_search;

/* One field and what to try: a list (value_count > 0) or a range of a number field. On a grid a
 * range needs steps >= 2: so many values from low to high, evenly spaced (by ratio if log). */
typedef struct i8x_sweep_axis {
    const char *field;         /* of the recipe */
    const char *const *values; /* [value_count] as i8x_recipe_set takes them */
    int value_count;
    double low, high; /* range, both ends within it */
    bool log;         /* evenly spaced, or drawn, by ratio; low > 0 */
    int steps;
} i8x_sweep_axis;

/* A plain value; axes and texts are borrowed. */
typedef struct i8x_sweep {
    i8x_search search;
    uint64_t seed;   /* RANDOM */
    int trials;      /* RANDOM: how many; GRID: 0, or a limit that the grid must keep */
    i8x_recipe base; /* fields without an axis */
    i8x_sweep_axis *axes;
    int axis_count;
} i8x_sweep;

/**
 * Checks the sweep and counts its trials; every trial's recipe is checked too.
 *
 * Errors: I8X_EARG (no axis, a field twice or unknown, a value that the field refuses, a range of a
 * field that is no number, steps), I8X_ERANGE, I8X_ELIMIT (axes, values, trials; a random search
 * for more trials than there are combinations).
 */
I8X_FALLIBLE i8x_status i8x_sweep_count(const i8x_sweep *sweep, int *count);
/** Recipe of trial index, 0 <= index < count. Errors: I8X_EARG, I8X_ERANGE. */
I8X_FALLIBLE i8x_status i8x_sweep_trial(const i8x_sweep *sweep, int index, i8x_recipe *recipe);

/* X(name, text, sentence) what the trials are judged by */
#define I8X_SWEEP_METRIC_LIST(X)                                                                   \
    X(SQNR, "sqnr", "signal to quantisation noise of the outputs in dB")                           \
    X(AGREEMENT, "agreement", "share of samples with the class of the float model")                \
    X(TOP1, "top1", "share of samples with the class of the label")

typedef enum i8x_sweep_metric {
#define X(name, text, sentence) I8X_SWEEP_METRIC_##name,
    I8X_SWEEP_METRIC_LIST(X)
#undef X
        I8X_SWEEP_METRIC_COUNT
} i8x_sweep_metric;

/** "sqnr" and its kin. */
I8X_EXPORT const char *i8x_sweep_metric_name(i8x_sweep_metric metric);
/** Errors: I8X_EARG (names the choices). */
I8X_FALLIBLE i8x_status i8x_sweep_metric_parse(const char *text, i8x_sweep_metric *metric);

/* What a trial came to. */
typedef struct i8x_sweep_point {
    double figures[I8X_SWEEP_METRIC_COUNT]; /* larger is better; NaN: none. Of several outputs the
                                               least */
    uint64_t size_bytes;                    /* of the artifact; smaller is better */
} i8x_sweep_point;

/** Point of a report (the figures of its outputs). */
I8X_EXPORT i8x_sweep_point i8x_sweep_point_of(const i8x_report *report);

/**
 * Marks the points that no other one beats: none has a figure as high at a size as small with one
 * of the two better. Points without a figure are never on the front; of equal points all are.
 *
 * points, front  [count]
 * Cost: O(count log count) time, O(count) memory. Errors: I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_sweep_pareto(const i8x_sweep_point *points, int count,
                                         i8x_sweep_metric metric, bool *front);
/** The best point by the metric, of equals the smallest, then the first; -1 if none has a figure.
 */
I8X_EXPORT int i8x_sweep_best(const i8x_sweep_point *points, int count, i8x_sweep_metric metric);

/** "grid" and its kin. */
I8X_EXPORT const char *i8x_search_name(i8x_search search);

#ifdef __cplusplus
}
#endif
#endif
