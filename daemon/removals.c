/* SPDX-License-Identifier: Apache-2.0
 *
 * A removal is made whole (which jobs, may all of them go), written as one group and, in the
 * ledger's callback, carried out in memory. Until then its jobs are shown as they are and changed
 * by nobody else. A sweep's jobs are looked up on the reader's thread first.
 */
#include "daemon/removals.h"

#include <stdio.h>
#include <string.h>

#include "daemon/study_room.h"
#include "int8x/alloc.h"

#define JOB_WRITES 3   /* of one job that is forgotten */
#define SWEEP_WRITES 3 /* of the sweep itself */

typedef struct removed_job {
    char id[I8X_JOB_ID_SIZE];
    i8x_job_state state;
} removed_job;

typedef struct i8x_removal {
    struct i8x_removal *next;
    i8x_study *study;
    char sweep[I8X_JOB_ID_SIZE]; /* "" = of one job alone */
    char by[I8X_HTTP_PRINCIPAL_SIZE];
    removed_job *jobs;
    size_t count, capacity;
    i8x_removals_cb done;
    void *user;
    /* of a sweep, as it was read */
    i8x_job_state state;
    i8x_status status;
    i8x_error error;
} i8x_removal;

static i8x_status removal_new(i8x_study *study, const char *by, i8x_removals_cb done, void *user,
                              i8x_removal **removal)
{
    i8x_removal *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    *made = (i8x_removal){.study = study, .done = done, .user = user};
    snprintf(made->by, sizeof made->by, "%s", by);
    *removal = made;
    return I8X_OK;
}

static void removal_free(i8x_removal *removal)
{
    i8x_alloc_free(i8x_alloc_heap(), removal->jobs, removal->capacity * sizeof *removal->jobs);
    i8x_alloc_free(i8x_alloc_heap(), removal, sizeof *removal);
}

static i8x_status add_job(i8x_removal *removal, const char *id, i8x_job_state state)
{
    if (removal->count == removal->capacity) {
        size_t capacity = removal->capacity == 0 ? 1 : removal->capacity * 2;
        void *jobs = i8x_alloc_resize(i8x_alloc_heap(), removal->jobs,
                                      removal->capacity * sizeof *removal->jobs,
                                      capacity * sizeof *removal->jobs);
        I8X_TRY(i8x_alloc_check(jobs));
        removal->jobs = jobs;
        removal->capacity = capacity;
    }
    removed_job *job = &removal->jobs[removal->count++];
    snprintf(job->id, sizeof job->id, "%s", id);
    job->state = state;
    return I8X_OK;
}

bool i8x_removals_has(const i8x_study *study, const char *job)
{
    for (const i8x_removal *one = study->removals; one != NULL; one = one->next)
        for (size_t i = 0; i < one->count; i++)
            if (strcmp(one->jobs[i].id, job) == 0)
                return true;
    return false;
}

/* ---- may it go? ---- */

static i8x_status check_job(i8x_study *study, removed_job *job)
{
    const i8x_study_job *here = i8x_jobbook_find(&study->book, job->id);
    job->state = here != NULL ? here->state : job->state;
    I8X_ENSURE(i8x_job_state_ended(job->state), I8X_EEXIST, "job %s is %s: cancel it first",
               job->id, i8x_job_state_name(job->state));
    I8X_ENSURE((here == NULL || (!here->changing && here->waiting == 0)) &&
                   !i8x_removals_has(study, job->id),
               I8X_EBUSY, "another change of job %s is on its way: try again", job->id);
    return I8X_OK;
}

static i8x_status check_all(const i8x_removal *removal)
{
    i8x_study *study = removal->study;
    I8X_ENSURE(removal->sweep[0] == 0 || i8x_job_state_ended(removal->state), I8X_EEXIST,
               "sweep %s is %s: cancel it first", removal->sweep,
               i8x_job_state_name(removal->state));
    for (const i8x_removal *one = study->removals; one != NULL; one = one->next)
        I8X_ENSURE(removal->sweep[0] == 0 || strcmp(one->sweep, removal->sweep) != 0, I8X_EBUSY,
                   "sweep %s is being forgotten", removal->sweep);
    for (size_t i = 0; i < removal->count; i++)
        I8X_TRY(check_job(study, &removal->jobs[i]));
    return i8x_ledger_check_room(study->daemon->ledger, JOB_WRITES * removal->count + SWEEP_WRITES);
}

/* ---- the ledger ---- */

static void unlink_removal(i8x_removal *removal)
{
    i8x_removal **link = &removal->study->removals;
    while (*link != removal)
        link = &(*link)->next;
    *link = removal->next;
}

static void on_removed(void *user)
{
    i8x_removal *removal = user;
    i8x_study *study = removal->study;
    char by[2 * I8X_HTTP_PRINCIPAL_SIZE];
    i8x_log_quote(removal->by[0] != 0 ? removal->by : "-", by, sizeof by);
    unlink_removal(removal);
    study->removed++;
    study->daemon->pending--;
    for (size_t i = 0; i < removal->count; i++) {
        const removed_job *gone = &removal->jobs[i];
        i8x_study_job *here = i8x_jobbook_find(&study->book, gone->id);
        I8X_ASSERT(here == NULL || here->waiting == 0); /* it has ended: nobody waits */
        if (here != NULL)
            i8x_study_free_job(study, here);
        else
            study->book.counts[gone->state]--;
        i8x_log(I8X_LOG_INFO, "job_forgotten", "job=%s by=%s", gone->id, by);
    }
    if (removal->sweep[0] != 0)
        i8x_log(I8X_LOG_INFO, "sweep_forgotten", "sweep=%s trials=%zu by=%s", removal->sweep,
                removal->count, by);
    removal->done(removal->user, I8X_OK);
    removal_free(removal);
}

static i8x_status put_event(const i8x_removal *removal, const char *job, i8x_event_type type)
{
    i8x_buffer body;
    int64_t sequence;
    i8x_buffer_init(&body, 0);
    i8x_buffer_text(&body, "{");
    if (removal->sweep[0] != 0)
        i8x_buffer_format(&body, "\"sweep\":\"%s\",", removal->sweep);
    i8x_buffer_text(&body, "\"by\":");
    i8x_buffer_json(&body, removal->by);
    i8x_buffer_text(&body, "}");
    i8x_status status = i8x_events_put(removal->study->daemon->events, job, type,
                                       i8x_buffer_cstr(&body), &sequence);
    i8x_buffer_deinit(&body);
    return status;
}

/* The rows first: nothing of it is found any more when the events are told. */
static i8x_status put_rows(i8x_removal *removal)
{
    i8x_ledger *ledger = removal->study->daemon->ledger;
    i8x_status status = I8X_OK;
    for (size_t i = 0; status == I8X_OK && i < removal->count; i++) {
        bool last = removal->sweep[0] == 0 && i + 1 == removal->count;
        status =
            i8x_ledger_drop_job(ledger, removal->jobs[i].id, last ? on_removed : NULL, removal);
    }
    if (status == I8X_OK && removal->sweep[0] != 0)
        status = i8x_ledger_drop_sweep(ledger, removal->sweep, on_removed, removal);
    for (size_t i = 0; status == I8X_OK && i < removal->count; i++)
        status = put_event(removal, removal->jobs[i].id, I8X_EVENT_JOB_FORGOTTEN);
    if (status == I8X_OK && removal->sweep[0] != 0)
        status = put_event(removal, "", I8X_EVENT_SWEEP_FORGOTTEN);
    return status;
}

static i8x_status begin(i8x_removal *removal)
{
    i8x_study *study = removal->study;
    I8X_TRY(check_all(removal));
    i8x_ledger_group_begin(study->daemon->ledger);
    i8x_status status = i8x_ledger_group_end(study->daemon->ledger, put_rows(removal));
    I8X_ASSERT(status == I8X_OK); /* there was room */
    for (size_t i = 0; i < removal->count; i++) {
        i8x_study_job *here = i8x_jobbook_find(&study->book, removal->jobs[i].id);
        if (here != NULL)
            here->changing = true;
    }
    removal->next = study->removals;
    study->removals = removal;
    study->daemon->pending++;
    return I8X_OK;
}

i8x_status i8x_removals_job(i8x_study *study, i8x_study_job *job, const char *by,
                            i8x_removals_cb done, void *user)
{
    i8x_removal *removal = NULL;
    I8X_ENSURE(job->sweep[0] == 0, I8X_EEXIST,
               "job %s is a trial of sweep %s: it is forgotten with the sweep", job->id,
               job->sweep);
    I8X_TRY(removal_new(study, by, done, user, &removal));
    i8x_status status = add_job(removal, job->id, job->state);
    if (status == I8X_OK)
        status = begin(removal);
    if (status != I8X_OK)
        removal_free(removal);
    return status;
}

/* ---- a sweep ---- */

static i8x_status see_sweep(void *user, const i8x_sweep_record *row)
{
    i8x_removal *removal = user;
    removal->state = row->state;
    return I8X_OK;
}

static i8x_status see_trial(void *user, const i8x_trial_record *row)
{
    return add_job(user, row->job, row->state);
}

static void read_sweep(void *user, i8x_ledger_view *view)
{
    i8x_removal *removal = user;
    removal->status = i8x_ledger_get_sweep(view, removal->sweep, see_sweep, removal);
    if (removal->status == I8X_OK)
        removal->status = i8x_ledger_each_trial(view, removal->sweep, see_trial, removal);
    if (removal->status != I8X_OK)
        removal->error = *i8x_last_error();
}

static void sweep_read(void *user)
{
    i8x_removal *removal = user;
    const i8x_error *error = &removal->error;
    i8x_status status = removal->status;
    removal->study->daemon->pending--;
    if (status != I8X_OK)
        (void)i8x_fail(status, error->file, error->line, "%s", error->detail);
    else
        status = begin(removal);
    if (status == I8X_OK)
        return;
    removal->done(removal->user, status);
    removal_free(removal);
}

i8x_status i8x_removals_sweep(i8x_study *study, const char *id, const char *by,
                              i8x_removals_cb done, void *user)
{
    i8x_removal *removal = NULL;
    I8X_TRY(removal_new(study, by, done, user, &removal));
    snprintf(removal->sweep, sizeof removal->sweep, "%s", id);
    i8x_status status = i8x_ledger_read(study->daemon->ledger, read_sweep, sweep_read, removal);
    if (status != I8X_OK)
        removal_free(removal);
    else
        study->daemon->pending++;
    return status;
}
