/* SPDX-License-Identifier: Apache-2.0
 *
 * One list of all leases, oldest first, under one mutex; those that no lane has taken are the
 * queue. asked counts grants that requests on their way want, so that leases + asked never pass the
 * room, whatever the answers bring.
 */
#include "worker/intake.h"

#include <pthread.h>
#include <string.h>

typedef struct held_lease {
    i8x_lease seen; /* first: a lane's pointer is ours */
    struct held_lease *next;
    uint8_t *bytes;
    uint64_t epoch, done, total;
    bool taken, started, canceled, called_back;
} held_lease;

struct i8x_intake {
    pthread_mutex_t mutex;
    pthread_cond_t hungry; /* the asker waits */
    pthread_cond_t queued; /* lanes wait */
    held_lease *first;
    int count, waiting; /* leases; of them in the queue */
    int asked, slots, room;
    bool allowed, stopping;
};

i8x_status i8x_intake_new(int slots, int room, i8x_intake **intake)
{
    i8x_intake *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->slots = slots;
    made->room = room;
    made->allowed = true;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->hungry, NULL);
    pthread_cond_init(&made->queued, NULL);
    *intake = made;
    return I8X_OK;
}

static void free_lease(held_lease *lease)
{
    i8x_alloc_free(i8x_alloc_heap(), lease->bytes, lease->seen.task_size);
    i8x_alloc_free(i8x_alloc_heap(), lease, sizeof *lease);
}

void i8x_intake_free(i8x_intake *intake)
{
    if (intake == NULL)
        return;
    for (held_lease *lease = intake->first, *next; lease != NULL; lease = next) {
        next = lease->next;
        free_lease(lease);
    }
    pthread_cond_destroy(&intake->queued);
    pthread_cond_destroy(&intake->hungry);
    pthread_mutex_destroy(&intake->mutex);
    i8x_alloc_free(i8x_alloc_heap(), intake, sizeof *intake);
}

/* ---- under the mutex ---- */

static held_lease *find(const i8x_intake *intake, const i8x_digest *key)
{
    held_lease *lease = intake->first;
    while (lease != NULL && !i8x_digest_equal(&lease->seen.key, key))
        lease = lease->next;
    return lease;
}

static bool takes_work(const i8x_intake *intake)
{
    return intake->allowed && !intake->stopping;
}

/* Asks for all the room there is. */
static uint32_t claim(i8x_intake *intake, int ending)
{
    int want = takes_work(intake) ? intake->room - (intake->count - ending) - intake->asked : 0;
    want = want > I8X_WIRE_GRANTS_MAX ? I8X_WIRE_GRANTS_MAX : want > 0 ? want : 0;
    intake->asked += want;
    return (uint32_t)want;
}

static void add(i8x_intake *intake, const i8x_wire_grant *grant)
{
    held_lease *lease = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *lease);
    I8X_ASSERT(lease != NULL);
    lease->bytes = i8x_alloc_array(i8x_alloc_heap(), grant->task_size, 1);
    I8X_ASSERT(lease->bytes != NULL || grant->task_size == 0);
    if (grant->task_size > 0)
        memcpy(lease->bytes, grant->task, grant->task_size);
    lease->seen = (i8x_lease){grant->key, lease->bytes, grant->task_size};
    lease->epoch = grant->epoch;
    held_lease **end = &intake->first;
    while (*end != NULL)
        end = &(*end)->next;
    *end = lease;
    intake->count++;
    intake->waiting++;
}

/* ---- the asker ---- */

bool i8x_intake_hungry(i8x_intake *intake, uint32_t *want)
{
    pthread_mutex_lock(&intake->mutex);
    *want = 0;
    while (!intake->stopping && *want == 0) {
        if (intake->count + intake->asked < intake->slots)
            *want = claim(intake, 0);
        if (*want == 0)
            pthread_cond_wait(&intake->hungry, &intake->mutex);
    }
    pthread_mutex_unlock(&intake->mutex);
    return *want > 0;
}

void i8x_intake_put(i8x_intake *intake, uint32_t want, const i8x_wire_grant *grants, size_t count)
{
    pthread_mutex_lock(&intake->mutex);
    intake->asked -= (int)want;
    for (size_t i = 0; i < count; i++) {
        held_lease *held = find(intake, &grants[i].key);
        if (held == NULL) {
            add(intake, &grants[i]);
            continue;
        }
        held->epoch = grants[i].epoch;
        held->called_back = false;
    }
    bool stopping = intake->stopping, queued = intake->waiting > 0;
    bool hungry = intake->count + intake->asked < intake->slots;
    pthread_mutex_unlock(&intake->mutex);
    if (stopping)
        pthread_cond_broadcast(&intake->queued);
    else if (queued)
        pthread_cond_signal(&intake->queued);
    if (hungry)
        pthread_cond_signal(&intake->hungry);
}

/* ---- a lane ---- */

static bool is_wanted(const i8x_intake *intake, const held_lease *lease)
{
    return takes_work(intake) && !lease->canceled && !lease->called_back;
}

/* What is to be given back comes first, then the oldest. */
static held_lease *next_waiting(const i8x_intake *intake)
{
    held_lease *oldest = NULL;
    for (held_lease *lease = intake->first; lease != NULL; lease = lease->next) {
        if (lease->taken)
            continue;
        if (!is_wanted(intake, lease))
            return lease;
        if (oldest == NULL)
            oldest = lease;
    }
    return oldest;
}

i8x_lease *i8x_intake_take(i8x_intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    while (intake->waiting == 0 && !(intake->stopping && intake->asked == 0))
        pthread_cond_wait(&intake->queued, &intake->mutex);
    held_lease *lease = next_waiting(intake);
    if (lease != NULL) {
        lease->taken = true;
        intake->waiting--;
    }
    pthread_mutex_unlock(&intake->mutex);
    return lease != NULL ? &lease->seen : NULL;
}

bool i8x_intake_wanted(i8x_intake *intake, const i8x_lease *seen)
{
    const held_lease *lease = (const held_lease *)seen;
    pthread_mutex_lock(&intake->mutex);
    bool wanted = is_wanted(intake, lease);
    pthread_mutex_unlock(&intake->mutex);
    return wanted;
}

bool i8x_intake_started(i8x_intake *intake, i8x_lease *seen)
{
    held_lease *lease = (held_lease *)seen;
    pthread_mutex_lock(&intake->mutex);
    bool started = lease->started = is_wanted(intake, lease);
    pthread_mutex_unlock(&intake->mutex);
    return started;
}

void i8x_intake_progress(i8x_intake *intake, i8x_lease *seen, uint64_t done, uint64_t total)
{
    held_lease *lease = (held_lease *)seen;
    pthread_mutex_lock(&intake->mutex);
    lease->done = done;
    lease->total = total;
    pthread_mutex_unlock(&intake->mutex);
}

bool i8x_intake_canceled(i8x_intake *intake, const i8x_lease *seen)
{
    const held_lease *lease = (const held_lease *)seen;
    pthread_mutex_lock(&intake->mutex);
    bool canceled = lease->canceled;
    pthread_mutex_unlock(&intake->mutex);
    return canceled;
}

void i8x_intake_pass(i8x_intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    bool queued = intake->waiting > 0;
    pthread_mutex_unlock(&intake->mutex);
    if (queued)
        pthread_cond_signal(&intake->queued);
}

uint32_t i8x_intake_report(i8x_intake *intake, i8x_lease *const *leases, size_t count,
                           uint64_t *epochs)
{
    pthread_mutex_lock(&intake->mutex);
    for (size_t i = 0; i < count; i++)
        epochs[i] = ((const held_lease *)leases[i])->epoch;
    uint32_t want = claim(intake, (int)count);
    pthread_mutex_unlock(&intake->mutex);
    return want;
}

void i8x_intake_finish(i8x_intake *intake, i8x_lease *seen)
{
    held_lease *lease = (held_lease *)seen;
    pthread_mutex_lock(&intake->mutex);
    held_lease **at = &intake->first;
    while (*at != lease)
        at = &(*at)->next;
    *at = lease->next;
    intake->count--;
    pthread_mutex_unlock(&intake->mutex);
    free_lease(lease);
}

/* ---- the heartbeat ---- */

void i8x_intake_cancel(i8x_intake *intake, const i8x_digest *key)
{
    pthread_mutex_lock(&intake->mutex);
    held_lease *lease = find(intake, key);
    if (lease != NULL)
        lease->canceled = true;
    pthread_mutex_unlock(&intake->mutex);
    pthread_cond_signal(&intake->queued); /* if no lane has it yet: one gives it back */
}

void i8x_intake_call_back(i8x_intake *intake, const i8x_digest *key)
{
    pthread_mutex_lock(&intake->mutex);
    held_lease *lease = find(intake, key);
    if (lease != NULL)
        lease->called_back = true;
    pthread_mutex_unlock(&intake->mutex);
    pthread_cond_signal(&intake->queued);
}

size_t i8x_intake_held(i8x_intake *intake, i8x_arena *arena, const i8x_wire_held **held)
{
    pthread_mutex_lock(&intake->mutex);
    i8x_wire_held *rows = i8x_arena_array(arena, (size_t)intake->count + 1, sizeof *rows);
    I8X_ASSERT(rows != NULL);
    size_t count = 0;
    for (const held_lease *lease = intake->first; lease != NULL; lease = lease->next)
        rows[count++] = (i8x_wire_held){.key = lease->seen.key,
                                        .epoch = lease->epoch,
                                        .done = lease->done,
                                        .total = lease->total,
                                        .started = lease->started};
    pthread_mutex_unlock(&intake->mutex);
    *held = rows;
    return count;
}

int i8x_intake_count(i8x_intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    int count = intake->count;
    pthread_mutex_unlock(&intake->mutex);
    return count;
}

void i8x_intake_allow(i8x_intake *intake, bool allowed)
{
    pthread_mutex_lock(&intake->mutex);
    bool changed = intake->allowed != allowed;
    intake->allowed = allowed;
    pthread_mutex_unlock(&intake->mutex);
    pthread_cond_signal(&intake->hungry);
    if (changed && !allowed)
        pthread_cond_broadcast(&intake->queued); /* what waits is given back */
}

void i8x_intake_stop(i8x_intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    intake->stopping = true;
    pthread_cond_broadcast(&intake->hungry);
    pthread_cond_broadcast(&intake->queued);
    pthread_mutex_unlock(&intake->mutex);
}

bool i8x_intake_stopping(i8x_intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    bool stopping = intake->stopping;
    pthread_mutex_unlock(&intake->mutex);
    return stopping;
}
