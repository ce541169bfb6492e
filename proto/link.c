/* SPDX-License-Identifier: Apache-2.0
 *
 * nng behind one file. Cooked REP with contexts at the server: the only pattern of nng 1.5 that
 * gives replies per worker, keeps TCP's backpressure and drops nothing silently. REQ at the client,
 * a context per lane, with its own resending switched off: a request whose connection ends is an
 * error, and the caller says it again after a new HELLO, so that nothing is asked twice behind its
 * back.
 *
 * Traps of nng 1.5 that shape this file: the receive limit is unlimited unless set before listen;
 * pipe callbacks must not call socket functions; cancelling a REQ context can crash, so a lane
 * first waits for a connection of its own and lets nng cancel only on the rare time-out of a reply;
 * an operation on a stream that was closed a moment ago is lost, see nng_stream_recv below.
 */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "proto/link.h"

#include <dlfcn.h>
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "int8x/alloc.h"

#define EVENT_QUEUE_FIRST 64
#define UNIX_LISTENERS_MAX 4
#define REDIAL_MS 10000     /* without a connection: the dialer may have given up */
#define CONNECT_WAIT_MS 200 /* a call waits so long for a connection, then its caller decides */

typedef struct queued_event {
    i8x_link_event_type type;
    uint32_t pipe;
    uint32_t context;
} queued_event;

typedef struct link_context {
    i8x_link_server *server;
    uint32_t index;
    nng_ctx ctx;
    nng_aio *aio;
    nng_msg *request; /* while the owner holds it */
    bool sending;
} link_context;

/* See i8x_link_server_mend. */
typedef struct unix_listener {
    nng_listener listener; /* id 0: to be opened again */
    char url[I8X_WIRE_URL_MAX + 1];
    uint64_t faults; /* that the library had counted */
} unix_listener;

struct i8x_link_server {
    nng_socket socket;
    i8x_link_wake_cb wake;
    void *user;
    link_context *contexts[I8X_LINK_CONTEXTS_MAX];
    uint32_t context_count;
    uint32_t held; /* requests with the owner */
    unix_listener unix_listeners[UNIX_LISTENERS_MAX];
    int unix_count;
    pthread_mutex_t mutex;
    queued_event *queue; /* ring, under the mutex */
    size_t queue_head, queue_size, queue_capacity;
};

static i8x_status nng_failed(int code, const char *what)
{
    I8X_FAIL(code == NNG_ENOMEM ? I8X_ENOMEM : I8X_EIO, "%s: %s", what, nng_strerror(code));
}

#define NNG_TRY(call, what)                                                                        \
    do {                                                                                           \
        int nng_try_code_ = (call);                                                                \
        if (nng_try_code_ != 0)                                                                    \
            return nng_failed(nng_try_code_, what);                                                \
    } while (0)

/* ---- what nng 1.5 forgets ---- */

/* A pipe may be closed between two reads of one message: its header has come, the body is to be
 * read. nng 1.5 then begins the second read on an aio that is stopped already, which does nothing
 * and calls nobody back. Whoever waits for the message waits for ever, and so does the library's
 * only thread that takes closed pipes away: no pipe is taken away any more, no end of one is told,
 * and each leaves its descriptor behind. That is no rare thing: when a machine has slept, messages,
 * ends and time-outs come all at once.
 *
 * The library calls these two functions through its table of symbols, so that ours, which stand
 * before them, are called. After a stop the result is NNG_ECANCELED, and nobody is called; whoever
 * closes an operation that did begin leaves NNG_ECLOSED. Later versions do call back. */

typedef void (*stream_fn)(nng_stream *stream, nng_aio *aio);

static stream_fn theirs[2]; /* recv, send */
static bool forgets;
static pthread_once_t theirs_once = PTHREAD_ONCE_INIT;

static void find_theirs(void)
{
    static const char *const names[] = {"nng_stream_recv", "nng_stream_send"};
    for (int i = 0; i < 2; i++) {
        void *symbol = dlsym(RTLD_NEXT, names[i]);
        I8X_ASSERT(symbol != NULL);
        memcpy(&theirs[i], &symbol, sizeof symbol);
    }
    forgets = strncmp(nng_version(), "1.5.", 4) == 0;
}

static void carry_out(int which, nng_stream *stream, nng_aio *aio)
{
    pthread_once(&theirs_once, find_theirs);
    theirs[which](stream, aio);
    if (forgets && nng_aio_result(aio) == NNG_ECANCELED)
        nng_aio_finish(aio, NNG_ECANCELED);
}

__attribute__((visibility("default"))) void nng_stream_recv(nng_stream *stream, nng_aio *aio)
{
    carry_out(0, stream, aio);
}

__attribute__((visibility("default"))) void nng_stream_send(nng_stream *stream, nng_aio *aio)
{
    carry_out(1, stream, aio);
}

/* ---- server ---- */

/* Under the mutex. The queue holds at most one event per context and one per lost pipe. */
static void queue_put(i8x_link_server *server, queued_event event)
{
    if (server->queue_size == server->queue_capacity) {
        size_t old = server->queue_capacity;
        size_t capacity = old == 0 ? EVENT_QUEUE_FIRST : old * 2;
        queued_event *queue = i8x_alloc_array(i8x_alloc_heap(), capacity, sizeof *queue);
        I8X_ASSERT(queue != NULL);
        for (size_t i = 0; i < server->queue_size; i++)
            queue[i] = server->queue[(server->queue_head + i) % old];
        i8x_alloc_free(i8x_alloc_heap(), server->queue, old * sizeof *queue);
        server->queue = queue;
        server->queue_capacity = capacity;
        server->queue_head = 0;
    }
    server->queue[(server->queue_head + server->queue_size++) % server->queue_capacity] = event;
}

static void post(i8x_link_server *server, queued_event event)
{
    pthread_mutex_lock(&server->mutex);
    queue_put(server, event);
    pthread_mutex_unlock(&server->mutex);
    server->wake(server->user);
}

static void pipe_gone(nng_pipe pipe, nng_pipe_ev event, void *user)
{
    (void)event;
    post(user, (queued_event){.type = I8X_LINK_PIPE_GONE, .pipe = (uint32_t)nng_pipe_id(pipe)});
}

static void context_done(void *user)
{
    link_context *context = user;
    int code = nng_aio_result(context->aio);
    if (code == NNG_ECLOSED || code == NNG_ECANCELED)
        return;
    if (context->sending) { /* sent, or its pipe went: either way free for the next request */
        if (code != 0)
            nng_msg_free(nng_aio_get_msg(context->aio));
        context->sending = false;
        nng_ctx_recv(context->ctx, context->aio);
        return;
    }
    if (code != 0) {
        nng_ctx_recv(context->ctx, context->aio);
        return;
    }
    context->request = nng_aio_get_msg(context->aio);
    uint32_t pipe = (uint32_t)nng_pipe_id(nng_msg_get_pipe(context->request));
    post(context->server, (queued_event){I8X_LINK_REQUEST, pipe, context->index});
}

static i8x_status add_context(i8x_link_server *server)
{
    link_context *context = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *context);
    I8X_TRY(i8x_alloc_check(context));
    context->server = server;
    context->index = server->context_count;
    int code = nng_ctx_open(&context->ctx, server->socket);
    if (code == 0)
        code = nng_aio_alloc(&context->aio, context_done, context);
    if (code != 0) {
        i8x_alloc_free(i8x_alloc_heap(), context, sizeof *context);
        return nng_failed(code, "link context");
    }
    server->contexts[server->context_count++] = context;
    nng_ctx_recv(context->ctx, context->aio);
    return I8X_OK;
}

static i8x_status server_open(i8x_link_server *server)
{
    NNG_TRY(nng_rep0_open(&server->socket), "link socket");
    NNG_TRY(nng_socket_set_size(server->socket, NNG_OPT_RECVMAXSZ, I8X_WIRE_FRAME_MAX),
            "receive limit");
    NNG_TRY(nng_pipe_notify(server->socket, NNG_PIPE_EV_REM_POST, pipe_gone, server),
            "pipe callback");
    for (int i = 0; i < I8X_LINK_CONTEXTS_START; i++)
        I8X_TRY(add_context(server));
    return I8X_OK;
}

i8x_status i8x_link_server_new(i8x_link_wake_cb wake, void *user, i8x_link_server **server)
{
    i8x_link_server *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->wake = wake;
    made->user = user;
    pthread_mutex_init(&made->mutex, NULL);
    i8x_status status = server_open(made);
    if (status != I8X_OK) {
        i8x_link_server_free(made);
        return status;
    }
    *server = made;
    return I8X_OK;
}

i8x_status i8x_link_server_listen(i8x_link_server *server, const char *url, int *port)
{
    I8X_ENSURE(strncmp(url, "tcp://", 6) == 0 || strncmp(url, "ipc://", 6) == 0, I8X_EARG,
               "link address '%s': allowed are tcp://HOST:PORT and ipc://PATH", url);
    nng_listener listener;
    int code = nng_listen(server->socket, url, &listener, 0);
    I8X_ENSURE(code == 0, code == NNG_EADDRINVAL ? I8X_EARG : I8X_EIO, "cannot listen on %s: %s",
               url, nng_strerror(code));
    if (strncmp(url, "ipc://", 6) == 0) {
        I8X_ENSURE(server->unix_count < UNIX_LISTENERS_MAX && strlen(url) <= I8X_WIRE_URL_MAX,
                   I8X_EARG, "%s: at most %d ipc:// addresses of %d bytes", url, UNIX_LISTENERS_MAX,
                   I8X_WIRE_URL_MAX);
        unix_listener *row = &server->unix_listeners[server->unix_count++];
        *row = (unix_listener){.listener = listener};
        snprintf(row->url, sizeof row->url, "%s", url);
    }
    if (port != NULL) {
        *port = 0;
        nng_sockaddr address;
        if (nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &address) == 0 &&
            address.s_family == NNG_AF_INET) {
            const uint8_t *bytes = (const uint8_t *)&address.s_in.sa_port; /* network order */
            *port = bytes[0] << 8 | bytes[1];
        }
    }
    return I8X_OK;
}

bool i8x_link_server_next(i8x_link_server *server, i8x_link_event *event)
{
    pthread_mutex_lock(&server->mutex);
    bool any = server->queue_size > 0;
    queued_event row = {0};
    if (any) {
        row = server->queue[server->queue_head];
        server->queue_head = (server->queue_head + 1) % server->queue_capacity;
        server->queue_size--;
    }
    pthread_mutex_unlock(&server->mutex);
    if (!any)
        return false;
    *event = (i8x_link_event){.type = row.type, .pipe = row.pipe, .context = row.context};
    if (row.type == I8X_LINK_REQUEST) {
        nng_msg *request = server->contexts[row.context]->request;
        event->bytes = nng_msg_body(request);
        event->size = nng_msg_len(request);
        server->held++;
        /* parked requests hold their context: keep some free to hear the others. Without memory the
         * others wait in TCP, which is what backpressure is for. */
        if (server->held + I8X_LINK_CONTEXTS_START / 2 > server->context_count &&
            server->context_count < I8X_LINK_CONTEXTS_MAX && add_context(server) != I8X_OK)
            return true;
    }
    return true;
}

void i8x_link_server_reply(i8x_link_server *server, uint32_t context, const void *bytes,
                           size_t size)
{
    I8X_ASSERT(context < server->context_count && server->contexts[context]->request != NULL);
    link_context *asked = server->contexts[context];
    nng_msg *message = asked->request; /* the request's message becomes the reply */
    asked->request = NULL;
    server->held--;
    nng_msg_clear(message);
    int code = nng_msg_append(message, bytes, size);
    I8X_ASSERT(code == 0); /* no memory for a few bytes: restart from the ledger */
    asked->sending = true;
    nng_aio_set_msg(asked->aio, message);
    nng_ctx_send(asked->ctx, asked->aio);
}

/* What the library has counted that can be the end of a listener (its error is NNG_ECLOSED). Its
 * own search takes a listener that is being closed for the one that took its place. */
static uint64_t fault_count(nng_stat *all, nng_listener listener)
{
    uint64_t id = (uint64_t)nng_listener_id(listener);
    for (nng_stat *scope = nng_stat_child(all); scope != NULL; scope = nng_stat_next(scope)) {
        nng_stat *number = nng_stat_find(scope, "id"), *faults = nng_stat_find(scope, "other");
        if (strcmp(nng_stat_name(scope), "listener") == 0 && number != NULL && faults != NULL &&
            nng_stat_value(number) == id)
            return nng_stat_value(faults);
    }
    return 0;
}

static void listen_anew(i8x_link_server *server, unix_listener *row)
{
    if (row->listener.id != 0)
        nng_listener_close(row->listener);
    row->faults = 0;
    if (nng_listen(server->socket, row->url, &row->listener, 0) != 0)
        row->listener = (nng_listener){.id = 0};
}

bool i8x_link_server_mend(i8x_link_server *server)
{
    nng_stat *all = NULL;
    bool mended = false;
    if (server->unix_count == 0 || nng_stats_get(&all) != 0)
        return false;
    for (int i = 0; i < server->unix_count; i++) {
        unix_listener *row = &server->unix_listeners[i];
        if (row->listener.id != 0 && fault_count(all, row->listener) == row->faults)
            continue;
        listen_anew(server, row);
        mended = true;
    }
    nng_stats_free(all);
    return mended;
}

void i8x_link_server_drop(i8x_link_server *server, uint32_t pipe)
{
    (void)server; /* pipes are numbered per process */
    nng_pipe_close((nng_pipe){.id = pipe});
}

void i8x_link_server_free(i8x_link_server *server)
{
    if (server == NULL)
        return;
    nng_close(server->socket);
    for (uint32_t i = 0; i < server->context_count; i++) {
        link_context *context = server->contexts[i];
        nng_aio_stop(context->aio);
        nng_aio_free(context->aio);
        if (context->request != NULL)
            nng_msg_free(context->request);
        i8x_alloc_free(i8x_alloc_heap(), context, sizeof *context);
    }
    i8x_alloc_free(i8x_alloc_heap(), server->queue, server->queue_capacity * sizeof *server->queue);
    pthread_mutex_destroy(&server->mutex);
    i8x_alloc_free(i8x_alloc_heap(), server, sizeof *server);
}

/* ---- client ---- */

typedef struct link_lane {
    nng_ctx ctx;
    nng_aio *aio;
    nng_msg *reply;
} link_lane;

struct i8x_link_client {
    nng_socket socket;
    char url[I8X_WIRE_URL_MAX + 1];
    nng_dialer dialer;      /* under the mutex */
    struct timespec dialed; /* likewise: when it was started, or a connection was lost */
    link_lane lanes[I8X_LINK_LANES_MAX];
    int lane_count;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int pipes;     /* connections standing, under the mutex */
    nng_pipe pipe; /* the last one */
};

static void client_pipe(nng_pipe pipe, nng_pipe_ev event, void *user)
{
    i8x_link_client *client = user;
    pthread_mutex_lock(&client->mutex);
    client->pipes += event == NNG_PIPE_EV_ADD_POST ? 1 : -1;
    clock_gettime(CLOCK_MONOTONIC, &client->dialed);
    if (event == NNG_PIPE_EV_ADD_POST)
        client->pipe = pipe;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->mutex);
}

static i8x_status client_open(i8x_link_client *client, int lanes)
{
    NNG_TRY(nng_req0_open(&client->socket), "link socket");
    NNG_TRY(nng_socket_set_ms(client->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE),
            "resend time");
    NNG_TRY(nng_socket_set_size(client->socket, NNG_OPT_RECVMAXSZ, I8X_WIRE_FRAME_MAX),
            "receive limit");
    NNG_TRY(nng_socket_set_ms(client->socket, NNG_OPT_RECONNMINT, I8X_RECONNECT_FIRST_MS),
            "reconnect time");
    NNG_TRY(nng_socket_set_ms(client->socket, NNG_OPT_RECONNMAXT, I8X_RECONNECT_MAX_MS),
            "reconnect time");
    NNG_TRY(nng_pipe_notify(client->socket, NNG_PIPE_EV_ADD_POST, client_pipe, client),
            "pipe callback");
    NNG_TRY(nng_pipe_notify(client->socket, NNG_PIPE_EV_REM_POST, client_pipe, client),
            "pipe callback");
    for (; client->lane_count < lanes; client->lane_count++) {
        link_lane *lane = &client->lanes[client->lane_count];
        NNG_TRY(nng_aio_alloc(&lane->aio, NULL, NULL), "link lane");
        int code = nng_ctx_open(&lane->ctx, client->socket);
        if (code != 0) {
            nng_aio_free(lane->aio);
            return nng_failed(code, "link lane");
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &client->dialed);
    int code = nng_dial(client->socket, client->url, &client->dialer, NNG_FLAG_NONBLOCK);
    I8X_ENSURE(code == 0,
               code == NNG_EADDRINVAL || code == NNG_EINVAL || code == NNG_ENOTSUP ? I8X_EARG
                                                                                   : I8X_EIO,
               "link address '%s': %s", client->url, nng_strerror(code));
    return I8X_OK;
}

i8x_status i8x_link_client_new(const char *url, int lanes, i8x_link_client **client)
{
    I8X_ENSURE(lanes >= 1 && lanes <= I8X_LINK_LANES_MAX, I8X_EARG, "%d lanes, allowed 1..%d",
               lanes, I8X_LINK_LANES_MAX);
    I8X_ENSURE(strncmp(url, "tcp://", 6) == 0 || strncmp(url, "ipc://", 6) == 0, I8X_EARG,
               "link address '%s': allowed are tcp://HOST:PORT and ipc://PATH", url);
    I8X_ENSURE(strlen(url) <= I8X_WIRE_URL_MAX, I8X_EARG, "a link address of %zu bytes, at most %d",
               strlen(url), I8X_WIRE_URL_MAX);
    i8x_link_client *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    snprintf(made->url, sizeof made->url, "%s", url);
    pthread_mutex_init(&made->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&made->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    i8x_status status = client_open(made, lanes);
    if (status != I8X_OK) {
        i8x_link_client_free(made);
        return status;
    }
    *client = made;
    return I8X_OK;
}

bool i8x_link_client_connected(i8x_link_client *client)
{
    pthread_mutex_lock(&client->mutex);
    bool connected = client->pipes > 0;
    pthread_mutex_unlock(&client->mutex);
    return connected;
}

void i8x_link_client_reset(i8x_link_client *client)
{
    pthread_mutex_lock(&client->mutex);
    nng_pipe pipe = client->pipe;
    bool connected = client->pipes > 0;
    pthread_mutex_unlock(&client->mutex);
    if (connected)
        nng_pipe_close(pipe); /* the dialer makes a new one */
}

bool i8x_link_client_wait(i8x_link_client *client, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&client->mutex);
    int code = 0;
    while (client->pipes == 0 && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&client->changed, &client->mutex, &until);
    bool connected = client->pipes > 0;
    pthread_mutex_unlock(&client->mutex);
    return connected;
}

/* nng 1.5's dialer gives up for ever when a peer leaves in the middle of its greeting: after a
 * while without a connection there is another one. */
static void redial(i8x_link_client *client)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&client->mutex);
    int64_t waited_ms = (int64_t)(now.tv_sec - client->dialed.tv_sec) * 1000 +
                        (now.tv_nsec - client->dialed.tv_nsec) / 1000000;
    bool stuck = client->pipes == 0 && waited_ms > REDIAL_MS;
    nng_dialer old = client->dialer;
    if (stuck)
        client->dialed = now;
    pthread_mutex_unlock(&client->mutex);
    nng_dialer fresh;
    if (!stuck || nng_dial(client->socket, client->url, &fresh, NNG_FLAG_NONBLOCK) != 0)
        return;
    pthread_mutex_lock(&client->mutex);
    client->dialer = fresh;
    pthread_mutex_unlock(&client->mutex);
    nng_dialer_close(old);
}

/* Waits for the lane's operation; its message comes back to us if it failed. */
static i8x_status lane_wait(link_lane *lane, const char *what)
{
    nng_aio_wait(lane->aio);
    int code = nng_aio_result(lane->aio);
    if (code == 0)
        return I8X_OK;
    I8X_ENSURE(code != NNG_ETIMEDOUT, I8X_ETIMEOUT, "%s: the coordinator did not answer in time",
               what);
    I8X_FAIL(code == NNG_ENOMEM ? I8X_ENOMEM : I8X_EUNREACHABLE, "%s: %s", what,
             nng_strerror(code));
}

i8x_status i8x_link_client_call(i8x_link_client *client, int index, const void *bytes, size_t size,
                                int timeout_ms, const uint8_t **reply, size_t *reply_size)
{
    I8X_ASSERT(index >= 0 && index < client->lane_count);
    link_lane *lane = &client->lanes[index];
    if (lane->reply != NULL)
        nng_msg_free(lane->reply);
    lane->reply = NULL;
    if (!i8x_link_client_wait(client, CONNECT_WAIT_MS)) {
        redial(client);
        I8X_FAIL(I8X_EUNREACHABLE, "no connection to the coordinator");
    }
    nng_msg *message = NULL;
    NNG_TRY(nng_msg_alloc(&message, 0), "request");
    int code = nng_msg_append(message, bytes, size);
    if (code != 0) {
        nng_msg_free(message);
        return nng_failed(code, "request");
    }
    nng_aio_set_timeout(lane->aio, timeout_ms);
    nng_aio_set_msg(lane->aio, message);
    nng_ctx_send(lane->ctx, lane->aio);
    i8x_status status = lane_wait(lane, "request");
    if (status != I8X_OK) {
        nng_msg_free(message);
        return status;
    }
    nng_ctx_recv(lane->ctx, lane->aio);
    I8X_TRY(lane_wait(lane, "reply"));
    lane->reply = nng_aio_get_msg(lane->aio);
    *reply = nng_msg_body(lane->reply);
    *reply_size = nng_msg_len(lane->reply);
    return I8X_OK;
}

void i8x_link_client_free(i8x_link_client *client)
{
    if (client == NULL)
        return;
    for (int i = 0; i < client->lane_count; i++) {
        nng_aio_stop(client->lanes[i].aio);
        nng_aio_free(client->lanes[i].aio);
        if (client->lanes[i].reply != NULL)
            nng_msg_free(client->lanes[i].reply);
    }
    nng_close(client->socket);
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->mutex);
    i8x_alloc_free(i8x_alloc_heap(), client, sizeof *client);
}
