/* SPDX-License-Identifier: Apache-2.0
 *
 * Link: requests come, replies go back to who asked, a lost connection is told, an answer may take
 * long.
 */
#define _DEFAULT_SOURCE /* usleep */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/link.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

static sem_t woken;

static void wake(void *user)
{
    (void)user;
    sem_post(&woken);
}

static i8x_link_server *start(char url[64])
{
    i8x_link_server *server;
    int port;
    sem_init(&woken, 0, 0);
    ck_assert_ok(i8x_link_server_new(wake, NULL, &server));
    ck_assert_ok(i8x_link_server_listen(server, "tcp://127.0.0.1:0", &port));
    ck_assert_int_gt(port, 0);
    snprintf(url, 64, "tcp://127.0.0.1:%d", port);
    return server;
}

static void next_event(i8x_link_server *server, i8x_link_event *event)
{
    while (!i8x_link_server_next(server, event))
        sem_wait(&woken);
}

typedef struct caller {
    i8x_link_client *client;
    int lane, count;
} caller;

/* A connection may not stand yet: on a busy machine it takes longer than a call waits for it. */
static i8x_status call(i8x_link_client *client, int lane, const char *text, size_t size,
                       const uint8_t **reply, size_t *reply_size)
{
    i8x_status status = I8X_EUNREACHABLE;
    for (int tries = 0; status == I8X_EUNREACHABLE && tries < 100; tries++)
        status = i8x_link_client_call(client, lane, text, size, 10000, reply, reply_size);
    return status;
}

static void *call_many(void *user)
{
    caller *c = user;
    for (int i = 0; i < c->count; i++) {
        char text[32];
        int size = snprintf(text, sizeof text, "lane %d call %d", c->lane, i);
        const uint8_t *reply;
        size_t reply_size;
        ck_assert_ok(call(c->client, c->lane, text, (size_t)size, &reply, &reply_size));
        ck_assert_uint_eq(reply_size, (size_t)size);
        ck_assert_mem_eq(reply, text, (size_t)size);
    }
    return NULL;
}

START_TEST(each_lane_gets_its_own_replies)
{
    char url[64];
    i8x_link_server *server = start(url);
    i8x_link_client *client;
    ck_assert_ok(i8x_link_client_new(url, 24, &client));
    caller callers[24];
    pthread_t threads[24];
    for (int i = 0; i < 24; i++) {
        callers[i] = (caller){client, i, 20};
        pthread_create(&threads[i], NULL, call_many, &callers[i]);
    }
    /* all 24 lanes are held before the first reply: more than the contexts there are at the start
     */
    i8x_link_event held[24], event;
    for (int i = 0; i < 24; i++)
        next_event(server, &held[i]);
    for (int i = 0; i < 24; i++)
        i8x_link_server_reply(server, held[i].context, held[i].bytes, held[i].size);
    for (int i = 0; i < 24 * 19; i++) {
        next_event(server, &event);
        ck_require(event.type == I8X_LINK_REQUEST, "a pipe event");
        char copy[64];
        memcpy(copy, event.bytes, event.size);
        i8x_link_server_reply(server, event.context, copy, event.size);
    }
    for (int i = 0; i < 24; i++)
        pthread_join(threads[i], NULL);
    i8x_link_client_free(client);
    next_event(server, &event);
    ck_assert_int_eq(event.type, I8X_LINK_PIPE_GONE);
    ck_assert_uint_eq(event.pipe, held[0].pipe);
    i8x_link_server_free(server);
}
END_TEST

static void *call_once(void *user)
{
    static i8x_status status;
    caller *c = user;
    const uint8_t *reply;
    size_t size;
    status = i8x_link_client_call(c->client, c->lane, "x", 1, 10000, &reply, &size);
    return &status;
}

START_TEST(a_call_ends_when_the_server_goes)
{
    char url[64];
    i8x_link_server *server = start(url);
    i8x_link_client *client;
    ck_assert_ok(i8x_link_client_new(url, 1, &client));
    caller c = {client, 0, 1};
    pthread_t thread;
    pthread_create(&thread, NULL, call_once, &c);
    i8x_link_event event;
    next_event(server, &event);
    i8x_link_server_free(server);
    void *status;
    pthread_join(thread, &status);
    ck_assert_int_eq(*(i8x_status *)status, I8X_EUNREACHABLE);
    i8x_link_client_free(client);
}
END_TEST

START_TEST(nobody_there_is_unreachable)
{
    i8x_link_client *client;
    const uint8_t *reply;
    size_t size;
    ck_assert_ok(i8x_link_client_new("tcp://127.0.0.1:1", 1, &client));
    ck_assert(!i8x_link_client_connected(client));
    ck_assert_status(i8x_link_client_call(client, 0, "x", 1, 1000, &reply, &size),
                     I8X_EUNREACHABLE);
    i8x_link_client_free(client);
    ck_assert_status(i8x_link_client_new("http://127.0.0.1:1", 1, &client), I8X_EARG);
    ck_assert_status(i8x_link_client_new("tcp://127.0.0.1:1", 0, &client), I8X_EARG);
}
END_TEST

/* Says its request until a connection that lasts has carried it. */
static void *call_until_heard(void *user)
{
    const uint8_t *reply;
    size_t size;
    ck_assert_ok(call(user, 0, "ask", 3, &reply, &size));
    ck_assert_uint_eq(size, 3);
    return NULL;
}

/* One request there and back. */
static void expect_works(i8x_link_server *server, i8x_link_client *client)
{
    pthread_t thread;
    i8x_link_event event;
    pthread_create(&thread, NULL, call_until_heard, client);
    do
        next_event(server, &event);
    while (event.type != I8X_LINK_REQUEST);
    i8x_link_server_reply(server, event.context, event.bytes, event.size);
    pthread_join(thread, NULL);
}

START_TEST(a_dropped_connection_is_told_and_comes_back)
{
    char url[64];
    i8x_link_server *server = start(url);
    i8x_link_client *client;
    i8x_link_event event;
    ck_assert_ok(i8x_link_client_new(url, 1, &client));
    caller c = {client, 0, 1};
    pthread_t thread;
    pthread_create(&thread, NULL, call_once, &c);
    next_event(server, &event);
    ck_assert_int_eq(event.type, I8X_LINK_REQUEST);
    uint32_t pipe = event.pipe;
    i8x_link_server_reply(server, event.context, "y", 1);
    void *status;
    pthread_join(thread, &status);
    ck_assert_int_eq(*(i8x_status *)status, I8X_OK);
    i8x_link_server_drop(server, pipe);
    next_event(server, &event);
    ck_assert_int_eq(event.type, I8X_LINK_PIPE_GONE);
    ck_assert_uint_eq(event.pipe, pipe);
    expect_works(server, client);
    i8x_link_client_free(client);
    i8x_link_server_free(server);
}
END_TEST

/* A peer that leaves before it was greeted ends nng's listening on a unix socket. */
START_TEST(a_deaf_listener_is_mended)
{
    i8x_temp_dir dir;
    i8x_link_server *server;
    i8x_link_client *client;
    char url[I8X_TEMP_PATH_SIZE + 8];
    i8x_temp_dir_init(&dir);
    sem_init(&woken, 0, 0);
    ck_assert_ok(i8x_link_server_new(wake, NULL, &server));
    snprintf(url, sizeof url, "ipc://%s", i8x_temp_dir_path(&dir, "link"));
    ck_assert_ok(i8x_link_server_listen(server, url, NULL));
    ck_assert(!i8x_link_server_mend(server));
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    snprintf(where.sun_path, sizeof where.sun_path, "%s", i8x_temp_dir_path(&dir, "link"));
    int tries = 0;
    for (; !i8x_link_server_mend(server) && tries < 6000; tries++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0); /* now and then nng is quick enough */
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
        close(fd);
        usleep(5000);
    }
    ck_assert_int_lt(tries, 6000);
    ck_assert_ok(i8x_link_client_new(url, 1, &client));
    expect_works(server, client);
    ck_assert(!i8x_link_server_mend(server)); /* who works is left alone */
    expect_works(server, client);
    i8x_link_client_free(client);
    i8x_link_server_free(server);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

/* And a peer that takes a dialer's connection and leaves ends its dialing. */
START_TEST(a_client_that_gave_up_dials_again)
{
    i8x_temp_dir dir;
    i8x_link_client *client;
    i8x_link_server *server;
    char url[I8X_TEMP_PATH_SIZE + 8];
    const uint8_t *reply;
    size_t size;
    i8x_temp_dir_init(&dir);
    sem_init(&woken, 0, 0);
    snprintf(url, sizeof url, "ipc://%s", i8x_temp_dir_path(&dir, "link"));
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    snprintf(where.sun_path, sizeof where.sun_path, "%s", i8x_temp_dir_path(&dir, "link"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&where, sizeof where), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_ok(i8x_link_client_new(url, 1, &client));
    int taken = accept(fd, NULL, NULL);
    close(taken);
    close(fd);
    unlink(where.sun_path);
    ck_assert_status(i8x_link_client_call(client, 0, "x", 1, 100, &reply, &size), I8X_EUNREACHABLE);
    ck_assert_ok(i8x_link_server_new(wake, NULL, &server));
    ck_assert_ok(i8x_link_server_listen(server, url, NULL));
    expect_works(server, client); /* whether its dialer lived on or not */
    i8x_link_client_free(client);
    i8x_link_server_free(server);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

Suite *check_link_suite(void)
{
    const TTest *tests[] = {
        each_lane_gets_its_own_replies, a_call_ends_when_the_server_goes,
        nobody_there_is_unreachable,    a_dropped_connection_is_told_and_comes_back,
        a_deaf_listener_is_mended,      a_client_that_gave_up_dials_again};
    return i8x_suite("link", tests, sizeof tests / sizeof tests[0]);
}
