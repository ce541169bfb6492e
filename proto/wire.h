/* SPDX-License-Identifier: Apache-2.0
 *
 * Wire: control messages as plain structs, and their bytes (protobuf, int8x.proto). Every limit of
 * limits.h is checked in both directions. Decoded texts and bytes live in the caller's arena.
 * Thread-safe: no state.
 *
 *     i8x_wire_message m = {.type = I8X_WIRE_LEASE, .session = s, .u.lease = {.want = 1, .wait_ms =
 * 5000}}; I8X_TRY(i8x_wire_encode(&m, &buffer));
 */
#ifndef I8X_PROTO_WIRE_H
#define I8X_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "int8x/alloc.h"
#include "int8x/digest.h"
#include "int8x/status.h"
#include "proto/buffer.h"
#include "proto/limits.h"

/* X(name, text) in the order of the fields of Frame.body */
#define I8X_WIRE_LIST(X)                                                                           \
    X(HELLO, "hello")                                                                              \
    X(WELCOME, "welcome")                                                                          \
    X(LEASE, "lease")                                                                              \
    X(GRANTS, "grants")                                                                            \
    X(RENEW, "renew")                                                                              \
    X(CONTROL, "control")                                                                          \
    X(RESULT, "result")                                                                            \
    X(COMMITTED, "committed")                                                                      \
    X(FAIL, "fail")                                                                                \
    X(HAVE, "have")                                                                                \
    X(BYE, "bye")                                                                                  \
    X(ERROR, "error")

typedef enum i8x_wire_type {
#define X(name, text) I8X_WIRE_##name,
    I8X_WIRE_LIST(X)
#undef X
        I8X_WIRE_TYPE_COUNT
} i8x_wire_type;

const char *i8x_wire_type_name(i8x_wire_type type);

typedef struct i8x_wire_kind {
    const char *name;
    int revision;
} i8x_wire_kind;

typedef struct i8x_wire_held {
    i8x_digest key;
    uint64_t epoch;
    uint64_t done, total;
    bool started; /* false: it waits for a slot, and can be called back */
} i8x_wire_held;

typedef struct i8x_wire_device {
    const char *model, *features, *version;
    uint64_t memory_bytes; /* 0 = unknown */
    uint32_t threads;
} i8x_wire_device;

/* X(name, text) what a worker does; UNKNOWN: it is of an older version */
#define I8X_WIRE_ACTIVITY_LIST(X)                                                                  \
    X(UNKNOWN, "unknown")                                                                          \
    X(WORKING, "working")                                                                          \
    X(IDLE, "idle")                                                                                \
    X(HOT, "hot")                                                                                  \
    X(BUSY, "busy")                                                                                \
    X(DRAINING, "draining")

typedef enum i8x_wire_activity {
#define X(name, text) I8X_WIRE_ACTIVITY_##name,
    I8X_WIRE_ACTIVITY_LIST(X)
#undef X
        I8X_WIRE_ACTIVITY_COUNT
} i8x_wire_activity;

const char *i8x_wire_activity_name(i8x_wire_activity activity);

/* X(name, text, bit) */
#define I8X_WIRE_THROTTLE_LIST(X)                                                                  \
    X(UNDER_VOLTAGE, "under_voltage", 1)                                                           \
    X(FREQUENCY_CAP, "frequency_cap", 2)                                                           \
    X(THERMAL, "thermal", 4)

typedef enum i8x_wire_throttle {
#define X(name, text, bit) I8X_WIRE_THROTTLE_##name = (bit),
    I8X_WIRE_THROTTLE_LIST(X)
#undef X
        I8X_WIRE_THROTTLE_ALL = 7
} i8x_wire_throttle;

typedef enum i8x_wire_power {
    I8X_WIRE_POWER_UNKNOWN,
    I8X_WIRE_POWER_MAINS,
    I8X_WIRE_POWER_BATTERY,
    I8X_WIRE_POWER_COUNT
} i8x_wire_power;

typedef struct i8x_wire_status {
    i8x_wire_activity activity;
    const char *reason;                      /* why it does not work; "" */
    const char *hottest;                     /* "" = no temperature is known */
    int32_t temperature_mc;                  /* thousandths of a degree Celsius */
    uint64_t frequency_hz, frequency_max_hz; /* 0 = unknown */
    uint32_t throttled;                      /* i8x_wire_throttle */
    bool load_known;
    uint32_t load_permille, load_others_permille;
    uint64_t memory_available_bytes; /* 0 = unknown */
    i8x_wire_power power;
    bool battery;
    uint32_t battery_percent;
    uint64_t cache_bytes;
} i8x_wire_status;

typedef struct i8x_wire_hello {
    const char *worker, *name, *arch, *level;
    uint32_t cores, slots;
    uint64_t memory_bytes;
    const i8x_wire_kind *kinds;
    size_t kind_count;
    const i8x_wire_held *held;
    size_t held_count;
    bool has_device; /* false: an older worker */
    i8x_wire_device device;
    const char *token; /* secret: never logged; whoever has it wipes it */
} i8x_wire_hello;

typedef struct i8x_wire_welcome {
    const char *http_url;
    uint32_t heartbeat_ms, lease_life_ms;
    uint64_t task_memory_bytes;
    uint32_t task_seconds;
    uint32_t results; /* that one RESULT may carry; at least 1 when read */
} i8x_wire_welcome;

typedef struct i8x_wire_lease {
    uint32_t want, wait_ms;
} i8x_wire_lease;

typedef struct i8x_wire_grant {
    i8x_digest key;
    uint64_t epoch;
    const uint8_t *task;
    size_t task_size;
    const char *job;
} i8x_wire_grant;

typedef struct i8x_wire_grants {
    const i8x_wire_grant *grants;
    size_t grant_count;
} i8x_wire_grants;

typedef struct i8x_wire_renew {
    const i8x_wire_held *held;
    size_t held_count;
    bool draining;
    uint32_t wait_ms; /* the answer may wait so long, until there is something to say */
    bool has_status;  /* false: an older worker */
    i8x_wire_status status;
} i8x_wire_renew;

typedef struct i8x_wire_digests {
    const i8x_digest *digests;
    size_t digest_count;
} i8x_wire_digests;

typedef struct i8x_wire_control {
    i8x_wire_digests cancel;    /* tasks to stop */
    i8x_wire_digests call_back; /* to give back if they have not been started */
} i8x_wire_control;

typedef struct i8x_wire_have {
    i8x_wire_digests blobs; /* that came */
    i8x_wire_digests gone;  /* that went */
    bool all;               /* nothing that was said before counts */
} i8x_wire_have;

/* What one task gave. */
typedef struct i8x_wire_item {
    i8x_digest key;
    uint64_t epoch;
    const uint8_t *result;
    size_t result_size;
} i8x_wire_item;

typedef struct i8x_wire_result {
    const i8x_wire_item *items; /* [count] 1..I8X_WIRE_RESULTS_MAX */
    size_t count;
    uint32_t want;
} i8x_wire_result;

typedef enum i8x_wire_state {
    I8X_WIRE_STATE_COMMITTED,
    I8X_WIRE_STATE_DUPLICATE,
    I8X_WIRE_STATE_STALE,
    I8X_WIRE_STATE_REFUSED,
    I8X_WIRE_STATE_COUNT
} i8x_wire_state;

typedef struct i8x_wire_committed {
    const i8x_wire_state *states; /* [state_count] one for each result, or for the failure */
    size_t state_count;           /* 1..I8X_WIRE_RESULTS_MAX */
    const char *detail;           /* of the last one that was refused */
    const i8x_wire_grant *grants;
    size_t grant_count;
} i8x_wire_committed;

/* X(name, text) why a task failed */
#define I8X_WIRE_CAUSE_LIST(X)                                                                     \
    X(TASK, "task")                                                                                \
    X(CRASH, "crash")                                                                              \
    X(MEMORY, "memory")                                                                            \
    X(TIME, "time")                                                                                \
    X(FETCH, "fetch")                                                                              \
    X(CANCELED, "canceled")

typedef enum i8x_wire_cause {
#define X(name, text) I8X_WIRE_CAUSE_##name,
    I8X_WIRE_CAUSE_LIST(X)
#undef X
        I8X_WIRE_CAUSE_COUNT
} i8x_wire_cause;

const char *i8x_wire_cause_name(i8x_wire_cause cause);

typedef struct i8x_wire_fail {
    i8x_digest key;
    uint64_t epoch;
    i8x_wire_cause cause;
    i8x_status status;
    const char *detail, *tail;
    uint32_t want;
} i8x_wire_fail;

typedef struct i8x_wire_bye {
    const char *reason;
} i8x_wire_bye;

typedef struct i8x_wire_error {
    i8x_status status;
    const char *detail;
} i8x_wire_error;

typedef struct i8x_wire_message {
    i8x_wire_type type;
    uint64_t session;
    union {
        i8x_wire_hello hello;
        i8x_wire_welcome welcome;
        i8x_wire_lease lease;
        i8x_wire_grants grants;
        i8x_wire_renew renew;
        i8x_wire_control control;
        i8x_wire_result result;
        i8x_wire_committed committed;
        i8x_wire_fail fail;
        i8x_wire_have have;
        i8x_wire_bye bye;
        i8x_wire_error error;
    } u;
} i8x_wire_message;

/** Bytes of a message, put into the (cleared) buffer. NULL texts count as "". Errors: I8X_ELIMIT,
 * I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_wire_encode(const i8x_wire_message *message, i8x_buffer *buffer);
/** A message from foreign bytes; everything it points to is in the arena. Errors: I8X_EFORMAT,
 * I8X_EVERSION, I8X_ELIMIT. */
I8X_FALLIBLE i8x_status i8x_wire_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                                        i8x_wire_message *message);

#endif
