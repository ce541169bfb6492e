/* SPDX-License-Identifier: Apache-2.0
 *
 * The specification of a sweep as JSON. A value of an axis is written as the recipe has it: a text
 * or a number.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "int8x/alloc.h"
#include "proto/json.h"

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

/* Whole number of a member, or 0 if it is missing. */
static i8x_status whole(const i8x_json *json, const char *name, double max, double *number)
{
    const i8x_json *member = i8x_json_member(json, name);
    *number = 0;
    if (member == NULL)
        return I8X_OK;
    I8X_ENSURE(i8x_json_number(member, number) && *number >= 0 && *number <= max &&
                   *number == floor(*number),
               I8X_EARG, "sweep field '%s' must be a whole number from 0 to %.0f", name, max);
    return I8X_OK;
}

static i8x_status value_text(const i8x_json *item, const char *field, i8x_arena *arena,
                             const char **text)
{
    double number;
    *text = i8x_json_text(item);
    if (*text == NULL) {
        I8X_ENSURE(i8x_json_number(item, &number), I8X_EARG,
                   "sweep axis '%.60s': a value is a text or a number", field);
        bool plain = number == floor(number) && fabs(number) < 1e15;
        *text = i8x_arena_format(arena, plain ? "%.0f" : "%.17g", number);
    } else {
        *text = i8x_arena_string(arena, *text);
    }
    return i8x_alloc_check(*text);
}

static i8x_status read_list(const i8x_json *json, i8x_arena *arena, i8x_sweep_axis *axis)
{
    axis->value_count = i8x_json_count(json);
    I8X_ENSURE(axis->value_count > 0 && axis->value_count <= I8X_SWEEP_VALUES_MAX, I8X_ELIMIT,
               "sweep axis '%.60s' has %d values; 1 to %d are possible", axis->field,
               axis->value_count, I8X_SWEEP_VALUES_MAX);
    const char **values = i8x_arena_array(arena, (size_t)axis->value_count, sizeof *values);
    I8X_TRY(i8x_alloc_check(values));
    for (int i = 0; i < axis->value_count; i++)
        I8X_TRY(value_text(i8x_json_item(json, i), axis->field, arena, &values[i]));
    axis->values = values;
    return I8X_OK;
}

static i8x_status read_range(const i8x_json *json, i8x_sweep_axis *axis)
{
    static const char *const names[] = {"low", "high", "steps", "log"};
    double steps;
    I8X_TRY(i8x_json_check(json, "sweep range", names, COUNT(names)));
    I8X_ENSURE(i8x_json_number(i8x_json_member(json, "low"), &axis->low) &&
                   i8x_json_number(i8x_json_member(json, "high"), &axis->high),
               I8X_EARG, "sweep axis '%.60s': a range wants the numbers low and high", axis->field);
    I8X_TRY(whole(json, "steps", I8X_SWEEP_VALUES_MAX, &steps));
    axis->steps = (int)steps;
    axis->log = i8x_json_member_bool(json, "log", false);
    return I8X_OK;
}

static i8x_status read_space(const i8x_json *json, i8x_arena *arena, i8x_sweep *sweep)
{
    I8X_ENSURE(i8x_json_is_object(json), I8X_EARG,
               "a sweep wants the object 'space': a recipe field and its values a member");
    sweep->axis_count = i8x_json_count(json);
    I8X_ENSURE(sweep->axis_count <= I8X_SWEEP_AXES_MAX, I8X_ELIMIT,
               "a sweep of %d axes; the limit is %d", sweep->axis_count, I8X_SWEEP_AXES_MAX);
    sweep->axes = i8x_arena_array(arena, (size_t)sweep->axis_count, sizeof *sweep->axes);
    I8X_TRY(i8x_alloc_check(sweep->axes));
    for (int i = 0; i < sweep->axis_count; i++) {
        const i8x_json *member = i8x_json_item(json, i);
        i8x_sweep_axis *axis = &sweep->axes[i];
        axis->field = i8x_arena_string(arena, i8x_json_name(member));
        I8X_TRY(i8x_alloc_check(axis->field));
        I8X_ENSURE(i8x_json_is_list(member) || i8x_json_is_object(member), I8X_EARG,
                   "sweep axis '%.60s' must be a list of values or a range", axis->field);
        if (i8x_json_is_list(member))
            I8X_TRY(read_list(member, arena, axis));
        else
            I8X_TRY(read_range(member, axis));
    }
    return I8X_OK;
}

static i8x_status read_search(const i8x_json *json, i8x_search *search)
{
    const i8x_json *member = i8x_json_member(json, "search");
    const char *text = i8x_json_text(member);
    *search = I8X_SEARCH_GRID;
    if (member == NULL)
        return I8X_OK;
    while (*search < I8X_SEARCH_COUNT &&
           (text == NULL || strcmp(text, i8x_search_name(*search)) != 0))
        (*search)++;
    I8X_ENSURE(*search < I8X_SEARCH_COUNT, I8X_EARG,
               "sweep field 'search' must be \"grid\" or \"random\"");
    return I8X_OK;
}

i8x_status i8x_json_to_sweep(const i8x_json *json, i8x_arena *arena, i8x_sweep *sweep, int *count)
{
    static const char *const names[] = {"search", "seed", "trials", "base", "space"};
    double seed, trials;
    memset(sweep, 0, sizeof *sweep);
    i8x_recipe_default(&sweep->base);
    I8X_TRY(i8x_json_check(json, "sweep", names, COUNT(names)));
    I8X_TRY(read_search(json, &sweep->search));
    I8X_TRY(whole(json, "seed", 9007199254740992.0, &seed));
    I8X_TRY(whole(json, "trials", I8X_SWEEP_TRIALS_MAX, &trials));
    sweep->seed = (uint64_t)seed;
    sweep->trials = (int)trials;
    const i8x_json *base = i8x_json_member(json, "base");
    if (base != NULL)
        I8X_TRY(i8x_json_to_recipe(base, &sweep->base));
    I8X_TRY(read_space(i8x_json_member(json, "space"), arena, sweep));
    return i8x_sweep_count(sweep, count);
}

/* ---- results ---- */

typedef struct judged {
    i8x_sweep_point *points;
    bool *front;
    int best;
} judged;

static i8x_status judge(const i8x_sweep_row *rows, int count, i8x_sweep_metric metric,
                        i8x_arena *arena, judged *j)
{
    j->points = i8x_arena_array(arena, (size_t)count, sizeof *j->points);
    j->front = i8x_arena_array(arena, (size_t)count, sizeof *j->front);
    I8X_TRY(i8x_alloc_check(j->points));
    I8X_TRY(i8x_alloc_check(j->front));
    for (int i = 0; i < count; i++) {
        bool done = strcmp(rows[i].state, "done") == 0;
        j->points[i] = done ? rows[i].point : (i8x_sweep_point){{NAN, NAN, NAN}, 0};
    }
    j->best = i8x_sweep_best(j->points, count, metric);
    return i8x_sweep_pareto(j->points, count, metric, j->front);
}

static i8x_status put_fields(i8x_json *json, const i8x_sweep *sweep, const i8x_recipe *recipe)
{
    char text[I8X_SWEEP_TEXT_MAX];
    for (int i = 0; i < sweep->axis_count; i++) {
        const char *field = sweep->axes[i].field;
        I8X_TRY(i8x_recipe_get(recipe, field, text, sizeof text));
        i8x_json_put_text(json, field, text);
    }
    return I8X_OK;
}

static void put_done(i8x_json *json, const i8x_sweep_row *row, const i8x_sweep_point *point,
                     bool front)
{
    i8x_json_put_number(json, "sqnr_db", point->figures[I8X_SWEEP_METRIC_SQNR]);
    i8x_json_put_number(json, "agreement", point->figures[I8X_SWEEP_METRIC_AGREEMENT]);
    i8x_json_put_number(json, "top1", point->figures[I8X_SWEEP_METRIC_TOP1]);
    i8x_json_put_u64(json, "artifact_bytes", point->size_bytes);
    i8x_json_put_digest(json, "artifact_sha256", &row->artifact_sha256);
    i8x_json_put_digest(json, "result_sha256", &row->result_sha256);
    i8x_json_put_bool(json, "front", front);
}

static i8x_status put_trials(i8x_json *json, const i8x_sweep *sweep, const i8x_sweep_row *rows,
                             int count, const judged *j)
{
    i8x_recipe recipe;
    i8x_json *list = i8x_json_put_list(json, "trials");
    for (int i = 0; i < count; i++) {
        i8x_json *trial = i8x_json_put_object(list, NULL);
        I8X_TRY(i8x_sweep_trial(sweep, i, &recipe));
        i8x_json_put_u64(trial, "trial", (uint64_t)i);
        i8x_json_put_text(trial, "state", rows[i].state);
        if (rows[i].job != NULL)
            i8x_json_put_text(trial, "job", rows[i].job);
        I8X_TRY(put_fields(i8x_json_put_object(trial, "recipe"), sweep, &recipe));
        if (strcmp(rows[i].state, "done") == 0)
            put_done(trial, &rows[i], &j->points[i], j->front[i]);
        if (rows[i].detail != NULL)
            i8x_json_put_text(trial, "detail", rows[i].detail);
    }
    return I8X_OK;
}

static i8x_status put_all(i8x_json *json, const i8x_sweep *sweep, const i8x_sweep_row *rows,
                          int count, const judged *j)
{
    static const char *const ends[] = {"done", "failed", "canceled"};
    uint64_t done = 0;
    for (int i = 0; i < count; i++)
        for (size_t end = 0; end < sizeof ends / sizeof *ends; end++)
            done += strcmp(rows[i].state, ends[end]) == 0;
    i8x_json_put_u64(json, "count", (uint64_t)count);
    i8x_json_put_u64(json, "done", done);
    i8x_json *fields = i8x_json_put_list(json, "fields");
    for (int i = 0; i < sweep->axis_count; i++)
        i8x_json_put_text(fields, NULL, sweep->axes[i].field);
    I8X_TRY(put_trials(json, sweep, rows, count, j));
    if (j->best < 0) {
        i8x_json_put_null(json, "best");
        return I8X_OK;
    }
    i8x_recipe recipe;
    i8x_json_put_u64(json, "best", (uint64_t)j->best);
    I8X_TRY(i8x_sweep_trial(sweep, j->best, &recipe));
    i8x_json_put_recipe(json, "best_recipe", &recipe);
    return I8X_OK;
}

i8x_status i8x_json_put_sweep(i8x_json *json, const i8x_sweep *sweep, const i8x_sweep_row *rows,
                              int count, i8x_sweep_metric metric)
{
    i8x_arena *arena;
    judged j;
    i8x_json_put_text(json, "search", i8x_search_name(sweep->search));
    i8x_json_put_text(json, "metric", i8x_sweep_metric_name(metric));
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_status status = judge(rows, count, metric, arena, &j);
    if (status == I8X_OK)
        status = put_all(json, sweep, rows, count, &j);
    i8x_arena_free(arena);
    return status;
}
