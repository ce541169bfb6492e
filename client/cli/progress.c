/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress: redraws one line on a terminal; elsewhere prints a line when a stage begins.
 */
#include "client/cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "int8x/clock.h"

#define BAR_WIDTH 30

void i8x_progress_init(i8x_progress *progress, bool silent)
{
    memset(progress, 0, sizeof *progress);
    progress->silent = silent;
    progress->terminal = isatty(STDERR_FILENO) != 0;
    progress->start_ns = i8x_clock_now_ns(NULL);
}

static void draw(const i8x_progress *progress, int done, int total)
{
    char bar[BAR_WIDTH + 1];
    int filled = total > 0 ? (int)((long)BAR_WIDTH * done / total) : 0;
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    double seconds = (double)(i8x_clock_now_ns(NULL) - progress->start_ns) * 1e-9;
    fprintf(stderr, "\r[%s] %d/%d %-10s %.1f s ", bar, done, total, progress->stage, seconds);
    fflush(stderr);
}

void i8x_progress_show(i8x_progress *progress, const char *stage, int done, int total)
{
    if (progress->silent)
        return;
    bool changed = strcmp(progress->stage, stage) != 0;
    if (changed)
        snprintf(progress->stage, sizeof progress->stage, "%s", stage);
    if (progress->terminal) {
        draw(progress, done, total);
        progress->drawn = true;
    } else if (changed) {
        fprintf(stderr, "%s: %d of %d done\n", stage, done, total);
    }
}

void i8x_progress_end(i8x_progress *progress)
{
    if (progress->drawn)
        fprintf(stderr, "\n");
    progress->drawn = false;
}
