/* SPDX-License-Identifier: Apache-2.0
 *
 * A map by key and a list by age: the oldest leave first.
 */
#include "daemon/once.h"

#include <stdio.h>
#include <string.h>

#include "daemon/keymap.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

typedef struct once_entry {
    struct once_entry *newer;
    i8x_request_row row;
    char job[I8X_JOB_ID_SIZE];
} once_entry;

struct i8x_once {
    i8x_ledger *ledger;
    i8x_keymap map;
    once_entry *oldest, *newest;
    int count;
};

i8x_digest i8x_once_key(const char *principal, const char *text)
{
    char joined[1024];
    int size = snprintf(joined, sizeof joined, "%s%c%s", principal, 0, text);
    I8X_ASSERT(size >= 0 && (size_t)size < sizeof joined); /* the caller has limited both */
    return i8x_digest_of(joined, (size_t)size);
}

static i8x_status load(void *user, const i8x_request_row *row)
{
    i8x_once *once = user;
    if (once->count < I8X_ONCE_KEYS_MAX && i8x_keymap_get(&once->map, &row->key) == NULL)
        i8x_once_put(once, row);
    return I8X_OK;
}

/* Keys whose time is over. */
static void expire(i8x_once *once, int64_t now_ms)
{
    bool any = false;
    for (once_entry *old;
         (old = once->oldest) != NULL && old->row.created_ms < now_ms - I8X_ONCE_KEPT_MS;) {
        any = true;
        once->oldest = old->newer;
        if (once->oldest == NULL)
            once->newest = NULL;
        once->count--;
        i8x_keymap_remove(&once->map, &old->row.key);
        i8x_alloc_free(i8x_alloc_heap(), old, sizeof *old);
    }
    if (any && i8x_ledger_trim_requests(once->ledger, now_ms - I8X_ONCE_KEPT_MS) != I8X_OK)
        return; /* the queue is full: the next one that expires takes them along */
}

i8x_status i8x_once_new(i8x_ledger *ledger, int64_t now_ms, i8x_once **once)
{
    i8x_once *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->ledger = ledger;
    *once = made;
    I8X_TRY(i8x_ledger_each_request(i8x_ledger_here(ledger), load, made));
    expire(made, now_ms);
    return I8X_OK;
}

void i8x_once_free(i8x_once *once)
{
    if (once == NULL)
        return;
    for (once_entry *old; (old = once->oldest) != NULL;) {
        once->oldest = old->newer;
        i8x_alloc_free(i8x_alloc_heap(), old, sizeof *old);
    }
    i8x_keymap_deinit(&once->map);
    i8x_alloc_free(i8x_alloc_heap(), once, sizeof *once);
}

const i8x_request_row *i8x_once_find(i8x_once *once, const i8x_digest *key, int64_t now_ms)
{
    expire(once, now_ms);
    const once_entry *entry = i8x_keymap_get(&once->map, key);
    return entry != NULL ? &entry->row : NULL;
}

i8x_status i8x_once_check_room(i8x_once *once, int64_t now_ms)
{
    expire(once, now_ms);
    I8X_ENSURE(once->count < I8X_ONCE_KEYS_MAX, I8X_EBUSY,
               "%d idempotency keys are kept for a day each: try again later", once->count);
    return I8X_OK;
}

void i8x_once_put(i8x_once *once, const i8x_request_row *row)
{
    once_entry *entry = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *entry);
    I8X_ASSERT(entry != NULL);
    entry->row = *row;
    snprintf(entry->job, sizeof entry->job, "%s", row->job);
    entry->row.job = entry->job;
    if (once->newest != NULL)
        once->newest->newer = entry;
    else
        once->oldest = entry;
    once->newest = entry;
    once->count++;
    i8x_keymap_put(&once->map, &row->key, entry);
}
