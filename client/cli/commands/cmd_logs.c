/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x logs: what has happened to a job, page after page; with --follow on until the job has
 * ended. Following asks for the job's next version, and then for the events that came with it: what
 * is shown is therefore on the service's disk, and a service that starts again in between is no
 * gap.
 */
#include <stdio.h>

#include "client/cli/commands/commands.h"
#include "client/cli/output.h"
#include "client/cli/service.h"
#include "client/cli/view/event.h"
#include "int8x/alloc.h"

#define PAGE 256 /* events of one answer */

static const i8x_option logs_options[] = {
    {"follow", 'f', NULL, "go on until the job has ended", 0},
};

typedef struct reader {
    i8x_remote *remote;
    const char *job;
    double after;   /* number of the last event that was shown */
    i8x_json *list; /* keeps the events for one document; NULL = they are shown at once */
    bool json;
} reader;

static i8x_status show_line(const i8x_json *event)
{
    char *text;
    size_t size;
    I8X_TRY(i8x_json_print(event, false, &text, &size));
    printf("%s\n", text);
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    return I8X_OK;
}

static i8x_status show(reader *from, const i8x_json *events)
{
    for (int i = 0; i < i8x_json_count(events); i++) {
        const i8x_json *event = i8x_json_item(events, i);
        from->after = i8x_json_member_number(event, "sequence", from->after);
        if (from->list != NULL)
            i8x_json_put_copy(from->list, NULL, event);
        else if (from->json)
            I8X_TRY(show_line(event));
        else
            i8x_event_print(event);
    }
    I8X_ENSURE(fflush(stdout) == 0, I8X_EIO, "standard output cannot be written");
    return I8X_OK;
}

/* All events that there are now. */
static i8x_status read_events(reader *from)
{
    bool more = true;
    while (more) {
        char tail[64], path[160];
        i8x_json *page = NULL;
        snprintf(tail, sizeof tail, "/events?after=%.0f&limit=%d", from->after, PAGE);
        I8X_TRY(i8x_service_job_path(from->job, tail, path, sizeof path));
        I8X_TRY(i8x_service_poll(from->remote, path, &page));
        const i8x_json *events = i8x_json_member(page, "events");
        i8x_status status = show(from, events);
        more = i8x_json_text(i8x_json_member(page, "next")) != NULL && i8x_json_count(events) > 0;
        i8x_json_free(page);
        I8X_TRY(status);
    }
    return I8X_OK;
}

static i8x_status follow(reader *from)
{
    bool ended = false;
    double version = 0;
    while (!ended) {
        i8x_json *job = NULL;
        I8X_TRY(i8x_service_wait(from->remote, from->job, version, &job));
        version = i8x_json_member_number(job, "version", 0);
        ended = i8x_service_job_ended(job);
        i8x_json_free(job);
        I8X_TRY(read_events(from));
    }
    return I8X_OK;
}

static i8x_status one_document(reader *from)
{
    i8x_json *json = NULL;
    I8X_TRY(i8x_json_object(&json));
    from->list = i8x_json_put_list(json, "events");
    i8x_status status = read_events(from);
    if (status == I8X_OK)
        status = i8x_output_json(json);
    i8x_json_free(json);
    return status;
}

static i8x_status logs(const i8x_options *options)
{
    reader from = {.job = options->positional[0], .json = i8x_options_has(options, "json")};
    I8X_TRY(i8x_service_open(options, &from.remote));
    i8x_status status = i8x_options_has(options, "follow") ? follow(&from)
                        : from.json                        ? one_document(&from)
                                                           : read_events(&from);
    i8x_remote_free(from.remote);
    return status;
}

const i8x_command i8x_cmd_logs = {"logs",
                                  "JOB [--follow]",
                                  "tells what has happened to a job",
                                  logs_options,
                                  I8X_COUNT(logs_options),
                                  1,
                                  1,
                                  false,
                                  logs};
