/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop: opens the rooms, turns, closes them. Other threads (link, ledger, helpers) only wake
 * it. Events for the scheduler go through one queue, because carrying out an action often is the
 * cause of the next event, and a step must be over before the next one begins.
 */
#define _XOPEN_SOURCE 700 /* realpath */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/auth.h"
#include "daemon/daemon.h"
#include "daemon/events.h"
#include "daemon/gate.h"
#include "daemon/hub.h"
#include "daemon/locals.h"
#include "daemon/once.h"
#include "daemon/standing.h"
#include "daemon/study.h"
#include "daemon/sweeps.h"
#include "int8x/alloc.h"
#include "proto/limits.h"

#define STOP_WAIT_MS 10000 /* for helpers and local workers */
#define STOP_STEP_MS 20
#define CHORES_MS 2000
#define LINK_CLOSE_NS 2000000000ull

int64_t i8x_daemon_now_ms(i8x_daemon *daemon)
{
    return (int64_t)uv_now(&daemon->loop);
}

int64_t i8x_daemon_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- events ---- */

typedef struct step_queue {
    i8x_sched_event *events;
    size_t head, count, capacity;
    bool running;
} step_queue;

static void queue_put(step_queue *queue, const i8x_sched_event *event)
{
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity == 0 ? 64 : queue->capacity * 2;
        queue->events = i8x_alloc_resize(i8x_alloc_heap(), queue->events,
                                         queue->capacity * sizeof *event, capacity * sizeof *event);
        I8X_ASSERT(queue->events != NULL);
        queue->capacity = capacity;
    }
    queue->events[queue->count++] = *event;
}

static void act_all(i8x_daemon *daemon)
{
    size_t count;
    const i8x_sched_action *borrowed = i8x_sched_actions(daemon->sched, &count);
    for (size_t i = 0; i < count; i++) {
        i8x_sched_action action =
            borrowed[i]; /* steps wait in the queue, so the list stays as it is */
        i8x_hub_act(daemon->hub, &action);
    }
}

void i8x_daemon_step(i8x_daemon *daemon, const i8x_sched_event *event)
{
    step_queue *queue = daemon->steps;
    queue_put(queue, event);
    if (queue->running)
        return;
    queue->running = true;
    while (queue->head < queue->count) {
        i8x_sched_event next = queue->events[queue->head++];
        i8x_sched_step(daemon->sched, &next, i8x_daemon_now_ms(daemon));
        act_all(daemon);
    }
    queue->head = queue->count = 0;
    queue->running = false;
}

/* ---- wakes and timers ---- */

static void wake(void *user)
{
    uv_async_send(user);
}

static void on_link(uv_async_t *async)
{
    i8x_daemon *daemon = async->data;
    if (!daemon->stopping)
        i8x_hub_receive(daemon->hub);
}

static void on_ledger(uv_async_t *async)
{
    i8x_daemon *daemon = async->data;
    i8x_ledger_drain(daemon->ledger);
}

static void on_tick(uv_timer_t *timer)
{
    i8x_daemon *daemon = timer->data;
    i8x_sched_event tick = {.type = I8X_SCHED_TICK};
    i8x_daemon_step(daemon, &tick);
}

/* Uploads that nobody goes on with, looked for now and then. */
static void collect(uv_work_t *work)
{
    const i8x_daemon *daemon = work->data;
    int removed = i8x_store_collect(daemon->store, I8X_UPLOAD_KEPT_S);
    if (removed > 0)
        i8x_log(I8X_LOG_INFO, "uploads_collected", "count=%d", removed);
}

static void collected(uv_work_t *work, int canceled)
{
    (void)canceled;
    i8x_daemon *daemon = work->data;
    daemon->pending--;
    daemon->collecting = false;
}

static void on_collect(uv_timer_t *timer)
{
    i8x_daemon *daemon = timer->data;
    if (daemon->collecting)
        return;
    daemon->collecting = true;
    daemon->pending++;
    daemon->collect_work.data = daemon;
    uv_queue_work(&daemon->loop, &daemon->collect_work, collect, collected);
}

/* Before the loop sleeps: when does the next thing fall due? */
static void on_prepare(uv_prepare_t *prepare)
{
    i8x_daemon *daemon = prepare->data;
    int64_t next = i8x_study_tick(daemon->study), sched = i8x_sched_next_ms(daemon->sched);
    int64_t now = i8x_daemon_now_ms(daemon), events = i8x_events_tick(daemon->events);
    next = sched < next ? sched : next;
    int64_t sweeps = i8x_sweeps_tick(daemon->sweeps), hub = i8x_hub_tick(daemon->hub);
    next = events < next ? events : next;
    next = sweeps < next ? sweeps : next;
    next = hub < next ? hub : next;
    if (next == INT64_MAX)
        uv_timer_stop(&daemon->tick);
    else
        uv_timer_start(&daemon->tick, on_tick, next > now ? (uint64_t)(next - now) : 0, 0);
}

/* Every few seconds: what nobody else looks after. */
static void on_chores(uv_timer_t *timer)
{
    i8x_daemon *daemon = timer->data;
    i8x_hub_check_rights(daemon->hub); /* a token may have expired */
    if (i8x_link_server_mend(daemon->link))
        i8x_log(I8X_LOG_WARN, "link_mended", "workers=%zu", i8x_sched_worker_count(daemon->sched));
}

static void on_signal(uv_signal_t *handle, int number)
{
    i8x_daemon *daemon = handle->data;
    i8x_log(I8X_LOG_INFO, "stopping", "signal=%d", number);
    uv_stop(&daemon->loop);
}

static void start_handles(i8x_daemon *daemon)
{
    uv_async_init(&daemon->loop, &daemon->link_wake, on_link);
    uv_async_init(&daemon->loop, &daemon->ledger_wake, on_ledger);
    uv_timer_init(&daemon->loop, &daemon->tick);
    uv_timer_init(&daemon->loop, &daemon->chores);
    uv_timer_init(&daemon->loop, &daemon->collect);
    uv_timer_init(&daemon->loop, &daemon->pause);
    daemon->collect.data = daemon;
    uv_prepare_init(&daemon->loop, &daemon->prepare);
    daemon->link_wake.data = daemon->ledger_wake.data = daemon->tick.data = daemon->prepare.data =
        daemon->chores.data = daemon;
    static const int numbers[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        uv_signal_init(&daemon->loop, &daemon->stop_signals[i]);
        daemon->stop_signals[i].data = daemon;
        uv_signal_start(&daemon->stop_signals[i], on_signal, numbers[i]);
    }
}

/* ---- start ---- */

/* Without trust nobody beyond this machine may reach the service. */
static i8x_status check_reach(const i8x_daemon *daemon, const char *what, const char *address)
{
    I8X_ENSURE(i8x_auth_is_on(daemon->auth) || i8x_address_is_loopback(address), I8X_EARG,
               "%s %.80s reaches beyond this machine, which needs trust: run `int8x admin init "
               "--data %.80s` first (or listen on 127.0.0.1)",
               what, address, daemon->opts.data);
    I8X_ENSURE(i8x_auth_is_on(daemon->auth) || strncmp(address, "tls", 3) != 0, I8X_EARG,
               "%s %.80s: TLS needs trust: run `int8x admin init --data %.80s` first", what,
               address, daemon->opts.data);
    return I8X_OK;
}

/* Who we are to others: the certificate has the names by which the options say we are reached. */
static i8x_status open_auth(i8x_daemon *daemon)
{
    const i8x_daemon_opts *opts = &daemon->opts;
    const char *addresses[] = {opts->advertise, opts->http, opts->admin};
    char hosts[3][I8X_PKI_HOST_MAX + 1];
    const char *names[3];
    int count = 0;
    for (int i = 0; i < 3; i++) {
        if (addresses[i] == NULL)
            continue;
        I8X_TRY(i8x_address_host(addresses[i], hosts[i]));
        if (!i8x_address_is_any(hosts[i]))
            names[count++] = hosts[i];
    }
    i8x_auth_opts auth = {.data = opts->data,
                          .names = names,
                          .name_count = count,
                          .worker_life_s = opts->worker_life_s};
    I8X_TRY(i8x_auth_open(&auth, &daemon->auth));
    I8X_TRY(check_reach(daemon, "--http", opts->http));
    I8X_ENSURE(
        !opts->http_plain || i8x_address_is_loopback(opts->http), I8X_EARG,
        "--http-plain: only on a loopback address, not %.80s; a token in clear over a network "
        "is everybody's",
        opts->http);
    if (opts->admin != NULL)
        I8X_TRY(check_reach(daemon, "--admin", opts->admin));
    return check_reach(daemon, "--link", opts->link);
}

static i8x_status take_folder(i8x_daemon *daemon)
{
    const char *path = daemon->opts.data;
    I8X_ENSURE(mkdir(path, 0700) == 0 || errno == EEXIST, I8X_EIO, "%s: %s", path, strerror(errno));
    char lock[PATH_MAX];
    snprintf(lock, sizeof lock, "%s/lock", path);
    daemon->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    I8X_ENSURE(daemon->lock_fd >= 0, I8X_EIO, "%s: %s", lock, strerror(errno));
    I8X_ENSURE(flock(daemon->lock_fd, LOCK_EX | LOCK_NB) == 0, I8X_EBUSY,
               "%s: another int8xd works in this folder", path);
    return I8X_OK;
}

static i8x_status open_cellar(i8x_daemon *daemon)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/blobs", daemon->opts.data);
    I8X_TRY(i8x_store_open(path, &daemon->store));
    snprintf(path, sizeof path, "%s/ledger.db", daemon->opts.data);
    I8X_TRY(i8x_ledger_open(path, wake, &daemon->ledger_wake, &daemon->ledger));
    if (daemon->opts.ledger_relaxed) {
        i8x_log(I8X_LOG_WARN, "ledger_not_synced", "loses=\"acknowledged work on power loss\"");
        I8X_TRY(i8x_ledger_relax(daemon->ledger));
    }
    i8x_sched_opts opts = {.lease_life_ms = daemon->opts.lease_life_ms,
                           .backoff_first_ms = I8X_BACKOFF_FIRST_MS,
                           .backoff_max_ms = I8X_BACKOFF_MAX_MS,
                           .attempts_max = I8X_TASK_ATTEMPTS_MAX,
                           .workers_max = I8X_TASK_WORKERS_MAX,
                           .lost_max = I8X_TASK_LOST_MAX,
                           .first_epoch = i8x_ledger_start_count(daemon->ledger) << 32,
                           .audit_per_mille = daemon->opts.audit_per_mille,
                           .audit_wait_ms = I8X_AUDIT_WAIT_MS};
    I8X_TRY(i8x_digest_random(&opts.seed, sizeof opts.seed)); /* nobody knows what is audited */
    I8X_TRY(i8x_sched_new(&opts, &daemon->sched));
    I8X_TRY(i8x_hub_new(daemon, &daemon->hub));
    I8X_TRY(i8x_events_new(daemon, &daemon->events));
    I8X_TRY(i8x_standing_new(daemon, &daemon->standing));
    I8X_TRY(i8x_once_new(daemon->ledger, i8x_daemon_wall_ms(), &daemon->once));
    I8X_TRY(i8x_study_new(daemon, &daemon->study));
    return i8x_sweeps_new(daemon, &daemon->sweeps);
}

static void answered(void *context, const i8x_http_route *route, int http_status)
{
    (void)route;
    i8x_daemon *daemon = context;
    if (http_status >= 100 && http_status < 600)
        daemon->metrics.http[http_status / 100]++;
}

/* Descriptors for all the connections that are allowed, if the system gives them. */
static int raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return I8X_REQUESTS_MAX;
    rlim_t wanted = limit.rlim_max < I8X_FILES_MAX ? limit.rlim_max : I8X_FILES_MAX;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= I8X_REQUESTS_MAX + I8X_FILES_SPARE)
        return I8X_REQUESTS_MAX;
    int left = limit.rlim_cur > 2 * I8X_FILES_SPARE ? (int)limit.rlim_cur - I8X_FILES_SPARE
                                                    : (int)limit.rlim_cur / 2;
    i8x_log(I8X_LOG_WARN, "few_files", "limit=%lld http_connections=%d", (long long)limit.rlim_cur,
            left);
    return left;
}

static void set_tls(const i8x_daemon *daemon, i8x_http_opts *opts)
{
    if (!i8x_auth_is_on(daemon->auth))
        return;
    opts->tls_cert = i8x_auth_keys(daemon->auth)->server_cert.text;
    opts->tls_key = i8x_auth_keys(daemon->auth)->server_key.text;
}

static i8x_status open_http(i8x_daemon *daemon)
{
    const i8x_daemon_opts *own = &daemon->opts;
    i8x_http_opts opts = {.context = daemon,
                          .stream_limit_bytes = own->blob_limit_bytes,
                          .connections_max = raise_file_limit(),
                          .per_address_max = I8X_REQUESTS_PER_IP_MAX,
                          .first_s = I8X_HTTP_FIRST_S,
                          .header_s = I8X_HTTP_HEADER_S,
                          .body_s = I8X_HTTP_BODY_S,
                          .authorize = i8x_auth_request,
                          .answered = answered};
    if (!own->http_plain)
        set_tls(daemon, &opts);
    opts.routes = i8x_routes(&opts.route_count);
    I8X_TRY(i8x_http_new(&daemon->loop, own->http, &opts, &daemon->http, &daemon->http_port));
    if (own->admin == NULL)
        return I8X_OK;
    /* a second listener whose few connections nobody can take by filling up the first; on this
     * machine without TLS, for probes that cannot speak it */
    opts.tls_cert = opts.tls_key = NULL;
    if (!i8x_address_is_loopback(own->admin))
        set_tls(daemon, &opts);
    opts.connections_max = I8X_ADMIN_REQUESTS_MAX;
    opts.per_address_max = I8X_ADMIN_REQUESTS_PER_IP_MAX;
    opts.routes = i8x_admin_routes(&opts.route_count);
    return i8x_http_new(&daemon->loop, own->admin, &opts, &daemon->admin, &daemon->admin_port);
}

/* The unix socket of the local workers and of the gate. */
static i8x_status listen_local(i8x_daemon *daemon)
{
    char path[PATH_MAX];
    I8X_ENSURE(realpath(daemon->opts.data, path) != NULL, I8X_EIO, "%s: %s", daemon->opts.data,
               strerror(errno));
    int used = snprintf(daemon->link_path, sizeof daemon->link_path, "ipc://%s/link.sock", path);
    /* a socket's path has 108 bytes */
    I8X_ENSURE(used - 6 < 100, I8X_EARG,
               "%s: local workers and trust need a --data path of at most 90 bytes", path);
    unlink(daemon->link_path + 6); /* of an earlier life; the folder's lock says that it is over */
    return i8x_link_server_listen(daemon->link, daemon->link_path, NULL);
}

static i8x_status open_link(i8x_daemon *daemon)
{
    const char *link = daemon->opts.link;
    bool gate = i8x_auth_is_on(daemon->auth) && strncmp(link, "ipc://", 6) != 0;
    I8X_TRY(i8x_link_server_new(wake, &daemon->link_wake, &daemon->link));
    if (gate || daemon->opts.local_workers > 0)
        I8X_TRY(listen_local(daemon));
    if (!gate)
        return i8x_link_server_listen(daemon->link, link, &daemon->link_port);
    const char *scheme = strstr(link, "://");
    I8X_ENSURE(scheme != NULL &&
                   (strncmp(link, "tcp:", 4) == 0 || strncmp(link, "tls+tcp:", 8) == 0),
               I8X_EARG, "--link %.100s: allowed are tcp://HOST:PORT and ipc://PATH", link);
    return i8x_gate_new(daemon, scheme + 3, daemon->link_path + 6, &daemon->gate,
                        &daemon->link_port);
}

static i8x_status open_doors(i8x_daemon *daemon)
{
    I8X_TRY(open_http(daemon));
    I8X_TRY(open_link(daemon));
    bool trusted = i8x_auth_is_on(daemon->auth);
    i8x_addresses_opts opts = {.http = daemon->opts.http,
                               .link = daemon->opts.link,
                               .advertise = daemon->opts.advertise,
                               .name = trusted ? i8x_auth_server_name(daemon->auth) : NULL,
                               .http_port = daemon->http_port,
                               .link_port = daemon->link_port,
                               .tls = trusted,
                               .http_tls = trusted && !daemon->opts.http_plain};
    I8X_TRY(i8x_addresses_make(&opts, &daemon->addresses));
    if (trusted)
        I8X_TRY(i8x_auth_note_address(daemon->auth, daemon->addresses.local_url));
    i8x_log(I8X_LOG_INFO, "listening", "http=%s link=%s start=%llu trust=%s admin_port=%d",
            daemon->addresses.local_url, daemon->addresses.link,
            (unsigned long long)i8x_ledger_start_count(daemon->ledger), trusted ? "on" : "off",
            daemon->admin_port);
    return I8X_OK;
}

i8x_status i8x_daemon_start(const i8x_daemon_opts *opts, i8x_daemon *daemon)
{
    *daemon = (i8x_daemon){.opts = *opts, .lock_fd = -1, .started_ms = i8x_daemon_wall_ms()};
    I8X_ENSURE(uv_loop_init(&daemon->loop) == 0, I8X_EINTERNAL, "no event loop");
    start_handles(daemon);
    daemon->steps = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof(step_queue));
    I8X_TRY(i8x_alloc_check(daemon->steps));
    I8X_TRY(take_folder(daemon));
    I8X_TRY(open_auth(daemon));
    I8X_TRY(open_cellar(daemon));
    I8X_TRY(open_doors(daemon));
    uv_prepare_start(&daemon->prepare, on_prepare);
    uv_timer_start(&daemon->chores, on_chores, CHORES_MS, CHORES_MS);
    uv_timer_start(&daemon->collect, on_collect, 0, I8X_UPLOAD_COLLECT_MS);
    return opts->local_workers > 0 ? i8x_locals_new(daemon, &daemon->locals) : I8X_OK;
}

/* ---- run and stop ---- */

static void wait_turn(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

/* Turns the loop until that is over, at most STOP_WAIT_MS. */
static void turn_while(i8x_daemon *daemon, bool (*goes_on)(const i8x_daemon *daemon))
{
    for (int waited = 0; waited < STOP_WAIT_MS && goes_on(daemon); waited += STOP_STEP_MS) {
        uv_timer_start(&daemon->pause, wait_turn, STOP_STEP_MS, 0);
        uv_run(&daemon->loop, UV_RUN_DEFAULT);
    }
}

static bool locals_run(const i8x_daemon *daemon)
{
    return daemon->locals != NULL && i8x_locals_running(daemon->locals) > 0;
}

static bool is_pending(const i8x_daemon *daemon)
{
    return daemon->pending != 0 || locals_run(daemon);
}

void i8x_daemon_run(i8x_daemon *daemon)
{
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    if (daemon->locals != NULL)
        i8x_locals_stop(daemon->locals);
    turn_while(daemon, locals_run); /* they report and say goodbye: the link is served so long */
    daemon->stopping = true;
    uv_prepare_stop(&daemon->prepare);
    uv_timer_stop(&daemon->tick);
    uv_timer_stop(&daemon->collect);
    if (daemon->locals != NULL)
        i8x_locals_kill(daemon->locals);
    turn_while(daemon, is_pending);
}

static void close_handles(i8x_daemon *daemon)
{
    uv_close((uv_handle_t *)&daemon->link_wake, NULL);
    uv_close((uv_handle_t *)&daemon->ledger_wake, NULL);
    uv_close((uv_handle_t *)&daemon->tick, NULL);
    uv_close((uv_handle_t *)&daemon->chores, NULL);
    uv_close((uv_handle_t *)&daemon->collect, NULL);
    uv_close((uv_handle_t *)&daemon->pause, NULL);
    uv_close((uv_handle_t *)&daemon->prepare, NULL);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&daemon->stop_signals[i], NULL);
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    uv_loop_close(&daemon->loop);
}

typedef struct link_closing {
    i8x_link_server *link;
    uv_mutex_t mutex;
    uv_cond_t cond;
    bool closed; /* under the mutex */
} link_closing;

static void close_link(void *user)
{
    link_closing *closing = user;
    i8x_link_server_free(closing->link);
    uv_mutex_lock(&closing->mutex);
    closing->closed = true;
    uv_cond_signal(&closing->cond);
    uv_mutex_unlock(&closing->mutex);
}

/* nng 1.5 now and then does not come back from closing a socket (fixed in 1.7.3). Then the process
 * ends here: the ledger is closed, and the kernel closes the rest. */
static void free_link(i8x_daemon *daemon)
{
    link_closing *closing = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *closing);
    uv_thread_t thread;
    I8X_ASSERT(closing != NULL);
    closing->link = daemon->link;
    uv_mutex_init(&closing->mutex);
    uv_cond_init(&closing->cond);
    int made = uv_thread_create(&thread, close_link, closing);
    I8X_ASSERT(made == 0);
    uv_mutex_lock(&closing->mutex);
    int waited = 0;
    while (!closing->closed && waited == 0)
        waited = uv_cond_timedwait(&closing->cond, &closing->mutex, LINK_CLOSE_NS);
    bool closed = closing->closed;
    uv_mutex_unlock(&closing->mutex);
    if (!closed) {
        i8x_log(I8X_LOG_WARN, "link_not_closed", "after_ms=%d", (int)(LINK_CLOSE_NS / 1000000));
        _exit(0);
    }
    uv_thread_join(&thread);
    uv_cond_destroy(&closing->cond);
    uv_mutex_destroy(&closing->mutex);
    i8x_alloc_free(i8x_alloc_heap(), closing, sizeof *closing);
}

void i8x_daemon_close(i8x_daemon *daemon)
{
    if (daemon->http != NULL)
        i8x_http_stop(daemon->http);
    if (daemon->admin != NULL)
        i8x_http_stop(daemon->admin);
    if (daemon->gate != NULL)
        i8x_gate_stop(daemon->gate);
    i8x_ledger_close(daemon->ledger);
    if (daemon->link != NULL)
        free_link(daemon);
    close_handles(daemon);
    i8x_http_free(daemon->http);
    i8x_http_free(daemon->admin);
    i8x_gate_free(daemon->gate);
    i8x_locals_free(daemon->locals);
    i8x_sweeps_free(daemon->sweeps);
    i8x_study_free(daemon->study);
    i8x_once_free(daemon->once);
    i8x_standing_free(daemon->standing);
    i8x_events_free(daemon->events);
    i8x_hub_free(daemon->hub);
    i8x_sched_free(daemon->sched);
    i8x_store_close(daemon->store);
    i8x_auth_close(daemon->auth);
    if (daemon->steps != NULL)
        i8x_alloc_free(i8x_alloc_heap(), ((step_queue *)daemon->steps)->events,
                       ((step_queue *)daemon->steps)->capacity * sizeof(i8x_sched_event));
    i8x_alloc_free(i8x_alloc_heap(), daemon->steps, sizeof(step_queue));
    if (daemon->lock_fd >= 0)
        close(daemon->lock_fd);
}
