/* SPDX-License-Identifier: Apache-2.0
 *
 * int8xd: the coordinator. Options are a table; the rest is loop.c.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "proto/limits.h"

typedef struct option_row {
    const char *name, *value, *sentence;
    const char **text;
    long *number;
    long min, max;
} option_row;

static const char *http = "127.0.0.1:8480", *link_url = "tcp://127.0.0.1:8481", *data,
                  *level = "info", *program;
static long local_workers, threads, blob_mb = (long)(I8X_BLOB_SIZE_MAX >> 20),
                                    memory_mb = I8X_TASK_MEMORY_MB;
static long seconds = I8X_TASK_SECONDS, lease_ms = I8X_LEASE_LIFE_MS,
            heartbeat_ms = I8X_HEARTBEAT_MS;

static const option_row rows[] = {
    {"--data", "DIR", "folder of ledger and blobs (made if it is not there); required", &data, NULL,
     0, 0},
    {"--http", "HOST:PORT", "address of the HTTP API (127.0.0.1:8480; port 0: any)", &http, NULL, 0,
     0},
    {"--link", "URL", "address for workers (tcp://127.0.0.1:8481; ipc://PATH)", &link_url, NULL, 0,
     0},
    {"--local-workers", "N", "worker processes to run on this machine (0)", NULL, &local_workers, 0,
     I8X_LOCAL_WORKERS_MAX},
    {"--threads", "T", "threads of each local worker (cores divided by local workers)", NULL,
     &threads, 1, 256},
    {"--worker-program", "FILE", "program of the local workers (int8x-worker beside this one)",
     &program, NULL, 0, 0},
    {"--blob-mb", "N", "largest blob, MiB (8192)", NULL, &blob_mb, 1, 1 << 20},
    {"--task-memory-mb", "N", "memory of one task, MiB (4096)", NULL, &memory_mb, 16, 1 << 20},
    {"--task-seconds", "N", "wall time of one task (3600)", NULL, &seconds, 1, 1 << 20},
    {"--lease-ms", "N", "life of a lease without a heartbeat (15000)", NULL, &lease_ms, 100,
     3600000},
    {"--heartbeat-ms", "N", "time between a worker's heartbeats (3000)", NULL, &heartbeat_ms, 20,
     600000},
    {"--log-level", "LEVEL", "error, warn, info or debug (info)", &level, NULL, 0, 0},
};
#define ROW_COUNT (sizeof rows / sizeof *rows)

static void print_help(void)
{
    printf("usage: int8xd --data DIR [options]\n\nTakes quantization jobs over HTTP and shares "
           "their tasks out to workers.\n\n");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", rows[i].name, rows[i].value);
        printf("  %-28s %s\n", left, rows[i].sentence);
    }
    printf("  %-28s %s\n  %-28s %s\n\nSIGINT and SIGTERM stop it. Exit codes: 0 stopped, 2 wrong "
           "option, 7 input or "
           "output, 9 folder in use, 70 fault inside.\n",
           "--help", "this text", "--version", "version");
}

static i8x_status set_option(const option_row *row, const char *value)
{
    I8X_ENSURE(value != NULL, I8X_EARG, "%s wants a value: %s", row->name, row->value);
    if (row->text != NULL) {
        *row->text = value;
        return I8X_OK;
    }
    char *end = NULL;
    long number = strtol(value, &end, 10);
    I8X_ENSURE(*value != 0 && *end == 0 && number >= row->min && number <= row->max, I8X_EARG,
               "%s %s: a whole number from %ld to %ld is wanted", row->name, value, row->min,
               row->max);
    *row->number = number;
    return I8X_OK;
}

static i8x_status parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        size_t row = 0;
        while (row < ROW_COUNT && strcmp(rows[row].name, argv[i]) != 0)
            row++;
        I8X_ENSURE(row < ROW_COUNT, I8X_EARG, "option '%s' is not known: int8xd --help lists all",
                   argv[i]);
        I8X_TRY(set_option(&rows[row], i + 1 < argc ? argv[i + 1] : NULL));
    }
    I8X_ENSURE(data != NULL, I8X_EARG, "--data DIR is missing: the folder of ledger and blobs");
    I8X_ENSURE(heartbeat_ms * 2 <= lease_ms, I8X_EARG,
               "--heartbeat-ms %ld is more than half of --lease-ms %ld", heartbeat_ms, lease_ms);
    return I8X_OK;
}

static i8x_status run(int argc, char **argv)
{
    I8X_TRY(parse(argc, argv));
    i8x_daemon_opts opts = {.http = http,
                            .link = link_url,
                            .data = data,
                            .local_workers = (int)local_workers,
                            .threads = (int)threads,
                            .blob_limit_bytes = (uint64_t)blob_mb << 20,
                            .task_memory_bytes = (uint64_t)memory_mb << 20,
                            .task_seconds = (uint32_t)seconds,
                            .lease_life_ms = lease_ms,
                            .heartbeat_ms = heartbeat_ms,
                            .worker_program = program};
    I8X_TRY(i8x_log_level_parse(level, &opts.log_level));
    i8x_log_configure(opts.log_level, NULL, NULL);
    static i8x_daemon daemon; /* large, and there is one */
    i8x_status status = i8x_daemon_start(&opts, &daemon);
    i8x_error error = *i8x_last_error(); /* closing may fail too */
    if (status == I8X_OK)
        i8x_daemon_run(&daemon);
    i8x_daemon_close(&daemon);
    return status == I8X_OK ? I8X_OK : i8x_fail(status, error.file, error.line, "%s", error.detail);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_help();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("int8xd %s\n", I8X_VERSION);
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    i8x_status status = run(argc, argv);
    if (status != I8X_OK)
        fprintf(stderr, "int8xd: %s\n", i8x_last_error()->detail);
    return i8x_status_exit_code(status);
}
