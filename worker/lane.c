/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything a lane needs is its own: link lane, HTTP connection, buffers. A transfer that fails is
 * tried again: a coordinator that restarts is worth waiting for, since what has been computed would
 * be lost.
 */
#include "worker/lane.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "int8x/log.h"
#include "int8x/task.h"

#define ARENA_MAX (32u << 20)

/* Points in the life of a lease; a line of the courier's log tells the time between them. */
typedef enum lane_mark { MARK_TAKEN, MARK_FETCHED, MARK_RAN, MARK_UPLOADED, MARK_COUNT } lane_mark;

struct i8x_lane {
    const i8x_lane_env *env;
    int number;
    pthread_t thread;
    bool thread_runs;
    i8x_bulk *bulk;
    char bulk_url[I8X_WIRE_URL_MAX + 1];
    i8x_arena *arena;
    i8x_buffer result;
    i8x_lease *lease; /* in hand */
    i8x_task task;    /* what it is; lives in the arena */
    int *pins;        /* [pin_count] of inputs that are there */
    int pin_count;
    int64_t marks_ns[MARK_COUNT];
};

static void mark(i8x_lane *lane, lane_mark which)
{
    lane->marks_ns[which] = i8x_clock_now_ns(NULL);
}

/* ---- blobs ---- */

static i8x_status bulk_ready(i8x_lane *lane)
{
    i8x_session_terms terms;
    I8X_ENSURE(i8x_session_terms_get(lane->env->session, &terms), I8X_EUNREACHABLE,
               "no session yet");
    if (lane->bulk != NULL && strcmp(lane->bulk_url, terms.http_url) == 0)
        return I8X_OK;
    i8x_bulk_free(lane->bulk);
    lane->bulk = NULL;
    snprintf(lane->bulk_url, sizeof lane->bulk_url, "%s", terms.http_url);
    i8x_bulk_trust trust = i8x_credential_bulk(lane->env->credential);
    return i8x_bulk_new(terms.http_url, &trust, &lane->bulk);
}

static bool canceled(void *user)
{
    const i8x_lane *lane = user;
    return i8x_intake_canceled(lane->env->intake, lane->lease);
}

/* True if a transfer that failed so is worth another try, after a pause. */
static bool try_again(i8x_lane *lane, i8x_status status, int tries)
{
    if (status == I8X_OK || status == I8X_ELIMIT || canceled(lane))
        return false;
    bool away = status == I8X_EUNREACHABLE;
    if (tries >= (away ? I8X_BULK_AWAY_TRIES : I8X_BULK_TRIES) ||
        (away && i8x_intake_stopping(lane->env->intake)))
        return false;
    int pause_ms = i8x_session_pause_ms(tries, away ? I8X_REJOIN_MAX_MS : I8X_FETCH_RETRY_MS);
    struct timespec pause = {pause_ms / 1000, (long)(pause_ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
    return true;
}

static i8x_status fetch(i8x_lane *lane, const i8x_blob_ref *ref, int *pin)
{
    if (i8x_cache_find(lane->env->cache, ref, pin))
        return I8X_OK;
    i8x_intake_pass(lane->env->intake);
    i8x_status status;
    int tries = 0;
    do {
        status = bulk_ready(lane);
        if (status == I8X_OK)
            status = i8x_cache_acquire(lane->env->cache, lane->bulk, ref, pin);
    } while (try_again(lane, status, ++tries));
    return status;
}

static i8x_status upload(i8x_lane *lane, const i8x_blob_ref *ref)
{
    char path[I8X_CACHE_PATH_SIZE];
    i8x_cache_path(lane->env->opts->cache, ref, path);
    i8x_status status;
    int tries = 0;
    do {
        status = bulk_ready(lane);
        if (status == I8X_OK)
            status = i8x_bulk_put(lane->bulk, &ref->digest, path);
    } while (try_again(lane, status, ++tries));
    return status;
}

static i8x_status upload_outputs(i8x_lane *lane, i8x_pool_failure *failure)
{
    i8x_task_result result = {0};
    if (i8x_task_result_decode(lane->result.bytes, lane->result.size, &result) != I8X_OK)
        return i8x_pool_failed(failure, I8X_WIRE_CAUSE_CRASH, I8X_EINTERNAL);
    i8x_status status = I8X_OK;
    for (int i = 0; i < result.output_count && status == I8X_OK; i++) {
        int pin;
        status = i8x_cache_adopt(lane->env->cache, &result.outputs[i].ref, &pin);
        if (status != I8X_OK)
            break;
        status = upload(lane, &result.outputs[i].ref);
        i8x_cache_release(lane->env->cache, pin);
    }
    i8x_task_result_deinit(&result);
    return status == I8X_OK ? I8X_OK : i8x_pool_failed(failure, I8X_WIRE_CAUSE_FETCH, status);
}

/* ---- one lease ---- */

static void progress(void *user, uint64_t done, uint64_t total)
{
    const i8x_lane *lane = user;
    i8x_intake_progress(lane->env->intake, lane->lease, done, total);
}

static bool wanted(void *user)
{
    const i8x_lane *lane = user;
    return i8x_intake_wanted(lane->env->intake, lane->lease);
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The slot turns out to need an input that was left out. */
static i8x_status fetch_late(void *user, uint32_t input)
{
    i8x_lane *lane = user;
    I8X_ENSURE(input < (uint32_t)lane->task.input_count &&
                   i8x_task_input_is_late(&lane->task, (int)input) &&
                   lane->pin_count <= lane->task.input_count,
               I8X_EFORMAT, "a slot asks for input %u", input);
    I8X_TRY(fetch(lane, &lane->task.inputs[input].ref, &lane->pins[lane->pin_count]));
    lane->pin_count++;
    return I8X_OK;
}

/* In a slot; its encoded result is then in lane->result. */
static i8x_status run_in_slot(i8x_lane *lane, i8x_pool_failure *failure)
{
    const i8x_lane_env *env = lane->env;
    i8x_session_terms terms;
    i8x_session_terms_get(env->session, &terms);
    i8x_pool_run run = {.task = lane->lease->task,
                        .task_size = lane->lease->task_size,
                        .memory_bytes = lesser(env->opts->memory_bytes, terms.task_memory_bytes),
                        .seconds = lesser(env->opts->task_seconds, terms.task_seconds),
                        .threads = env->opts->threads,
                        .level = env->opts->level,
                        .probes = env->opts->probes,
                        .canceled = canceled,
                        .progress = progress,
                        .need = fetch_late,
                        .user = lane};
    i8x_pool_child *child = i8x_pool_acquire(env->pool, wanted, lane);
    i8x_status status;
    if (!i8x_pool_awaited(env->pool))
        i8x_intake_pass(env->intake); /* the next one gets ready */
    if (child != NULL && i8x_intake_started(env->intake, lane->lease)) {
        status = i8x_pool_child_run(child, &run, &lane->result, failure);
    } else {
        snprintf(failure->detail, sizeof failure->detail, "given back before it was started");
        status = i8x_pool_failed(failure, I8X_WIRE_CAUSE_CANCELED, I8X_ECANCELED);
    }
    if (child != NULL)
        i8x_pool_release(env->pool, child);
    return status;
}

static i8x_status fetch_inputs(i8x_lane *lane)
{
    i8x_status status = I8X_OK;
    for (int i = 0; i < lane->task.input_count && status == I8X_OK; i++) {
        if (i8x_task_input_is_late(&lane->task, i))
            continue;
        status = fetch(lane, &lane->task.inputs[i].ref, &lane->pins[lane->pin_count]);
        lane->pin_count += status == I8X_OK;
    }
    return status;
}

static i8x_status run_task(i8x_lane *lane, i8x_pool_failure *failure)
{
    const i8x_lease *lease = lane->lease;
    if (i8x_task_decode(lease->task, lease->task_size, lane->arena, &lane->task) != I8X_OK)
        return i8x_pool_failed(failure, I8X_WIRE_CAUSE_TASK, i8x_last_error()->status);
    lane->pin_count = 0;
    lane->pins =
        i8x_arena_array(lane->arena, (size_t)lane->task.input_count + 1, sizeof *lane->pins);
    if (lane->pins == NULL)
        return i8x_pool_failed(failure, I8X_WIRE_CAUSE_MEMORY, I8X_ENOMEM);
    i8x_status status = fetch_inputs(lane);
    mark(lane, MARK_FETCHED);
    if (status != I8X_OK)
        i8x_pool_failed(failure, I8X_WIRE_CAUSE_FETCH, status);
    else
        status = run_in_slot(lane, failure);
    mark(lane, MARK_RAN);
    for (int i = 0; i < lane->pin_count; i++)
        i8x_cache_release(lane->env->cache, lane->pins[i]);
    return status == I8X_OK ? upload_outputs(lane, failure) : status;
}

/* Tells why there is no result; the answer may bring the next leases. */
static void report_failure(i8x_lane *lane, const i8x_pool_failure *failure)
{
    i8x_intake *intake = lane->env->intake;
    uint64_t epoch;
    uint32_t want = i8x_intake_report(intake, &lane->lease, 1, &epoch);
    i8x_wire_message answer,
        message = {.type = I8X_WIRE_FAIL,
                   .u.fail = {lane->lease->key, epoch, failure->cause, failure->status,
                              failure->detail, failure->tail, want}};
    char quoted[2 * I8X_WIRE_DETAIL_MAX];
    i8x_log(I8X_LOG_WARN, "task_failed", "lane=%d cause=%s status=%s detail=%s", lane->number,
            i8x_wire_cause_name(failure->cause), i8x_status_name(failure->status),
            i8x_log_quote(failure->detail, quoted, sizeof quoted));
    i8x_status told =
        i8x_session_call(lane->env->session, lane->number, &message, -1, lane->arena, &answer);
    bool good = told == I8X_OK && answer.type == I8X_WIRE_COMMITTED;
    i8x_intake_finish(intake, lane->lease);
    i8x_intake_put(intake, want, good ? answer.u.committed.grants : NULL,
                   good ? answer.u.committed.grant_count : 0);
}

static int64_t between_us(const i8x_lane *lane, lane_mark from, lane_mark to)
{
    return (lane->marks_ns[to] - lane->marks_ns[from]) / 1000;
}

static void hand_over(i8x_lane *lane)
{
    i8x_parcel parcel = {.lease = lane->lease,
                         .result = lane->result,
                         .lane = lane->number,
                         .fetch_us = between_us(lane, MARK_TAKEN, MARK_FETCHED),
                         .slot_us = between_us(lane, MARK_FETCHED, MARK_RAN),
                         .upload_us = between_us(lane, MARK_RAN, MARK_UPLOADED),
                         .ready_ns = lane->marks_ns[MARK_UPLOADED]};
    i8x_buffer_init(&lane->result, I8X_SLOT_FRAME_MAX);
    i8x_courier_put(lane->env->courier, &parcel);
}

static void *lane_main(void *user)
{
    i8x_lane *lane = user;
    i8x_arena_mark start = i8x_arena_mark_get(lane->arena);
    while ((lane->lease = i8x_intake_take(lane->env->intake)) != NULL) {
        i8x_pool_failure failure = {.cause = I8X_WIRE_CAUSE_TASK};
        memset(lane->marks_ns, 0, sizeof lane->marks_ns);
        mark(lane, MARK_TAKEN);
        i8x_status status = run_task(lane, &failure);
        mark(lane, MARK_UPLOADED);
        if (status == I8X_OK)
            hand_over(lane);
        else
            report_failure(lane, &failure);
        i8x_arena_rewind(lane->arena, start);
    }
    return NULL;
}

i8x_status i8x_lane_new(const i8x_lane_env *env, int number, i8x_lane **lane)
{
    i8x_lane *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->env = env;
    made->number = number;
    i8x_buffer_init(&made->result, I8X_SLOT_FRAME_MAX);
    i8x_status status = i8x_arena_new(NULL, ARENA_MAX, &made->arena);
    if (status == I8X_OK)
        made->thread_runs = pthread_create(&made->thread, NULL, lane_main, made) == 0;
    if (status == I8X_OK && !made->thread_runs)
        status = i8x_fail(I8X_ENOMEM, __FILE__, __LINE__, "no thread for lane %d", number);
    if (status != I8X_OK) {
        i8x_lane_free(made);
        return status;
    }
    *lane = made;
    return I8X_OK;
}

void i8x_lane_free(i8x_lane *lane)
{
    if (lane == NULL)
        return;
    if (lane->thread_runs)
        pthread_join(lane->thread, NULL);
    i8x_bulk_free(lane->bulk);
    i8x_arena_free(lane->arena);
    i8x_buffer_deinit(&lane->result);
    i8x_alloc_free(i8x_alloc_heap(), lane, sizeof *lane);
}
