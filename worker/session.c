/* SPDX-License-Identifier: Apache-2.0
 *
 * One session number for all lanes. Whoever finds it missing says HELLO on its own lane while the
 * others wait; a request that failed with an old number does not tear down a new one.
 */
#include "worker/session.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "int8x/clock.h"
#include "int8x/log.h"

#define HURRY_MS 2000 /* patience of a worker that wants to end */
#define ANSWER_ARENA_MAX (16u << 20)

struct i8x_session {
    i8x_link_client *link;
    i8x_session_hello_cb hello;
    i8x_session_denied_cb denied;
    void *user;
    pthread_mutex_t mutex; /* held during a HELLO */
    uint64_t number;       /* 0 = none */
    bool welcomed, hurry, away_logged;
    i8x_session_terms terms;
};

i8x_status i8x_session_new(const char *url, int lanes, i8x_session_hello_cb hello, void *user,
                           i8x_session **session)
{
    i8x_session *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->hello = hello;
    made->user = user;
    pthread_mutex_init(&made->mutex, NULL);
    i8x_status status = i8x_link_client_new(url, lanes, &made->link);
    if (status != I8X_OK) {
        i8x_session_free(made);
        return status;
    }
    *session = made;
    return I8X_OK;
}

void i8x_session_on_denied(i8x_session *session, i8x_session_denied_cb denied)
{
    session->denied = denied;
}

void i8x_session_free(i8x_session *session)
{
    if (session == NULL)
        return;
    i8x_link_client_free(session->link);
    pthread_mutex_destroy(&session->mutex);
    i8x_alloc_free(i8x_alloc_heap(), session, sizeof *session);
}

/* How long an answer may take. HELLO and RENEW find out that a connection is dead which still
 * stands (a router forgot it, the other machine lost its power): nothing else would. */
static int answer_ms(const i8x_wire_message *message, uint32_t life_ms)
{
    i8x_wire_type type = message->type;
    if (type == I8X_WIRE_LEASE)
        return I8X_LEASE_WAIT_MS + I8X_ANSWER_MS;
    if (type != I8X_WIRE_HELLO && type != I8X_WIRE_RENEW)
        return I8X_CALL_MS;
    int parked_ms = type == I8X_WIRE_RENEW ? (int)message->u.renew.wait_ms : 0;
    return parked_ms + (life_ms != 0 && life_ms < I8X_ANSWER_MS ? (int)life_ms : I8X_ANSWER_MS);
}

/* life_ms: of a lease, 0 before the first WELCOME. */
static i8x_status exchange(i8x_session *session, int lane, uint32_t life_ms,
                           const i8x_wire_message *message, i8x_arena *arena,
                           i8x_wire_message *answer)
{
    i8x_buffer frame;
    i8x_buffer_init(&frame, I8X_WIRE_FRAME_MAX);
    const uint8_t *reply = NULL;
    size_t size = 0;
    i8x_status status = i8x_wire_encode(message, &frame);
    if (status == I8X_OK)
        status = i8x_link_client_call(session->link, lane, frame.bytes, frame.size,
                                      answer_ms(message, life_ms), &reply, &size);
    i8x_buffer_deinit(&frame);
    if (status == I8X_ETIMEOUT) {
        i8x_log(I8X_LOG_WARN, "link_silent", "request=%s", i8x_wire_type_name(message->type));
        i8x_link_client_reset(session->link);
    }
    I8X_TRY(status);
    return i8x_wire_decode(reply, size, arena, answer);
}

/* The mutex is held. */
static i8x_status say_hello(i8x_session *session, int lane, i8x_arena *arena)
{
    i8x_wire_message hello = {.type = I8X_WIRE_HELLO}, answer;
    session->hello(session->user, arena, &hello.u.hello);
    I8X_TRY(exchange(session, lane, session->terms.lease_life_ms, &hello, arena, &answer));
    if (answer.type == I8X_WIRE_ERROR && session->denied != NULL &&
        (answer.u.error.status == I8X_EAUTH || answer.u.error.status == I8X_EDENIED))
        session->denied(session->user, answer.u.error.status, answer.u.error.detail);
    I8X_ENSURE(answer.type != I8X_WIRE_ERROR, answer.u.error.status, "the coordinator refused: %s",
               answer.u.error.detail);
    I8X_ENSURE(answer.type == I8X_WIRE_WELCOME, I8X_EFORMAT,
               "the coordinator answered HELLO with %s", i8x_wire_type_name(answer.type));
    const i8x_wire_welcome *welcome = &answer.u.welcome;
    i8x_session_terms *terms = &session->terms;
    snprintf(terms->http_url, sizeof terms->http_url, "%s", welcome->http_url);
    terms->heartbeat_ms = welcome->heartbeat_ms;
    terms->lease_life_ms = welcome->lease_life_ms;
    terms->task_memory_bytes = welcome->task_memory_bytes;
    terms->task_seconds = welcome->task_seconds;
    terms->results = welcome->results;
    session->number = terms->number = answer.session;
    session->welcomed = true;
    session->away_logged = false;
    i8x_log(I8X_LOG_INFO, "joined", "session=%016llx http=%s held=%zu",
            (unsigned long long)session->number, terms->http_url, hello.u.hello.held_count);
    return I8X_OK;
}

static i8x_status number_get(i8x_session *session, int lane, i8x_arena *arena, uint64_t *number,
                             uint32_t *life_ms)
{
    pthread_mutex_lock(&session->mutex);
    i8x_status status = session->number != 0 ? I8X_OK : say_hello(session, lane, arena);
    *number = session->number;
    *life_ms = session->terms.lease_life_ms;
    pthread_mutex_unlock(&session->mutex);
    return status;
}

static void forget(i8x_session *session, uint64_t number)
{
    pthread_mutex_lock(&session->mutex);
    if (session->number == number)
        session->number = 0;
    pthread_mutex_unlock(&session->mutex);
}

static i8x_status try_call(i8x_session *session, int lane, i8x_wire_message *message,
                           i8x_arena *arena, i8x_wire_message *answer, bool *again)
{
    *again = true;
    uint32_t life_ms;
    I8X_TRY(number_get(session, lane, arena, &message->session, &life_ms));
    i8x_status status = exchange(session, lane, life_ms, message, arena, answer);
    if (status != I8X_OK) {
        forget(session, message->session);
        return status;
    }
    if (answer->type != I8X_WIRE_ERROR) {
        *again = false;
        return I8X_OK;
    }
    *again = answer->u.error.status == I8X_ENOENT;
    if (*again)
        forget(session, message->session);
    I8X_FAIL(answer->u.error.status, "the coordinator refused: %s", answer->u.error.detail);
}

/* True if the call should be made again. Says once that the coordinator is away. */
static bool keep_trying(i8x_session *session, i8x_status status, int64_t start_ns, int patience_ms)
{
    pthread_mutex_lock(&session->mutex);
    bool hurry = session->hurry, log_it = !session->away_logged && status != I8X_ENOENT;
    session->away_logged |= log_it;
    pthread_mutex_unlock(&session->mutex);
    char quoted[2 * I8X_ERROR_DETAIL_SIZE];
    if (log_it)
        i8x_log(I8X_LOG_WARN, "coordinator_away", "detail=%s",
                i8x_log_quote(i8x_last_error()->detail, quoted, sizeof quoted));
    int64_t waited_ms = (i8x_clock_now_ns(NULL) - start_ns) / 1000000;
    int64_t patience =
        hurry && (patience_ms < 0 || patience_ms > HURRY_MS) ? HURRY_MS : patience_ms;
    return patience < 0 || waited_ms < patience;
}

int i8x_session_pause_ms(int tries, int max_ms)
{
    int64_t pause_ms = I8X_REJOIN_FIRST_MS;
    for (int i = 1; i < tries && pause_ms < max_ms; i++)
        pause_ms *= 2;
    pause_ms = pause_ms < max_ms ? pause_ms : max_ms;
    uint16_t chance = 0;
    if (i8x_digest_random(&chance, sizeof chance) != I8X_OK)
        return (int)pause_ms; /* no chance: all the same, a pause */
    return (int)(pause_ms - pause_ms * chance / (2 * UINT16_MAX));
}

/* A pause ends when a connection comes: their attempts have pauses of their own, by chance. */
static void pause_before(i8x_session *session, int pause_ms)
{
    if (!i8x_link_client_connected(session->link)) {
        i8x_link_client_wait(session->link, pause_ms);
        return;
    }
    struct timespec pause = {pause_ms / 1000, (long)(pause_ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

i8x_status i8x_session_call(i8x_session *session, int lane, i8x_wire_message *message,
                            int patience_ms, i8x_arena *arena, i8x_wire_message *answer)
{
    int64_t start_ns = i8x_clock_now_ns(NULL);
    i8x_arena_mark mark = i8x_arena_mark_get(arena);
    for (int tries = 0;; tries++) {
        bool again;
        i8x_arena_rewind(arena, mark);
        i8x_status status = try_call(session, lane, message, arena, answer, &again);
        if (status == I8X_OK || !again || !keep_trying(session, status, start_ns, patience_ms))
            return status;
        if (status == I8X_ENOENT && tries == 0)
            continue; /* a coordinator that was restarted: HELLO at once */
        pause_before(session, i8x_session_pause_ms(tries, I8X_REJOIN_MAX_MS));
    }
}

void i8x_session_hurry(i8x_session *session)
{
    pthread_mutex_lock(&session->mutex);
    session->hurry = true;
    pthread_mutex_unlock(&session->mutex);
}

bool i8x_session_terms_get(i8x_session *session, i8x_session_terms *terms)
{
    pthread_mutex_lock(&session->mutex);
    *terms = session->terms;
    bool welcomed = session->welcomed;
    pthread_mutex_unlock(&session->mutex);
    return welcomed;
}
