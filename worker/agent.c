/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads: lanes that carry leases (lane.h), couriers that take results away (courier.h), one that
 * asks for work when there is too little, one for heartbeats, and the main thread, which waits for
 * signals. They meet in the intake, the pool of slots, the session and the cache, each of which has
 * its own mutex.
 */
#include "worker/agent.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "int8x/file.h"
#include "int8x/log.h"
#include "int8x/task.h"
#include "worker/courier.h"
#include "worker/device.h"
#include "worker/enroll.h"
#include "worker/heartbeat.h"
#include "worker/lane.h"
#include "worker/renewal.h"

#define ARENA_MAX (32u << 20)
#define ID_RANDOM_BYTES 6

typedef struct agent {
    i8x_agent_opts opts;
    char id[I8X_WIRE_NAME_MAX + 1], name[I8X_WIRE_NAME_MAX + 1];
    struct utsname system;
    i8x_device device;
    i8x_zygote *zygote;
    i8x_cache *cache;
    i8x_credential credential;
    i8x_tunnel *tunnel; /* NULL while the link has no TLS */
    i8x_renewal *renewal;
    char link[I8X_CACHE_PATH_SIZE]; /* URL of the link, as nng dials it */
    i8x_session *session;
    i8x_intake *intake;
    i8x_pool *pool;
    i8x_courier *courier;
    i8x_lane_env lane_env;
    i8x_lane *lanes[I8X_LEASES_MAX];
    int lane_count;
    pthread_t asker;
    bool asker_runs;
    i8x_heartbeat *heartbeat;
} agent;

/* ---- who we are ---- */

static void fill_hello(void *user, i8x_arena *arena, i8x_wire_hello *hello)
{
    agent *a = user;
    i8x_wire_kind *kinds = i8x_arena_array(arena, I8X_TASK_KIND_COUNT, sizeof *kinds);
    I8X_ASSERT(kinds != NULL);
    size_t kind_count = 0;
    for (int i = 0; i < I8X_TASK_KIND_COUNT; i++)
        if (i != I8X_TASK_PROBE || a->opts.probes)
            kinds[kind_count++] = (i8x_wire_kind){i8x_task_kind_name((i8x_task_kind)i),
                                                  i8x_task_kind_revision((i8x_task_kind)i)};
    *hello = (i8x_wire_hello){.worker = a->id,
                              .name = a->name,
                              .arch = a->system.machine,
                              .level = i8x_cpu_level_name(a->opts.level),
                              .cores = (uint32_t)a->device.cores,
                              .slots = (uint32_t)a->opts.slots,
                              .memory_bytes = a->opts.memory_bytes,
                              .token = a->credential.token,
                              .kinds = kinds,
                              .kind_count = kind_count,
                              .has_device = true,
                              .device = {.model = a->device.model,
                                         .features = a->device.features,
                                         .version = a->opts.version,
                                         .memory_bytes = a->device.memory_bytes,
                                         .threads = (uint32_t)a->opts.threads}};
    hello->held_count = i8x_intake_held(a->intake, arena, &hello->held);
}

/* The id lies in the cache, so that it outlives this process. */
static i8x_status make_identity(agent *a)
{
    uname(&a->system);
    snprintf(a->name, sizeof a->name, "%s",
             a->opts.name != NULL ? a->opts.name : a->system.nodename);
    char path[I8X_CACHE_PATH_SIZE];
    snprintf(path, sizeof path, "%s/id", a->opts.cache);
    uint8_t *text = NULL;
    size_t size = 0;
    if (i8x_file_read_all(NULL, path, I8X_WIRE_NAME_MAX, &text, &size) == I8X_OK) {
        size_t good = strspn((char *)text, "abcdefghijklmnopqrstuvwxyz0123456789.-");
        if (good > 0 && good == size)
            snprintf(a->id, sizeof a->id, "%s", (char *)text);
        i8x_alloc_free(i8x_alloc_heap(), text, size);
    }
    if (a->id[0] != 0)
        return I8X_OK;
    uint8_t random[ID_RANDOM_BYTES];
    I8X_TRY(i8x_digest_random(random, sizeof random));
    a->id[0] = 'w';
    for (int i = 0; i < ID_RANDOM_BYTES; i++)
        snprintf(a->id + 1 + 2 * i, 3, "%02x", random[i]);
    return i8x_file_write_atomic(path, a->id, strlen(a->id));
}

/* ---- the way to the coordinator ---- */

/* On the tunnel's thread. A coordinator that is away is tried again and again: said once each time
 * it goes or the reason changes. */
static void on_tunnel(void *user, const i8x_tunnel_event *event)
{
    static char last[I8X_TUNNEL_REASON_SIZE];
    (void)user;
    char quoted[2 * I8X_TUNNEL_REASON_SIZE];
    if (event->refused && strcmp(last, event->reason) != 0)
        i8x_log(I8X_LOG_WARN, "link_refused", "address=%s reason=%s", event->peer,
                i8x_log_quote(event->reason, quoted, sizeof quoted));
    snprintf(last, sizeof last, "%s", event->reason); /* "" when a connection stands */
}

/* The coordinator does not take us: nothing that we do can be reported any more. */
static void on_denied(void *user, i8x_status status, const char *detail)
{
    (void)user;
    char quoted[2 * I8X_ERROR_DETAIL_SIZE];
    i8x_log(I8X_LOG_ERROR, "not_trusted", "detail=%s",
            i8x_log_quote(detail, quoted, sizeof quoted));
    _exit(i8x_status_exit_code(status));
}

static i8x_status open_tunnel(agent *a)
{
    const char *link = a->opts.join != NULL ? a->opts.join : a->credential.link;
    static const char scheme[] = "tls+tcp://";
    char path[I8X_CACHE_PATH_SIZE];
    I8X_ENSURE(
        strncmp(link, scheme, sizeof scheme - 1) == 0, I8X_EARG,
        "this worker was invited, but the link %.100s is not tls+tcp://: leave --join out, or "
        "remove %s/trust",
        link, a->opts.cache);
    i8x_tunnel_opts opts = {.address = link + sizeof scheme - 1,
                            .path = i8x_credential_path(a->opts.cache, "link", path, sizeof path),
                            .tls = i8x_credential_tls(&a->credential),
                            .told = on_tunnel};
    I8X_TRY(i8x_tunnel_new(&opts, &a->tunnel, NULL));
    snprintf(a->link, sizeof a->link, "ipc://%.*s", (int)sizeof a->link - 7, path);
    return i8x_renewal_new(a->opts.cache, &a->credential, a->tunnel, on_denied, a, &a->renewal);
}

static i8x_status open_link(agent *a)
{
    i8x_enroll_opts opts = {.cache = a->opts.cache,
                            .invitation = a->opts.invitation,
                            .token_path = a->opts.token_path,
                            .ca_path = a->opts.ca_path};
    I8X_TRY(i8x_enroll(&opts, a->id, &a->credential));
    if (a->credential.tls) {
        I8X_TRY(open_tunnel(a));
        i8x_wipe(&a->credential.key, sizeof a->credential.key); /* the tunnel has its own */
        return I8X_OK;
    }
    I8X_ENSURE(
        a->opts.join != NULL, I8X_EARG,
        "where is the coordinator? --join URL, or --join-token-file FILE with an invitation");
    I8X_ENSURE(strncmp(a->opts.join, "tls", 3) != 0, I8X_EARG,
               "%.100s: TLS wants an invitation: --join-token-file FILE", a->opts.join);
    snprintf(a->link, sizeof a->link, "%s", a->opts.join);
    return I8X_OK;
}

/* ---- asking for work ---- */

static void ask(agent *a, uint32_t want, i8x_arena *arena)
{
    i8x_wire_message message = {.type = I8X_WIRE_LEASE, .u.lease = {want, I8X_LEASE_WAIT_MS}},
                     answer;
    i8x_status status = i8x_session_call(a->session, a->lane_count, &message, -1, arena, &answer);
    if (status == I8X_OK && answer.type == I8X_WIRE_GRANTS) {
        i8x_intake_put(a->intake, want, answer.u.grants.grants, answer.u.grants.grant_count);
        return;
    }
    i8x_intake_put(a->intake, want, NULL, 0);
    char quoted[2 * I8X_ERROR_DETAIL_SIZE];
    i8x_log(I8X_LOG_WARN, "lease_failed", "detail=%s",
            i8x_log_quote(i8x_last_error()->detail, quoted, sizeof quoted));
    struct timespec pause = {0, I8X_REJOIN_FIRST_MS * 1000000L};
    nanosleep(&pause, NULL);
}

static void *asker_main(void *user)
{
    agent *a = user;
    i8x_arena *arena = NULL;
    if (i8x_arena_new(NULL, ARENA_MAX, &arena) != I8X_OK)
        return NULL;
    i8x_arena_mark start = i8x_arena_mark_get(arena);
    for (uint32_t want; i8x_intake_hungry(a->intake, &want); i8x_arena_rewind(arena, start))
        ask(a, want, arena);
    i8x_arena_free(arena);
    return NULL;
}

/* ---- life ---- */

static void say_bye(agent *a)
{
    i8x_arena *arena = NULL;
    if (i8x_arena_new(NULL, ARENA_MAX, &arena) != I8X_OK)
        return;
    i8x_wire_message message = {.type = I8X_WIRE_BYE, .u.bye = {"stopped"}}, answer;
    if (i8x_session_call(a->session, 0, &message, 0, arena, &answer) == I8X_OK)
        i8x_log(I8X_LOG_INFO, "left", "worker=%s", a->id);
    i8x_arena_free(arena);
}

static i8x_status start_threads(agent *a)
{
    int lanes = a->opts.slots + a->opts.prefetch;
    I8X_TRY(i8x_intake_new(a->opts.slots, lanes, &a->intake));
    I8X_TRY(i8x_pool_new(a->zygote, a->opts.cache, a->opts.slots, &a->pool));
    /* lanes of the session: one for each of ours, the asker's, the heartbeat's, the couriers' */
    int courier = lanes + 1 + I8X_HEARTBEAT_LANES;
    I8X_TRY(i8x_session_new(a->link, courier + I8X_COURIERS, fill_hello, a, &a->session));
    i8x_session_on_denied(a->session, on_denied);
    i8x_heartbeat_env beat = {.session = a->session,
                              .intake = a->intake,
                              .pool = a->pool,
                              .cache = a->cache,
                              .zygote = a->zygote,
                              .device_root = a->opts.device_root,
                              .limits = &a->opts.limits,
                              .lane = lanes + 1};
    I8X_TRY(i8x_heartbeat_new(&beat, &a->heartbeat));
    I8X_TRY(i8x_courier_new(a->session, a->intake, courier, &a->courier));
    a->lane_env = (i8x_lane_env){&a->opts, a->cache,   a->session,    a->intake,
                                 a->pool,  a->courier, &a->credential};
    for (int i = 0; i < lanes; i++) {
        I8X_TRY(i8x_lane_new(&a->lane_env, i, &a->lanes[i]));
        a->lane_count++;
    }
    a->asker_runs = pthread_create(&a->asker, NULL, asker_main, a) == 0;
    I8X_ENSURE(a->asker_runs, I8X_ENOMEM, "no thread to ask for work");
    return I8X_OK;
}

static void stop_threads(agent *a)
{
    if (a->intake != NULL)
        i8x_intake_stop(a->intake);
    if (a->pool != NULL)
        i8x_pool_stir(a->pool);
    if (a->heartbeat != NULL)
        i8x_heartbeat_drain(a->heartbeat);
    if (a->session != NULL)
        i8x_session_hurry(a->session);
    if (a->asker_runs)
        pthread_join(a->asker, NULL);
    for (int i = 0; i < a->lane_count; i++)
        i8x_lane_free(a->lanes[i]);
    i8x_courier_free(a->courier);
    if (a->heartbeat != NULL)
        i8x_heartbeat_end(a->heartbeat);
}

static void agent_deinit(agent *a)
{
    i8x_heartbeat_free(a->heartbeat);
    i8x_renewal_free(a->renewal);
    i8x_session_free(a->session);
    i8x_tunnel_free(a->tunnel);
    i8x_wipe(&a->credential, sizeof a->credential);
    i8x_pool_free(a->pool);
    i8x_intake_free(a->intake);
    i8x_zygote_free(a->zygote);
    i8x_cache_close(a->cache);
}

static i8x_status agent_init(agent *a, const i8x_agent_opts *opts)
{
    *a = (agent){.opts = *opts};
    /* first: it must not inherit threads or locks */
    I8X_TRY(i8x_zygote_new(opts->cache, opts->nice_value, &a->zygote));
    I8X_TRY(i8x_cache_open(opts->cache, opts->cache_bytes, &a->cache));
    I8X_TRY(i8x_bulk_global_init());
    i8x_device_read(opts->device_root, &a->device);
    if (a->opts.threads == 0)
        a->opts.threads = a->device.cores > opts->slots ? a->device.cores / opts->slots : 1;
    I8X_TRY(make_identity(a));
    return open_link(a);
}

/* Waits for a signal; a second one, while running tasks are finished, ends the process at once. */
static void *second_signal(void *user)
{
    int number;
    sigwait(user, &number);
    i8x_log(I8X_LOG_WARN, "killed", "signal=%d", number);
    _exit(i8x_status_exit_code(I8X_ECANCELED));
}

static void run_until_signal(agent *a, sigset_t *signals)
{
    int number;
    i8x_log(I8X_LOG_INFO, "started", "worker=%s join=%s slots=%d threads=%d level=%s", a->id,
            a->opts.join != NULL ? a->opts.join : a->credential.link, a->opts.slots,
            a->opts.threads, i8x_cpu_level_name(a->opts.level));
    sigwait(signals, &number);
    i8x_log(I8X_LOG_INFO, "draining", "signal=%d", number);
    pthread_t impatient;
    if (pthread_create(&impatient, NULL, second_signal, signals) == 0)
        pthread_detach(impatient);
}

i8x_status i8x_agent_run(const i8x_agent_opts *opts)
{
    static sigset_t signals; /* outlives this call for the thread that waits for the second one */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    static agent a;
    i8x_status status = agent_init(&a, opts);
    if (status == I8X_OK)
        status = start_threads(&a);
    i8x_error error = *i8x_last_error();
    if (status == I8X_OK)
        run_until_signal(&a, &signals);
    stop_threads(&a);
    if (status == I8X_OK)
        say_bye(&a);
    agent_deinit(&a);
    return status == I8X_OK ? I8X_OK : i8x_fail(status, error.file, error.line, "%s", error.detail);
}
