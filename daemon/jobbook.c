/* SPDX-License-Identifier: Apache-2.0
 *
 * Two lists and a map. The random half of an id is the map's hash.
 */
#include "daemon/jobbook.h"

#include <stdio.h>
#include <string.h>

#include "int8x/alloc.h"
#include "proto/limits.h"

#define ID_RANDOM_BYTES 8

i8x_status i8x_jobbook_make_id(char id[I8X_JOB_ID_SIZE])
{
    uint8_t random[ID_RANDOM_BYTES];
    I8X_TRY(i8x_digest_random(random, sizeof random));
    id[0] = 'j';
    for (int i = 0; i < ID_RANDOM_BYTES; i++)
        snprintf(id + 1 + 2 * i, 3, "%02x", random[i]);
    return I8X_OK;
}

bool i8x_jobbook_is_id(const char *id)
{
    return id[0] == 'j' && strlen(id) == 1 + 2 * ID_RANDOM_BYTES &&
           strspn(id + 1, "0123456789abcdef") == 2 * ID_RANDOM_BYTES;
}

static i8x_digest id_key(const char *id)
{
    i8x_digest key = {{0}};
    for (int i = 0; i < 2 * ID_RANDOM_BYTES; i++) {
        char c = id[1 + i];
        key.bytes[i / 2] = (uint8_t)(key.bytes[i / 2] << 4 | (c <= '9' ? c - '0' : c - 'a' + 10));
    }
    return key;
}

/* ---- jobs ---- */

i8x_study_job *i8x_jobbook_new_job(i8x_daemon *daemon, const char *id)
{
    i8x_study_job *job = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *job);
    if (job == NULL)
        return NULL;
    snprintf(job->id, sizeof job->id, "%s", id);
    job->daemon = daemon;
    job->priority = I8X_JOB_PRIORITY;
    return job;
}

i8x_status i8x_jobbook_load_job(i8x_daemon *daemon, const i8x_job_row *row, i8x_study_job **job)
{
    i8x_study_job *made = i8x_jobbook_new_job(daemon, row->id);
    I8X_ENSURE(made != NULL, I8X_ENOMEM, "no memory for job %s", row->id);
    i8x_status status = i8x_job_decode(row->bytes, row->size, &made->job);
    if (status != I8X_OK) {
        i8x_jobbook_free_job(made);
        return i8x_fail_prefix("job %s of the ledger: ", row->id);
    }
    made->sequence = row->sequence;
    made->created_ms = row->created_ms;
    made->finished_ms = row->finished_ms;
    made->state = row->state;
    made->status = row->status;
    made->priority = row->priority;
    made->version = row->version;
    made->artifact = row->artifact;
    made->report = row->report;
    made->published = true;
    made->ending = i8x_job_state_ended(row->state);
    made->holding = row->state == I8X_JOB_PAUSED;
    snprintf(made->detail, sizeof made->detail, "%s", row->detail);
    snprintf(made->tail, sizeof made->tail, "%s", row->tail);
    snprintf(made->suspect, sizeof made->suspect, "%s", row->suspect);
    snprintf(made->owner, sizeof made->owner, "%s", row->owner);
    snprintf(made->sweep, sizeof made->sweep, "%s", row->sweep);
    if (row->stages_size > 0 &&
        row->stages_size <= sizeof made->stages) /* fewer kinds: an older version wrote it */
        memcpy(made->stages, row->stages, row->stages_size);
    *job = made;
    return I8X_OK;
}

void i8x_jobbook_free_job(i8x_study_job *job)
{
    for (int i = 0; i < job->worker_count; i++)
        i8x_alloc_free(i8x_alloc_heap(), job->workers[i], strlen(job->workers[i]) + 1);
    if (job->shown != NULL)
        i8x_alloc_free(i8x_alloc_heap(), job->shown, job->shown_size + 1);
    i8x_alloc_free(i8x_alloc_heap(), job->workers,
                   (size_t)job->worker_count * sizeof *job->workers);
    i8x_alloc_free(i8x_alloc_heap(), job, sizeof *job);
}

/* ---- the lists ---- */

static i8x_jobbook_list *list_of(i8x_jobbook *book, const i8x_study_job *job)
{
    return i8x_job_state_ended(job->state) ? &book->recent : &book->open;
}

static void unlink_job(i8x_jobbook_list *list, i8x_study_job *job)
{
    if (job->previous != NULL)
        job->previous->next = job->next;
    else
        list->first = job->next;
    if (job->next != NULL)
        job->next->previous = job->previous;
    else
        list->last = job->previous;
    job->next = job->previous = NULL;
    list->count--;
}

static void link_first(i8x_jobbook_list *list, i8x_study_job *job)
{
    job->next = list->first;
    if (list->first != NULL)
        list->first->previous = job;
    else
        list->last = job;
    list->first = job;
    list->count++;
}

static void link_last(i8x_jobbook_list *list, i8x_study_job *job)
{
    job->previous = list->last;
    if (list->last != NULL)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
    list->count++;
}

/* The most recent ones stay, and those that somebody waits for. */
static void cut(i8x_jobbook *book)
{
    i8x_study_job *job = book->recent.last;
    while (book->recent.count > I8X_JOBS_RECENT_MAX && job != NULL) {
        i8x_study_job *newer = job->previous;
        if (job->waiting == 0 && !job->changing) {
            i8x_jobbook_remove(book, job);
            i8x_jobbook_free_job(job);
        }
        job = newer;
    }
}

static void link_by_state(i8x_jobbook *book, i8x_study_job *job)
{
    if (!i8x_job_state_ended(job->state)) {
        link_last(&book->open, job);
        return;
    }
    link_first(&book->recent, job);
    cut(book);
}

void i8x_jobbook_add(i8x_jobbook *book, i8x_study_job *job)
{
    i8x_digest key = id_key(job->id);
    i8x_keymap_put(&book->by_id, &key, job);
    link_by_state(book, job);
}

void i8x_jobbook_remove(i8x_jobbook *book, i8x_study_job *job)
{
    i8x_digest key = id_key(job->id);
    i8x_keymap_remove(&book->by_id, &key);
    unlink_job(list_of(book, job), job);
}

void i8x_jobbook_set_state(i8x_jobbook *book, i8x_study_job *job, i8x_job_state state)
{
    book->counts[job->state]--;
    book->counts[state]++;
    bool moves = i8x_job_state_ended(job->state) != i8x_job_state_ended(state);
    if (moves)
        unlink_job(list_of(book, job), job);
    job->state = state;
    if (moves)
        link_by_state(book, job);
}

i8x_study_job *i8x_jobbook_find(i8x_jobbook *book, const char *id)
{
    if (!i8x_jobbook_is_id(id))
        return NULL;
    i8x_digest key = id_key(id);
    i8x_study_job *job = i8x_keymap_get(&book->by_id, &key);
    if (job != NULL && i8x_job_state_ended(job->state)) {
        unlink_job(&book->recent, job);
        link_first(&book->recent, job);
    }
    return job;
}

static void free_list(i8x_jobbook *book, i8x_jobbook_list *list)
{
    while (list->first != NULL) {
        i8x_study_job *job = list->first;
        i8x_jobbook_remove(book, job);
        i8x_jobbook_free_job(job);
    }
}

void i8x_jobbook_deinit(i8x_jobbook *book)
{
    free_list(book, &book->open);
    free_list(book, &book->recent);
    i8x_keymap_deinit(&book->by_id);
}
