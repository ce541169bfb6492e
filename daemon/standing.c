/* SPDX-License-Identifier: Apache-2.0
 *
 * A short list in memory (few workers ever have a standing), kept as the ledger has it. A change is
 * seen here and by the scheduler in the ledger's callback.
 */
#include "daemon/standing.h"

#include <stdio.h>
#include <string.h>

#include "daemon/doubts.h"
#include "daemon/events.h"
#include "daemon/hub.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

struct i8x_standing {
    i8x_daemon *daemon;
    i8x_standing_entry *entries;
    size_t count, capacity;
};

/* A decision on its way to the ledger. */
typedef struct standing_change {
    i8x_standing *standing;
    i8x_standing_entry entry;
    i8x_ledger_done_cb done;
    void *user;
} standing_change;

static const char *const kind_names[I8X_STANDING_COUNT] = {
#define X(name, text) text,
    I8X_STANDING_LIST(X)
#undef X
};

const char *i8x_standing_name(i8x_standing_kind kind)
{
    return (unsigned)kind < I8X_STANDING_COUNT ? kind_names[kind] : "?";
}

static i8x_standing_entry *find(const i8x_standing *standing, const char *worker)
{
    for (size_t i = 0; i < standing->count; i++)
        if (strcmp(standing->entries[i].worker, worker) == 0)
            return &standing->entries[i];
    return NULL;
}

const i8x_standing_entry *i8x_standing_find(const i8x_standing *standing, const char *worker)
{
    return find(standing, worker);
}

const i8x_standing_entry *i8x_standing_at(const i8x_standing *standing, size_t index)
{
    return index < standing->count ? &standing->entries[index] : NULL;
}

/* Takes the entry over what is there; none of kind NONE stays. */
static void keep(i8x_standing *standing, const i8x_standing_entry *entry)
{
    i8x_standing_entry *at = find(standing, entry->worker);
    if (entry->kind == I8X_STANDING_NONE) {
        if (at != NULL)
            *at = standing->entries[--standing->count];
        return;
    }
    if (at == NULL && standing->count == standing->capacity) {
        size_t capacity = standing->capacity == 0 ? 8 : standing->capacity * 2;
        standing->entries = i8x_alloc_resize(i8x_alloc_heap(), standing->entries,
                                             standing->capacity * sizeof *standing->entries,
                                             capacity * sizeof *standing->entries);
        I8X_ASSERT(standing->entries != NULL);
        standing->capacity = capacity;
    }
    if (at == NULL)
        at = &standing->entries[standing->count++];
    *at = *entry;
}

/* ---- a change ---- */

static uint64_t session_of(const i8x_daemon *daemon, const char *worker)
{
    for (const i8x_hub_worker *one = i8x_hub_workers(daemon->hub); one != NULL; one = one->next)
        if (strcmp(one->id, worker) == 0)
            return one->session;
    return 0;
}

static void tell_scheduler(i8x_daemon *daemon, const i8x_standing_entry *entry)
{
    static const i8x_sched_event_type types[I8X_STANDING_COUNT] = {
        [I8X_STANDING_NONE] = I8X_SCHED_WORKER_RESUME,
        [I8X_STANDING_DRAINED] = I8X_SCHED_WORKER_DRAIN,
        [I8X_STANDING_QUARANTINED] = I8X_SCHED_WORKER_QUARANTINE,
    };
    i8x_sched_event event = {.type = types[entry->kind],
                             .worker = session_of(daemon, entry->worker),
                             .identity = i8x_doubts_identity(entry->worker),
                             .lasting = true};
    i8x_hub_remember(daemon->hub, entry->worker); /* it may not be connected */
    i8x_daemon_step(daemon, &event);
}

static void on_committed(void *user)
{
    standing_change *change = user;
    i8x_daemon *daemon = change->standing->daemon;
    const i8x_standing_entry *entry = &change->entry;
    const i8x_standing_entry *old = find(change->standing, entry->worker);
    i8x_standing_kind before = old != NULL ? old->kind : I8X_STANDING_NONE;
    char quoted[2 * I8X_STANDING_REASON_SIZE];
    daemon->pending--;
    i8x_log(I8X_LOG_WARN, "worker_standing", "worker=%s standing=%s by=%s reason=%s", entry->worker,
            i8x_standing_name(entry->kind), entry->by[0] != 0 ? entry->by : "-",
            i8x_log_quote(entry->reason, quoted, sizeof quoted));
    if (before == I8X_STANDING_QUARANTINED && entry->kind == I8X_STANDING_DRAINED) {
        i8x_standing_entry free_again = *entry; /* the scheduler adds one to the other */
        free_again.kind = I8X_STANDING_NONE;
        tell_scheduler(daemon, &free_again);
    }
    keep(change->standing, entry);
    if (before != entry->kind && entry->kind == I8X_STANDING_QUARANTINED)
        daemon->metrics.quarantined++;
    if (before != entry->kind)
        tell_scheduler(daemon, entry);
    if (change->done != NULL)
        change->done(change->user);
    i8x_alloc_free(i8x_alloc_heap(), change, sizeof *change);
}

static i8x_status put(i8x_daemon *daemon, standing_change *change)
{
    static const i8x_event_type types[I8X_STANDING_COUNT] = {
        [I8X_STANDING_NONE] = I8X_EVENT_WORKER_RESUMED,
        [I8X_STANDING_DRAINED] = I8X_EVENT_WORKER_DRAINED,
        [I8X_STANDING_QUARANTINED] = I8X_EVENT_WORKER_QUARANTINED,
    };
    const i8x_standing_entry *entry = &change->entry;
    i8x_standing_row row = {entry->worker, entry->kind, entry->reason, entry->by, entry->since_ms};
    i8x_buffer body;
    int64_t sequence;
    i8x_buffer_init(&body, 0);
    i8x_buffer_text(&body, "{\"worker\":");
    i8x_buffer_json(&body, entry->worker);
    i8x_buffer_text(&body, ",\"reason\":");
    i8x_buffer_json(&body, entry->reason);
    i8x_buffer_text(&body, ",\"by\":");
    i8x_buffer_json(&body, entry->by);
    i8x_buffer_text(&body, "}");
    i8x_ledger_group_begin(daemon->ledger);
    i8x_status status = i8x_ledger_put_standing(daemon->ledger, &row, on_committed, change);
    if (status == I8X_OK && entry->kind == I8X_STANDING_QUARANTINED)
        status = i8x_ledger_drop_worker(daemon->ledger, entry->worker, NULL, NULL);
    if (status == I8X_OK)
        status = i8x_events_put(daemon->events, "", types[entry->kind], i8x_buffer_cstr(&body),
                                &sequence);
    i8x_buffer_deinit(&body);
    return i8x_ledger_group_end(daemon->ledger, status);
}

i8x_status i8x_standing_set(i8x_standing *standing, const char *worker, i8x_standing_kind kind,
                            const char *reason, const char *by, i8x_ledger_done_cb done, void *user)
{
    i8x_daemon *daemon = standing->daemon;
    I8X_TRY(i8x_ledger_check_room(daemon->ledger, 3));
    I8X_ENSURE(standing->count < I8X_STANDING_MAX || find(standing, worker) != NULL, I8X_EBUSY,
               "%d workers are drained or quarantined already", I8X_STANDING_MAX);
    standing_change *change = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *change);
    I8X_TRY(i8x_alloc_check(change));
    *change = (standing_change){.standing = standing, .done = done, .user = user};
    change->entry.kind = kind;
    change->entry.since_ms = i8x_daemon_wall_ms();
    snprintf(change->entry.worker, sizeof change->entry.worker, "%s", worker);
    snprintf(change->entry.reason, sizeof change->entry.reason, "%s", reason);
    snprintf(change->entry.by, sizeof change->entry.by, "%s", by);
    i8x_status status = put(daemon, change);
    I8X_ASSERT(status == I8X_OK); /* there was room */
    daemon->pending++;
    return I8X_OK;
}

/* ---- start and end ---- */

static i8x_status load(void *user, const i8x_standing_row *row)
{
    i8x_standing_entry entry = {.kind = row->kind, .since_ms = row->since_ms};
    snprintf(entry.worker, sizeof entry.worker, "%s", row->worker);
    snprintf(entry.reason, sizeof entry.reason, "%s", row->reason);
    snprintf(entry.by, sizeof entry.by, "%s", row->by);
    keep(user, &entry);
    return I8X_OK;
}

i8x_status i8x_standing_new(i8x_daemon *daemon, i8x_standing **standing)
{
    i8x_standing *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->daemon = daemon;
    *standing = made;
    return i8x_ledger_each_standing(i8x_ledger_here(daemon->ledger), load, made);
}

void i8x_standing_free(i8x_standing *standing)
{
    if (standing == NULL)
        return;
    i8x_alloc_free(i8x_alloc_heap(), standing->entries,
                   standing->capacity * sizeof *standing->entries);
    i8x_alloc_free(i8x_alloc_heap(), standing, sizeof *standing);
}
