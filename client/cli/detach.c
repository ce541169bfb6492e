/* SPDX-License-Identifier: Apache-2.0
 *
 * Detach: see detach.h. The handler only writes what was made beforehand and leaves: nothing else
 * is safe in a signal handler, and a request that is under way may be left as it is, since the
 * service keeps the job.
 */
#include "client/cli/detach.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    char words[1024], result[256];
    size_t words_size, result_size;
    struct sigaction before;
    bool armed;
} detach;

static void write_all(int to, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t wrote = write(to, bytes, size);
        if (wrote <= 0)
            return;
        bytes += wrote;
        size -= (size_t)wrote;
    }
}

static void on_interrupt(int number)
{
    (void)number;
    write_all(STDERR_FILENO, detach.words, detach.words_size);
    write_all(STDOUT_FILENO, detach.result, detach.result_size);
    _exit(I8X_EXIT_DETACHED);
}

/* The options that say which service it is, as they were given. */
static void put_where(const i8x_options *options, char *where, size_t size)
{
    int count;
    const i8x_option *common = i8x_options_common(&count);
    for (int i = 0; i < count; i++) {
        const char *value =
            common[i].value != NULL ? i8x_options_get(options, common[i].name) : NULL;
        size_t used = strlen(where);
        if (value != NULL)
            snprintf(where + used, size - used, " --%s %s", common[i].name, value);
    }
}

void i8x_detach_arm(const i8x_options *options, const char *what, const char *id,
                    const char *result)
{
    char where[800] = "";
    struct sigaction action = {.sa_handler = on_interrupt};
    put_where(options, where, sizeof where);
    snprintf(
        detach.words, sizeof detach.words,
        "\nint8x: no longer waiting; %s %.60s goes on. Come back with:\n  int8x watch %.60s%s\n",
        what, id, id, where);
    detach.words_size = strlen(detach.words);
    snprintf(detach.result, sizeof detach.result, "%.254s", result != NULL ? result : "");
    detach.result_size = strlen(detach.result);
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGINT, NULL, &detach.before) != 0 || detach.before.sa_handler == SIG_IGN)
        return;
    detach.armed = sigaction(SIGINT, &action, NULL) == 0;
}

void i8x_detach_disarm(void)
{
    if (detach.armed)
        sigaction(SIGINT, &detach.before, NULL);
    detach.armed = false;
}
