/* SPDX-License-Identifier: Apache-2.0
 *
 * int8xd: the coordinator. Options are a table; the rest is loop.c.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "daemon/daemon.h"
#include "proto/limits.h"
#include "proto/program_options.h"
#include "proto/trust_file.h"
#include "proto/trust_token.h"

static const char *http = "127.0.0.1:8480", *link_url = "tcp://127.0.0.1:8481", *data,
                  *level = "info", *program, *advertise, *ledger_sync = "full",
                  *worker_life = "90d", *admin;
static bool http_plain;
static long local_workers, threads, blob_mb = (long)(I8X_BLOB_SIZE_MAX >> 20),
                                    memory_mb = I8X_TASK_MEMORY_MB;
static long seconds = I8X_TASK_SECONDS, lease_ms = I8X_LEASE_LIFE_MS,
            heartbeat_ms = I8X_HEARTBEAT_MS, audit_per_mille = I8X_AUDIT_PER_MILLE;

static const i8x_program_option options[] = {
    {"--data", "DIR", "folder of ledger and blobs (made if it is not there); required",
     .text = &data},
    {"--http", "HOST:PORT", "address of the HTTP API (127.0.0.1:8480; port 0: any)", .text = &http},
    {"--admin", "HOST:PORT",
     "second listener for health and metrics alone, such as 127.0.0.1:8482 (none)", .text = &admin},
    {"--link", "URL", "address for workers (tcp://127.0.0.1:8481; ipc://PATH)", .text = &link_url},
    {"--local-workers", "N", "worker processes to run on this machine (0)",
     .number = &local_workers, .min = 0, .max = I8X_LOCAL_WORKERS_MAX},
    {"--threads", "T", "threads of each local worker (cores divided by local workers)",
     .number = &threads, .min = 1, .max = 256},
    {"--advertise", "HOST[:PORT]",
     "where workers reach the HTTP API, or a URL (the address of --http; listening everywhere: the "
     "first name of the certificate)",
     .text = &advertise},
    {"--http-plain", NULL,
     "with trust: HTTP without TLS, on loopback only, for a proxy in front or for measuring; "
     "tokens "
     "are asked for all the same",
     .flag = &http_plain},
    {"--worker-life", "SPAN", "of a worker's certificate, which it renews in time (90d)",
     .text = &worker_life},
    {"--worker-program", "FILE", "program of the local workers (int8x-worker beside this one)",
     .text = &program},
    {"--blob-mb", "N", "largest blob, MiB (8192)", .number = &blob_mb, .min = 1, .max = 1 << 20},
    {"--task-memory-mb", "N", "memory of one task, MiB (4096)", .number = &memory_mb, .min = 16,
     .max = 1 << 20},
    {"--task-seconds", "N", "wall time of one task (3600)", .number = &seconds, .min = 1,
     .max = 1 << 20},
    {"--lease-ms", "N", "life of a lease without a heartbeat (15000)", .number = &lease_ms,
     .min = 100, .max = 3600000},
    {"--heartbeat-ms", "N", "time between a worker's heartbeats (3000)", .number = &heartbeat_ms,
     .min = 20, .max = 600000},
    {"--audit-per-mille", "N",
     "least share of results that another worker computes once more, 0 to 1000; 0: none (10)",
     .number = &audit_per_mille, .min = 0, .max = 1000},
    {"--ledger-sync", "HOW",
     "full: a commit is on the disk before it is told; off: for measuring, a power loss takes "
     "acknowledged work (full)",
     .text = &ledger_sync},
    {"--log-level", "LEVEL", "error, warn, info or debug (info)", .text = &level},
};

static const i8x_program int8xd = {
    .name = "int8xd",
    .version = I8X_VERSION,
    .usage = "int8xd --data DIR [options]\n\nTakes quantization jobs over HTTP and shares their "
             "tasks out to workers.",
    .ending = "SIGINT and SIGTERM stop it. Exit codes: 0 stopped, 2 wrong option, 7 input or "
              "output, 9 folder in use, 70 fault inside.",
    .options = options,
    .option_count = sizeof options / sizeof *options};

static i8x_status check_options(void)
{
    I8X_ENSURE(data != NULL, I8X_EARG, "--data DIR is missing: the folder of ledger and blobs");
    I8X_ENSURE(heartbeat_ms * 2 <= lease_ms, I8X_EARG,
               "--heartbeat-ms %ld is more than half of --lease-ms %ld", heartbeat_ms, lease_ms);
    I8X_ENSURE(strcmp(ledger_sync, "full") == 0 || strcmp(ledger_sync, "off") == 0, I8X_EARG,
               "--ledger-sync '%.20s' is neither full nor off", ledger_sync);
    I8X_ENSURE(advertise == NULL || strlen(advertise) <= I8X_WIRE_URL_MAX, I8X_ELIMIT,
               "--advertise: an address of %zu bytes, at most %d", strlen(advertise),
               I8X_WIRE_URL_MAX);
    return I8X_OK;
}

static i8x_status run(int argc, char **argv)
{
    bool done;
    I8X_TRY(i8x_program_parse(&int8xd, argc, argv, stdout, &done));
    if (done)
        return I8X_OK;
    I8X_TRY(check_options());
    i8x_daemon_opts opts = {.http = http,
                            .admin = admin,
                            .link = link_url,
                            .data = data,
                            .local_workers = (int)local_workers,
                            .threads = (int)threads,
                            .blob_limit_bytes = (uint64_t)blob_mb << 20,
                            .task_memory_bytes = (uint64_t)memory_mb << 20,
                            .task_seconds = (uint32_t)seconds,
                            .audit_per_mille = (int)audit_per_mille,
                            .lease_life_ms = lease_ms,
                            .heartbeat_ms = heartbeat_ms,
                            .worker_program = program,
                            .ledger_relaxed = strcmp(ledger_sync, "off") == 0,
                            .advertise = advertise,
                            .http_plain = http_plain};
    I8X_TRY(i8x_life_parse(worker_life, &opts.worker_life_s));
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
    signal(SIGPIPE, SIG_IGN);
    i8x_trust_seal_process();
    i8x_status status = run(argc, argv);
    if (status != I8X_OK)
        fprintf(stderr, "int8xd: %s\n", i8x_last_error()->detail);
    return i8x_status_exit_code(status);
}
