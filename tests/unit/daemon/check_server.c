/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP server with a real socket on the loopback, server and client on one thread: the client
 * writes, the loop is turned, the client reads what has come. No test waits for a length of time.
 */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/http/server.h"
#include "int8x/clock.h"
#include "proto/limits.h"

#define TURNS_MAX 200000
#define STREAM_LIMIT 10000

static struct {
    uv_loop_t loop;
    i8x_http *http;
    int port;
    int handled, begun, bodies, closed, asked;
    bool refuse, pause;
    i8x_http_request *paused;
    i8x_http_stream *stream;
    int drained, gone;
    char peer[I8X_HTTP_PEER_SIZE];
} site;

static void handle(i8x_http_request *request)
{
    site.handled++;
    i8x_http_reply(request, 200, "text/plain", request->principal, strlen(request->principal));
}

static i8x_status begin(i8x_http_request *request)
{
    (void)request;
    site.begun++;
    return I8X_OK;
}

static i8x_status body(i8x_http_request *request, const void *bytes, size_t size)
{
    (void)bytes;
    site.bodies += (int)size;
    if (site.pause) {
        i8x_http_pause_body(request);
        site.paused = request;
    }
    return I8X_OK;
}

static void close_body(i8x_http_request *request)
{
    (void)request;
    site.closed++;
}

/* ---- a stream ---- */

static void on_drained(void *user)
{
    ck_assert_ptr_eq(user, &site);
    site.drained++;
}

static void on_gone(void *user)
{
    ck_assert_ptr_eq(user, &site);
    site.gone++;
    site.stream = NULL;
}

static void handle_stream(i8x_http_request *request)
{
    i8x_http_stream_opts opts = {
        .limit_bytes = STREAM_LIMIT, .drained = on_drained, .gone = on_gone, .user = &site};
    site.stream = i8x_http_reply_stream(request, 200, "text/plain", &opts);
}

static bool authorize(void *context, i8x_http_request *request)
{
    ck_assert_ptr_eq(context, &site);
    site.asked++;
    i8x_http_peer(request, site.peer);
    if (request->route->roles != 0 && site.refuse) {
        i8x_http_add_header(request, "WWW-Authenticate", "Bearer");
        i8x_http_reply_problem(request, I8X_EARG, 401, "no token");
        return false;
    }
    snprintf(request->principal, sizeof request->principal, "somebody");
    return true;
}

static const i8x_http_route routes[] = {
    {.method = "GET", .path = "/open", .handle = handle},
    {.method = "GET", .path = "/stream", .handle = handle_stream},
    {.method = "POST", .path = "/job", .roles = I8X_ROLE_BIT(I8X_ROLE_SUBMIT), .handle = handle},
    {.method = "PUT",
     .path = "/blob/{id}",
     .roles = I8X_ROLE_BIT(I8X_ROLE_WORKER),
     .handle = handle,
     .begin = begin,
     .body = body,
     .close = close_body},
};

static void start(void)
{
    memset(&site, 0, sizeof site);
    uv_loop_init(&site.loop);
    i8x_http_opts opts = {.routes = routes,
                          .route_count = sizeof routes / sizeof *routes,
                          .context = &site,
                          .stream_limit_bytes = 1 << 20,
                          .connections_max = 8,
                          .per_address_max = 4,
                          .first_s = 1,
                          .header_s = 1,
                          .body_s = 1,
                          .authorize = authorize};
    ck_assert_int_eq(i8x_http_new(&site.loop, "127.0.0.1:0", &opts, &site.http, &site.port),
                     I8X_OK);
}

static void stop(void)
{
    i8x_http_stop(site.http);
    uv_run(&site.loop, UV_RUN_DEFAULT);
    i8x_http_free(site.http);
    ck_assert_int_eq(uv_loop_close(&site.loop), 0);
}

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)site.port)};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    return fd;
}

/* Sends and turns the loop until text has come or the other end has closed. */
static void talk(int fd, const char *request, const char *until, char *answer, size_t room)
{
    ck_assert_int_eq((int)send(fd, request, strlen(request), MSG_NOSIGNAL), (int)strlen(request));
    size_t used = 0;
    answer[0] = 0;
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        uv_run(&site.loop, UV_RUN_NOWAIT);
        ssize_t got = recv(fd, answer + used, room - 1 - used, MSG_DONTWAIT);
        if (got == 0)
            return;
        used += got > 0 ? (size_t)got : 0;
        answer[used] = 0;
        if (until != NULL && strstr(answer, until) != NULL)
            return;
    }
    ck_abort_msg("no answer to %s: %s", request, answer);
}

START_TEST(the_hook_is_asked_before_a_body_is_read_and_may_answer)
{
    char answer[4096];
    site.refuse = true;
    int fd = dial();
    talk(fd, "PUT /blob/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde", NULL, answer,
         sizeof answer);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 401 "));
    ck_assert_ptr_nonnull(strstr(answer, "WWW-Authenticate: Bearer"));
    ck_assert_ptr_nonnull(strstr(answer, "Connection: close"));
    ck_assert_int_eq(site.asked, 1);
    ck_assert_int_eq(site.begun + site.bodies + site.closed + site.handled, 0);
    ck_assert_int_eq(strncmp(site.peer, "127.0.0.1:", 10), 0);
    close(fd);
}
END_TEST

START_TEST(an_allowed_request_goes_on_and_carries_who_asked)
{
    char answer[4096];
    int fd = dial();
    talk(fd, "PUT /blob/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde", "somebody",
         answer, sizeof answer);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 200 "));
    ck_assert_int_eq(site.bodies, 5);
    ck_assert_int_eq(site.closed, 1);
    site.refuse = true;
    talk(fd, "GET /open HTTP/1.1\r\nHost: h\r\n\r\n", "somebody", answer, sizeof answer);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 200 ")); /* the route is open to everybody */
    ck_assert_int_eq(site.asked, 2);
    close(fd);
}
END_TEST

START_TEST(the_hook_is_not_asked_about_what_does_not_exist)
{
    char answer[4096];
    site.refuse = true;
    int fd = dial();
    talk(fd, "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n", NULL, answer, sizeof answer);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 404 "));
    ck_assert_int_eq(site.asked, 0);
    close(fd);
}
END_TEST

static void turn_until(const int *count, int wanted)
{
    for (int turn = 0; turn < TURNS_MAX && *count < wanted; turn++)
        uv_run(&site.loop, UV_RUN_NOWAIT);
    ck_assert_int_ge(*count, wanted);
}

START_TEST(a_body_waits_while_it_is_paused)
{
    char answer[4096];
    site.pause = true;
    int fd = dial();
    static const char head[] = "PUT /blob/x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabcde";
    ck_assert_int_eq((int)send(fd, head, sizeof head - 1, 0), (int)sizeof head - 1);
    turn_until(&site.bodies, 5);
    ck_assert_int_eq((int)send(fd, "fghij", 5, 0), 5);
    for (int turn = 0; turn < 1000; turn++)
        uv_run(&site.loop, UV_RUN_NOWAIT);
    ck_assert_int_eq(site.bodies, 5); /* the second piece is there, and waits */
    i8x_http_continue_body(site.paused);
    turn_until(&site.bodies, 10);
    ck_assert_int_eq(site.handled, 0); /* it paused again: the end waits as well */
    i8x_http_continue_body(site.paused);
    talk(fd, "", "somebody", answer, sizeof answer);
    ck_assert_int_eq(site.handled, 1);
    close(fd);
}
END_TEST

START_TEST(a_client_that_leaves_a_paused_body_is_closed_in_the_end)
{
    site.pause = true;
    int fd = dial();
    static const char head[] = "PUT /blob/x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabcde";
    ck_assert_int_eq((int)send(fd, head, sizeof head - 1, 0), (int)sizeof head - 1);
    turn_until(&site.bodies, 5);
    close(fd);
    i8x_http_continue_body(site.paused);
    turn_until(&site.closed, 1);
    ck_assert_int_eq(site.handled, 0);
}
END_TEST

START_TEST(a_stream_is_fed_as_things_happen_and_ends)
{
    char answer[4096];
    int fd = dial();
    talk(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n", answer, sizeof answer);
    ck_assert_ptr_nonnull(strstr(answer, "Transfer-Encoding: chunked"));
    ck_assert_ptr_nonnull(site.stream);
    for (int i = 0; i < 3; i++) {
        ck_assert(i8x_http_stream_put(site.stream, "one piece", 9));
        talk(fd, "", "one piece", answer, sizeof answer);
        turn_until(&site.drained, i + 1);
    }
    i8x_http_stream_put(site.stream, "last", 4);
    i8x_http_stream_end(site.stream);
    ck_assert(!i8x_http_stream_put(site.stream, "too late", 8));
    talk(fd, "", "0\r\n\r\n", answer, sizeof answer);
    ck_assert_ptr_nonnull(strstr(answer, "last"));
    ck_assert_ptr_null(strstr(answer, "too late"));
    turn_until(&site.gone, 1);
    /* the connection takes the next request */
    talk(fd, "GET /open HTTP/1.1\r\nHost: h\r\n\r\n", "somebody", answer, sizeof answer);
    close(fd);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_cut_off_at_the_limit)
{
    char answer[4096];
    static char piece[1000];
    memset(piece, 'x', sizeof piece);
    int fd = dial();
    talk(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n", answer, sizeof answer);
    int taken = 0;
    while (i8x_http_stream_put(site.stream, piece, sizeof piece)) /* the loop does not turn */
        taken++;
    ck_assert_int_eq(taken, STREAM_LIMIT / 1000);
    turn_until(&site.gone, 1);
    close(fd);
}
END_TEST

START_TEST(a_client_that_leaves_is_noticed_by_writing)
{
    char answer[4096];
    int fd = dial();
    talk(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n", answer, sizeof answer);
    close(fd);
    for (int turn = 0; turn < TURNS_MAX && site.stream != NULL; turn++) {
        i8x_http_stream_put(site.stream, ":\n\n", 3);
        uv_run(&site.loop, UV_RUN_NOWAIT);
    }
    ck_assert_int_eq(site.gone, 1);
}
END_TEST

START_TEST(stopping_ends_a_stream)
{
    char answer[4096];
    int fd = dial();
    talk(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n", answer, sizeof answer);
    stop(); /* with the stream asleep */
    ck_assert_int_eq(site.gone, 1);
    close(fd);
    start();
}
END_TEST

/* Sends one byte of the text for each tenth of a second until the server has closed; how many. */
static int trickle(int fd, const char *text)
{
    int sent = 0;
    for (int turn = 0; turn < 100; turn++) {
        char byte;
        if (text[sent] != 0 && send(fd, text + sent, 1, MSG_NOSIGNAL) == 1)
            sent++;
        int64_t end_ns = i8x_clock_now_ns(NULL) + 100000000;
        while (i8x_clock_now_ns(NULL) < end_ns) {
            uv_run(&site.loop, UV_RUN_NOWAIT);
            if (recv(fd, &byte, 1, MSG_DONTWAIT) == 0)
                return sent;
        }
    }
    ck_abort_msg("not closed after %d bytes", sent);
}

START_TEST(a_client_that_says_nothing_or_says_it_slowly_is_cut_off)
{
    int fd = dial();
    ck_assert_int_eq(trickle(fd, ""), 0); /* nothing */
    close(fd);
    fd = dial(); /* the request line, the headers, the body: a byte now and then */
    ck_assert_int_lt(trickle(fd, "GET /open HTTP/1.1\r\nHost: abcdefghijklmnopqrstuvwxyz\r\n\r\n"),
                     40);
    close(fd);
    ck_assert_int_eq(site.handled, 0);
    static const char head[] = "PUT /blob/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
    fd = dial();
    ck_assert_int_eq((int)send(fd, head, sizeof head - 1, 0), (int)sizeof head - 1);
    ck_assert_int_lt(trickle(fd, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"), 40);
    close(fd);
    turn_until(&site.closed, 1);
    ck_assert_int_eq(site.handled, 0);
    ck_assert_int_eq(i8x_http_clients(site.http), 0);
}
END_TEST

START_TEST(one_address_has_so_many_connections_and_no_more)
{
    int fds[6], open = 0;
    for (int i = 0; i < 6; i++)
        fds[i] = dial();
    for (int turn = 0; turn < 1000; turn++)
        uv_run(&site.loop, UV_RUN_NOWAIT);
    for (int i = 0; i < 6; i++) {
        char byte;
        open += recv(fds[i], &byte, 1, MSG_DONTWAIT) < 0;
    }
    ck_assert_int_eq(open, 4);
    ck_assert_int_eq(i8x_http_clients(site.http), 4);
    for (int i = 0; i < 6; i++)
        close(fds[i]);
}
END_TEST

START_TEST(role_names_read_back)
{
    for (int role = 0; role < I8X_ROLE_COUNT; role++)
        ck_assert_int_eq(i8x_role_from_name(i8x_role_name((i8x_role)role)), role);
    ck_assert_int_eq(i8x_role_from_name("root"), I8X_ROLE_COUNT);
    ck_assert_str_eq(i8x_role_name(I8X_ROLE_COUNT), "?");
}
END_TEST

Suite *check_server_suite(void)
{
    Suite *suite = suite_create("http server");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, start, stop);
    tcase_add_test(all, the_hook_is_asked_before_a_body_is_read_and_may_answer);
    tcase_add_test(all, an_allowed_request_goes_on_and_carries_who_asked);
    tcase_add_test(all, the_hook_is_not_asked_about_what_does_not_exist);
    tcase_add_test(all, a_body_waits_while_it_is_paused);
    tcase_add_test(all, a_client_that_leaves_a_paused_body_is_closed_in_the_end);
    tcase_add_test(all, a_stream_is_fed_as_things_happen_and_ends);
    tcase_add_test(all, a_client_that_does_not_read_is_cut_off_at_the_limit);
    tcase_add_test(all, a_client_that_leaves_is_noticed_by_writing);
    tcase_add_test(all, stopping_ends_a_stream);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, a_client_that_says_nothing_or_says_it_slowly_is_cut_off);
    tcase_add_test(all, one_address_has_so_many_connections_and_no_more);
    tcase_add_test(all, role_names_read_back);
    suite_add_tcase(suite, all);
    return suite;
}
