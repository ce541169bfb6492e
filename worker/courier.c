/* SPDX-License-Identifier: Apache-2.0
 *
 * A list under a mutex, and threads that each take all of it that fits into one message.
 */
#include "worker/courier.h"

#include <pthread.h>
#include <stdio.h>

#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "int8x/log.h"

#define ARENA_MAX (32u << 20)

typedef struct waiting_parcel {
    struct waiting_parcel *next;
    i8x_parcel parcel;
} waiting_parcel;

/* One message. */
typedef struct courier_load {
    waiting_parcel *parcels[I8X_WIRE_RESULTS_MAX];
    i8x_lease *leases[I8X_WIRE_RESULTS_MAX];
    uint64_t epochs[I8X_WIRE_RESULTS_MAX];
    i8x_wire_item items[I8X_WIRE_RESULTS_MAX];
    size_t count;
} courier_load;

typedef struct courier_thread {
    i8x_courier *courier;
    int lane;
    pthread_t thread;
    bool runs;
} courier_thread;

struct i8x_courier {
    i8x_session *session;
    i8x_intake *intake;
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    waiting_parcel *first, *last;
    bool ending;
    courier_thread threads[I8X_COURIERS];
};

/* ---- loading ---- */

/* Under the mutex. What does not fit waits for the next message; one result always fits. */
static void load_up(i8x_courier *courier, size_t most, courier_load *load)
{
    size_t bytes = 0;
    load->count = 0;
    while (courier->first != NULL && load->count < most) {
        waiting_parcel *parcel = courier->first;
        bytes += parcel->parcel.result.size;
        if (load->count > 0 && bytes > I8X_WIRE_BATCH_MAX)
            break;
        courier->first = parcel->next;
        load->leases[load->count] = parcel->parcel.lease;
        load->parcels[load->count++] = parcel;
    }
    if (courier->first == NULL)
        courier->last = NULL;
}

/* False: nothing is left, and nothing will come. */
static bool wait_load(i8x_courier *courier, courier_load *load)
{
    i8x_session_terms terms;
    i8x_session_terms_get(courier->session, &terms);
    pthread_mutex_lock(&courier->mutex);
    while (courier->first == NULL && !courier->ending)
        pthread_cond_wait(&courier->filled, &courier->mutex);
    load_up(courier, terms.results > 0 ? terms.results : 1, load);
    pthread_mutex_unlock(&courier->mutex);
    return load->count > 0;
}

/* ---- delivery ---- */

static void log_refused(const i8x_wire_committed *answer)
{
    char quoted[2 * I8X_WIRE_DETAIL_MAX];
    for (size_t i = 0; i < answer->state_count; i++)
        if (answer->states[i] == I8X_WIRE_STATE_REFUSED)
            i8x_log(I8X_LOG_WARN, "result_refused", "detail=%s",
                    i8x_log_quote(answer->detail, quoted, sizeof quoted));
}

static void unload(const i8x_courier *courier, courier_load *load)
{
    int64_t now_ns = i8x_clock_now_ns(NULL);
    for (size_t i = 0; i < load->count; i++) {
        i8x_parcel *parcel = &load->parcels[i]->parcel;
        i8x_log(I8X_LOG_DEBUG, "task_times",
                "lane=%d fetch_us=%lld slot_us=%lld upload_us=%lld answer_us=%lld", parcel->lane,
                (long long)parcel->fetch_us, (long long)parcel->slot_us,
                (long long)parcel->upload_us, (long long)(now_ns - parcel->ready_ns) / 1000);
        i8x_intake_finish(courier->intake, parcel->lease);
        i8x_buffer_deinit(&parcel->result);
        i8x_alloc_free(i8x_alloc_heap(), load->parcels[i], sizeof *load->parcels[i]);
    }
}

/* The answer may bring the next leases. */
static void deliver(const courier_thread *thread, courier_load *load, i8x_arena *arena)
{
    const i8x_courier *courier = thread->courier;
    uint32_t want = i8x_intake_report(courier->intake, load->leases, load->count, load->epochs);
    for (size_t i = 0; i < load->count; i++) {
        const i8x_buffer *result = &load->parcels[i]->parcel.result;
        load->items[i] =
            (i8x_wire_item){load->leases[i]->key, load->epochs[i], result->bytes, result->size};
    }
    i8x_wire_message answer,
        message = {.type = I8X_WIRE_RESULT, .u.result = {load->items, load->count, want}};
    i8x_status told =
        i8x_session_call(courier->session, thread->lane, &message, -1, arena, &answer);
    bool good = told == I8X_OK && answer.type == I8X_WIRE_COMMITTED;
    unload(courier, load);
    if (good)
        log_refused(&answer.u.committed);
    i8x_intake_put(courier->intake, want, good ? answer.u.committed.grants : NULL,
                   good ? answer.u.committed.grant_count : 0);
}

static void *courier_main(void *user)
{
    const courier_thread *thread = user;
    courier_load load;
    i8x_arena *arena = NULL;
    if (i8x_arena_new(NULL, ARENA_MAX, &arena) != I8X_OK)
        return NULL;
    i8x_arena_mark start = i8x_arena_mark_get(arena);
    while (wait_load(thread->courier, &load)) {
        deliver(thread, &load, arena);
        i8x_arena_rewind(arena, start);
    }
    i8x_arena_free(arena);
    return NULL;
}

void i8x_courier_put(i8x_courier *courier, const i8x_parcel *parcel)
{
    waiting_parcel *waiting = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *waiting);
    I8X_ASSERT(waiting != NULL);
    waiting->parcel = *parcel;
    pthread_mutex_lock(&courier->mutex);
    if (courier->last != NULL)
        courier->last->next = waiting;
    else
        courier->first = waiting;
    courier->last = waiting;
    pthread_mutex_unlock(&courier->mutex);
    pthread_cond_signal(&courier->filled);
}

/* ---- life ---- */

i8x_status i8x_courier_new(i8x_session *session, i8x_intake *intake, int lane,
                           i8x_courier **courier)
{
    i8x_courier *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->session = session;
    made->intake = intake;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->filled, NULL);
    for (int i = 0; i < I8X_COURIERS; i++) {
        courier_thread *thread = &made->threads[i];
        thread->courier = made;
        thread->lane = lane + i;
        thread->runs = pthread_create(&thread->thread, NULL, courier_main, thread) == 0;
        if (!thread->runs) {
            i8x_courier_free(made);
            I8X_FAIL(I8X_ENOMEM, "no thread for results");
        }
    }
    *courier = made;
    return I8X_OK;
}

void i8x_courier_free(i8x_courier *courier)
{
    if (courier == NULL)
        return;
    pthread_mutex_lock(&courier->mutex);
    courier->ending = true;
    pthread_mutex_unlock(&courier->mutex);
    pthread_cond_broadcast(&courier->filled);
    for (int i = 0; i < I8X_COURIERS; i++)
        if (courier->threads[i].runs)
            pthread_join(courier->threads[i].thread, NULL);
    pthread_cond_destroy(&courier->filled);
    pthread_mutex_destroy(&courier->mutex);
    i8x_alloc_free(i8x_alloc_heap(), courier, sizeof *courier);
}
