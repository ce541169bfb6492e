/* SPDX-License-Identifier: Apache-2.0
 *
 * Link: requests come, replies go back to who asked, a lost connection is told, an answer may take
 * long.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/link.h"
#include "tests/support/suite.h"

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

static void *call_many(void *user)
{
    caller *c = user;
    for (int i = 0; i < c->count; i++) {
        char text[32];
        int size = snprintf(text, sizeof text, "lane %d call %d", c->lane, i);
        const uint8_t *reply;
        size_t reply_size;
        ck_assert_ok(i8x_link_client_call(c->client, c->lane, text, (size_t)size, 10000, &reply,
                                          &reply_size));
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

Suite *check_link_suite(void)
{
    const TTest *tests[] = {each_lane_gets_its_own_replies, a_call_ends_when_the_server_goes,
                            nobody_there_is_unreachable};
    return i8x_suite("link", tests, sizeof tests / sizeof tests[0]);
}
