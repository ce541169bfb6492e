/* SPDX-License-Identifier: Apache-2.0
 *
 * The only file that knows protobuf. A table has one row per message: how to fill the generated
 * struct and how to read it. Decoding is bounded three times: by the frame's size, by the memory
 * that the unpacker may take from its arena, and by the count and length limits checked here. The
 * schema nests three deep, and the unpacker recurses only where the schema does.
 */
#include "proto/wire.h"

#include <string.h>

#include "int8x.pb-c.h"

static const char *const type_names[I8X_WIRE_TYPE_COUNT] = {
#define X(name, text) text,
    I8X_WIRE_LIST(X)
#undef X
};
static const char *const cause_names[I8X_WIRE_CAUSE_COUNT] = {
#define X(name, text) text,
    I8X_WIRE_CAUSE_LIST(X)
#undef X
};

static const char *const activity_names[I8X_WIRE_ACTIVITY_COUNT] = {
#define X(name, text) text,
    I8X_WIRE_ACTIVITY_LIST(X)
#undef X
};

const char *i8x_wire_type_name(i8x_wire_type type)
{
    return (unsigned)type < I8X_WIRE_TYPE_COUNT ? type_names[type] : "?";
}

const char *i8x_wire_cause_name(i8x_wire_cause cause)
{
    return (unsigned)cause < I8X_WIRE_CAUSE_COUNT ? cause_names[cause] : "?";
}

const char *i8x_wire_activity_name(i8x_wire_activity activity)
{
    return (unsigned)activity < I8X_WIRE_ACTIVITY_COUNT ? activity_names[activity] : "?";
}

/* ---- checks shared by both directions ---- */

static i8x_status check_text(const char *what, const char *text, size_t limit)
{
    size_t size = strlen(text);
    I8X_ENSURE(size <= limit, I8X_ELIMIT, "%s: %zu bytes of text, at most %zu", what, size, limit);
    return I8X_OK;
}

static i8x_status check_count(const char *what, size_t count, size_t limit)
{
    I8X_ENSURE(count <= limit, I8X_ELIMIT, "%s: %zu entries, at most %zu", what, count, limit);
    return I8X_OK;
}

/* ---- encode: plain struct -> generated struct, whose lists live in the arena ---- */

static char *text_of(const char *text)
{
    return (char *)(text != NULL ? text : "");
}

static ProtobufCBinaryData bytes_of(const void *bytes, size_t size)
{
    return (ProtobufCBinaryData){size, (uint8_t *)bytes};
}

static ProtobufCBinaryData digest_of(const i8x_digest *digest)
{
    return bytes_of(digest->bytes, I8X_DIGEST_SIZE);
}

static i8x_status pack_held(i8x_arena *arena, const i8x_wire_held *held, size_t count, size_t *n,
                            Int8x__Held ***list)
{
    I8X_TRY(check_count("held leases", count, I8X_WIRE_LEASES_MAX));
    Int8x__Held *rows = i8x_arena_array(arena, count, sizeof *rows);
    I8X_TRY(i8x_alloc_check(rows));
    *list = i8x_arena_array(arena, count, sizeof(Int8x__Held *));
    I8X_TRY(i8x_alloc_check(*list));
    for (size_t i = 0; i < count; i++) {
        int8x__held__init(&rows[i]);
        rows[i].key = digest_of(&held[i].key);
        rows[i].epoch = held[i].epoch;
        rows[i].done = held[i].done;
        rows[i].total = held[i].total;
        rows[i].started = held[i].started;
        (*list)[i] = &rows[i];
    }
    *n = count;
    return I8X_OK;
}

static i8x_status pack_grants(i8x_arena *arena, const i8x_wire_grant *grants, size_t count,
                              size_t *n, Int8x__Grant ***list)
{
    I8X_TRY(check_count("grants", count, I8X_WIRE_GRANTS_MAX));
    Int8x__Grant *rows = i8x_arena_array(arena, count, sizeof *rows);
    I8X_TRY(i8x_alloc_check(rows));
    *list = i8x_arena_array(arena, count, sizeof(Int8x__Grant *));
    I8X_TRY(i8x_alloc_check(*list));
    for (size_t i = 0; i < count; i++) {
        I8X_ENSURE(grants[i].task_size <= I8X_WIRE_TASK_MAX, I8X_ELIMIT,
                   "task of %zu bytes, at most %u", grants[i].task_size, I8X_WIRE_TASK_MAX);
        int8x__grant__init(&rows[i]);
        rows[i].key = digest_of(&grants[i].key);
        rows[i].epoch = grants[i].epoch;
        rows[i].task = bytes_of(grants[i].task, grants[i].task_size);
        rows[i].job = text_of(grants[i].job);
        (*list)[i] = &rows[i];
    }
    *n = count;
    return I8X_OK;
}

static i8x_status pack_digests(i8x_arena *arena, const i8x_wire_digests *digests, size_t limit,
                               size_t *n, ProtobufCBinaryData **list)
{
    I8X_TRY(check_count("digests", digests->digest_count, limit));
    *list = i8x_arena_array(arena, digests->digest_count, sizeof **list);
    I8X_TRY(i8x_alloc_check(*list));
    for (size_t i = 0; i < digests->digest_count; i++)
        (*list)[i] = digest_of(&digests->digests[i]);
    *n = digests->digest_count;
    return I8X_OK;
}

#define NEW(arena, Type, init, variable)                                                           \
    Type *variable = i8x_arena_alloc(arena, sizeof *variable);                                     \
    I8X_TRY(i8x_alloc_check(variable));                                                            \
    init(variable)

static i8x_status pack_device(i8x_arena *arena, const i8x_wire_device *device,
                              Int8x__Device **packed)
{
    NEW(arena, Int8x__Device, int8x__device__init, out);
    out->model = text_of(device->model);
    out->features = text_of(device->features);
    out->version = text_of(device->version);
    out->memory_bytes = device->memory_bytes;
    out->threads = device->threads;
    *packed = out;
    return I8X_OK;
}

static i8x_status pack_status(i8x_arena *arena, const i8x_wire_status *status,
                              Int8x__Status **packed)
{
    NEW(arena, Int8x__Status, int8x__status__init, out);
    out->state = (Int8x__Status__State)status->activity;
    out->reason = text_of(status->reason);
    out->hottest = text_of(status->hottest);
    out->temperature_mc = status->temperature_mc;
    out->frequency_hz = status->frequency_hz;
    out->frequency_max_hz = status->frequency_max_hz;
    out->throttled = status->throttled;
    out->load_known = status->load_known;
    out->load_permille = status->load_permille;
    out->load_others_permille = status->load_others_permille;
    out->memory_available_bytes = status->memory_available_bytes;
    out->power = (Int8x__Status__Power)status->power;
    out->battery = status->battery;
    out->battery_percent = status->battery_percent;
    out->cache_bytes = status->cache_bytes;
    *packed = out;
    return I8X_OK;
}

static i8x_status pack_hello(i8x_arena *arena, const i8x_wire_message *m, Int8x__Frame *frame)
{
    const i8x_wire_hello *hello = &m->u.hello;
    NEW(arena, Int8x__Hello, int8x__hello__init, out);
    out->worker = text_of(hello->worker);
    out->name = text_of(hello->name);
    out->arch = text_of(hello->arch);
    out->level = text_of(hello->level);
    out->cores = hello->cores;
    out->slots = hello->slots;
    out->memory_bytes = hello->memory_bytes;
    I8X_TRY(check_count("kinds", hello->kind_count, I8X_WIRE_KINDS_MAX));
    Int8x__Kind *kinds = i8x_arena_array(arena, hello->kind_count, sizeof *kinds);
    I8X_TRY(i8x_alloc_check(kinds));
    out->kinds = i8x_arena_array(arena, hello->kind_count, sizeof(Int8x__Kind *));
    I8X_TRY(i8x_alloc_check(out->kinds));
    for (size_t i = 0; i < hello->kind_count; i++) {
        int8x__kind__init(&kinds[i]);
        kinds[i].name = text_of(hello->kinds[i].name);
        kinds[i].revision = (uint32_t)hello->kinds[i].revision;
        out->kinds[i] = &kinds[i];
    }
    out->n_kinds = hello->kind_count;
    if (hello->has_device)
        I8X_TRY(pack_device(arena, &hello->device, &out->device));
    out->token = text_of(hello->token);
    frame->hello = out;
    return pack_held(arena, hello->held, hello->held_count, &out->n_held, &out->held);
}

static i8x_status pack_welcome(i8x_arena *arena, const i8x_wire_message *m, Int8x__Frame *frame)
{
    const i8x_wire_welcome *welcome = &m->u.welcome;
    NEW(arena, Int8x__Welcome, int8x__welcome__init, out);
    out->http_url = text_of(welcome->http_url);
    out->heartbeat_ms = welcome->heartbeat_ms;
    out->lease_life_ms = welcome->lease_life_ms;
    out->task_memory_bytes = welcome->task_memory_bytes;
    out->task_seconds = welcome->task_seconds;
    out->results = welcome->results;
    frame->welcome = out;
    return I8X_OK;
}

static i8x_status pack_lease(i8x_arena *arena, const i8x_wire_message *m, Int8x__Frame *frame)
{
    NEW(arena, Int8x__Lease, int8x__lease__init, out);
    out->want = m->u.lease.want;
    out->wait_ms = m->u.lease.wait_ms;
    frame->lease = out;
    return I8X_OK;
}

static i8x_status pack_grants_body(i8x_arena *arena, const i8x_wire_message *m, Int8x__Frame *frame)
{
    NEW(arena, Int8x__Grants, int8x__grants__init, out);
    frame->grants = out;
    return pack_grants(arena, m->u.grants.grants, m->u.grants.grant_count, &out->n_grants,
                       &out->grants);
}

static i8x_status pack_renew(i8x_arena *arena, const i8x_wire_message *m, Int8x__Frame *frame)
{
    NEW(arena, Int8x__Renew, int8x__renew__init, out);
    out->draining = m->u.renew.draining;
    out->wait_ms = m->u.renew.wait_ms;
    if (m->u.renew.has_status)
        I8X_TRY(pack_status(arena, &m->u.renew.status, &out->status));
    frame->renew = out;
    return pack_held(arena, m->u.renew.held, m->u.renew.held_count, &out->n_held, &out->held);
}

static i8x_status pack_control(i8x_arena *arena, const i8x_wire_message *m, Int8x__Frame *frame)
{
    NEW(arena, Int8x__Control, int8x__control__init, out);
    frame->control = out;
    I8X_TRY(pack_digests(arena, &m->u.control.call_back, I8X_WIRE_LEASES_MAX, &out->n_call_back,
                         &out->call_back));
    return pack_digests(arena, &m->u.control.cancel, I8X_WIRE_LEASES_MAX, &out->n_cancel,
                        &out->cancel);
}

static i8x_status check_result(size_t size)
{
    I8X_ENSURE(size <= I8X_WIRE_RESULT_MAX, I8X_ELIMIT, "result of %zu bytes, at most %u", size,
               I8X_WIRE_RESULT_MAX);
    return I8X_OK;
}

static i8x_status pack_more(i8x_arena *arena, const i8x_wire_item *items, size_t count,
                            Int8x__Result *out)
{
    Int8x__Result__More *rows = i8x_arena_array(arena, count, sizeof *rows);
    I8X_TRY(i8x_alloc_check(rows));
    out->more = i8x_arena_array(arena, count, sizeof(Int8x__Result__More *));
    I8X_TRY(i8x_alloc_check(out->more));
    for (size_t i = 0; i < count; i++) {
        I8X_TRY(check_result(items[i].result_size));
        int8x__result__more__init(&rows[i]);
        rows[i].key = digest_of(&items[i].key);
        rows[i].epoch = items[i].epoch;
        rows[i].result = bytes_of(items[i].result, items[i].result_size);
        out->more[i] = &rows[i];
    }
    out->n_more = count;
    return I8X_OK;
}

static i8x_status pack_result(i8x_arena *arena, const i8x_wire_message *m, Int8x__Frame *frame)
{
    const i8x_wire_result *result = &m->u.result;
    const i8x_wire_item *first = result->items;
    I8X_TRY(check_count("results", result->count, I8X_WIRE_RESULTS_MAX));
    I8X_ASSERT(result->count > 0);
    I8X_TRY(check_result(first->result_size));
    NEW(arena, Int8x__Result, int8x__result__init, out);
    out->key = digest_of(&first->key);
    out->epoch = first->epoch;
    out->result = bytes_of(first->result, first->result_size);
    out->want = result->want;
    frame->result = out;
    return pack_more(arena, first + 1, result->count - 1, out);
}

static i8x_status pack_committed(i8x_arena *arena, const i8x_wire_message *m, Int8x__Frame *frame)
{
    const i8x_wire_committed *committed = &m->u.committed;
    NEW(arena, Int8x__Committed, int8x__committed__init, out);
    I8X_TRY(check_count("states", committed->state_count, I8X_WIRE_RESULTS_MAX));
    I8X_ASSERT(committed->state_count > 0);
    out->state = (Int8x__Committed__State)committed->states[0];
    out->n_more = committed->state_count - 1;
    out->more = i8x_arena_array(arena, out->n_more, sizeof *out->more);
    I8X_TRY(i8x_alloc_check(out->more));
    for (size_t i = 0; i < out->n_more; i++)
        out->more[i] = (Int8x__Committed__State)committed->states[i + 1];
    out->detail = text_of(committed->detail);
    frame->committed = out;
    return pack_grants(arena, committed->grants, committed->grant_count, &out->n_grants,
                       &out->grants);
}

static i8x_status pack_fail(i8x_arena *arena, const i8x_wire_message *m, Int8x__Frame *frame)
{
    const i8x_wire_fail *fail = &m->u.fail;
    NEW(arena, Int8x__Fail, int8x__fail__init, out);
    out->key = digest_of(&fail->key);
    out->epoch = fail->epoch;
    out->cause = (Int8x__Fail__Cause)fail->cause;
    out->status = text_of(i8x_status_name(fail->status));
    out->detail = text_of(fail->detail);
    out->tail = text_of(fail->tail);
    out->want = fail->want;
    frame->fail = out;
    return I8X_OK;
}

static i8x_status pack_have(i8x_arena *arena, const i8x_wire_message *m, Int8x__Frame *frame)
{
    NEW(arena, Int8x__Have, int8x__have__init, out);
    frame->have = out;
    out->all = m->u.have.all;
    I8X_TRY(pack_digests(arena, &m->u.have.gone, I8X_WIRE_DIGESTS_MAX, &out->n_gone, &out->gone));
    return pack_digests(arena, &m->u.have.blobs, I8X_WIRE_DIGESTS_MAX, &out->n_digests,
                        &out->digests);
}

static i8x_status pack_bye(i8x_arena *arena, const i8x_wire_message *m, Int8x__Frame *frame)
{
    NEW(arena, Int8x__Bye, int8x__bye__init, out);
    out->reason = text_of(m->u.bye.reason);
    frame->bye = out;
    return I8X_OK;
}

static i8x_status pack_error(i8x_arena *arena, const i8x_wire_message *m, Int8x__Frame *frame)
{
    NEW(arena, Int8x__Error, int8x__error__init, out);
    out->status = text_of(i8x_status_name(m->u.error.status));
    out->detail = text_of(m->u.error.detail);
    frame->error = out;
    return I8X_OK;
}

/* ---- decode: generated struct -> plain struct ---- */

static i8x_status read_digest(const ProtobufCBinaryData *data, i8x_digest *digest)
{
    I8X_ENSURE(data->len == I8X_DIGEST_SIZE, I8X_EFORMAT, "a key or digest has %zu bytes, not %d",
               data->len, I8X_DIGEST_SIZE);
    memcpy(digest->bytes, data->data, I8X_DIGEST_SIZE);
    return I8X_OK;
}

static i8x_status read_held(i8x_arena *arena, Int8x__Held *const *list, size_t count,
                            const i8x_wire_held **held)
{
    I8X_TRY(check_count("held leases", count, I8X_WIRE_LEASES_MAX));
    i8x_wire_held *rows = i8x_arena_array(arena, count, sizeof *rows);
    I8X_TRY(i8x_alloc_check(rows));
    for (size_t i = 0; i < count; i++) {
        I8X_TRY(read_digest(&list[i]->key, &rows[i].key));
        rows[i].epoch = list[i]->epoch;
        rows[i].done = list[i]->done;
        rows[i].total = list[i]->total;
        rows[i].started = list[i]->started;
    }
    *held = rows;
    return I8X_OK;
}

static i8x_status read_grants(i8x_arena *arena, Int8x__Grant *const *list, size_t count,
                              const i8x_wire_grant **grants)
{
    I8X_TRY(check_count("grants", count, I8X_WIRE_GRANTS_MAX));
    i8x_wire_grant *rows = i8x_arena_array(arena, count, sizeof *rows);
    I8X_TRY(i8x_alloc_check(rows));
    for (size_t i = 0; i < count; i++) {
        const Int8x__Grant *row = list[i];
        I8X_TRY(read_digest(&row->key, &rows[i].key));
        I8X_TRY(check_text("grant.job", row->job, I8X_WIRE_NAME_MAX));
        I8X_ENSURE(row->task.len <= I8X_WIRE_TASK_MAX, I8X_ELIMIT, "task of %zu bytes, at most %u",
                   row->task.len, I8X_WIRE_TASK_MAX);
        rows[i].epoch = row->epoch;
        rows[i].task = row->task.data;
        rows[i].task_size = row->task.len;
        rows[i].job = row->job;
    }
    *grants = rows;
    return I8X_OK;
}

static i8x_status read_digests(i8x_arena *arena, const ProtobufCBinaryData *list, size_t count,
                               size_t limit, i8x_wire_digests *digests)
{
    I8X_TRY(check_count("digests", count, limit));
    i8x_digest *rows = i8x_arena_array(arena, count, sizeof *rows);
    I8X_TRY(i8x_alloc_check(rows));
    for (size_t i = 0; i < count; i++)
        I8X_TRY(read_digest(&list[i], &rows[i]));
    *digests = (i8x_wire_digests){rows, count};
    return I8X_OK;
}

/* Worker ids become file names and metric labels of others: a narrow alphabet. */
static i8x_status check_worker_id(const char *id)
{
    I8X_TRY(check_text("hello.worker", id, I8X_WIRE_NAME_MAX));
    size_t good = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789.-");
    I8X_ENSURE(*id != 0 && id[good] == 0, I8X_EFORMAT,
               "hello.worker: an id is made of a-z, 0-9, '.' and '-', and is not empty");
    return I8X_OK;
}

static i8x_status read_device(const Int8x__Device *in, i8x_wire_device *device)
{
    I8X_TRY(check_text("device.model", in->model, I8X_WIRE_NAME_MAX));
    I8X_TRY(check_text("device.features", in->features, I8X_WIRE_FEATURES_MAX));
    I8X_TRY(check_text("device.version", in->version, I8X_WIRE_NAME_MAX));
    *device =
        (i8x_wire_device){in->model, in->features, in->version, in->memory_bytes, in->threads};
    return I8X_OK;
}

/* States and powers of a later version are unknown ones, so that a newer worker may join. */
static i8x_status read_status(const Int8x__Status *in, i8x_wire_status *status)
{
    I8X_TRY(check_text("status.reason", in->reason, I8X_WIRE_NAME_MAX));
    I8X_TRY(check_text("status.hottest", in->hottest, I8X_WIRE_NAME_MAX));
    I8X_ENSURE(in->temperature_mc >= -100000 && in->temperature_mc <= 300000, I8X_ERANGE,
               "status.temperature_mc is %d, allowed -100000..300000", in->temperature_mc);
    I8X_ENSURE(in->load_permille <= 1000 && in->load_others_permille <= 1000 &&
                   in->battery_percent <= 100,
               I8X_ERANGE, "status: load %u and %u permille, battery %u percent: over the whole",
               in->load_permille, in->load_others_permille, in->battery_percent);
    bool known = (unsigned)in->state < I8X_WIRE_ACTIVITY_COUNT;
    bool powered = (unsigned)in->power < I8X_WIRE_POWER_COUNT;
    *status = (i8x_wire_status){
        .activity = known ? (i8x_wire_activity)in->state : I8X_WIRE_ACTIVITY_UNKNOWN,
        .reason = in->reason,
        .hottest = in->hottest,
        .temperature_mc = in->temperature_mc,
        .frequency_hz = in->frequency_hz,
        .frequency_max_hz = in->frequency_max_hz,
        .throttled = in->throttled & I8X_WIRE_THROTTLE_ALL,
        .load_known = in->load_known,
        .load_permille = in->load_permille,
        .load_others_permille = in->load_others_permille,
        .memory_available_bytes = in->memory_available_bytes,
        .power = powered ? (i8x_wire_power)in->power : I8X_WIRE_POWER_UNKNOWN,
        .battery = in->battery,
        .battery_percent = in->battery_percent,
        .cache_bytes = in->cache_bytes};
    return I8X_OK;
}

static i8x_status read_hello(i8x_arena *arena, const Int8x__Frame *frame, i8x_wire_message *m)
{
    const Int8x__Hello *in = frame->hello;
    I8X_TRY(check_worker_id(in->worker));
    I8X_TRY(check_text("hello.name", in->name, I8X_WIRE_NAME_MAX));
    I8X_TRY(check_text("hello.arch", in->arch, I8X_WIRE_NAME_MAX));
    I8X_TRY(check_text("hello.level", in->level, I8X_WIRE_NAME_MAX));
    I8X_TRY(check_text("hello.token", in->token, I8X_WIRE_NAME_MAX));
    I8X_ENSURE(in->slots >= 1 && in->slots <= I8X_SLOTS_MAX, I8X_ERANGE,
               "hello.slots is %u, allowed 1..%d", in->slots, I8X_SLOTS_MAX);
    I8X_TRY(check_count("kinds", in->n_kinds, I8X_WIRE_KINDS_MAX));
    i8x_wire_kind *kinds = i8x_arena_array(arena, in->n_kinds, sizeof *kinds);
    I8X_TRY(i8x_alloc_check(kinds));
    for (size_t i = 0; i < in->n_kinds; i++) {
        I8X_TRY(check_text("kind.name", in->kinds[i]->name, I8X_WIRE_NAME_MAX));
        I8X_ENSURE(in->kinds[i]->revision <= INT32_MAX, I8X_ERANGE, "kind.revision is %u",
                   in->kinds[i]->revision);
        kinds[i] = (i8x_wire_kind){in->kinds[i]->name, (int)in->kinds[i]->revision};
    }
    m->u.hello = (i8x_wire_hello){.worker = in->worker,
                                  .name = in->name,
                                  .arch = in->arch,
                                  .level = in->level,
                                  .cores = in->cores,
                                  .slots = in->slots,
                                  .memory_bytes = in->memory_bytes,
                                  .kinds = kinds,
                                  .kind_count = in->n_kinds,
                                  .held_count = in->n_held,
                                  .token = in->token,
                                  .has_device = in->device != NULL};
    if (in->device != NULL)
        I8X_TRY(read_device(in->device, &m->u.hello.device));
    return read_held(arena, in->held, in->n_held, &m->u.hello.held);
}

static i8x_status read_welcome(i8x_arena *arena, const Int8x__Frame *frame, i8x_wire_message *m)
{
    (void)arena;
    const Int8x__Welcome *in = frame->welcome;
    I8X_TRY(check_text("welcome.http_url", in->http_url, I8X_WIRE_URL_MAX));
    I8X_ENSURE(in->heartbeat_ms >= 10 && in->heartbeat_ms <= 3600000, I8X_ERANGE,
               "welcome.heartbeat_ms is %u, allowed 10..3600000", in->heartbeat_ms);
    uint32_t results = in->results < I8X_WIRE_RESULTS_MAX ? in->results : I8X_WIRE_RESULTS_MAX;
    m->u.welcome =
        (i8x_wire_welcome){in->http_url,          in->heartbeat_ms, in->lease_life_ms,
                           in->task_memory_bytes, in->task_seconds, results > 0 ? results : 1};
    return I8X_OK;
}

static i8x_status read_lease(i8x_arena *arena, const Int8x__Frame *frame, i8x_wire_message *m)
{
    (void)arena;
    m->u.lease = (i8x_wire_lease){frame->lease->want, frame->lease->wait_ms};
    I8X_ENSURE(m->u.lease.want >= 1 && m->u.lease.want <= I8X_WIRE_GRANTS_MAX, I8X_ERANGE,
               "lease.want is %u, allowed 1..%d", m->u.lease.want, I8X_WIRE_GRANTS_MAX);
    I8X_ENSURE(m->u.lease.wait_ms <= I8X_WIRE_WAIT_MS_MAX, I8X_ERANGE,
               "lease.wait_ms is %u, at most %d", m->u.lease.wait_ms, I8X_WIRE_WAIT_MS_MAX);
    return I8X_OK;
}

static i8x_status read_grants_body(i8x_arena *arena, const Int8x__Frame *frame, i8x_wire_message *m)
{
    m->u.grants.grant_count = frame->grants->n_grants;
    return read_grants(arena, frame->grants->grants, frame->grants->n_grants, &m->u.grants.grants);
}

static i8x_status read_renew(i8x_arena *arena, const Int8x__Frame *frame, i8x_wire_message *m)
{
    m->u.renew = (i8x_wire_renew){.held_count = frame->renew->n_held,
                                  .draining = frame->renew->draining,
                                  .wait_ms = frame->renew->wait_ms,
                                  .has_status = frame->renew->status != NULL};
    I8X_ENSURE(m->u.renew.wait_ms <= I8X_WIRE_WAIT_MS_MAX, I8X_ERANGE,
               "renew.wait_ms is %u, at most %d", m->u.renew.wait_ms, I8X_WIRE_WAIT_MS_MAX);
    if (frame->renew->status != NULL)
        I8X_TRY(read_status(frame->renew->status, &m->u.renew.status));
    return read_held(arena, frame->renew->held, frame->renew->n_held, &m->u.renew.held);
}

static i8x_status read_control(i8x_arena *arena, const Int8x__Frame *frame, i8x_wire_message *m)
{
    I8X_TRY(read_digests(arena, frame->control->call_back, frame->control->n_call_back,
                         I8X_WIRE_LEASES_MAX, &m->u.control.call_back));
    return read_digests(arena, frame->control->cancel, frame->control->n_cancel,
                        I8X_WIRE_LEASES_MAX, &m->u.control.cancel);
}

static i8x_status check_want(uint32_t want)
{
    I8X_ENSURE(want <= I8X_WIRE_GRANTS_MAX, I8X_ERANGE, "want is %u, at most %d", want,
               I8X_WIRE_GRANTS_MAX);
    return I8X_OK;
}

static i8x_status read_item(const ProtobufCBinaryData *key, uint64_t epoch,
                            const ProtobufCBinaryData *result, i8x_wire_item *item)
{
    I8X_TRY(check_result(result->len));
    *item = (i8x_wire_item){.epoch = epoch, .result = result->data, .result_size = result->len};
    return read_digest(key, &item->key);
}

static i8x_status read_result(i8x_arena *arena, const Int8x__Frame *frame, i8x_wire_message *m)
{
    const Int8x__Result *in = frame->result;
    I8X_TRY(check_want(in->want));
    I8X_TRY(check_count("results", in->n_more, I8X_WIRE_RESULTS_MAX - 1));
    size_t count = in->n_more + 1;
    i8x_wire_item *items = i8x_arena_array(arena, count, sizeof *items);
    I8X_TRY(i8x_alloc_check(items));
    I8X_TRY(read_item(&in->key, in->epoch, &in->result, &items[0]));
    for (size_t i = 1; i < count; i++) {
        const Int8x__Result__More *more = in->more[i - 1];
        I8X_TRY(read_item(&more->key, more->epoch, &more->result, &items[i]));
    }
    m->u.result = (i8x_wire_result){items, count, in->want};
    return I8X_OK;
}

static i8x_status read_committed(i8x_arena *arena, const Int8x__Frame *frame, i8x_wire_message *m)
{
    const Int8x__Committed *in = frame->committed;
    I8X_TRY(check_text("committed.detail", in->detail, I8X_WIRE_DETAIL_MAX));
    I8X_TRY(check_count("states", in->n_more, I8X_WIRE_RESULTS_MAX - 1));
    i8x_wire_state *states = i8x_arena_array(arena, in->n_more + 1, sizeof *states);
    I8X_TRY(i8x_alloc_check(states));
    for (size_t i = 0; i <= in->n_more; i++) {
        unsigned state = (unsigned)(i == 0 ? in->state : in->more[i - 1]);
        I8X_ENSURE(state < I8X_WIRE_STATE_COUNT, I8X_EFORMAT, "committed.state is %u", state);
        states[i] = (i8x_wire_state)state;
    }
    m->u.committed = (i8x_wire_committed){.states = states,
                                          .state_count = in->n_more + 1,
                                          .detail = in->detail,
                                          .grant_count = in->n_grants};
    return read_grants(arena, in->grants, in->n_grants, &m->u.committed.grants);
}

/* A status this build does not know counts as a fault inside, and OK is no failure. */
static i8x_status status_of(const char *name)
{
    i8x_status status = i8x_status_from_name(name);
    return status == I8X_OK || status == I8X_STATUS_COUNT ? I8X_EINTERNAL : status;
}

static i8x_status read_fail(i8x_arena *arena, const Int8x__Frame *frame, i8x_wire_message *m)
{
    (void)arena;
    const Int8x__Fail *in = frame->fail;
    I8X_TRY(check_want(in->want));
    I8X_ENSURE((unsigned)in->cause < I8X_WIRE_CAUSE_COUNT, I8X_EFORMAT, "fail.cause is %d",
               (int)in->cause);
    I8X_TRY(check_text("fail.status", in->status, I8X_WIRE_NAME_MAX));
    I8X_TRY(check_text("fail.detail", in->detail, I8X_WIRE_DETAIL_MAX));
    I8X_TRY(check_text("fail.tail", in->tail, I8X_WIRE_TAIL_MAX));
    m->u.fail = (i8x_wire_fail){.epoch = in->epoch,
                                .cause = (i8x_wire_cause)in->cause,
                                .status = status_of(in->status),
                                .detail = in->detail,
                                .tail = in->tail,
                                .want = in->want};
    return read_digest(&in->key, &m->u.fail.key);
}

static i8x_status read_have(i8x_arena *arena, const Int8x__Frame *frame, i8x_wire_message *m)
{
    m->u.have.all = frame->have->all;
    I8X_TRY(read_digests(arena, frame->have->gone, frame->have->n_gone, I8X_WIRE_DIGESTS_MAX,
                         &m->u.have.gone));
    return read_digests(arena, frame->have->digests, frame->have->n_digests, I8X_WIRE_DIGESTS_MAX,
                        &m->u.have.blobs);
}

static i8x_status read_bye(i8x_arena *arena, const Int8x__Frame *frame, i8x_wire_message *m)
{
    (void)arena;
    m->u.bye.reason = frame->bye->reason;
    return check_text("bye.reason", frame->bye->reason, I8X_WIRE_DETAIL_MAX);
}

static i8x_status read_error(i8x_arena *arena, const Int8x__Frame *frame, i8x_wire_message *m)
{
    (void)arena;
    I8X_TRY(check_text("error.status", frame->error->status, I8X_WIRE_NAME_MAX));
    I8X_TRY(check_text("error.detail", frame->error->detail, I8X_WIRE_DETAIL_MAX));
    m->u.error = (i8x_wire_error){status_of(frame->error->status), frame->error->detail};
    return I8X_OK;
}

/* ---- the table ---- */

typedef struct message_row {
    Int8x__Frame__BodyCase body;
    i8x_status (*pack)(i8x_arena *arena, const i8x_wire_message *m, Int8x__Frame *frame);
    i8x_status (*read)(i8x_arena *arena, const Int8x__Frame *frame, i8x_wire_message *m);
} message_row;

static const message_row rows[I8X_WIRE_TYPE_COUNT] = {
    [I8X_WIRE_HELLO] = {INT8X__FRAME__BODY_HELLO, pack_hello, read_hello},
    [I8X_WIRE_WELCOME] = {INT8X__FRAME__BODY_WELCOME, pack_welcome, read_welcome},
    [I8X_WIRE_LEASE] = {INT8X__FRAME__BODY_LEASE, pack_lease, read_lease},
    [I8X_WIRE_GRANTS] = {INT8X__FRAME__BODY_GRANTS, pack_grants_body, read_grants_body},
    [I8X_WIRE_RENEW] = {INT8X__FRAME__BODY_RENEW, pack_renew, read_renew},
    [I8X_WIRE_CONTROL] = {INT8X__FRAME__BODY_CONTROL, pack_control, read_control},
    [I8X_WIRE_RESULT] = {INT8X__FRAME__BODY_RESULT, pack_result, read_result},
    [I8X_WIRE_COMMITTED] = {INT8X__FRAME__BODY_COMMITTED, pack_committed, read_committed},
    [I8X_WIRE_FAIL] = {INT8X__FRAME__BODY_FAIL, pack_fail, read_fail},
    [I8X_WIRE_HAVE] = {INT8X__FRAME__BODY_HAVE, pack_have, read_have},
    [I8X_WIRE_BYE] = {INT8X__FRAME__BODY_BYE, pack_bye, read_bye},
    [I8X_WIRE_ERROR] = {INT8X__FRAME__BODY_ERROR, pack_error, read_error},
};

static i8x_status encode_in(i8x_arena *arena, const i8x_wire_message *message, i8x_buffer *buffer)
{
    Int8x__Frame frame = INT8X__FRAME__INIT;
    frame.version = I8X_WIRE_VERSION;
    frame.session = message->session;
    frame.body_case = rows[message->type].body;
    I8X_TRY(rows[message->type].pack(arena, message, &frame));
    size_t size = int8x__frame__get_packed_size(&frame);
    I8X_ENSURE(size <= I8X_WIRE_FRAME_MAX, I8X_ELIMIT, "%s: a frame of %zu bytes, at most %u",
               type_names[message->type], size, I8X_WIRE_FRAME_MAX);
    i8x_buffer_clear(buffer);
    uint8_t *room = i8x_buffer_reserve(buffer, size);
    if (room != NULL)
        int8x__frame__pack(&frame, room);
    return i8x_buffer_status(buffer);
}

i8x_status i8x_wire_encode(const i8x_wire_message *message, i8x_buffer *buffer)
{
    I8X_ASSERT((unsigned)message->type < I8X_WIRE_TYPE_COUNT);
    i8x_arena *arena = NULL;
    I8X_TRY(i8x_arena_new(NULL, I8X_WIRE_ARENA_MAX, &arena));
    i8x_status status = encode_in(arena, message, buffer);
    i8x_arena_free(arena);
    return status;
}

static void *arena_alloc(void *user, size_t size)
{
    return i8x_arena_alloc(user, size);
}

static void arena_keep(void *user, void *block)
{
    (void)user;
    (void)block; /* goes with the arena */
}

i8x_status i8x_wire_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                           i8x_wire_message *message)
{
    I8X_ENSURE(size_bytes <= I8X_WIRE_FRAME_MAX, I8X_ELIMIT, "a frame of %zu bytes, at most %u",
               size_bytes, I8X_WIRE_FRAME_MAX);
    ProtobufCAllocator allocator = {arena_alloc, arena_keep, arena};
    const Int8x__Frame *frame = int8x__frame__unpack(&allocator, size_bytes, bytes);
    I8X_ENSURE(frame != NULL, I8X_EFORMAT, "a frame of %zu bytes is no int8x message", size_bytes);
    I8X_ENSURE(frame->version == I8X_WIRE_VERSION, I8X_EVERSION,
               "the peer speaks protocol version %u, this program speaks %d", frame->version,
               I8X_WIRE_VERSION);
    *message = (i8x_wire_message){.session = frame->session};
    for (int type = 0; type < I8X_WIRE_TYPE_COUNT; type++) {
        if (rows[type].body != frame->body_case)
            continue;
        message->type = (i8x_wire_type)type;
        i8x_status status = rows[type].read(arena, frame, message);
        return status == I8X_OK ? I8X_OK : i8x_fail_prefix("%s: ", type_names[type]);
    }
    I8X_FAIL(I8X_EFORMAT, "a frame without a message");
}
