/* SPDX-License-Identifier: Apache-2.0
 *
 * Every resource of the service: where it is found, its columns, the sections of its description. A
 * new member of an answer is a row here.
 */
#include <string.h>

#include "client/cli/view/resource.h"

#define RIGHT I8X_COLUMN_RIGHT
#define WIDE I8X_COLUMN_WIDE

/* ---- jobs ---- */

static const i8x_column job_columns[] = {
    {"job", "id", I8X_CELL_PLAIN, 0},
    {"state", "state", I8X_CELL_PLAIN, 0},
    {"stage", "stage", I8X_CELL_PLAIN, 0},
    {"done", "done", I8X_CELL_PLAIN, RIGHT},
    {"tasks", "tasks", I8X_CELL_PLAIN, RIGHT},
    {"cached", "cached", I8X_CELL_PLAIN, RIGHT | WIDE},
    {"priority", "priority", I8X_CELL_PLAIN, RIGHT | WIDE},
    {"owner", "owner", I8X_CELL_PLAIN, WIDE},
    {"sweep", "sweep", I8X_CELL_PLAIN, WIDE},
    {"created", "created", I8X_CELL_PLAIN, 0},
    {"finished", "finished", I8X_CELL_PLAIN, WIDE},
    {"size", "artifact_bytes", I8X_CELL_BYTES, RIGHT | WIDE},
    {"model", "name", I8X_CELL_PLAIN, 0},
    {"error", "error.detail", I8X_CELL_PLAIN, WIDE},
    {"suspect", "suspect", I8X_CELL_PLAIN, WIDE},
};

static const i8x_column job_facts[] = {
    {"job", "id", I8X_CELL_PLAIN, 0},
    {"model", "name", I8X_CELL_PLAIN, 0},
    {"state", "state", I8X_CELL_PLAIN, 0},
    {"error", "error.detail", I8X_CELL_PLAIN, 0},
    {"error type", "error.type", I8X_CELL_PLAIN, 0},
    {"suspect", "suspect", I8X_CELL_PLAIN, 0},
    {"stage", "stage", I8X_CELL_PLAIN, 0},
    {"tasks", "tasks", I8X_CELL_PLAIN, 0},
    {"done", "done", I8X_CELL_PLAIN, 0},
    {"cached", "cached", I8X_CELL_PLAIN, 0},
    {"priority", "priority", I8X_CELL_PLAIN, 0},
    {"owner", "owner", I8X_CELL_PLAIN, 0},
    {"sweep", "sweep", I8X_CELL_PLAIN, 0},
    {"created", "created", I8X_CELL_PLAIN, 0},
    {"finished", "finished", I8X_CELL_PLAIN, 0},
    {"version", "version", I8X_CELL_PLAIN, WIDE},
    {"artifact", "artifact_sha256", I8X_CELL_PLAIN, 0},
    {"size", "artifact_bytes", I8X_CELL_BYTES, 0},
    {"result", "result_sha256", I8X_CELL_PLAIN, 0},
};

static const i8x_column input_facts[] = {
    {"model", "model.sha256", I8X_CELL_PLAIN, 0},
    {"model size", "model.size_bytes", I8X_CELL_BYTES, 0},
    {"calibration", "calib.sha256", I8X_CELL_PLAIN, 0},
    {"calibration size", "calib.size_bytes", I8X_CELL_BYTES, 0},
    {"evaluation", "eval.sha256", I8X_CELL_PLAIN, 0},
    {"evaluation size", "eval.size_bytes", I8X_CELL_BYTES, 0},
    {"labels", "labels.sha256", I8X_CELL_PLAIN, 0},
    {"labels size", "labels.size_bytes", I8X_CELL_BYTES, 0},
};

static const i8x_column stage_columns[] = {
    {"stage", "kind", I8X_CELL_PLAIN, 0},
    {"tasks", "tasks", I8X_CELL_PLAIN, RIGHT},
    {"done", "done", I8X_CELL_PLAIN, RIGHT},
    {"cached", "cached", I8X_CELL_PLAIN, RIGHT},
};

static const i8x_section job_sections[] = {
    {NULL, NULL, I8X_SECTION_FACTS, job_facts, I8X_COUNT(job_facts)},
    {"last words of the process", "error.tail", I8X_SECTION_LINES, NULL, 0},
    {"stages", "stages", I8X_SECTION_LIST, stage_columns, I8X_COUNT(stage_columns)},
    {"inputs", "job", I8X_SECTION_FACTS, input_facts, I8X_COUNT(input_facts)},
    {"recipe", "job.recipe", I8X_SECTION_RECIPE, NULL, 0},
};

/* ---- workers ---- */

static const i8x_column worker_columns[] = {
    {"worker", "id", I8X_CELL_PLAIN, 0},
    {"name", "name", I8X_CELL_PLAIN, 0},
    {"state", "state", I8X_CELL_PLAIN, 0},
    {"standing", "standing.state", I8X_CELL_PLAIN, 0},
    {"arch", "arch", I8X_CELL_PLAIN, 0},
    {"level", "level", I8X_CELL_PLAIN, 0},
    {"slots", "slots", I8X_CELL_PLAIN, RIGHT},
    {"leases", "leases", I8X_CELL_PLAIN, RIGHT},
    {"committed", "committed", I8X_CELL_PLAIN, RIGHT},
    {"failed", "failed", I8X_CELL_PLAIN, RIGHT},
    {"load", "load_ratio", I8X_CELL_SHARE, RIGHT},
    {"celsius", "temperature_celsius", I8X_CELL_TENTHS, RIGHT},
    {"throttled", "throttled", I8X_CELL_PLAIN, WIDE},
    {"model", "model", I8X_CELL_PLAIN, WIDE},
    {"cores", "cores", I8X_CELL_PLAIN, RIGHT | WIDE},
    {"memory", "machine_memory_bytes", I8X_CELL_BYTES, RIGHT | WIDE},
    {"free", "memory_available_bytes", I8X_CELL_BYTES, RIGHT | WIDE},
    {"frequency", "frequency_hertz", I8X_CELL_HERTZ, RIGHT | WIDE},
    {"power", "power", I8X_CELL_PLAIN, WIDE},
    {"battery %", "battery_percent", I8X_CELL_PLAIN, RIGHT | WIDE},
    {"cache", "cache_bytes", I8X_CELL_BYTES, RIGHT | WIDE},
    {"seen s ago", "seen_seconds_ago", I8X_CELL_TENTHS, RIGHT | WIDE},
    {"version", "version", I8X_CELL_PLAIN, WIDE},
    {"reason", "reason", I8X_CELL_PLAIN, WIDE},
    {"because", "standing.reason", I8X_CELL_PLAIN, WIDE},
};

static const i8x_column worker_facts[] = {
    {"worker", "id", I8X_CELL_PLAIN, 0},
    {"name", "name", I8X_CELL_PLAIN, 0},
    {"state", "state", I8X_CELL_PLAIN, 0},
    {"reason", "reason", I8X_CELL_PLAIN, 0},
    {"connected", "connected", I8X_CELL_PLAIN, 0},
    {"standing", "standing.state", I8X_CELL_PLAIN, 0},
    {"because", "standing.reason", I8X_CELL_PLAIN, 0},
    {"decided by", "standing.by", I8X_CELL_PLAIN, 0},
    {"decided", "standing.since", I8X_CELL_PLAIN, 0},
    {"slots", "slots", I8X_CELL_PLAIN, 0},
    {"leases", "leases", I8X_CELL_PLAIN, 0},
    {"committed", "committed", I8X_CELL_PLAIN, 0},
    {"failed", "failed", I8X_CELL_PLAIN, 0},
    {"seen s ago", "seen_seconds_ago", I8X_CELL_TENTHS, 0},
    {"version", "version", I8X_CELL_PLAIN, 0},
    {"kinds", "kinds", I8X_CELL_PLAIN, 0},
};

static const i8x_column machine_facts[] = {
    {"model", "model", I8X_CELL_PLAIN, 0},
    {"arch", "arch", I8X_CELL_PLAIN, 0},
    {"level", "level", I8X_CELL_PLAIN, 0},
    {"features", "features", I8X_CELL_PLAIN, WIDE},
    {"cores", "cores", I8X_CELL_PLAIN, 0},
    {"threads of a task", "threads", I8X_CELL_PLAIN, 0},
    {"memory", "machine_memory_bytes", I8X_CELL_BYTES, 0},
    {"memory free", "memory_available_bytes", I8X_CELL_BYTES, 0},
    {"memory of a task", "memory_bytes", I8X_CELL_BYTES, WIDE},
    {"cache", "cache_bytes", I8X_CELL_BYTES, 0},
    {"load", "load_ratio", I8X_CELL_SHARE, 0},
    {"load of others", "load_others_ratio", I8X_CELL_SHARE, 0},
    {"celsius", "temperature_celsius", I8X_CELL_TENTHS, 0},
    {"hottest", "hottest", I8X_CELL_PLAIN, 0},
    {"frequency", "frequency_hertz", I8X_CELL_HERTZ, 0},
    {"frequency at most", "frequency_max_hertz", I8X_CELL_HERTZ, 0},
    {"throttled", "throttled", I8X_CELL_PLAIN, 0},
    {"power", "power", I8X_CELL_PLAIN, 0},
    {"battery %", "battery_percent", I8X_CELL_PLAIN, 0},
};

static const i8x_column held_columns[] = {
    {"job", "job", I8X_CELL_PLAIN, 0},       {"task", "task", I8X_CELL_PLAIN, RIGHT},
    {"kind", "kind", I8X_CELL_PLAIN, 0},     {"started", "started", I8X_CELL_PLAIN, 0},
    {"done", "done", I8X_CELL_PLAIN, RIGHT}, {"of", "total", I8X_CELL_PLAIN, RIGHT},
};

static const i8x_section worker_sections[] = {
    {NULL, NULL, I8X_SECTION_FACTS, worker_facts, I8X_COUNT(worker_facts)},
    {"machine", NULL, I8X_SECTION_FACTS, machine_facts, I8X_COUNT(machine_facts)},
    {"tasks", "tasks", I8X_SECTION_LIST, held_columns, I8X_COUNT(held_columns)},
};

/* ---- tasks of a job ---- */

static const i8x_column task_columns[] = {
    {"task", "task", I8X_CELL_PLAIN, RIGHT},
    {"kind", "kind", I8X_CELL_PLAIN, 0},
    {"state", "state", I8X_CELL_PLAIN, 0},
    {"attempts", "attempts", I8X_CELL_PLAIN, RIGHT},
    {"worker", "worker", I8X_CELL_PLAIN, 0},
    {"ms", "wall_ms", I8X_CELL_PLAIN, RIGHT},
    {"cached", "cached", I8X_CELL_PLAIN, 0},
    {"failed on", "error.worker", I8X_CELL_PLAIN, WIDE},
    {"cause", "error.cause", I8X_CELL_PLAIN, WIDE},
    {"error", "error.detail", I8X_CELL_PLAIN, 0},
};

/* ---- sweeps ---- */

static const i8x_column sweep_columns[] = {
    {"sweep", "id", I8X_CELL_PLAIN, 0},        {"state", "state", I8X_CELL_PLAIN, 0},
    {"done", "done", I8X_CELL_PLAIN, RIGHT},   {"trials", "count", I8X_CELL_PLAIN, RIGHT},
    {"created", "created", I8X_CELL_PLAIN, 0}, {"finished", "finished", I8X_CELL_PLAIN, 0},
    {"model", "name", I8X_CELL_PLAIN, 0},      {"owner", "owner", I8X_CELL_PLAIN, WIDE},
};

static const i8x_column sweep_facts[] = {
    {"sweep", "id", I8X_CELL_PLAIN, 0},        {"model", "name", I8X_CELL_PLAIN, 0},
    {"state", "state", I8X_CELL_PLAIN, 0},     {"search", "search", I8X_CELL_PLAIN, 0},
    {"metric", "metric", I8X_CELL_PLAIN, 0},   {"trials", "count", I8X_CELL_PLAIN, 0},
    {"done", "done", I8X_CELL_PLAIN, 0},       {"owner", "owner", I8X_CELL_PLAIN, 0},
    {"created", "created", I8X_CELL_PLAIN, 0}, {"finished", "finished", I8X_CELL_PLAIN, 0},
};

static const i8x_section sweep_sections[] = {
    {NULL, NULL, I8X_SECTION_FACTS, sweep_facts, I8X_COUNT(sweep_facts)},
    {"trials", NULL, I8X_SECTION_TRIALS, NULL, 0},
    {"recipe of the best trial", "best_recipe", I8X_SECTION_RECIPE, NULL, 0},
};

/* ---- the table ---- */

static const i8x_resource resources[] = {
    {.one = "job",
     .many = "jobs",
     .collection = "/v1/jobs",
     .states = "running|paused|done|failed|canceled",
     .columns = job_columns,
     .column_count = I8X_COUNT(job_columns),
     .sections = job_sections,
     .section_count = I8X_COUNT(job_sections)},
    {.one = "worker",
     .many = "workers",
     .collection = "/v1/workers",
     .by_name = true,
     .columns = worker_columns,
     .column_count = I8X_COUNT(worker_columns),
     .sections = worker_sections,
     .section_count = I8X_COUNT(worker_sections)},
    {.one = "sweep",
     .many = "sweeps",
     .collection = "/v1/sweeps",
     .columns = sweep_columns,
     .column_count = I8X_COUNT(sweep_columns),
     .sections = sweep_sections,
     .section_count = I8X_COUNT(sweep_sections)},
    {.one = "task",
     .many = "tasks",
     .states = "blocked|ready|held|leased|waiting|committing|done|dead|dropped",
     .inside = true,
     .columns = task_columns,
     .column_count = I8X_COUNT(task_columns)},
};

i8x_status i8x_resource_find(const char *word, const i8x_resource **resource)
{
    const char *words[2 * I8X_COUNT(resources)];
    for (int i = 0; i < I8X_COUNT(resources); i++) {
        words[2 * i] = resources[i].many;
        words[2 * i + 1] = resources[i].one;
        *resource = &resources[i];
        if (strcmp(word, words[2 * i]) == 0 || strcmp(word, words[2 * i + 1]) == 0)
            return I8X_OK;
    }
    I8X_FAIL(I8X_EARG, "'%.60s' is none of " I8X_RESOURCE_WORDS "; the nearest is '%s'", word,
             i8x_nearest(word, words, I8X_COUNT(words)));
}
