/* SPDX-License-Identifier: Apache-2.0
 *
 * int8x-worker: joins a coordinator, or runs one encoded task in this process (--task) for tests
 * and debugging.
 */
#define _DEFAULT_SOURCE /* madvise */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "int8x/file.h"
#include "int8x/local.h"
#include "int8x/log.h"
#include "int8x/task.h"
#include "proto/limits.h"
#include "proto/program_options.h"
#include "proto/trust_file.h"
#include "worker/agent.h"
#include "worker/enroll.h"

static const char *join_url, *cache = "int8x-cache", *name, *level_name, *log_level = "info",
                             *task_file, *blobs = ".", *join_token_path, *token_path, *ca_path;
static const char *device_root = "";
static long slots = 1, threads, memory_mb, seconds, cache_mb = I8X_CACHE_MB,
            prefetch = I8X_PREFETCH, nice_value;
static long temperature_max, others_percent = I8X_BUSY_PERCENT;
static bool with_parent, idle_only, probes;

static const i8x_program_option options[] = {
    {"--join", "URL",
     "coordinator: tcp://HOST:8481 or ipc://PATH; of an invited worker what it was "
     "told",
     .text = &join_url},
    {"--join-token-file", "FILE",
     "invitation (int8x admin invite), used once; the credential it gives stays in the cache "
     "(INT8X_JOIN_TOKEN: its text)",
     .text = &join_token_path},
    {"--token-file", "FILE", "token of a worker that the coordinator itself has started",
     .text = &token_path},
    {"--ca-file", "FILE", "with --token-file: the CA of the coordinator's certificate",
     .text = &ca_path},
    {"--cache", "DIR", "folder for blobs (int8x-cache)", .text = &cache},
    {"--cache-mb", "N", "bytes that the folder keeps, MiB (8192)", .number = &cache_mb, .min = 1,
     .max = 1 << 30},
    {"--slots", "N", "tasks at once, a child process each (1)", .number = &slots, .min = 1,
     .max = I8X_SLOTS_MAX},
    {"--threads", "T", "threads of one task (cores divided by slots)", .number = &threads, .min = 1,
     .max = 256},
    {"--prefetch", "N", "tasks held beyond the slots: their inputs come while others run (15)",
     .number = &prefetch, .min = 0, .max = I8X_PREFETCH_MAX},
    {"--nice", "N", "niceness of the tasks' processes, 0..19 (0)", .number = &nice_value, .min = 0,
     .max = 19},
    {"--idle-only", NULL, "take work only while others use little of this machine",
     .flag = &idle_only},
    {"--others-percent", "N", "with --idle-only: share of the processors they may use (25)",
     .number = &others_percent, .min = 1, .max = 100},
    {"--temperature-max", "C", "take no work above this temperature, degrees Celsius (no limit)",
     .number = &temperature_max, .min = 30, .max = 120},
    {"--device-root", "DIR", "folder that holds this machine's proc/ and sys/ (/)",
     .text = &device_root},
    {"--memory-mb", "N", "memory of one task, MiB (what the coordinator allows)",
     .number = &memory_mb, .min = 16, .max = 1 << 20},
    {"--task-seconds", "N", "wall time of one task (what the coordinator allows)",
     .number = &seconds, .min = 1, .max = 1 << 20},
    {"--level", "LEVEL",
     "highest kernel level: scalar, neon, avx2, avx512 (INT8X_CPU_MASK, or what the CPU has)",
     .text = &level_name},
    {"--name", "NAME", "name for humans (host name)", .text = &name},
    {"--log-level", "LEVEL", "error, warn, info or debug (info)", .text = &log_level},
    {"--probes", NULL, "run tasks that try the service, too (docs/formats.md, Probe)",
     .flag = &probes},
    {"--with-parent", NULL, "end when the process that started this one ends",
     .flag = &with_parent},
    {"--task", "FILE", "run this encoded task here and print its result, instead of joining",
     .text = &task_file},
    {"--blobs", "DIR", "with --task: folder of blobs named by their SHA-256 (.)", .text = &blobs},
};

static const i8x_program int8x_worker = {
    .name = "int8x-worker",
    .version = I8X_VERSION,
    .usage = "int8x-worker --join URL [options]\n"
             "       int8x-worker --join-token-file FILE [options]\n"
             "       int8x-worker --task FILE [--blobs DIR]"
             "\n\nWorks for an int8x coordinator.",
    .ending = "SIGTERM and SIGINT let running tasks finish first, a second one does not.\n"
              "Exit codes: 0 stopped, 2 wrong option, 9 cache in use, 11 the coordinator does not "
              "take this worker; with --task that of the "
              "task's status.",
    .options = options,
    .option_count = sizeof options / sizeof *options};

static i8x_status pick_level(i8x_cpu_level *level)
{
    const char *wanted = level_name != NULL ? level_name : getenv("INT8X_CPU_MASK");
    *level = i8x_cpu_detect();
    return wanted != NULL && *wanted != 0 ? i8x_cpu_level_parse(wanted, level) : I8X_OK;
}

/* ---- --task ---- */

static void print_result(const i8x_task *task, const i8x_task_result *result)
{
    char hex[I8X_DIGEST_HEX_SIZE];
    i8x_digest key = i8x_task_key(task);
    printf("kind %s revision %d key %s\n", i8x_task_kind_name(task->kind), task->revision,
           i8x_digest_to_hex(&key, hex));
    for (int i = 0; i < result->output_count; i++)
        printf("output %s %s %llu bytes\n", result->outputs[i].role,
               i8x_digest_to_hex(&result->outputs[i].ref.digest, hex),
               (unsigned long long)result->outputs[i].ref.size_bytes);
    i8x_digest summary = i8x_digest_of(
        result->summary_size > 0 ? (const void *)result->summary : "", result->summary_size);
    printf("summary %zu bytes sha256 %s\n", result->summary_size, i8x_digest_to_hex(&summary, hex));
    printf("level %s wall %.3f ms cpu %.3f ms peak %.1f MiB\n",
           i8x_cpu_level_name(result->measure.level), (double)result->measure.wall_ns * 1e-6,
           (double)result->measure.cpu_ns * 1e-6, (double)result->measure.peak_bytes / 1048576);
}

static i8x_status run_decoded(const i8x_task *task)
{
    i8x_cpu_level level;
    I8X_TRY(pick_level(&level));
    i8x_blobdir *folder = NULL;
    I8X_TRY(i8x_blobdir_open(blobs, &folder));
    i8x_task_env env = {.io = i8x_blobdir_io(folder),
                        .threads = threads > 0 ? (int)threads : i8x_cpu_count(),
                        .limit_bytes = (size_t)memory_mb << 20,
                        .level = level,
                        .probes = probes};
    i8x_task_result result = {0};
    i8x_status status = i8x_task_run(task, &env, &result);
    if (status == I8X_OK)
        print_result(task, &result);
    i8x_task_result_deinit(&result);
    i8x_blobdir_close(folder);
    return status;
}

static i8x_status run_task_file(void)
{
    i8x_arena *arena = NULL;
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    uint8_t *bytes = NULL;
    size_t size = 0;
    i8x_task task;
    i8x_status status = i8x_file_read_all(NULL, task_file, I8X_WIRE_TASK_MAX, &bytes, &size);
    if (status == I8X_OK) {
        status = i8x_task_decode(bytes, size, arena, &task);
        i8x_alloc_free(i8x_alloc_heap(), bytes, size);
    }
    if (status == I8X_OK)
        status = run_decoded(&task);
    i8x_arena_free(arena);
    return status;
}

static i8x_status run_agent(const char *invitation)
{
    i8x_agent_opts opts = {.join = join_url,
                           .invitation = invitation,
                           .token_path = token_path,
                           .ca_path = ca_path,
                           .cache = cache,
                           .name = name,
                           .slots = (int)slots,
                           .threads = (int)threads,
                           .memory_bytes = (uint64_t)memory_mb << 20,
                           .task_seconds = (uint32_t)seconds,
                           .cache_bytes = (uint64_t)cache_mb << 20,
                           .version = I8X_VERSION,
                           .device_root = device_root,
                           .limits = {.temperature_max_c = (int)temperature_max,
                                      .others_max_percent = idle_only ? (int)others_percent : 0},
                           .probes = probes,
                           .nice_value = (int)nice_value,
                           .prefetch = (int)prefetch};
    I8X_TRY(pick_level(&opts.level));
    if (with_parent) {
        pid_t parent = getppid();
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        I8X_ENSURE(getppid() == parent, I8X_ECANCELED, "the parent process has ended");
    }
    return i8x_agent_run(&opts);
}

/* Copies an invitation to where the processes that this one forks do not see it: they read foreign
 * models. */
static i8x_status hide_invitation(char *text, size_t size, const char **hidden)
{
    I8X_ENSURE(size < I8X_TOKEN_FILE_MAX, I8X_ELIMIT,
               "INT8X_JOIN_TOKEN: %zu bytes are no invitation", size);
    char *page =
        mmap(NULL, I8X_TOKEN_FILE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    I8X_ENSURE(page != MAP_FAILED, I8X_ENOMEM, "no memory for an invitation");
    (void)madvise(page, I8X_TOKEN_FILE_MAX, MADV_WIPEONFORK); /* not known to every emulator */
    memcpy(page, text, size);
    i8x_wipe(text, size);
    *hidden = page;
    return I8X_OK;
}

/* What lies in the environment is overwritten there: whoever may look at this process sees it. */
static i8x_status take_invitation(const char **invitation)
{
    char *text = getenv("INT8X_JOIN_TOKEN");
    size_t size = 0;
    if (join_token_path == NULL)
        return text != NULL && *text != 0 ? hide_invitation(text, strlen(text), invitation)
                                          : I8X_OK;
    I8X_TRY(i8x_enroll_read(join_token_path, &text, &size));
    i8x_status status = hide_invitation(text, size, invitation);
    i8x_trust_file_free(text, size);
    return status;
}

static i8x_status join_and_work(void)
{
    const char *invitation = NULL;
    I8X_TRY(take_invitation(&invitation));
    return run_agent(invitation);
}

static i8x_status run(int argc, char **argv)
{
    bool done;
    I8X_TRY(i8x_program_parse(&int8x_worker, argc, argv, stdout, &done));
    if (done)
        return I8X_OK;
    I8X_ENSURE(join_url == NULL || task_file == NULL, I8X_EARG,
               "one of --join URL and --task FILE is wanted, not both");
    i8x_log_level level;
    I8X_TRY(i8x_log_level_parse(log_level, &level));
    i8x_log_configure(level, NULL, NULL);
    return task_file != NULL ? run_task_file() : join_and_work();
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    i8x_trust_seal_process();
    i8x_alloc_return_large(); /* slots inherit it */
    i8x_status status = run(argc, argv);
    if (status != I8X_OK)
        fprintf(stderr, "int8x-worker: %s: %s\n", i8x_status_name(status),
                i8x_last_error()->detail);
    return i8x_status_exit_code(status);
}
