/* SPDX-License-Identifier: Apache-2.0
 *
 * libmicrohttpd under libuv: its epoll descriptor is polled; after every event it runs and says
 * when it wants to run again. A request without an answer is suspended and resumed by the reply;
 * after a resume the library has to run in the same turn, which a timer of zero gives.
 *
 * The library of Debian 12 (0.9.75) lets pass what would desynchronise a proxy in front
 * (Content-Length with Transfer-Encoding, two lengths, zero bytes), so check_framing looks at every
 * request itself.
 */
#include "daemon/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/http/address.h"
#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "int8x/log.h"
#include "proto/buffer.h"
#include "proto/limits.h"

#define HEADERS_MAX 8
#define DROPPED_BODY_MAX                                                                           \
    (1u << 20) /* bytes of a refused body that are read so that the answer arrives */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define STREAM_BLOCK 4096

typedef struct answer_header {
    char name[32];
    char value[256];
} answer_header;

struct i8x_http_stream {
    i8x_http_stream_opts opts;
    i8x_buffer bytes;
    size_t sent; /* of bytes */
    bool open, ended, broken;
};

typedef struct http_exchange {
    i8x_http_request request; /* first: the handler's view */
    i8x_http_stream stream;
    struct http_exchange *next, *previous;
    i8x_http *http;
    struct MHD_Connection *connection;
    struct http_client *client;
    const char *uri; /* in the connection's buffer, valid until the handler runs first */
    size_t uri_size;
    bool started, dispatched, suspended, queued, closed;
    bool is_head, begun;
    bool paused;  /* by body */
    bool trusted; /* its framing */
    i8x_buffer body;
    uint64_t received, dropped;
    answer_header headers[HEADERS_MAX];
    int header_count;
    struct MHD_Response *response;
    int http_status;
} http_exchange;

/* A connection, and how long it has been waited for. */
typedef struct http_client {
    struct http_client *next, *previous;
    struct MHD_Connection *connection;
    http_exchange *exchange; /* since its request line is there */
    bool fresh;              /* has not sent a request yet */
    int64_t since_ms;        /* no whole headers since */
    int64_t window_ms;       /* begin of the window in which the body has to go on */
    uint64_t window_bytes;   /* what had come of it then */
    bool at_end;             /* at the last look it had closed its side within a body ... */
    uint64_t end_bytes;      /* ... of which so much had come */
} http_client;

struct i8x_http {
    i8x_http_opts opts;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer, patience;
    http_exchange *first; /* all that are open */
    http_client *clients;
    int client_count;
    bool stopping;
};

static http_exchange *exchange_of(const i8x_http_request *request)
{
    return (http_exchange *)request;
}

/* ---- answers ---- */

static void run_soon(i8x_http *http);
static void wake_up(http_exchange *x);
static void on_timer(uv_timer_t *timer);

static void give_response(http_exchange *x, int http_status, const char *type,
                          struct MHD_Response *response)
{
    I8X_ASSERT(response != NULL && x->response == NULL);
    if (type != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (int i = 0; i < x->header_count; i++)
        MHD_add_response_header(response, x->headers[i].name, x->headers[i].value);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    x->response = response;
    x->http_status = http_status;
    if (x->http->opts.answered != NULL)
        x->http->opts.answered(x->http->opts.context, x->request.route, http_status);
    wake_up(x);
}

void i8x_http_pause_body(i8x_http_request *request)
{
    exchange_of(request)->paused = true;
}

void i8x_http_continue_body(i8x_http_request *request)
{
    http_exchange *x = exchange_of(request);
    if (!x->paused)
        return;
    x->paused = false;
    wake_up(x);
}

void i8x_http_add_header(i8x_http_request *request, const char *name, const char *value)
{
    http_exchange *x = exchange_of(request);
    I8X_ASSERT(x->header_count < HEADERS_MAX);
    answer_header *header = &x->headers[x->header_count++];
    snprintf(header->name, sizeof header->name, "%s", name);
    snprintf(header->value, sizeof header->value, "%s", value);
}

void i8x_http_reply(i8x_http_request *request, int http_status, const char *type, const void *bytes,
                    size_t size)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, (void *)bytes, MHD_RESPMEM_MUST_COPY);
    give_response(exchange_of(request), http_status, type, response);
}

void i8x_http_reply_fd(i8x_http_request *request, int http_status, const char *type, int fd,
                       uint64_t offset, uint64_t size)
{
    struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(size, fd, offset);
    if (response == NULL)
        close(fd);
    give_response(exchange_of(request), http_status, type, response);
}

/* ---- streams ---- */

static http_exchange *exchange_of_stream(i8x_http_stream *stream)
{
    return (http_exchange *)(void *)((char *)stream - offsetof(http_exchange, stream));
}

static void wake_up(http_exchange *x)
{
    if (!x->suspended)
        return;
    x->suspended = false;
    MHD_resume_connection(x->connection);
    run_soon(x->http);
}

/* The connection asks for bytes; without any it sleeps until wake_up. */
static ssize_t pull(void *user, uint64_t offset, char *out, size_t room)
{
    (void)offset;
    http_exchange *x = user;
    i8x_http_stream *stream = &x->stream;
    if (stream->broken)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (stream->sent == stream->bytes.size && stream->bytes.size > 0) {
        i8x_buffer_clear(&stream->bytes);
        stream->sent = 0;
        if (stream->opts.drained != NULL && !stream->ended)
            stream->opts.drained(stream->opts.user);
    }
    size_t left = stream->bytes.size - stream->sent, size = left < room ? left : room;
    if (size > 0) {
        memcpy(out, stream->bytes.bytes + stream->sent, size);
        stream->sent += size;
        return (ssize_t)size;
    }
    if (stream->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    x->suspended = true;
    MHD_suspend_connection(x->connection);
    return 0;
}

i8x_http_stream *i8x_http_reply_stream(i8x_http_request *request, int http_status, const char *type,
                                       const i8x_http_stream_opts *opts)
{
    http_exchange *x = exchange_of(request);
    x->stream = (i8x_http_stream){.opts = *opts, .open = true};
    i8x_buffer_init(&x->stream.bytes, 0);
    give_response(x, http_status, type,
                  MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, pull, x, NULL));
    return &x->stream;
}

bool i8x_http_stream_put(i8x_http_stream *stream, const void *bytes, size_t size)
{
    if (stream->ended || stream->broken)
        return false;
    if (stream->bytes.size - stream->sent + size > stream->opts.limit_bytes)
        stream->broken = true;
    else
        i8x_buffer_put(&stream->bytes, bytes, size);
    wake_up(exchange_of_stream(stream));
    return !stream->broken;
}

void i8x_http_stream_end(i8x_http_stream *stream)
{
    stream->ended = true;
    wake_up(exchange_of_stream(stream));
}

/* ---- problems ---- */

void i8x_http_reply_problem(i8x_http_request *request, i8x_status status, int http_status,
                            const char *detail)
{
    int code = http_status != 0 ? http_status : i8x_status_http(status);
    i8x_buffer text;
    i8x_buffer_init(&text, 0);
    i8x_buffer_format(&text,
                      "{\"type\":\"urn:int8x:status:%s\",\"title\":", i8x_status_name(status));
    i8x_buffer_json(&text, i8x_status_sentence(status));
    i8x_buffer_format(&text, ",\"status\":%d,\"detail\":", code);
    i8x_buffer_json(&text, detail);
    i8x_buffer_text(&text, "}\n");
    if (code == 503 || code == 429)
        i8x_http_add_header(request, MHD_HTTP_HEADER_RETRY_AFTER, "2");
    i8x_http_reply(request, code, "application/problem+json", i8x_buffer_cstr(&text), text.size);
    i8x_buffer_deinit(&text);
}

void i8x_http_reply_error(i8x_http_request *request)
{
    const i8x_error *error = i8x_last_error();
    i8x_http_reply_problem(request, error->status, 0, error->detail);
}

/* ---- what handlers ask ---- */

const char *i8x_http_header(const i8x_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(exchange_of(request)->connection, MHD_HEADER_KIND, name);
}

const char *i8x_http_query(const i8x_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(exchange_of(request)->connection, MHD_GET_ARGUMENT_KIND,
                                       name);
}

bool i8x_http_is_head(const i8x_http_request *request)
{
    return exchange_of(request)->is_head;
}

/* One entity tag of a list; *at moves behind it and its comma. NULL at the end. */
static const char *next_tag(const char **at, size_t *size)
{
    const char *tag = *at + strspn(*at, " \t,");
    if (strncmp(tag, "W/", 2) == 0)
        tag += 2;
    const char *end = *tag == '"' ? strchr(tag + 1, '"') : NULL;
    if (end == NULL)
        return NULL;
    *size = (size_t)(end - tag) + 1;
    *at = end + 1;
    return tag;
}

bool i8x_http_none_match(const i8x_http_request *request, const char *etag)
{
    const char *header = i8x_http_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH), *tag;
    if (header == NULL)
        return false;
    const char *opaque = strncmp(etag, "W/", 2) == 0 ? etag + 2 : etag;
    size_t size;
    while ((tag = next_tag(&header, &size)) != NULL)
        if (size == strlen(opaque) && memcmp(tag, opaque, size) == 0)
            return true;
    return strcmp(header + strspn(header, " \t"), "*") == 0;
}

const char *i8x_http_peer(const i8x_http_request *request, char text[I8X_HTTP_PEER_SIZE])
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        exchange_of(request)->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char host[INET6_ADDRSTRLEN] = "?";
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
    if (address != NULL && address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(text, I8X_HTTP_PEER_SIZE, "[%s]:%d", host, ntohs(v6->sin6_port));
    } else if (address != NULL && address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(text, I8X_HTTP_PEER_SIZE, "%s:%d", host, ntohs(v4->sin_port));
    } else {
        snprintf(text, I8X_HTTP_PEER_SIZE, "?");
    }
    return text;
}

uint64_t i8x_http_length(const i8x_http_request *request)
{
    const char *text = i8x_http_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return text != NULL ? strtoull(text, NULL, 10) : UINT64_MAX;
}

/* ---- routes ---- */

/* Compares a path with a pattern, filling the parameters. */
static bool match_path(const char *pattern, const char *path, i8x_http_request *request)
{
    int param = 0;
    for (;;) {
        if (*pattern == '{') {
            size_t size = strcspn(path, "/");
            if (size == 0 || size >= I8X_HTTP_PARAM_SIZE || param == I8X_HTTP_PARAMS_MAX)
                return false;
            memcpy(request->params[param], path, size);
            request->params[param++][size] = 0;
            path += size;
            pattern += strcspn(pattern, "}") + 1;
        } else if (*pattern != *path) {
            return false;
        } else if (*pattern == 0) {
            return true;
        } else {
            pattern++;
            path++;
        }
    }
}

static void refuse(http_exchange *x, i8x_status status, int http_status, const char *detail)
{
    i8x_http_add_header(&x->request, MHD_HTTP_HEADER_CONNECTION, "close");
    i8x_http_reply_problem(&x->request, status, http_status, detail);
}

static void find_route(http_exchange *x, const char *method, const char *path)
{
    char allowed[64] = "";
    const char *wanted = x->is_head ? "GET" : method;
    for (int i = 0; i < x->http->opts.route_count; i++) {
        const i8x_http_route *route = &x->http->opts.routes[i];
        if (!match_path(route->path, path, &x->request))
            continue;
        if (strcmp(route->method, wanted) == 0) {
            x->request.route = route;
            return;
        }
        size_t used = strlen(allowed);
        snprintf(allowed + used, sizeof allowed - used, "%s%s", used > 0 ? ", " : "",
                 route->method);
    }
    if (allowed[0] == 0) {
        refuse(x, I8X_ENOENT, 404, "no such resource: GET /openapi.json lists them");
        return;
    }
    i8x_http_add_header(&x->request, MHD_HTTP_HEADER_ALLOW, allowed);
    refuse(x, I8X_EARG, 405, "this resource does not know that method");
}

/* ---- framing ---- */

typedef struct framing {
    int lengths, encodings;
    bool chunked;
} framing;

static enum MHD_Result look_at_header(void *user, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    (void)kind;
    framing *seen = user;
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0)
        seen->lengths++;
    if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        seen->encodings++;
        seen->chunked = value != NULL && strcasecmp(value, "chunked") == 0;
    }
    return MHD_YES;
}

/* Answers and returns false if the request must not be believed. */
static bool check_framing(http_exchange *x, const char *version)
{
    framing seen = {0};
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, look_at_header, &seen);
    const char *fault = NULL;
    if (seen.lengths > 1)
        fault = "more than one Content-Length";
    else if (seen.lengths > 0 && seen.encodings > 0)
        fault = "Content-Length together with Transfer-Encoding";
    else if (seen.encodings > 1 || (seen.encodings == 1 && !seen.chunked))
        fault = "a Transfer-Encoding other than chunked";
    else if (version - x->uri != (ptrdiff_t)x->uri_size + 1)
        fault = "the request line holds a zero byte or more than one space between its parts";
    if (fault == NULL)
        return true;
    refuse(x, I8X_EARG, 400, fault);
    return false;
}

/* The hook answers by itself; what stands behind a refused request is not read. */
static bool check_right(http_exchange *x)
{
    const i8x_http_opts *opts = &x->http->opts;
    if (opts->authorize == NULL)
        return true;
    bool allowed = opts->authorize(opts->context, &x->request);
    I8X_ASSERT(allowed == (x->response == NULL));
    if (!allowed)
        MHD_add_response_header(x->response, MHD_HTTP_HEADER_CONNECTION, "close");
    return allowed;
}

static bool check_length(http_exchange *x)
{
    const i8x_http_route *route = x->request.route;
    uint64_t limit = route->body != NULL ? x->http->opts.stream_limit_bytes : I8X_JSON_BODY_MAX;
    uint64_t length = i8x_http_length(&x->request);
    if (length == UINT64_MAX || length <= limit)
        return true;
    char detail[I8X_ERROR_DETAIL_SIZE];
    snprintf(detail, sizeof detail, "a body of %llu bytes, at most %llu here",
             (unsigned long long)length, (unsigned long long)limit);
    refuse(x, I8X_ELIMIT, 413, detail);
    return false;
}

/* ---- the library's callbacks ---- */

static http_client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info->socket_context;
}

static int64_t now_ms(void)
{
    return i8x_clock_now_ns(NULL) / 1000000;
}

/* A connection begins or ends. Until its first request line it has less time than later. */
static void on_client(void *user, struct MHD_Connection *connection, void **state,
                      enum MHD_ConnectionNotificationCode code)
{
    i8x_http *http = user;
    http_client *client = *state;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        client = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *client);
        I8X_ASSERT(client != NULL);
        *client = (http_client){
            .next = http->clients, .connection = connection, .fresh = true, .since_ms = now_ms()};
        if (http->clients != NULL)
            http->clients->previous = client;
        http->clients = client;
        http->client_count++;
        *state = client;
        MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                  (unsigned)http->opts.first_s);
        return;
    }
    if (client->previous != NULL)
        client->previous->next = client->next;
    else
        http->clients = client->next;
    if (client->next != NULL)
        client->next->previous = client->previous;
    http->client_count--;
    i8x_alloc_free(i8x_alloc_heap(), client, sizeof *client);
    *state = NULL;
}

static void *on_uri(void *user, const char *uri, struct MHD_Connection *connection)
{
    i8x_http *http = user;
    http_exchange *x = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *x);
    I8X_ASSERT(x != NULL);
    x->request.context = http->opts.context;
    x->http = http;
    x->connection = connection;
    x->uri = uri;
    x->uri_size = strlen(uri);
    i8x_buffer_init(&x->body, I8X_JSON_BODY_MAX);
    x->client = client_of(connection);
    x->client->exchange = x;
    x->next = http->first;
    if (http->first != NULL)
        http->first->previous = x;
    http->first = x;
    return x;
}

static void close_route(http_exchange *x)
{
    if (x->begun && !x->closed && x->request.route->close != NULL)
        x->request.route->close(&x->request);
    x->closed = true;
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)connection;
    (void)code;
    i8x_http *http = user;
    http_exchange *x = *state;
    *state = NULL;
    if (x == NULL)
        return;
    x->client->exchange = NULL;
    x->client->since_ms = now_ms();
    close_route(x);
    if (x->stream.open) {
        x->stream.opts.gone(x->stream.opts.user);
        i8x_buffer_deinit(&x->stream.bytes);
    }
    if (x->response != NULL)
        MHD_destroy_response(x->response);
    i8x_buffer_deinit(&x->body);
    if (x->previous != NULL)
        x->previous->next = x->next;
    else
        http->first = x->next;
    if (x->next != NULL)
        x->next->previous = x->previous;
    i8x_alloc_free(i8x_alloc_heap(), x, sizeof *x);
}

/* A zero byte out of %00 would end the path early: it becomes one that no route has. */
static size_t unescape(void *user, struct MHD_Connection *connection, char *text)
{
    (void)user;
    (void)connection;
    size_t size = MHD_http_unescape(text);
    for (size_t i = 0; i < size; i++)
        if (text[i] == 0)
            text[i] = 1;
    return size;
}

static enum MHD_Result queue_answer(http_exchange *x)
{
    x->queued = true;
    return MHD_queue_response(x->connection, (unsigned)x->http_status, x->response);
}

/* A client that sends its body without asking first would meet a closed connection, and lose the
 * answer, if a refusal did not read on; of a small body that is done. */
static bool reads_on(const http_exchange *x)
{
    uint64_t length = i8x_http_length(&x->request);
    return x->trusted && length > 0 && length <= DROPPED_BODY_MAX &&
           i8x_http_header(&x->request, MHD_HTTP_HEADER_EXPECT) == NULL;
}

/* Headers are there. */
static enum MHD_Result start(http_exchange *x, const char *method, const char *url,
                             const char *version)
{
    x->started = true;
    x->client->window_ms = now_ms();
    x->client->window_bytes = 0;
    if (x->client->fresh)
        MHD_set_connection_option(x->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                  (unsigned)I8X_HTTP_TIMEOUT_S);
    x->client->fresh = false;
    x->is_head = strcmp(method, "HEAD") == 0;
    if (x->http->stopping)
        refuse(x, I8X_EBUSY, 503, "the service is stopping");
    else if ((x->trusted = check_framing(x, version)))
        find_route(x, method, url);
    if (x->response == NULL && check_right(x) && check_length(x) &&
        x->request.route->begin != NULL) {
        x->begun = true;
        i8x_status status = x->request.route->begin(&x->request);
        if (status != I8X_OK)
            refuse(x, status, x->request.failure_code, i8x_last_error()->detail);
    }
    return x->response != NULL && !reads_on(x) ? queue_answer(x) : MHD_YES;
}

/* A piece of the body. An answer can only be queued at its end, so a refused one is read on for a
 * while. */
static enum MHD_Result take_body(http_exchange *x, const char *bytes, size_t size)
{
    if (x->response != NULL) {
        x->dropped += size;
        return x->dropped <= DROPPED_BODY_MAX ? MHD_YES : MHD_NO;
    }
    x->received += size;
    const i8x_http_route *route = x->request.route;
    i8x_status status = I8X_OK;
    if (route->body == NULL) {
        i8x_buffer_put(&x->body, bytes, size);
        status = i8x_buffer_status(&x->body);
    } else if (x->received > x->http->opts.stream_limit_bytes) {
        status = i8x_fail(I8X_ELIMIT, __FILE__, __LINE__, "a body of more than %llu bytes",
                          (unsigned long long)x->http->opts.stream_limit_bytes);
    } else {
        status = route->body(&x->request, bytes, size);
    }
    if (status != I8X_OK) {
        refuse(x, status, x->request.failure_code, i8x_last_error()->detail);
        close_route(x);
    }
    return MHD_YES;
}

static enum MHD_Result on_access(void *user, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_size, void **state)
{
    (void)user;
    (void)connection;
    http_exchange *x = *state;
    if (x->queued)
        return MHD_YES;
    if (!x->started)
        return start(x, method, url, version);
    if (*upload_size > 0) {
        size_t size = *upload_size;
        *upload_size = 0;
        enum MHD_Result result = take_body(x, upload, size);
        if (x->paused && x->response == NULL && result == MHD_YES) {
            x->suspended = true;
            MHD_suspend_connection(x->connection);
        }
        return result;
    }
    if (x->response == NULL && !x->dispatched) {
        x->dispatched = true;
        x->request.body = (const uint8_t *)i8x_buffer_cstr(&x->body);
        x->request.body_size = x->body.size;
        x->request.route->handle(&x->request);
    }
    if (x->response != NULL)
        return queue_answer(x);
    x->suspended = true;
    MHD_suspend_connection(x->connection);
    return MHD_YES;
}

/* ---- the loop ---- */

/* At its limit of connections the library stops to look for new ones, and looks again in the run
 * behind the one that closed some, whatever it says of its timeout. */
static void run(i8x_http *http)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    for (int i = 0; i < I8X_HTTP_RUN_MAX; i++) {
        int before = http->client_count;
        MHD_run(http->daemon);
        if (http->client_count < before) {
            wait_ms = 0;
            continue;
        }
        if (MHD_get_timeout(http->daemon, &wait_ms) != MHD_YES) {
            uv_timer_stop(&http->timer);
            return;
        }
        if (wait_ms > 0)
            break;
    }
    uv_timer_start(&http->timer, on_timer, wait_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

static void run_soon(i8x_http *http)
{
    uv_timer_start(&http->timer, on_timer, 0, 0);
}

/* ---- slow clients, and those who left ---- */

static bool waits_for_body(const http_exchange *x)
{
    return x != NULL && x->started && !x->dispatched && x->response == NULL && !x->suspended;
}

/* The client has closed its side in the middle of a body, which so will never be whole. The library
 * takes that for silence. Of a body that did come whole the rest may still be on its way through
 * the library: hence two looks. */
static bool has_left(http_client *client, int fd)
{
    char byte;
    const http_exchange *x = client->exchange;
    bool at_end = waits_for_body(x) && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    bool left = at_end && client->at_end && client->end_bytes == x->received;
    client->at_end = at_end;
    client->end_bytes = at_end ? x->received : 0;
    return left;
}

/* The library closes a connection on which nothing comes for a while; one that sends a byte now and
 * then it would wait for without end. */
static bool is_too_slow(const i8x_http_opts *opts, http_client *client, int64_t now)
{
    const http_exchange *x = client->exchange;
    if (x == NULL || !x->started) {
        int64_t allowed_s = opts->header_s + (client->fresh ? 0 : I8X_HTTP_TIMEOUT_S);
        return now - client->since_ms > allowed_s * 1000;
    }
    bool waits = waits_for_body(x);
    if (!waits || now - client->window_ms < opts->body_s * 1000) {
        client->window_ms = waits ? client->window_ms : now;
        return false;
    }
    bool slow = x->received - client->window_bytes < I8X_HTTP_BODY_MIN;
    client->window_ms = now;
    client->window_bytes = x->received;
    return slow;
}

static void on_patience(uv_timer_t *timer)
{
    const i8x_http *http = timer->data;
    int64_t now = now_ms();
    for (http_client *client = http->clients; client != NULL; client = client->next) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(client->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        bool slow = is_too_slow(&http->opts, client, now);
        if (!slow && !has_left(client, info->connect_fd))
            continue;
        if (slow)
            i8x_log(I8X_LOG_DEBUG, "client_too_slow", "fd=%d", (int)info->connect_fd);
        shutdown(info->connect_fd, SHUT_RDWR); /* the library sees its end and closes it */
        client->since_ms = now;
    }
}

/* ---- start and stop ---- */

static i8x_status start_daemon(i8x_http *http, const char *address)
{
    struct sockaddr_storage where;
    socklen_t size;
    I8X_TRY(i8x_http_parse_address(address, &where, &size));
    const i8x_http_opts *opts = &http->opts;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)opts->tls_cert},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)opts->tls_key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem plain = {MHD_OPTION_END, 0, NULL};
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    if (opts->tls_cert != NULL)
        flags |= MHD_USE_TLS;
    if (where.ss_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    http->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, http, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&where,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape, http, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_NOTIFY_CONNECTION, on_client, http, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)I8X_HTTP_TIMEOUT_S, MHD_OPTION_CONNECTION_LIMIT, (unsigned)opts->connections_max,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)opts->per_address_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)I8X_HTTP_HEADER_MAX, MHD_OPTION_ARRAY,
        opts->tls_cert != NULL ? tls : &plain, MHD_OPTION_END);
    I8X_ENSURE(http->daemon != NULL, I8X_EIO, "cannot listen on %s: %s", address, strerror(errno));
    return I8X_OK;
}

i8x_status i8x_http_new(uv_loop_t *loop, const char *address, const i8x_http_opts *opts,
                        i8x_http **http, int *port)
{
    i8x_http *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->opts = *opts;
    i8x_status status = start_daemon(made, address);
    if (status != I8X_OK) {
        i8x_alloc_free(i8x_alloc_heap(), made, sizeof *made);
        return status;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(made->daemon, MHD_DAEMON_INFO_BIND_PORT);
    *port = info->port;
    info = MHD_get_daemon_info(made->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uv_poll_init(loop, &made->poll, info->epoll_fd);
    uv_timer_init(loop, &made->timer);
    uv_timer_init(loop, &made->patience);
    made->poll.data = made->timer.data = made->patience.data = made;
    uv_timer_start(&made->patience, on_patience, I8X_HTTP_LOOK_MS, I8X_HTTP_LOOK_MS);
    uv_poll_start(&made->poll, UV_READABLE, on_poll);
    run_soon(made);
    *http = made;
    return I8X_OK;
}

void i8x_http_stop(i8x_http *http)
{
    http->stopping = true;
    for (http_exchange *x = http->first; x != NULL; x = x->next) {
        if (x->stream.open)
            i8x_http_stream_end(&x->stream);
        else if (x->suspended)
            refuse(x, I8X_EBUSY, 503, "the service is stopping");
    }
    for (int i = 0; i < I8X_HTTP_RUN_MAX; i++)
        MHD_run(http->daemon); /* lets the answers out; the library must not stop with a suspended
                                  one */
    uv_close((uv_handle_t *)&http->poll, NULL);
    uv_close((uv_handle_t *)&http->timer, NULL);
    uv_close((uv_handle_t *)&http->patience, NULL);
}

int i8x_http_clients(const i8x_http *http)
{
    return http->client_count;
}

void i8x_http_free(i8x_http *http)
{
    if (http == NULL)
        return;
    MHD_stop_daemon(http->daemon);
    i8x_alloc_free(i8x_alloc_heap(), http, sizeof *http);
}
