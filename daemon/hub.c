/* SPDX-License-Identifier: Apache-2.0
 *
 * The workers and their requests: each is answered at once, or becomes an event of the scheduler,
 * whose actions answer it.
 */
#include "daemon/hub.h"

#include <stdio.h>
#include <string.h>

#include "daemon/gate.h"
#include "daemon/hub_room.h"
#include "daemon/standing.h"
#include "int8x/alloc.h"

#define SESSION_BYTES 8

i8x_hub_worker *i8x_hub_find(const i8x_hub *hub, uint64_t session)
{
    for (i8x_hub_worker *worker = hub->first; worker != NULL; worker = worker->next)
        if (worker->session == session)
            return worker;
    return NULL;
}

const i8x_hub_worker *i8x_hub_workers(const i8x_hub *hub)
{
    return hub->first;
}

size_t i8x_hub_holders(const i8x_hub *hub, const i8x_digest *digest, uint64_t *sessions,
                       size_t room)
{
    size_t count = 0;
    for (const i8x_hub_worker *worker = hub->first; worker != NULL && count < room;
         worker = worker->next)
        if (i8x_holdings_has(&worker->holdings, digest))
            sessions[count++] = worker->session;
    return count;
}

uint64_t i8x_hub_held_bytes(const i8x_hub *hub, uint64_t session, const i8x_task *task)
{
    const i8x_hub_worker *worker = i8x_hub_find(hub, session);
    return worker != NULL ? i8x_holdings_bytes(&worker->holdings, task) : 0;
}

static void send_error(i8x_hub *hub, uint32_t context, uint64_t session, i8x_status status,
                       const char *detail)
{
    i8x_wire_message message = {
        .type = I8X_WIRE_ERROR, .session = session, .u.error = {status, detail}};
    i8x_hub_send(hub, context, &message);
}

/* ---- sessions ---- */

void i8x_hub_part(i8x_hub *hub, i8x_hub_worker *worker, const char *reason)
{
    i8x_log(I8X_LOG_INFO, "worker_left", "worker=%s reason=%s committed=%llu", worker->id, reason,
            (unsigned long long)worker->committed);
    i8x_sched_event event = {.type = I8X_SCHED_WORKER_LEAVE, .worker = worker->session};
    i8x_daemon_step(hub->daemon, &event); /* first: lost leases are logged with the worker's name */
    i8x_control_end(&worker->control);
    if (worker->previous != NULL)
        worker->previous->next = worker->next;
    else
        hub->first = worker->next;
    if (worker->next != NULL)
        worker->next->previous = worker->previous;
    i8x_worker_state_deinit(&worker->state);
    i8x_holdings_clear(&worker->holdings);
    i8x_alloc_free(i8x_alloc_heap(), worker, sizeof *worker);
}

static uint32_t kinds_mask(const i8x_wire_hello *hello)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < hello->kind_count; i++)
        for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
            if (strcmp(hello->kinds[i].name, i8x_task_kind_name((i8x_task_kind)kind)) == 0 &&
                hello->kinds[i].revision == i8x_task_kind_revision((i8x_task_kind)kind))
                mask |= 1u << kind;
    return mask;
}

static i8x_status add_worker(i8x_hub *hub, uint32_t pipe, const i8x_wire_hello *hello,
                             i8x_hub_worker **added)
{
    I8X_ENSURE(i8x_sched_worker_count(hub->daemon->sched) < I8X_WORKERS_MAX, I8X_EBUSY,
               "%d workers are connected", I8X_WORKERS_MAX);
    i8x_hub_worker *worker = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *worker);
    I8X_TRY(i8x_alloc_check(worker));
    i8x_status status = I8X_OK;
    while (status == I8X_OK && worker->session == 0)
        status = i8x_digest_random(&worker->session, SESSION_BYTES);
    if (status != I8X_OK) {
        i8x_alloc_free(i8x_alloc_heap(), worker, sizeof *worker);
        return status;
    }
    snprintf(worker->id, sizeof worker->id, "%s", hello->worker);
    snprintf(worker->name, sizeof worker->name, "%s", hello->name);
    snprintf(worker->arch, sizeof worker->arch, "%s", hello->arch);
    snprintf(worker->level, sizeof worker->level, "%s", hello->level);
    worker->pipe = pipe;
    worker->cores = hello->cores;
    worker->slots = hello->slots;
    worker->memory_bytes = hello->memory_bytes;
    worker->kinds = kinds_mask(hello);
    worker->joined_ms = i8x_daemon_wall_ms();
    i8x_control_init(&worker->control, hub, &hub->waiting, worker->session);
    i8x_worker_state_hello(&worker->state, hello, i8x_daemon_now_ms(hub->daemon));
    worker->next = hub->first;
    if (hub->first != NULL)
        hub->first->previous = worker;
    hub->first = worker;
    *added = worker;
    return I8X_OK;
}

/* Machines that compute with the same code on the same kind of processor. */
static uint64_t machine_of(const i8x_wire_hello *hello)
{
    char text[3 * (I8X_WIRE_NAME_MAX + 1)];
    snprintf(text, sizeof text, "%s|%s|%s", hello->arch, hello->level,
             hello->has_device ? hello->device.model : "");
    return i8x_doubts_identity(text);
}

/* May it join? Its token has to be its own, and where the link has a gate, the certificate too. */
static i8x_status admit(i8x_hub *hub, const i8x_wire_hello *hello, i8x_auth_pass *pass)
{
    i8x_daemon *daemon = hub->daemon;
    char peer[I8X_TUNNEL_PEER_SIZE] = "ipc";
    bool shown = daemon->gate != NULL && i8x_gate_find(daemon->gate, hello->worker, peer);
    i8x_status status = i8x_auth_hello(daemon->auth, hello->token, hello->worker, peer, pass);
    i8x_wipe((char *)(uintptr_t)hello->token, strlen(hello->token)); /* in our own arena */
    I8X_TRY(status);
    if (daemon->gate == NULL || shown || pass->local)
        return I8X_OK;
    i8x_auth_refused(daemon->auth, I8X_REFUSAL_WRONG_WORKER, peer, "", "hello");
    I8X_FAIL(I8X_EDENIED, "no connection shows the certificate of this worker");
}

static void on_hello(i8x_hub *hub, uint32_t pipe)
{
    const i8x_wire_hello *hello = &hub->message->u.hello;
    i8x_auth_pass pass;
    if (admit(hub, hello, &pass) != I8X_OK) {
        send_error(hub, hub->context, 0, i8x_last_error()->status, i8x_last_error()->detail);
        return;
    }
    for (i8x_hub_worker *old = hub->first, *next; old != NULL; old = next) {
        next = old->next;
        if (strcmp(old->id, hello->worker) != 0)
            continue;
        if (old->pipe != pipe)
            i8x_link_server_drop(hub->daemon->link, old->pipe);
        i8x_hub_part(hub, old, "joined_again");
    }
    i8x_hub_worker *worker = NULL;
    i8x_status status = add_worker(hub, pipe, hello, &worker);
    if (status != I8X_OK) {
        send_error(hub, hub->context, 0, status, i8x_last_error()->detail);
        return;
    }
    worker->pass = pass;
    char name[I8X_WIRE_NAME_MAX * 2], arch[I8X_WIRE_NAME_MAX * 2], level[I8X_WIRE_NAME_MAX * 2];
    i8x_log(I8X_LOG_INFO, "worker_joined",
            "worker=%s name=%s arch=%s level=%s cores=%u slots=%u kinds=%x held=%zu", worker->id,
            i8x_log_quote(worker->name, name, sizeof name),
            i8x_log_quote(worker->arch, arch, sizeof arch),
            i8x_log_quote(worker->level, level, sizeof level), worker->cores, worker->slots,
            worker->kinds, hello->held_count);
    i8x_sched_event join = {.type = I8X_SCHED_WORKER_JOIN,
                            .worker = worker->session,
                            .identity = i8x_doubts_identity(worker->id),
                            .kinds = worker->kinds,
                            .slots = worker->slots,
                            .host = i8x_doubts_identity(worker->name),
                            .machine = machine_of(hello)};
    const i8x_standing_entry *standing = i8x_standing_find(hub->daemon->standing, worker->id);
    join.drained = standing != NULL && standing->kind == I8X_STANDING_DRAINED;
    join.quarantined = standing != NULL && standing->kind == I8X_STANDING_QUARANTINED;
    i8x_doubts_remember(&hub->doubts, worker->id);
    i8x_daemon_step(hub->daemon, &join);
    for (size_t i = 0; i < hello->held_count; i++) {
        i8x_sched_event adopt = {.type = I8X_SCHED_WORKER_ADOPT,
                                 .worker = worker->session,
                                 .key = hello->held[i].key,
                                 .epoch = hello->held[i].epoch};
        i8x_daemon_step(hub->daemon, &adopt);
    }
    const i8x_daemon_opts *opts = &hub->daemon->opts;
    const i8x_addresses *addresses = &hub->daemon->addresses;
    const char *url = pass.local ? addresses->local_url : addresses->url;
    i8x_wire_message welcome = {.type = I8X_WIRE_WELCOME,
                                .session = worker->session,
                                .u.welcome = {.http_url = url,
                                              .heartbeat_ms = (uint32_t)opts->heartbeat_ms,
                                              .lease_life_ms = (uint32_t)opts->lease_life_ms,
                                              .task_memory_bytes = opts->task_memory_bytes,
                                              .task_seconds = opts->task_seconds,
                                              .results = I8X_WIRE_RESULTS_MAX}};
    i8x_hub_send(hub, hub->context, &welcome);
}

/* ---- requests within a session ---- */

static void on_lease(i8x_hub *hub, i8x_hub_worker *worker)
{
    const i8x_wire_lease *lease = &hub->message->u.lease;
    i8x_hub_open_reply(hub, I8X_WIRE_GRANTS, 0, lease->want);
    i8x_sched_event ask = {.type = I8X_SCHED_ASK,
                           .worker = worker->session,
                           .ticket = hub->context,
                           .want = lease->want,
                           .until_ms = i8x_daemon_now_ms(hub->daemon) + lease->wait_ms};
    i8x_daemon_step(hub->daemon, &ask);
}

static void on_renew(i8x_hub *hub, i8x_hub_worker *worker)
{
    const i8x_wire_renew *renew = &hub->message->u.renew;
    i8x_worker_state_renew(&worker->state, renew, i8x_daemon_now_ms(hub->daemon));
    i8x_sched_event alive = {
        .type = I8X_SCHED_RENEW, .worker = worker->session, .key_absent = true};
    i8x_daemon_step(hub->daemon, &alive);
    for (size_t i = 0; i < renew->held_count; i++) {
        i8x_sched_event event = {.type = I8X_SCHED_RENEW,
                                 .worker = worker->session,
                                 .key = renew->held[i].key,
                                 .epoch = renew->held[i].epoch,
                                 .started = renew->held[i].started,
                                 .done = renew->held[i].done,
                                 .total = renew->held[i].total};
        i8x_daemon_step(hub->daemon, &event);
    }
    if (renew->draining && !worker->draining) {
        worker->draining = true;
        i8x_log(I8X_LOG_INFO, "worker_draining", "worker=%s", worker->id);
        i8x_sched_event drain = {.type = I8X_SCHED_WORKER_DRAIN, .worker = worker->session};
        i8x_daemon_step(hub->daemon, &drain);
    }
    /* held back for a whole heartbeat, or not at all: the line wants equal times */
    int64_t park_ms = hub->daemon->opts.heartbeat_ms;
    park_ms = park_ms < I8X_WIRE_WAIT_MS_MAX ? park_ms : I8X_WIRE_WAIT_MS_MAX;
    bool park = renew->wait_ms >= park_ms && !renew->draining;
    i8x_control_answer(&worker->control, hub->context,
                       park ? i8x_daemon_now_ms(hub->daemon) + park_ms : 0);
}

static void on_have(i8x_hub *hub, i8x_hub_worker *worker)
{
    const i8x_wire_have *have = &hub->message->u.have;
    if (have->all)
        i8x_holdings_clear(&worker->holdings);
    for (size_t i = 0; i < have->gone.digest_count; i++)
        i8x_holdings_remove(&worker->holdings, &have->gone.digests[i]);
    for (size_t i = 0; i < have->blobs.digest_count; i++)
        i8x_holdings_add(&worker->holdings, &have->blobs.digests[i]);
    i8x_log(I8X_LOG_DEBUG, "worker_has", "worker=%s came=%zu gone=%zu blobs=%zu", worker->id,
            have->blobs.digest_count, have->gone.digest_count,
            i8x_holdings_count(&worker->holdings));
    i8x_wire_message control = {.type = I8X_WIRE_CONTROL, .session = worker->session};
    i8x_hub_send(hub, hub->context, &control);
}

static void on_bye(i8x_hub *hub, i8x_hub_worker *worker)
{
    i8x_wire_message control = {.type = I8X_WIRE_CONTROL, .session = worker->session};
    i8x_hub_send(hub, hub->context, &control);
    i8x_hub_part(hub, worker, "bye");
}

typedef void (*request_fn)(i8x_hub *hub, i8x_hub_worker *worker);
static const request_fn handlers[I8X_WIRE_TYPE_COUNT] = {
    [I8X_WIRE_LEASE] = on_lease,
    [I8X_WIRE_RENEW] = on_renew,
    [I8X_WIRE_RESULT] = i8x_hub_on_result,
    [I8X_WIRE_FAIL] = i8x_hub_on_fail,
    [I8X_WIRE_HAVE] = on_have,
    [I8X_WIRE_BYE] = on_bye,
};

static void on_message(i8x_hub *hub, uint32_t pipe)
{
    const i8x_wire_message *message = hub->message;
    hub->daemon->metrics.requests[message->type]++;
    if (message->type == I8X_WIRE_HELLO) {
        on_hello(hub, pipe);
        return;
    }
    i8x_hub_worker *worker = i8x_hub_find(hub, message->session);
    if (worker == NULL) {
        send_error(hub, hub->context, message->session, I8X_ENOENT,
                   "this session is not known: say HELLO");
    } else if (handlers[message->type] == NULL) {
        send_error(hub, hub->context, message->session, I8X_EARG,
                   "a worker does not send this message");
    } else {
        worker->pipe = pipe; /* a new connection of the same session */
        handlers[message->type](hub, worker);
    }
}

static void on_request(i8x_hub *hub, const i8x_link_event *event)
{
    i8x_wire_message message;
    i8x_arena_mark start = i8x_arena_mark_get(hub->arena);
    i8x_status status = i8x_wire_decode(event->bytes, event->size, hub->arena, &message);
    hub->context = event->context;
    if (status == I8X_OK) {
        if (message.type == I8X_WIRE_HELLO) /* what was decoded is a copy; a token is in here */
            i8x_wipe((void *)(uintptr_t)event->bytes, event->size);
        hub->message = &message;
        on_message(hub, event->pipe);
        hub->message = NULL;
    } else {
        char quoted[2 * I8X_ERROR_DETAIL_SIZE];
        i8x_log(I8X_LOG_WARN, "request_refused", "bytes=%zu detail=%s", event->size,
                i8x_log_quote(i8x_last_error()->detail, quoted, sizeof quoted));
        send_error(hub, event->context, 0, status, i8x_last_error()->detail);
    }
    i8x_arena_rewind(hub->arena, start);
}

void i8x_hub_receive(i8x_hub *hub)
{
    i8x_link_event event;
    while (i8x_link_server_next(hub->daemon->link, &event)) {
        if (event.type == I8X_LINK_REQUEST) {
            on_request(hub, &event);
            continue;
        }
        for (i8x_hub_worker *worker = hub->first, *next; worker != NULL; worker = next) {
            next = worker->next;
            if (worker->pipe == event.pipe)
                i8x_hub_part(hub, worker, "connection_closed");
        }
    }
}

void i8x_hub_check_rights(i8x_hub *hub)
{
    for (i8x_hub_worker *worker = hub->first, *next; worker != NULL; worker = next) {
        next = worker->next;
        if (i8x_auth_still(hub->daemon->auth, &worker->pass))
            continue;
        i8x_link_server_drop(hub->daemon->link, worker->pipe);
        i8x_hub_part(hub, worker, "not_trusted");
    }
}

void i8x_hub_remember(i8x_hub *hub, const char *worker)
{
    i8x_doubts_remember(&hub->doubts, worker);
}

/* ---- life ---- */

int64_t i8x_hub_tick(i8x_hub *hub)
{
    return i8x_control_tick(&hub->waiting, i8x_daemon_now_ms(hub->daemon));
}

i8x_status i8x_hub_new(i8x_daemon *daemon, i8x_hub **hub)
{
    i8x_hub *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->daemon = made->doubts.daemon = daemon;
    i8x_buffer_init(&made->frame, I8X_WIRE_FRAME_MAX);
    i8x_status status = i8x_arena_new(NULL, I8X_WIRE_ARENA_MAX, &made->arena);
    if (status != I8X_OK) {
        i8x_hub_free(made);
        return status;
    }
    *hub = made;
    return I8X_OK;
}

void i8x_hub_free(i8x_hub *hub)
{
    if (hub == NULL)
        return;
    while (hub->first != NULL) {
        i8x_hub_worker *worker = hub->first;
        hub->first = worker->next;
        i8x_worker_state_deinit(&worker->state);
        i8x_holdings_clear(&worker->holdings);
        i8x_alloc_free(i8x_alloc_heap(), worker, sizeof *worker);
    }
    for (int i = 0; i < I8X_LINK_CONTEXTS_MAX; i++)
        i8x_alloc_free(i8x_alloc_heap(), hub->replies[i], sizeof(i8x_hub_reply));
    i8x_doubts_deinit(&hub->doubts);
    i8x_buffer_deinit(&hub->frame);
    i8x_arena_free(hub->arena);
    i8x_alloc_free(i8x_alloc_heap(), hub, sizeof *hub);
}
