/* SPDX-License-Identifier: Apache-2.0
 *
 * A follower is either behind or up to date. One that is behind reads the ledger page by page (on
 * the reader's thread), the next page when the client has taken the last one. A page comes with the
 * highest number of its snapshot; once that is not below the last published number the follower is
 * up to date, and from then on each published event is handed to it directly, unless a page had it.
 * A client that lets more than I8X_STREAM_QUEUE_MAX bytes wait is cut off: it comes back with the
 * number of the last event it saw.
 */
#include "daemon/events.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/study.h"
#include "int8x/alloc.h"

#define TRIM_EVERY 10000 /* events between two looks at what is too old */

typedef struct events_page events_page;

typedef struct follower {
    struct follower *next, *previous;
    i8x_events *events;
    i8x_http_stream *stream;
    char job[I8X_JOB_ID_SIZE]; /* "" = all */
    int64_t last;              /* nothing up to here is sent again */
    bool live, full_page;
    events_page *page; /* that is being read */
    int64_t spoke_ms;
} follower;

/* A page on its way through the reader's thread. */
struct events_page {
    i8x_events *events;
    follower *to; /* NULL: it has gone */
    char job[I8X_JOB_ID_SIZE];
    int64_t after, last, top;
    int count;
    i8x_buffer text;
    i8x_status status;
};

/* An event between its put and its commit. */
typedef struct events_news {
    i8x_events *events;
    size_t size_bytes;
    i8x_event_type type;
    i8x_event_row row;
    char job[I8X_JOB_ID_SIZE];
    char body[];
} events_news;

struct i8x_events {
    i8x_daemon *daemon;
    follower *followers;
    int count;
    int64_t due_ms; /* nobody has to be spoken to before */
    int64_t first, published, trimmed;
};

static const char *const names[I8X_EVENT_COUNT] = {
#define X(name, text, sentence) text,
    I8X_EVENT_LIST(X)
#undef X
};

char *i8x_time_text(int64_t ms, char text[I8X_TIME_TEXT_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t used = strftime(text, I8X_TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + used, I8X_TIME_TEXT_SIZE - used, ".%03dZ", (int)(ms % 1000));
    return text;
}

/* ---- texts ---- */

void i8x_events_print(i8x_buffer *text, const i8x_event_row *row)
{
    char time[I8X_TIME_TEXT_SIZE];
    i8x_buffer_format(
        text, "{\"sequence\":%lld,\"job\":\"%s\",\"time\":\"%s\",\"type\":\"%s\",\"body\":",
        (long long)row->sequence, row->job, i8x_time_text(row->time_ms, time), row->type);
    i8x_buffer_text(text, row->body);
    i8x_buffer_text(text, "}");
}

static void print_message(i8x_buffer *text, const i8x_event_row *row)
{
    i8x_buffer_format(text, "id: %lld\nevent: %s\ndata: ", (long long)row->sequence, row->type);
    i8x_events_print(text, row);
    i8x_buffer_text(text, "\n\n");
}

/* ---- followers ---- */

static void say(follower *to, const char *text, size_t size)
{
    to->spoke_ms = i8x_daemon_now_ms(to->events->daemon);
    if (!i8x_http_stream_put(to->stream, text, size))
        to->live = false; /* gone comes soon */
}

static void on_gone(void *user)
{
    follower *leaver = user;
    i8x_events *events = leaver->events;
    if (leaver->page != NULL)
        leaver->page->to = NULL;
    if (leaver->previous != NULL)
        leaver->previous->next = leaver->next;
    else
        events->followers = leaver->next;
    if (leaver->next != NULL)
        leaver->next->previous = leaver->previous;
    events->count--;
    i8x_alloc_free(i8x_alloc_heap(), leaver, sizeof *leaver);
}

static i8x_status add_row(void *user, const i8x_event_row *row)
{
    events_page *page = user;
    page->count++;
    page->last = row->sequence;
    print_message(&page->text, row);
    return i8x_buffer_status(&page->text);
}

static void read_page(void *user, i8x_ledger_view *view)
{
    events_page *page = user;
    int64_t first;
    page->status = i8x_ledger_event_span(view, &first, &page->top);
    if (page->status == I8X_OK)
        page->status = i8x_ledger_page_events(view, page->job[0] != 0 ? page->job : NULL,
                                              page->after, I8X_EVENT_PAGE_MAX, add_row, page);
}

static void catch_up(follower *to);

/* The stream of a job that has ended is over when all of it has been told. */
static void go_live(follower *to)
{
    to->live = true;
    if (to->job[0] != 0 && !i8x_study_is_open(to->events->daemon->study, to->job))
        i8x_http_stream_end(to->stream);
}

static void page_read(void *user)
{
    events_page *page = user;
    follower *to = page->to;
    i8x_events *events = page->events;
    events->daemon->pending--;
    if (to != NULL) {
        to->page = NULL;
        to->last = page->last;
        to->full_page = page->count == I8X_EVENT_PAGE_MAX;
        if (page->text.size > 0)
            say(to, i8x_buffer_cstr(&page->text), page->text.size);
        if (page->status != I8X_OK)
            i8x_http_stream_end(to->stream);
        else if (!to->full_page && page->top >= events->published)
            go_live(to);
        else if (!to->full_page)
            catch_up(to); /* something was published meanwhile */
    }
    i8x_buffer_deinit(&page->text);
    i8x_alloc_free(i8x_alloc_heap(), page, sizeof *page);
}

static void catch_up(follower *to)
{
    events_page *page = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *page);
    I8X_ASSERT(page != NULL);
    page->events = to->events;
    page->to = to;
    page->after = page->last = to->last;
    snprintf(page->job, sizeof page->job, "%s", to->job);
    i8x_buffer_init(&page->text, I8X_STREAM_QUEUE_MAX);
    i8x_daemon *daemon = to->events->daemon;
    if (i8x_ledger_read(daemon->ledger, read_page, page_read, page) != I8X_OK) {
        i8x_alloc_free(i8x_alloc_heap(), page, sizeof *page);
        i8x_http_stream_end(to->stream); /* it comes back with its last number */
        return;
    }
    to->page = page;
    daemon->pending++;
}

static void on_drained(void *user)
{
    follower *to = user;
    if (!to->full_page || to->page != NULL)
        return;
    to->full_page = false;
    catch_up(to);
}

i8x_status i8x_events_follow(i8x_events *events, i8x_http_request *request, const char *job,
                             int64_t after)
{
    I8X_ENSURE(events->count < I8X_EVENT_STREAMS_MAX, I8X_EBUSY, "%d clients follow events already",
               events->count);
    follower *to = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *to);
    I8X_TRY(i8x_alloc_check(to));
    to->events = events;
    to->last = after;
    snprintf(to->job, sizeof to->job, "%s", job != NULL ? job : "");
    to->next = events->followers;
    if (events->followers != NULL)
        events->followers->previous = to;
    events->followers = to;
    events->count++;
    i8x_http_add_header(request, "Cache-Control", "no-store");
    i8x_http_add_header(request, "X-Accel-Buffering", "no");
    i8x_http_stream_opts opts = {
        .limit_bytes = 2 * I8X_STREAM_QUEUE_MAX, /* a page and what happens meanwhile */
        .drained = on_drained,
        .gone = on_gone,
        .user = to};
    to->stream = i8x_http_reply_stream(request, 200, "text/event-stream", &opts);
    static const char hello[] = "retry: 2000\n\n";
    say(to, hello, sizeof hello - 1);
    int64_t due = to->spoke_ms + I8X_EVENT_COMMENT_MS;
    events->due_ms = due < events->due_ms ? due : events->due_ms;
    catch_up(to);
    return I8X_OK;
}

int64_t i8x_events_tick(i8x_events *events)
{
    static const char comment[] = ": nothing new\n\n";
    int64_t now = i8x_daemon_now_ms(events->daemon);
    if (now < events->due_ms)
        return events->due_ms;
    events->due_ms = INT64_MAX;
    for (follower *to = events->followers; to != NULL; to = to->next) {
        if (now - to->spoke_ms >= I8X_EVENT_COMMENT_MS)
            say(to, comment, sizeof comment - 1);
        int64_t due = to->spoke_ms + I8X_EVENT_COMMENT_MS;
        events->due_ms = due < events->due_ms ? due : events->due_ms;
    }
    return events->due_ms;
}

/* ---- publishing ---- */

static void tell(i8x_events *events, const events_news *news)
{
    i8x_buffer text;
    i8x_buffer_init(&text, 0);
    for (follower *to = events->followers, *next; to != NULL; to = next) {
        next = to->next;
        if (!to->live || to->last >= news->row.sequence ||
            (to->job[0] != 0 && strcmp(to->job, news->job) != 0))
            continue;
        if (text.size == 0)
            print_message(&text, &news->row);
        to->last = news->row.sequence;
        say(to, i8x_buffer_cstr(&text), text.size);
        if (to->live && to->job[0] != 0 && !i8x_study_is_open(events->daemon->study, to->job))
            i8x_http_stream_end(to->stream);
    }
    i8x_buffer_deinit(&text);
}

static void trim(i8x_events *events)
{
    if (events->published - events->trimmed < TRIM_EVERY)
        return;
    events->trimmed = events->published;
    int64_t until = events->published - I8X_EVENTS_KEPT;
    if (until < events->first)
        return;
    if (i8x_ledger_trim_events(events->daemon->ledger, until) == I8X_OK)
        events->first = until + 1;
}

static void on_committed(void *user)
{
    events_news *news = user;
    i8x_events *events = news->events;
    events->daemon->pending--;
    events->published = news->row.sequence;
    if (events->first == 0)
        events->first = news->row.sequence;
    i8x_study_told(events->daemon->study, news->job, news->row.sequence);
    tell(events, news);
    trim(events);
    i8x_alloc_free(i8x_alloc_heap(), news, news->size_bytes);
}

i8x_status i8x_events_put(i8x_events *events, const char *job, i8x_event_type type,
                          const char *body, int64_t *sequence)
{
    size_t size = sizeof(events_news) + strlen(body) + 1;
    events_news *news = i8x_alloc_array(i8x_alloc_heap(), 1, size);
    I8X_TRY(i8x_alloc_check(news));
    news->events = events;
    news->size_bytes = size;
    news->type = type;
    snprintf(news->job, sizeof news->job, "%s", job);
    memcpy(news->body, body, strlen(body) + 1);
    news->row = (i8x_event_row){
        .job = news->job, .time_ms = i8x_daemon_wall_ms(), .type = names[type], .body = news->body};
    i8x_status status = i8x_ledger_put_event(events->daemon->ledger, &news->row,
                                             &news->row.sequence, on_committed, news);
    if (status != I8X_OK) {
        i8x_alloc_free(i8x_alloc_heap(), news, size);
        return status;
    }
    events->daemon->pending++;
    *sequence = news->row.sequence;
    return I8X_OK;
}

/* ---- life ---- */

int64_t i8x_events_last(const i8x_events *events)
{
    return events->published;
}

int64_t i8x_events_first(const i8x_events *events)
{
    return events->first;
}

int i8x_events_followers(const i8x_events *events)
{
    return events->count;
}

i8x_status i8x_events_new(i8x_daemon *daemon, i8x_events **events)
{
    i8x_events *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->daemon = daemon;
    made->due_ms = INT64_MAX;
    i8x_status status =
        i8x_ledger_event_span(i8x_ledger_here(daemon->ledger), &made->first, &made->published);
    made->trimmed = made->published;
    if (status != I8X_OK)
        i8x_alloc_free(i8x_alloc_heap(), made, sizeof *made);
    else
        *events = made;
    return status;
}

void i8x_events_free(i8x_events *events)
{
    if (events != NULL)
        i8x_alloc_free(i8x_alloc_heap(), events, sizeof *events);
}
