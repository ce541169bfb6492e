/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics are a table: name, help, how to read one worker, how two of them make one. A gauge that
 * no worker knows (no thermometer) has no series.
 */
#include "daemon/worker_state.h"

#include <stdio.h>
#include <string.h>

#include "daemon/hub.h"
#include "daemon/study.h"
#include "int8x/alloc.h"

/* ---- messages ---- */

void i8x_worker_state_deinit(i8x_worker_state *state)
{
    i8x_alloc_free(i8x_alloc_heap(), state->held, state->held_capacity * sizeof *state->held);
    state->held = NULL;
    state->held_count = state->held_capacity = 0;
}

static void keep_held(i8x_worker_state *state, const i8x_wire_held *held, size_t count)
{
    if (count > state->held_capacity) {
        i8x_wire_held *rows = i8x_alloc_array(i8x_alloc_heap(), count, sizeof *rows);
        I8X_ASSERT(rows != NULL);
        i8x_worker_state_deinit(state);
        state->held = rows;
        state->held_capacity = count;
    }
    if (count > 0)
        memcpy(state->held, held, count * sizeof *held);
    state->held_count = count;
}

void i8x_worker_state_hello(i8x_worker_state *state, const i8x_wire_hello *hello, int64_t now_ms)
{
    state->seen_ms = now_ms;
    keep_held(state, hello->held, hello->held_count);
    if (!hello->has_device)
        return;
    const i8x_wire_device *device = &hello->device;
    snprintf(state->model, sizeof state->model, "%s", device->model);
    snprintf(state->version, sizeof state->version, "%s", device->version);
    snprintf(state->features, sizeof state->features, "%s", device->features);
    state->machine_bytes = device->memory_bytes;
    state->threads = device->threads;
}

void i8x_worker_state_renew(i8x_worker_state *state, const i8x_wire_renew *renew, int64_t now_ms)
{
    state->seen_ms = now_ms;
    keep_held(state, renew->held, renew->held_count);
    state->has_status = renew->has_status;
    if (!renew->has_status)
        return;
    state->status = renew->status;
    snprintf(state->reason, sizeof state->reason, "%s", renew->status.reason);
    snprintf(state->hottest, sizeof state->hottest, "%s", renew->status.hottest);
    state->status.reason = state->reason;
    state->status.hottest = state->hottest;
}

/* ---- a row of /v1/workers ---- */

static void put_frequency(const i8x_wire_status *status, i8x_json *row)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } reasons[] = {
#define X(name, text, bit) {text, bit},
        I8X_WIRE_THROTTLE_LIST(X)
#undef X
    };
    if (status->frequency_hz != 0)
        i8x_json_put_u64(row, "frequency_hertz", status->frequency_hz);
    if (status->frequency_max_hz != 0)
        i8x_json_put_u64(row, "frequency_max_hertz", status->frequency_max_hz);
    i8x_json *list = i8x_json_put_list(row, "throttled");
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if ((status->throttled & reasons[i].bit) != 0)
            i8x_json_put_text(list, NULL, reasons[i].name);
}

static void put_status(const i8x_wire_status *status, i8x_json *row)
{
    if (status->reason[0] != 0)
        i8x_json_put_text(row, "reason", status->reason);
    if (status->hottest[0] != 0) {
        i8x_json_put_number(row, "temperature_celsius", status->temperature_mc / 1000.0);
        i8x_json_put_text(row, "hottest", status->hottest);
    }
    put_frequency(status, row);
    if (status->load_known) {
        i8x_json_put_number(row, "load_ratio", status->load_permille / 1000.0);
        i8x_json_put_number(row, "load_others_ratio", status->load_others_permille / 1000.0);
    }
    if (status->memory_available_bytes != 0)
        i8x_json_put_u64(row, "memory_available_bytes", status->memory_available_bytes);
    if (status->power != I8X_WIRE_POWER_UNKNOWN)
        i8x_json_put_text(row, "power",
                          status->power == I8X_WIRE_POWER_MAINS ? "mains" : "battery");
    if (status->battery)
        i8x_json_put_u64(row, "battery_percent", status->battery_percent);
    i8x_json_put_u64(row, "cache_bytes", status->cache_bytes);
}

static void put_tasks(i8x_daemon *daemon, const i8x_worker_state *state, i8x_json *row)
{
    i8x_json *list = i8x_json_put_list(row, "tasks");
    for (size_t i = 0; i < state->held_count; i++) {
        const i8x_wire_held *held = &state->held[i];
        const uint8_t *bytes;
        size_t size;
        const i8x_task *task;
        const i8x_study_job *job;
        int index;
        if (!i8x_study_task(daemon->study, &held->key, &bytes, &size, &task, &job, &index))
            continue; /* committed since the worker's last word */
        i8x_json *entry = i8x_json_put_object(list, NULL);
        i8x_json_put_text(entry, "job", job->id);
        i8x_json_put_u64(entry, "task", (uint64_t)index);
        i8x_json_put_text(entry, "kind", i8x_task_kind_name(task->kind));
        i8x_json_put_bool(entry, "started", held->started);
        i8x_json_put_u64(entry, "done", held->done);
        i8x_json_put_u64(entry, "total", held->total);
    }
}

void i8x_worker_state_json(i8x_daemon *daemon, const i8x_worker_state *state, i8x_json *row)
{
    i8x_json_put_text(row, "model", state->model);
    i8x_json_put_text(row, "features", state->features);
    i8x_json_put_text(row, "version", state->version);
    i8x_json_put_u64(row, "threads", state->threads);
    i8x_json_put_u64(row, "machine_memory_bytes", state->machine_bytes);
    i8x_json_put_number(row, "seen_seconds_ago",
                        (double)(i8x_daemon_now_ms(daemon) - state->seen_ms) / 1000);
    i8x_wire_activity activity =
        state->has_status ? state->status.activity : I8X_WIRE_ACTIVITY_UNKNOWN;
    i8x_json_put_text(row, "state", i8x_wire_activity_name(activity));
    if (state->has_status)
        put_status(&state->status, row);
    put_tasks(daemon, state, row);
}

/* ---- metrics ---- */

typedef bool (*gauge_fn)(const i8x_daemon *daemon, const i8x_hub_worker *worker, double *value);

static bool temperature(const i8x_daemon *daemon, const i8x_hub_worker *worker, double *value)
{
    (void)daemon;
    *value = worker->state.status.temperature_mc / 1000.0;
    return worker->state.has_status && worker->state.hottest[0] != 0;
}

static bool frequency(const i8x_daemon *daemon, const i8x_hub_worker *worker, double *value)
{
    (void)daemon;
    *value = (double)worker->state.status.frequency_hz;
    return worker->state.has_status && *value > 0;
}

static bool throttled(const i8x_daemon *daemon, const i8x_hub_worker *worker, double *value)
{
    (void)daemon;
    *value = worker->state.status.throttled != 0;
    return worker->state.has_status;
}

static bool load_ratio(const i8x_daemon *daemon, const i8x_hub_worker *worker, double *value)
{
    (void)daemon;
    *value = worker->state.status.load_permille / 1000.0;
    return worker->state.has_status && worker->state.status.load_known;
}

static bool slots(const i8x_daemon *daemon, const i8x_hub_worker *worker, double *value)
{
    (void)daemon;
    *value = worker->slots;
    return true;
}

static bool leases(const i8x_daemon *daemon, const i8x_hub_worker *worker, double *value)
{
    *value = (double)i8x_sched_lease_count(daemon->sched, worker->session);
    return true;
}

static double greater(double a, double b)
{
    return a > b ? a : b;
}

static double sum(double a, double b)
{
    return a + b;
}

static const struct gauge {
    const char *name, *help;
    gauge_fn value;
    double (*join)(double a, double b); /* of those beyond the bound */
} gauges[] = {
    {"int8x_worker_temperature_celsius", "Hottest sensor of a worker.", temperature, greater},
    {"int8x_worker_frequency_hertz", "Clock of a worker's fastest cluster.", frequency, greater},
    {"int8x_worker_throttled", "1 while a worker's processor is held back.", throttled, greater},
    {"int8x_worker_load_ratio", "Share of a worker's processors in use.", load_ratio, greater},
    {"int8x_worker_slots", "Tasks that a worker runs at once.", slots, sum},
    {"int8x_worker_leases", "Tasks that a worker holds.", leases, sum},
};

static void print_gauge(i8x_daemon *daemon, const struct gauge *gauge, i8x_buffer *text)
{
    i8x_buffer_format(text, "# HELP %s %s\n# TYPE %s gauge\n", gauge->name, gauge->help,
                      gauge->name);
    double value, others = 0;
    bool any_others = false;
    int shown = 0;
    const i8x_hub_worker *oldest = i8x_hub_workers(daemon->hub);
    while (oldest != NULL && oldest->next != NULL)
        oldest = oldest->next;
    for (const i8x_hub_worker *worker = oldest; worker != NULL;
         worker = worker->previous, shown++) {
        if (!gauge->value(daemon, worker, &value))
            continue;
        if (shown < I8X_METRIC_WORKERS_MAX) {
            i8x_buffer_format(text, "%s{worker=\"%s\"} %.9g\n", gauge->name, worker->id, value);
        } else {
            others = any_others ? gauge->join(others, value) : value;
            any_others = true;
        }
    }
    if (any_others)
        i8x_buffer_format(text, "%s{worker=\"other\"} %.9g\n", gauge->name, others);
}

void i8x_worker_state_metrics(i8x_daemon *daemon, i8x_buffer *text)
{
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++)
        print_gauge(daemon, &gauges[i], text);
}
