/* SPDX-License-Identifier: Apache-2.0
 *
 * Event: a sentence for each type, with the event's own members in braces. A type that this version
 * does not know is shown by its name.
 */
#include "client/cli/view/event.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/view/columns.h"
#include "client/cli/view/printable.h"

#define LAST_WORDS "body.tail"

static const struct {
    const char *type, *sentence;
} sentences[] = {
    {"job_created", "job submitted: {body.name}, priority {body.priority}"},
    {"job_paused", "job paused: no new task is handed out"},
    {"job_resumed", "job goes on"},
    {"job_retried", "job is tried again"},
    {"job_done", "job done: artifact {body.artifact_sha256}"},
    {"job_failed", "job failed: {body.detail}"},
    {"job_canceled", "job canceled: {body.detail}"},
    {"job_suspect", "job suspect: {body.suspect}"},
    {"task_done", "task {body.task} ({body.kind}) done by {body.worker} in {body.wall_ms} ms: "
                  "{body.done} of {body.tasks}"},
    {"task_failed", "task {body.task} ({body.kind}) failed on {body.worker} ({body.cause}): "
                    "{body.detail}"},
};

static const char *sentence_of(const char *type)
{
    for (int i = 0; i < I8X_COUNT(sentences); i++)
        if (strcmp(sentences[i].type, type) == 0)
            return sentences[i].sentence;
    return NULL;
}

/* Prints a sentence; {path} is the event's value at that path. */
static void fill(const char *sentence, const i8x_json *event)
{
    char path[64], value[I8X_CELL_SIZE];
    for (; *sentence != 0; sentence++) {
        if (*sentence != '{') {
            putchar(*sentence);
            continue;
        }
        size_t length = strcspn(++sentence, "}");
        snprintf(path, sizeof path, "%.*s", (int)length, sentence);
        i8x_value_text(i8x_path_follow(event, path), I8X_CELL_PLAIN, false, value, sizeof value);
        printf("%s", i8x_printable(value));
        sentence += length;
    }
}

void i8x_event_print(const i8x_json *event)
{
    const char *sentence = sentence_of(i8x_json_member_text(event, "type", ""));
    fill("{time}  ", event);
    fill(sentence != NULL ? sentence : "{type}", event);
    printf("\n");
    const char *words = i8x_json_text(i8x_path_follow(event, LAST_WORDS));
    i8x_printable_lines(words != NULL ? words : "");
}
