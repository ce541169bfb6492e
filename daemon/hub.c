/* SPDX-License-Identifier: Apache-2.0
 *
 * The conversation with the workers. Each request holds a context of the link until it is answered;
 * an open answer (`reply`) is found by that context's number, which is also its ticket at the
 * scheduler. A RESULT is answered after the ledger's commit and then takes the next grants along.
 */
#include "daemon/hub.h"

#include <stdio.h>
#include <string.h>

#include "daemon/doubts.h"
#include "daemon/gate.h"
#include "daemon/scrub.h"
#include "daemon/standing.h"
#include "daemon/study.h"
#include "int8x/alloc.h"

#define REPLY_ARENA_MAX (8u << 20)
#define SESSION_BYTES 8

/* An answer that is being made. */
typedef struct hub_reply {
    bool open;
    uint64_t session;
    i8x_wire_type type;    /* GRANTS or COMMITTED */
    size_t count, pending; /* results that it answers; of them not settled yet */
    i8x_wire_state states[I8X_WIRE_RESULTS_MAX];
    char detail[I8X_WIRE_DETAIL_MAX + 1];
    uint32_t want;
    struct {
        i8x_digest key;
        uint64_t epoch;
    } grants[I8X_WIRE_GRANTS_MAX];
    int grant_count;
} hub_reply;

struct i8x_hub {
    i8x_daemon *daemon;
    i8x_hub_worker *first;
    i8x_control_line waiting; /* heartbeats whose answers are held back */
    hub_reply *replies[I8X_LINK_CONTEXTS_MAX];
    i8x_buffer frame;
    i8x_arena *arena; /* of the message in hand */
    char sentence[I8X_WIRE_DETAIL_MAX + 1];
    /* the message in hand, for actions that need more than the scheduler knows */
    i8x_wire_message *message;
    uint32_t context;
    size_t item; /* of a RESULT: the one in hand */
    const i8x_task_result *result;
    i8x_doubts doubts;
};

/* A result on its way to the ledger. */
typedef struct hub_commit {
    i8x_hub *hub;
    uint32_t context;
    size_t item; /* of the RESULT that brought it */
    i8x_digest key;
    i8x_task_result result;
    char worker[I8X_WIRE_NAME_MAX + 1];
} hub_commit;

static i8x_hub_worker *by_session(const i8x_hub *hub, uint64_t session)
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
    const i8x_hub_worker *worker = by_session(hub, session);
    return worker != NULL ? i8x_holdings_bytes(&worker->holdings, task) : 0;
}

/* ---- replies ---- */

void i8x_hub_send(i8x_hub *hub, uint32_t context, const i8x_wire_message *message)
{
    i8x_status status = i8x_wire_encode(message, &hub->frame);
    I8X_ASSERT(status == I8X_OK); /* our own messages keep our own limits */
    i8x_link_server_reply(hub->daemon->link, context, hub->frame.bytes, hub->frame.size);
}

static void send_error(i8x_hub *hub, uint32_t context, uint64_t session, i8x_status status,
                       const char *detail)
{
    i8x_wire_message message = {
        .type = I8X_WIRE_ERROR, .session = session, .u.error = {status, detail}};
    i8x_hub_send(hub, context, &message);
}

/* count: things to settle before it can be sent; 0 for GRANTS. */
static void open_reply(i8x_hub *hub, i8x_wire_type type, size_t count, uint32_t want)
{
    uint32_t context = hub->context;
    if (hub->replies[context] == NULL) {
        hub->replies[context] = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof(hub_reply));
        I8X_ASSERT(hub->replies[context] != NULL);
    }
    hub_reply *reply = hub->replies[context];
    I8X_ASSERT(!reply->open);
    *reply = (hub_reply){.open = true,
                         .session = hub->message->session,
                         .type = type,
                         .count = count,
                         .pending = count,
                         .want = want};
}

static void close_reply(i8x_hub *hub, uint32_t context)
{
    hub_reply *reply = hub->replies[context];
    i8x_wire_grant grants[I8X_WIRE_GRANTS_MAX];
    size_t count = 0;
    for (int i = 0; i < reply->grant_count; i++) {
        i8x_wire_grant *grant = &grants[count];
        const i8x_task *task;
        const i8x_study_job *job;
        int index;
        grant->key = reply->grants[i].key;
        grant->epoch = reply->grants[i].epoch;
        if (i8x_study_task(hub->daemon->study, &grant->key, &grant->task, &grant->task_size, &task,
                           &job, &index)) {
            grant->job = job->id;
            count++;
        }
    }
    i8x_wire_message message = {.type = reply->type, .session = reply->session};
    if (reply->type == I8X_WIRE_GRANTS)
        message.u.grants = (i8x_wire_grants){grants, count};
    else
        message.u.committed =
            (i8x_wire_committed){reply->states, reply->count, reply->detail, grants, count};
    hub->daemon->metrics.empty_polls += reply->type == I8X_WIRE_GRANTS && count == 0;
    reply->open = false;
    i8x_hub_send(hub, context, &message);
}

/* Lets the answer take what is ready now along, then sends it. */
static void finish_reply(i8x_hub *hub, uint32_t context)
{
    const hub_reply *reply = hub->replies[context];
    if (reply->want == 0) {
        close_reply(hub, context);
        return;
    }
    i8x_sched_event ask = {.type = I8X_SCHED_ASK,
                           .worker = reply->session,
                           .ticket = context,
                           .want = reply->want,
                           .until_ms = i8x_daemon_now_ms(hub->daemon)};
    i8x_daemon_step(hub->daemon, &ask);
}

static void settle_item(i8x_hub *hub, uint32_t context, size_t item, i8x_wire_state state)
{
    hub_reply *reply = hub->replies[context];
    reply->states[item] = state;
    if (--reply->pending == 0)
        finish_reply(hub, context);
}

/* What is in hand. */
static void settle(i8x_hub *hub, i8x_wire_state state, const char *detail)
{
    hub_reply *reply = hub->replies[hub->context];
    if (detail[0] != 0)
        snprintf(reply->detail, sizeof reply->detail, "%s", detail);
    settle_item(hub, hub->context, hub->item, state);
}

/* ---- sessions ---- */

static void remove_worker(i8x_hub *hub, i8x_hub_worker *worker, const char *reason)
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
        remove_worker(hub, old, "joined_again");
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
    open_reply(hub, I8X_WIRE_GRANTS, 0, lease->want);
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

i8x_status i8x_hub_result_digest(const i8x_task_result *result, i8x_digest *digest)
{
    i8x_task_result pure = *result;
    pure.measure = (i8x_task_measure){0};
    i8x_arena *arena = NULL;
    I8X_TRY(i8x_arena_new(NULL, 2 * I8X_WIRE_RESULT_MAX, &arena));
    const uint8_t *bytes;
    size_t size;
    i8x_status status = i8x_task_result_encode(&pure, arena, &bytes, &size);
    if (status == I8X_OK)
        *digest = i8x_digest_of(bytes, size);
    i8x_arena_free(arena);
    return status;
}

static i8x_status check_outputs(const i8x_store *store, const i8x_task_result *result)
{
    for (int i = 0; i < result->output_count; i++) {
        const i8x_task_output *output = &result->outputs[i];
        uint64_t size = 0;
        I8X_ENSURE(i8x_store_has(store, &output->ref.digest, &size) &&
                       size == output->ref.size_bytes,
                   I8X_ENOENT, "output '%s' of a result has not been uploaded", output->role);
    }
    return I8X_OK;
}

static void refuse_result(i8x_hub *hub, const i8x_hub_worker *worker)
{
    const i8x_wire_item *item = &hub->message->u.result.items[hub->item];
    char detail[I8X_ERROR_DETAIL_SIZE], quoted[2 * I8X_ERROR_DETAIL_SIZE];
    snprintf(detail, sizeof detail, "%s", i8x_last_error()->detail);
    i8x_log(I8X_LOG_WARN, "result_refused", "worker=%s detail=%s", worker->id,
            i8x_log_quote(detail, quoted, sizeof quoted));
    i8x_sched_event fail = {.type = I8X_SCHED_FAIL,
                            .worker = worker->session,
                            .key = item->key,
                            .epoch = item->epoch,
                            .fault = I8X_SCHED_FAULT_ATTEMPT};
    i8x_daemon_step(hub->daemon, &fail);
    settle(hub, I8X_WIRE_STATE_REFUSED, detail);
}

static void take_result(i8x_hub *hub, const i8x_hub_worker *worker, const i8x_wire_item *item)
{
    i8x_task_result result = {0};
    i8x_sched_event event = {.type = I8X_SCHED_RESULT,
                             .worker = worker->session,
                             .key = item->key,
                             .epoch = item->epoch};
    i8x_status status = i8x_task_result_decode(item->result, item->result_size, &result);
    if (status == I8X_OK)
        status = check_outputs(hub->daemon->store, &result);
    if (status == I8X_OK)
        status = i8x_hub_result_digest(&result, &event.result);
    if (status == I8X_OK) {
        hub->result = &result;
        i8x_daemon_step(hub->daemon, &event);
        hub->result = NULL;
    } else {
        refuse_result(hub, worker);
    }
    i8x_task_result_deinit(&result);
}

static void on_result(i8x_hub *hub, i8x_hub_worker *worker)
{
    const i8x_wire_result *message = &hub->message->u.result;
    open_reply(hub, I8X_WIRE_COMMITTED, message->count, message->want);
    for (hub->item = 0; hub->item < message->count; hub->item++)
        take_result(hub, worker, &message->items[hub->item]);
    hub->item = 0;
}

/* Statuses that another try, perhaps elsewhere, may not meet again. */
static i8x_sched_fault fault_of(const i8x_wire_fail *fail)
{
    if (fail->cause == I8X_WIRE_CAUSE_CANCELED)
        return I8X_SCHED_FAULT_FREE;
    if (fail->cause == I8X_WIRE_CAUSE_FETCH)
        return I8X_SCHED_FAULT_TRANSFER;
    if (fail->cause != I8X_WIRE_CAUSE_TASK)
        return I8X_SCHED_FAULT_ATTEMPT;
    static const i8x_status passing[] = {I8X_ENOMEM,   I8X_EIO,          I8X_EBUSY,
                                         I8X_ETIMEOUT, I8X_EUNREACHABLE, I8X_EINTERNAL};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (fail->status == passing[i])
            return I8X_SCHED_FAULT_ATTEMPT;
    return fail->status == I8X_ECANCELED ? I8X_SCHED_FAULT_FREE : I8X_SCHED_FAULT_INPUT;
}

/* Inputs did not arrive whole: is our disk to blame? A blob that is gone will not come back by
 * trying again; then the sentence says what its owner can do. */
static i8x_sched_fault look_at_inputs(i8x_hub *hub, const i8x_study_job *job, const i8x_task *task,
                                      i8x_wire_fail *fail, i8x_sched_fault fault)
{
    if (!i8x_scrub_inputs_there(hub->daemon, &job->job, task, hub->sentence,
                                sizeof hub->sentence)) {
        fail->detail = hub->sentence;
        fail->status = I8X_ECORRUPT;
        return I8X_SCHED_FAULT_INPUT;
    }
    if (fail->status == I8X_ECORRUPT)
        i8x_scrub_task(hub->daemon, task);
    return fault;
}

static void on_fail(i8x_hub *hub, i8x_hub_worker *worker)
{
    i8x_wire_fail *fail = &hub->message->u.fail;
    char detail[2 * I8X_WIRE_DETAIL_MAX], tail[512];
    i8x_sched_fault fault = fault_of(fail);
    const uint8_t *bytes;
    size_t size;
    const i8x_task *task;
    const i8x_study_job *job;
    int index;
    if (i8x_study_task(hub->daemon->study, &fail->key, &bytes, &size, &task, &job, &index)) {
        worker->failed++;
        hub->daemon->metrics.tasks[task->kind][I8X_METRIC_FAILED]++;
        if (fail->cause == I8X_WIRE_CAUSE_FETCH)
            fault = look_at_inputs(hub, job, task, fail, fault);
        i8x_failure_row failure = {.key = fail->key,
                                   .time_ms = i8x_daemon_wall_ms(),
                                   .worker = worker->id,
                                   .cause = i8x_wire_cause_name(fail->cause),
                                   .status = fail->status,
                                   .detail = fail->detail,
                                   .tail = fail->tail};
        i8x_study_failed(hub->daemon->study, &failure);
        i8x_log(I8X_LOG_WARN, "task_failed",
                "job=%s task=%d kind=%s worker=%s cause=%s status=%s detail=%s tail=%s", job->id,
                index, i8x_task_kind_name(task->kind), worker->id, i8x_wire_cause_name(fail->cause),
                i8x_status_name(fail->status), i8x_log_quote(fail->detail, detail, sizeof detail),
                i8x_log_quote(fail->tail, tail, sizeof tail));
    }
    open_reply(hub, I8X_WIRE_COMMITTED, 1, fail->want);
    i8x_sched_event event = {.type = I8X_SCHED_FAIL,
                             .worker = worker->session,
                             .key = fail->key,
                             .epoch = fail->epoch,
                             .fault = fault};
    i8x_daemon_step(hub->daemon, &event);
    settle(hub, I8X_WIRE_STATE_COMMITTED, "");
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
    remove_worker(hub, worker, "bye");
}

typedef void (*request_fn)(i8x_hub *hub, i8x_hub_worker *worker);
static const request_fn handlers[I8X_WIRE_TYPE_COUNT] = {
    [I8X_WIRE_LEASE] = on_lease, [I8X_WIRE_RENEW] = on_renew, [I8X_WIRE_RESULT] = on_result,
    [I8X_WIRE_FAIL] = on_fail,   [I8X_WIRE_HAVE] = on_have,   [I8X_WIRE_BYE] = on_bye,
};

static void on_message(i8x_hub *hub, uint32_t pipe)
{
    const i8x_wire_message *message = hub->message;
    hub->daemon->metrics.requests[message->type]++;
    if (message->type == I8X_WIRE_HELLO) {
        on_hello(hub, pipe);
        return;
    }
    i8x_hub_worker *worker = by_session(hub, message->session);
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
                remove_worker(hub, worker, "connection_closed");
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
        remove_worker(hub, worker, "not_trusted");
    }
}

/* ---- actions of the scheduler ---- */

/* Fields of the log line that tell which task it is. */
static const char *task_fields(i8x_hub *hub, const i8x_digest *key, char *text, size_t size,
                               i8x_task_kind *kind)
{
    const uint8_t *bytes;
    size_t task_size;
    const i8x_task *task;
    const i8x_study_job *job;
    int index;
    *kind = I8X_TASK_INSPECT;
    char hex[I8X_DIGEST_HEX_SIZE];
    if (!i8x_study_task(hub->daemon->study, key, &bytes, &task_size, &task, &job, &index)) {
        snprintf(text, size, "key=%.16s", i8x_digest_to_hex(key, hex));
        return text;
    }
    *kind = task->kind;
    int used = snprintf(text, size, "job=%s task=%d kind=%s", job->id, index,
                        i8x_task_kind_name(task->kind));
    for (int i = 0; i < task->input_count; i++) {
        const i8x_blob_ref *ref = &task->inputs[i].ref;
        if (!ref->whole) {
            snprintf(text + used, size - (size_t)used, " range=%llu+%llu",
                     (unsigned long long)ref->offset, (unsigned long long)ref->size_bytes);
            break;
        }
    }
    return text;
}

static const char *worker_name(const i8x_hub *hub, uint64_t session)
{
    const i8x_hub_worker *worker = by_session(hub, session);
    return worker != NULL ? worker->id : "gone";
}

static void do_grant(i8x_hub *hub, const i8x_sched_action *action)
{
    char fields[256];
    i8x_task_kind kind;
    hub_reply *reply = hub->replies[action->ticket];
    reply->grants[reply->grant_count].key = action->key;
    reply->grants[reply->grant_count++].epoch = action->epoch;
    task_fields(hub, &action->key, fields, sizeof fields, &kind);
    hub->daemon->metrics.tasks[kind][I8X_METRIC_GRANTED]++;
    i8x_log(I8X_LOG_INFO, "lease_granted", "%s worker=%s epoch=%llu again=%s duplicate=%s audit=%s",
            fields, worker_name(hub, action->worker), (unsigned long long)action->epoch,
            action->again ? "yes" : "no", action->duplicate ? "yes" : "no",
            action->audit ? "yes" : "no");
}

static void do_answer(i8x_hub *hub, const i8x_sched_action *action)
{
    close_reply(hub, (uint32_t)action->ticket);
}

static void on_committed(void *user)
{
    hub_commit *commit = user;
    i8x_hub *hub = commit->hub;
    i8x_daemon *daemon = hub->daemon;
    const uint8_t *bytes;
    size_t size;
    const i8x_task *task;
    const i8x_study_job *job;
    int index;
    i8x_hub_worker *worker = by_session(hub, hub->replies[commit->context]->session);
    if (i8x_study_task(daemon->study, &commit->key, &bytes, &size, &task, &job, &index)) {
        daemon->metrics.tasks[task->kind][I8X_METRIC_COMMITTED]++;
        if (worker != NULL)
            i8x_holdings_add_task(&worker->holdings, task, &commit->result);
    }
    i8x_metrics_duration(&daemon->metrics, commit->result.measure.wall_ns);
    i8x_sched_event event = {.type = I8X_SCHED_COMMITTED, .key = commit->key};
    if (!i8x_study_completed(daemon->study, &commit->key)) {
        hub->doubts.committing = &commit->key;
        i8x_daemon_step(daemon, &event);
        if (hub->doubts.committing != NULL)
            i8x_study_committed(daemon->study, &commit->key, &commit->result, commit->worker);
        hub->doubts.committing = NULL;
    }
    worker = by_session(hub, hub->replies[commit->context]->session); /* it may have left */
    if (worker != NULL)
        worker->committed++;
    settle_item(hub, commit->context, commit->item, I8X_WIRE_STATE_COMMITTED);
    i8x_task_result_deinit(&commit->result);
    i8x_alloc_free(i8x_alloc_heap(), commit, sizeof *commit);
    daemon->pending--;
}

static void do_commit(i8x_hub *hub, const i8x_sched_action *action)
{
    const i8x_wire_item *item = &hub->message->u.result.items[hub->item];
    const i8x_hub_worker *worker = by_session(hub, action->worker);
    const uint8_t *bytes;
    size_t size;
    const i8x_task *task;
    const i8x_study_job *job;
    int index;
    bool known =
        i8x_study_task(hub->daemon->study, &action->key, &bytes, &size, &task, &job, &index);
    I8X_ASSERT(known && worker != NULL); /* both were there when the event went in */
    hub_commit *commit = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *commit);
    I8X_ASSERT(commit != NULL);
    commit->hub = hub;
    commit->context = hub->context;
    commit->item = hub->item;
    commit->key = action->key;
    snprintf(commit->worker, sizeof commit->worker, "%s", worker->id);
    i8x_status status = i8x_task_result_decode(item->result, item->result_size, &commit->result);
    I8X_ASSERT(status == I8X_OK); /* take_result decoded the same bytes */
    i8x_result_row row = {.key = action->key,
                          .kind = i8x_task_kind_name(task->kind),
                          .job = job->id,
                          .worker = worker->id,
                          .arch = worker->arch,
                          .bytes = item->result,
                          .size = item->result_size,
                          .audit = action->audit};
    hub->daemon->pending++;
    status = i8x_study_put_result(hub->daemon->study, &row, commit->result.measure.wall_ns,
                                  on_committed, commit);
    I8X_ASSERT(status == I8X_OK); /* no room for one row: restart and replay */
}

static void alarm_conflict(i8x_hub *hub, const i8x_sched_action *action)
{
    char fields[256];
    i8x_task_kind kind;
    task_fields(hub, &action->key, fields, sizeof fields, &kind);
    hub->daemon->metrics.tasks[kind][I8X_METRIC_CONFLICT]++;
    i8x_log(I8X_LOG_ERROR, "result_conflict", "%s worker=%s", fields,
            worker_name(hub, action->worker));
}

static void do_duplicate(i8x_hub *hub, const i8x_sched_action *action)
{
    char fields[256];
    i8x_task_kind kind;
    task_fields(hub, &action->key, fields, sizeof fields, &kind);
    hub->daemon->metrics.tasks[kind][I8X_METRIC_DUPLICATE]++;
    settle(hub, I8X_WIRE_STATE_DUPLICATE, "");
}

static void do_conflict(i8x_hub *hub, const i8x_sched_action *action)
{
    alarm_conflict(hub, action);
    settle(hub, I8X_WIRE_STATE_REFUSED, "another result is committed for this task");
}

/* Not open here: if the ledger has a result, this one has to agree with it. */
static void do_stale(i8x_hub *hub, const i8x_sched_action *action)
{
    if (hub->result == NULL)
        return; /* a FAIL that came late: nothing hangs on it */
    i8x_arena *arena = NULL;
    i8x_result_row row;
    i8x_task_result old = {0};
    i8x_digest mine, theirs;
    bool have = i8x_arena_new(NULL, 2 * I8X_WIRE_RESULT_MAX, &arena) == I8X_OK &&
                i8x_ledger_get_result(i8x_ledger_here(hub->daemon->ledger), &action->key, arena,
                                      &row) == I8X_OK &&
                i8x_task_result_decode(row.bytes, row.size, &old) == I8X_OK &&
                i8x_hub_result_digest(hub->result, &mine) == I8X_OK &&
                i8x_hub_result_digest(&old, &theirs) == I8X_OK;
    bool same = have && i8x_digest_equal(&mine, &theirs);
    i8x_task_result_deinit(&old);
    i8x_arena_free(arena);
    if (have && !same)
        do_conflict(hub, action);
    else
        settle(hub, same ? I8X_WIRE_STATE_DUPLICATE : I8X_WIRE_STATE_STALE, "");
}

static void do_lost(i8x_hub *hub, const i8x_sched_action *action)
{
    char fields[256];
    i8x_task_kind kind;
    task_fields(hub, &action->key, fields, sizeof fields, &kind);
    hub->daemon->metrics.tasks[kind][I8X_METRIC_LOST]++;
    i8x_log(I8X_LOG_WARN, "lease_lost", "%s worker=%s epoch=%llu", fields,
            worker_name(hub, action->worker), (unsigned long long)action->epoch);
}

static void do_retry(i8x_hub *hub, const i8x_sched_action *action)
{
    char fields[256];
    i8x_task_kind kind;
    task_fields(hub, &action->key, fields, sizeof fields, &kind);
    i8x_log(I8X_LOG_INFO, "task_waits", "%s attempts=%d wait_ms=%lld", fields, action->attempts,
            (long long)(action->at_ms - i8x_daemon_now_ms(hub->daemon)));
}

static void do_dead(i8x_hub *hub, const i8x_sched_action *action)
{
    char fields[256];
    i8x_task_kind kind;
    task_fields(hub, &action->key, fields, sizeof fields, &kind);
    hub->daemon->metrics.tasks[kind][I8X_METRIC_DEAD]++;
    i8x_log(I8X_LOG_WARN, "task_dead", "%s attempts=%d workers=%d", fields, action->attempts,
            action->workers);
    const i8x_wire_message *message = hub->message;
    bool told = message != NULL && message->type == I8X_WIRE_FAIL &&
                i8x_digest_equal(&message->u.fail.key, &action->key);
    i8x_status status = told ? message->u.fail.status : I8X_EINTERNAL;
    i8x_study_dead(hub->daemon->study, &action->key, status,
                   told ? message->u.fail.detail
                        : "the workers that tried a task of this job went away or gave rubbish",
                   told ? message->u.fail.tail : "");
}

static void do_cancel(i8x_hub *hub, const i8x_sched_action *action)
{
    i8x_hub_worker *worker = by_session(hub, action->worker);
    if (worker != NULL)
        i8x_control_cancel(&worker->control, &action->key);
}

static void do_call_back(i8x_hub *hub, const i8x_sched_action *action)
{
    i8x_hub_worker *worker = by_session(hub, action->worker);
    if (worker != NULL)
        i8x_control_call_back(&worker->control, &action->key);
}

static void do_refuse(i8x_hub *hub, const i8x_sched_action *action)
{
    (void)action;
    settle(hub, I8X_WIRE_STATE_REFUSED, "this worker is quarantined: its results do not count");
}

void i8x_hub_remember(i8x_hub *hub, const char *worker)
{
    i8x_doubts_remember(&hub->doubts, worker);
}

static void do_doubt(i8x_hub *hub, const i8x_sched_action *action)
{
    i8x_doubts_act(&hub->doubts, action);
}

static void do_gone(i8x_hub *hub, const i8x_sched_action *action)
{
    i8x_hub_worker *worker = by_session(hub, action->worker);
    if (worker == NULL)
        return;
    uint32_t pipe = worker->pipe;
    remove_worker(hub, worker, "silent");
    i8x_link_server_drop(hub->daemon->link, pipe); /* or it would stand for ever */
}

typedef void (*action_fn)(i8x_hub *hub, const i8x_sched_action *action);
static const action_fn doers[I8X_SCHED_ACTION_COUNT] = {
    [I8X_SCHED_DO_GRANT] = do_grant,         [I8X_SCHED_DO_ANSWER] = do_answer,
    [I8X_SCHED_DO_COMMIT] = do_commit,       [I8X_SCHED_DO_DUPLICATE] = do_duplicate,
    [I8X_SCHED_DO_CONFLICT] = do_conflict,   [I8X_SCHED_DO_STALE] = do_stale,
    [I8X_SCHED_DO_LOST] = do_lost,           [I8X_SCHED_DO_RETRY] = do_retry,
    [I8X_SCHED_DO_DEAD] = do_dead,           [I8X_SCHED_DO_CANCEL] = do_cancel,
    [I8X_SCHED_DO_CALL_BACK] = do_call_back, [I8X_SCHED_DO_REFUSE] = do_refuse,
    [I8X_SCHED_DO_AUDIT] = do_doubt,         [I8X_SCHED_DO_AUDITED] = do_doubt,
    [I8X_SCHED_DO_REDO] = do_doubt,          [I8X_SCHED_DO_QUARANTINE] = do_doubt,
    [I8X_SCHED_DO_GONE] = do_gone,
};

int64_t i8x_hub_tick(i8x_hub *hub)
{
    return i8x_control_tick(&hub->waiting, i8x_daemon_now_ms(hub->daemon));
}

void i8x_hub_act(i8x_hub *hub, const i8x_sched_action *action)
{
    doers[action->type](hub, action);
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
        i8x_alloc_free(i8x_alloc_heap(), hub->replies[i], sizeof(hub_reply));
    i8x_doubts_deinit(&hub->doubts);
    i8x_buffer_deinit(&hub->frame);
    i8x_arena_free(hub->arena);
    i8x_alloc_free(i8x_alloc_heap(), hub, sizeof *hub);
}
