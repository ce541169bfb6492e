/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweep: trials from axes, and the front of their results.
 *
 * Random order of a finite grid: four rounds of a Feistel network over the smallest even number of
 * bits that holds every position, walked until the result is a position (Black and Rogaway,
 * "Ciphers with arbitrary finite domains", CT-RSA 2002). So trial i needs no list of the trials
 * before it, and none comes twice.
 */
#include "int8x/sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/fmath.h"
#include "core/base/rng.h"

#define FEISTEL_ROUNDS 4
#define ORDER_STREAM UINT64_C(0x6F72646572) /* "order": seed of the permutation */

const char *i8x_search_name(i8x_search search)
{
    static const char *const names[] = {
#define X(name, text, sentence) text,
        I8X_SEARCH_LIST(X)
#undef X
    };
    return (unsigned)search < I8X_SEARCH_COUNT ? names[search] : "?";
}

static const i8x_field *field_of(const char *name)
{
    int count;
    const i8x_field *fields = i8x_fields(&count);
    for (int i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

/* Values that the axis has on a grid; 0: a range that is drawn from. */
static int axis_size(const i8x_sweep_axis *axis)
{
    return axis->value_count > 0 ? axis->value_count : axis->steps;
}

/* A point of the range, 0 <= share <= 1, as text. */
static void range_text(const i8x_sweep_axis *axis, const i8x_field *field, double share, char *text)
{
    double value = axis->low + share * (axis->high - axis->low);
    if (axis->log)
        value = axis->low * i8x_fmath_exp_f64(share * i8x_fmath_log_f64(axis->high / axis->low));
    value = value < axis->low ? axis->low : value > axis->high ? axis->high : value;
    if (field->type == I8X_FIELD_INT)
        snprintf(text, I8X_SWEEP_TEXT_MAX, "%.0f", rint(value));
    else
        snprintf(text, I8X_SWEEP_TEXT_MAX, "%.17g", value);
}

static i8x_status axis_set(const i8x_sweep_axis *axis, int position, i8x_recipe *recipe)
{
    char text[I8X_SWEEP_TEXT_MAX];
    if (axis->value_count > 0)
        return i8x_recipe_set(recipe, axis->field, axis->values[position]);
    range_text(axis, field_of(axis->field), (double)position / (axis->steps - 1), text);
    return i8x_recipe_set(recipe, axis->field, text);
}

/* ---- checks ---- */

static i8x_status range_check(const i8x_sweep_axis *axis, const i8x_field *field, i8x_search search)
{
    char text[I8X_SWEEP_TEXT_MAX];
    I8X_ENSURE(field->type == I8X_FIELD_INT || field->type == I8X_FIELD_FLOAT, I8X_EARG,
               "sweep axis '%s' is no number: give a list of values", axis->field);
    I8X_ENSURE(isfinite(axis->low) && isfinite(axis->high) && axis->low < axis->high, I8X_EARG,
               "sweep axis '%s': a range from %g to %g", axis->field, axis->low, axis->high);
    I8X_ENSURE(!axis->log || axis->low > 0, I8X_EARG,
               "sweep axis '%s': a range by ratio must begin above 0", axis->field);
    I8X_ENSURE(
        search == I8X_SEARCH_RANDOM ? axis->steps == 0 || axis->steps >= 2 : axis->steps >= 2,
        I8X_EARG, "sweep axis '%s': a range on a grid wants steps of at least 2", axis->field);
    I8X_ENSURE(axis->steps <= I8X_SWEEP_VALUES_MAX, I8X_ELIMIT,
               "sweep axis '%s' has %d steps; the limit is %d", axis->field, axis->steps,
               I8X_SWEEP_VALUES_MAX);
    for (int end = 0; end < 2; end++) { /* what lies between is fine if both ends are */
        i8x_recipe recipe;
        i8x_recipe_default(&recipe);
        range_text(axis, field, end, text);
        if (i8x_recipe_set(&recipe, axis->field, text) != I8X_OK)
            return i8x_fail_prefix("sweep axis '%s': ", axis->field);
    }
    return I8X_OK;
}

static i8x_status axis_check(const i8x_sweep *sweep, int index)
{
    const i8x_sweep_axis *axis = &sweep->axes[index];
    const i8x_field *field = field_of(axis->field);
    i8x_recipe recipe;
    i8x_recipe_default(&recipe);
    if (field == NULL)
        return i8x_recipe_set(&recipe, axis->field, ""); /* says which field is near */
    for (int i = 0; i < index; i++)
        I8X_ENSURE(strcmp(sweep->axes[i].field, axis->field) != 0, I8X_EARG,
                   "sweep axis '%s' is there twice", axis->field);
    if (axis->value_count == 0)
        return range_check(axis, field, sweep->search);
    I8X_ENSURE(axis->value_count <= I8X_SWEEP_VALUES_MAX, I8X_ELIMIT,
               "sweep axis '%s' has %d values; the limit is %d", axis->field, axis->value_count,
               I8X_SWEEP_VALUES_MAX);
    for (int i = 0; i < axis->value_count; i++)
        if (i8x_recipe_set(&recipe, axis->field, axis->values[i]) != I8X_OK)
            return i8x_fail_prefix("sweep axis '%s': ", axis->field);
    return I8X_OK;
}

/* Combinations of the axes; 0 if one of them is a range that is drawn from. */
static i8x_status combinations(const i8x_sweep *sweep, int64_t *count)
{
    *count = 1;
    for (int i = 0; i < sweep->axis_count; i++)
        I8X_ENSURE(i8x_mul_s64(*count, axis_size(&sweep->axes[i]), count) && *count <= INT32_MAX,
                   I8X_ELIMIT, "a sweep of more than %d combinations", INT32_MAX);
    return I8X_OK;
}

static i8x_status trials_check(const i8x_sweep *sweep, int *count)
{
    int64_t all;
    I8X_TRY(combinations(sweep, &all));
    bool grid = sweep->search == I8X_SEARCH_GRID;
    int64_t wanted = grid ? all : sweep->trials;
    I8X_ENSURE(grid || sweep->trials > 0, I8X_EARG,
               "a random sweep wants trials, a number from 1 to %d", I8X_SWEEP_TRIALS_MAX);
    I8X_ENSURE(wanted <= I8X_SWEEP_TRIALS_MAX, I8X_ELIMIT,
               "a sweep of %lld trials; the limit is %d%s", (long long)wanted, I8X_SWEEP_TRIALS_MAX,
               grid ? ": take a random search" : "");
    I8X_ENSURE(grid || all == 0 || wanted <= all, I8X_ELIMIT,
               "%lld trials of a space of %lld combinations", (long long)wanted, (long long)all);
    I8X_ENSURE(!grid || sweep->trials == 0 || wanted <= sweep->trials, I8X_ELIMIT,
               "the grid has %lld trials, %d are allowed", (long long)wanted, sweep->trials);
    *count = (int)wanted;
    return I8X_OK;
}

i8x_status i8x_sweep_count(const i8x_sweep *sweep, int *count)
{
    I8X_ENSURE((unsigned)sweep->search < I8X_SEARCH_COUNT, I8X_EARG, "search %d",
               (int)sweep->search);
    I8X_ENSURE(sweep->axis_count > 0, I8X_EARG, "a sweep wants an axis: a field and its values");
    I8X_ENSURE(sweep->axis_count <= I8X_SWEEP_AXES_MAX, I8X_ELIMIT,
               "a sweep of %d axes; the limit is %d", sweep->axis_count, I8X_SWEEP_AXES_MAX);
    for (int i = 0; i < sweep->axis_count; i++)
        I8X_TRY(axis_check(sweep, i));
    I8X_TRY(trials_check(sweep, count));
    i8x_recipe recipe;
    for (int i = 0; i < *count; i++)
        I8X_TRY(i8x_sweep_trial(sweep, i, &recipe));
    return I8X_OK;
}

/* ---- trials ---- */

/* Position of the index-th trial in the seeded order of `count` positions. */
static int64_t shuffled(uint64_t seed, int64_t count, int64_t index)
{
    int half = 1;
    while ((INT64_C(1) << (2 * half)) < count)
        half++;
    uint64_t mask = (UINT64_C(1) << half) - 1, at = (uint64_t)index;
    do {
        uint64_t left = at >> half, right = at & mask;
        for (uint64_t round = 0; round < FEISTEL_ROUNDS; round++) {
            uint64_t next = left ^ (i8x_rng_u64(i8x_rng_stream(seed, round), right) & mask);
            left = right;
            right = next;
        }
        at = left << half | right;
    } while (at >= (uint64_t)count); /* ends: a permutation leads back into the positions */
    return (int64_t)at;
}

static i8x_status set_position(const i8x_sweep *sweep, int64_t position, i8x_recipe *recipe)
{
    for (int i = sweep->axis_count; i-- > 0;) {
        int size = axis_size(&sweep->axes[i]);
        I8X_TRY(axis_set(&sweep->axes[i], (int)(position % size), recipe));
        position /= size;
    }
    return I8X_OK;
}

static uint64_t name_stream(const char *name) /* FNV-1a */
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (; *name != 0; name++)
        hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001B3);
    return hash;
}

/* Each axis has its own sequence, named after its field: another axis changes no draw of it. */
static i8x_status set_drawn(const i8x_sweep *sweep, int index, i8x_recipe *recipe)
{
    char text[I8X_SWEEP_TEXT_MAX];
    for (int i = 0; i < sweep->axis_count; i++) {
        const i8x_sweep_axis *axis = &sweep->axes[i];
        uint64_t seed = i8x_rng_stream(sweep->seed, name_stream(axis->field));
        double share = i8x_rng_f64(seed, (uint64_t)index);
        int size = axis_size(axis);
        if (size > 0) {
            I8X_TRY(axis_set(axis, (int)(share * size), recipe));
            continue;
        }
        range_text(axis, field_of(axis->field), share, text);
        I8X_TRY(i8x_recipe_set(recipe, axis->field, text));
    }
    return I8X_OK;
}

i8x_status i8x_sweep_trial(const i8x_sweep *sweep, int index, i8x_recipe *recipe)
{
    int64_t all;
    I8X_TRY(combinations(sweep, &all));
    *recipe = sweep->base;
    if (all == 0)
        I8X_TRY(set_drawn(sweep, index, recipe));
    else if (sweep->search == I8X_SEARCH_RANDOM)
        I8X_TRY(set_position(sweep, shuffled(i8x_rng_stream(sweep->seed, ORDER_STREAM), all, index),
                             recipe));
    else
        I8X_TRY(set_position(sweep, index, recipe));
    i8x_status status = i8x_recipe_check(recipe);
    return status == I8X_OK ? I8X_OK : i8x_fail_prefix("trial %d: ", index);
}

/* ---- results ---- */

static const char *const metric_names[] = {
#define X(name, text, sentence) text,
    I8X_SWEEP_METRIC_LIST(X)
#undef X
};

const char *i8x_sweep_metric_name(i8x_sweep_metric metric)
{
    return (unsigned)metric < I8X_SWEEP_METRIC_COUNT ? metric_names[metric] : "?";
}

i8x_status i8x_sweep_metric_parse(const char *text, i8x_sweep_metric *metric)
{
    for (int i = 0; i < I8X_SWEEP_METRIC_COUNT; i++) {
        if (strcmp(text, metric_names[i]) == 0) {
            *metric = (i8x_sweep_metric)i;
            return I8X_OK;
        }
    }
    I8X_FAIL(I8X_EARG, "metric '%.60s': sqnr, agreement or top1 is wanted", text);
}

static void keep_least(double *figure, double value, bool known)
{
    if (known && !(*figure <= value))
        *figure = value;
}

i8x_sweep_point i8x_sweep_point_of(const i8x_report *report)
{
    i8x_sweep_point point = {{NAN, NAN, NAN}, report->artifact_bytes};
    for (int i = 0; i < report->output_count; i++) {
        const i8x_report_output *output = &report->outputs[i];
        keep_least(&point.figures[I8X_SWEEP_METRIC_SQNR], output->sqnr_db, true);
        keep_least(&point.figures[I8X_SWEEP_METRIC_AGREEMENT], output->agreement,
                   output->agreement >= 0);
        keep_least(&point.figures[I8X_SWEEP_METRIC_TOP1], output->top1_quantized,
                   output->top1_quantized >= 0);
    }
    return point;
}

typedef struct ranked {
    double figure;
    uint64_t size_bytes;
    int index;
} ranked;

/* Small first; of one size the better first. */
static int by_size(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->size_bytes != y->size_bytes)
        return x->size_bytes < y->size_bytes ? -1 : 1;
    return x->figure > y->figure ? -1 : x->figure < y->figure;
}

i8x_status i8x_sweep_pareto(const i8x_sweep_point *points, int count, i8x_sweep_metric metric,
                            bool *front)
{
    if (count == 0)
        return I8X_OK;
    ranked *order = i8x_alloc_array(i8x_alloc_heap(), (size_t)count, sizeof *order);
    I8X_TRY(i8x_alloc_check(order));
    int known = 0;
    for (int i = 0; i < count; i++) {
        double figure = points[i].figures[metric];
        front[i] = false;
        if (!isnan(figure))
            order[known++] = (ranked){figure, points[i].size_bytes, i};
    }
    qsort(order, (size_t)known, sizeof *order, by_size);
    const ranked *last = NULL; /* last one on the front: the best so far */
    for (int i = 0; i < known; i++) {
        bool equal = last != NULL && order[i].figure == last->figure &&
                     order[i].size_bytes == last->size_bytes;
        if (last != NULL && !equal && order[i].figure <= last->figure)
            continue;
        front[order[i].index] = true;
        last = &order[i];
    }
    i8x_alloc_free(i8x_alloc_heap(), order, (size_t)count * sizeof *order);
    return I8X_OK;
}

int i8x_sweep_best(const i8x_sweep_point *points, int count, i8x_sweep_metric metric)
{
    int best = -1;
    for (int i = 0; i < count; i++) {
        double figure = points[i].figures[metric];
        double most = best >= 0 ? points[best].figures[metric] : -INFINITY;
        if (isnan(figure))
            continue;
        if (best < 0 || figure > most ||
            (figure == most && points[i].size_bytes < points[best].size_bytes))
            best = i;
    }
    return best;
}
