/* SPDX-License-Identifier: Apache-2.0
 *
 * Session: requests to the coordinator that survive its absence. A call says HELLO first if there
 * is no session, and again when the coordinator does not know it any more (it was restarted, or
 * took the connection for lost); the caller sees one request and one answer. Thread-safe, a lane
 * per thread.
 */
#ifndef I8X_WORKER_SESSION_H
#define I8X_WORKER_SESSION_H

#include <stdbool.h>

#include "int8x/alloc.h"
#include "proto/link.h"
#include "proto/wire.h"

typedef struct i8x_session i8x_session;

/* Fills hello with who we are and what we hold; lists live in the arena. */
typedef void (*i8x_session_hello_cb)(void *user, i8x_arena *arena, i8x_wire_hello *hello);

/* What WELCOME said. */
typedef struct i8x_session_terms {
    char http_url[I8X_WIRE_URL_MAX + 1];
    uint32_t heartbeat_ms, lease_life_ms, task_seconds;
    uint64_t task_memory_bytes;
    uint32_t results; /* that one RESULT may carry */
    uint64_t number;  /* of the session; another one: the coordinator knows nothing of before */
} i8x_session_terms;

I8X_FALLIBLE i8x_status i8x_session_new(const char *url, int lanes, i8x_session_hello_cb hello,
                                        void *user, i8x_session **session);
void i8x_session_free(i8x_session *session);
/* The coordinator does not take this worker (HELLO: I8X_EAUTH, I8X_EDENIED). */
typedef void (*i8x_session_denied_cb)(void *user, i8x_status status, const char *detail);
/** Sets it, before the first call; user is that of hello. */
void i8x_session_on_denied(i8x_session *session, i8x_session_denied_cb denied);
/**
 * Sends a message (its session number is set here) and decodes the answer into the arena. Tries
 * until an answer comes, or patience_ms have gone by (negative: no end), or i8x_session_hurry was
 * called. Errors: I8X_EUNREACHABLE, I8X_ETIMEOUT, and what the coordinator refused with.
 */
I8X_FALLIBLE i8x_status i8x_session_call(i8x_session *session, int lane, i8x_wire_message *message,
                                         int patience_ms, i8x_arena *arena,
                                         i8x_wire_message *answer);
/** Pause before the next try after `tries` of them: doubles from I8X_REJOIN_FIRST_MS to max_ms, and
 * is shorter by up to half by chance, so that a fleet does not come back in step. Milliseconds. */
int i8x_session_pause_ms(int tries, int max_ms);
/** From now on a call that finds no coordinator gives up soon. */
void i8x_session_hurry(i8x_session *session);
/** The terms of the last WELCOME; false before the first. */
bool i8x_session_terms_get(i8x_session *session, i8x_session_terms *terms);

#endif
