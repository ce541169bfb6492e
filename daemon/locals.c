/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes by libuv. A worker that ends while the daemon runs is started again after a second.
 * Workers get --with-parent, so that none outlives a daemon that was killed.
 */
#include "daemon/locals.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/auth.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

#define NUMBER_SIZE 16

typedef struct local_worker {
    i8x_locals *locals;
    int index;
    uv_process_t process;
    uv_timer_t restart;
    bool running;
} local_worker;

struct i8x_locals {
    i8x_daemon *daemon;
    char program[PATH_MAX];
    int threads;
    int count, running;
    bool stopping;
    local_worker workers[I8X_LOCAL_WORKERS_MAX];
};

static i8x_status spawn(local_worker *worker);

static void on_restart(uv_timer_t *timer)
{
    local_worker *worker = timer->data;
    if (!worker->locals->stopping && spawn(worker) != I8X_OK)
        uv_timer_start(timer, on_restart, I8X_LOCAL_RESTART_MS, 0);
}

static void on_closed(uv_handle_t *handle)
{
    local_worker *worker = handle->data;
    worker->running = false;
    worker->locals->running--;
    if (!worker->locals->stopping)
        uv_timer_start(&worker->restart, on_restart, I8X_LOCAL_RESTART_MS, 0);
}

static void on_exit(uv_process_t *process, int64_t code, int signal_number)
{
    local_worker *worker = process->data;
    i8x_log(worker->locals->stopping ? I8X_LOG_INFO : I8X_LOG_WARN, "local_worker_ended",
            "index=%d exit=%lld signal=%d", worker->index, (long long)code, signal_number);
    uv_close((uv_handle_t *)process, on_closed);
}

static i8x_status spawn(local_worker *worker)
{
    i8x_locals *locals = worker->locals;
    i8x_daemon *daemon = locals->daemon;
    char cache[PATH_MAX], threads[NUMBER_SIZE];
    snprintf(cache, sizeof cache, "%s/workers/%d", daemon->opts.data, worker->index);
    snprintf(threads, sizeof threads, "%d", locals->threads);
    char token[PATH_MAX], ca[PATH_MAX];
    i8x_trust_folder_path(daemon->opts.data, "local.token", token, sizeof token);
    i8x_trust_folder_path(daemon->opts.data, "ca.crt", ca, sizeof ca);
    bool trusted = i8x_auth_is_on(daemon->auth);
    const char *args[] = {locals->program,
                          "--join",
                          daemon->link_path,
                          "--cache",
                          cache,
                          "--slots",
                          "1",
                          "--threads",
                          threads,
                          "--with-parent",
                          trusted ? "--token-file" : NULL, /* the list ends here, or */
                          token,
                          "--ca-file",
                          ca,
                          NULL};
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
                                     {.flags = UV_INHERIT_FD, .data.fd = 2},
                                     {.flags = UV_INHERIT_FD, .data.fd = 2}};
    uv_process_options_t options = {.file = locals->program,
                                    .args = (char **)args,
                                    .exit_cb = on_exit,
                                    .stdio = stdio,
                                    .stdio_count = 3};
    worker->process.data = worker;
    int code = uv_spawn(&daemon->loop, &worker->process, &options);
    worker->running = true; /* a handle is there to be closed, also after a failure */
    locals->running++;
    if (code == 0) {
        i8x_log(I8X_LOG_INFO, "local_worker_started", "index=%d pid=%d", worker->index,
                worker->process.pid);
        return I8X_OK;
    }
    uv_close((uv_handle_t *)&worker->process, on_closed);
    I8X_FAIL(I8X_ENOENT, "%s: %s", locals->program, uv_strerror(code));
}

static i8x_status find_program(i8x_locals *locals)
{
    if (locals->daemon->opts.worker_program != NULL) {
        snprintf(locals->program, sizeof locals->program, "%s",
                 locals->daemon->opts.worker_program);
        return I8X_OK;
    }
    size_t size = sizeof locals->program;
    I8X_ENSURE(uv_exepath(locals->program, &size) == 0, I8X_EIO, "where is this program?");
    char *slash = strrchr(locals->program, '/');
    size_t room = sizeof locals->program - (size_t)(slash + 1 - locals->program);
    snprintf(slash + 1, room, "int8x-worker");
    return I8X_OK;
}

i8x_status i8x_locals_new(i8x_daemon *daemon, i8x_locals **locals)
{
    i8x_locals *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    *locals = made;
    made->daemon = daemon;
    I8X_TRY(find_program(made));
    int share = i8x_cpu_count() / daemon->opts.local_workers;
    made->threads = daemon->opts.threads > 0 ? daemon->opts.threads : share > 0 ? share : 1;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/workers", daemon->opts.data);
    mkdir(folder, 0700);
    for (; made->count < daemon->opts.local_workers; made->count++) {
        local_worker *worker = &made->workers[made->count];
        worker->locals = made;
        worker->index = made->count;
        uv_timer_init(&daemon->loop, &worker->restart);
        worker->restart.data = worker;
    }
    for (int i = 0; i < made->count; i++)
        I8X_TRY(spawn(&made->workers[i]));
    return I8X_OK;
}

void i8x_locals_stop(i8x_locals *locals)
{
    locals->stopping = true;
    for (int i = 0; i < locals->count; i++) {
        uv_close((uv_handle_t *)&locals->workers[i].restart, NULL);
        if (locals->workers[i].running)
            uv_process_kill(&locals->workers[i].process, SIGTERM);
    }
}

int i8x_locals_running(const i8x_locals *locals)
{
    return locals->running;
}

void i8x_locals_kill(i8x_locals *locals)
{
    for (int i = 0; i < locals->count; i++)
        if (locals->workers[i].running &&
            !uv_is_closing((uv_handle_t *)&locals->workers[i].process))
            uv_process_kill(&locals->workers[i].process, SIGKILL);
}

void i8x_locals_free(i8x_locals *locals)
{
    if (locals != NULL)
        i8x_alloc_free(i8x_alloc_heap(), locals, sizeof *locals);
}
