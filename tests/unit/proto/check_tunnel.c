/* SPDX-License-Identifier: Apache-2.0
 *
 * The link through its tunnel, real sockets and real nng at both ends: who has no good certificate
 * is told apart with a reason and never reaches nng, whoever has one gets through, whatever others
 * tried before, and bytes arrive as they were sent.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_disable()
#define __lsan_enable()
#endif

#include "core/base/rng.h"
#include "proto/link.h"
#include "proto/pki.h"
#include "proto/tunnel.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

#define SERVER_NAME "box.test"
#define YEAR 31536000

typedef struct fleet {
    i8x_pem ca_key, ca_cert, server_key, server_cert, worker_key, worker_cert;
} fleet;

static i8x_pki_life life_from(int64_t from_s, int64_t until_s)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (i8x_pki_life){now.tv_sec + from_s, now.tv_sec + until_s};
}

static void make_worker(fleet *f, const fleet *signer, i8x_pki_life life)
{
    i8x_pem request;
    i8x_pki_ca ca = {&signer->ca_cert, &signer->ca_key};
    ck_assert_ok(i8x_pki_key_make(&f->worker_key));
    ck_assert_ok(i8x_pki_request_make("w", &f->worker_key, &request));
    ck_assert_ok(i8x_pki_issue_client(&ca, request.text, "w1", life, &f->worker_cert));
}

static void make_fleet(fleet *f)
{
    const char *name = SERVER_NAME;
    i8x_pki_life life = life_from(-300, YEAR);
    i8x_pki_ca ca = {&f->ca_cert, &f->ca_key};
    ck_assert_ok(i8x_pki_key_make(&f->ca_key));
    ck_assert_ok(i8x_pki_ca_make("int8x CA", life, &f->ca_key, &f->ca_cert));
    ck_assert_ok(i8x_pki_key_make(&f->server_key));
    ck_assert_ok(i8x_pki_issue_server(&ca, &f->server_key, &name, 1, life, &f->server_cert));
    make_worker(f, f, life);
}

static i8x_temp_dir dir;
static sem_t woken; /* the link server has something */
static sem_t told;  /* the server's tunnel has told something */
static i8x_tunnel_event last;
static pthread_mutex_t last_mutex = PTHREAD_MUTEX_INITIALIZER;
static i8x_link_server *server;
static i8x_tunnel *door;
static int port;

static void wake(void *user)
{
    (void)user;
    sem_post(&woken);
}

static void on_server(void *user, const i8x_tunnel_event *event)
{
    (void)user;
    pthread_mutex_lock(&last_mutex);
    last = *event;
    pthread_mutex_unlock(&last_mutex);
    sem_post(&told);
}

static void on_client(void *user, const i8x_tunnel_event *event)
{
    (void)user;
    (void)event;
}

static i8x_tunnel_event next_told(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    ck_assert_int_eq(sem_timedwait(&told, &until), 0);
    pthread_mutex_lock(&last_mutex);
    i8x_tunnel_event event = last;
    pthread_mutex_unlock(&last_mutex);
    return event;
}

static i8x_status open_door(const fleet *f, const char *address, i8x_tunnel **tunnel)
{
    i8x_tunnel_opts opts = {.address = address,
                            .path = i8x_temp_dir_path(&dir, "link"),
                            .tls = {.server = true,
                                    .ca = f->ca_cert.text,
                                    .cert = f->server_cert.text,
                                    .key = f->server_key.text},
                            .told = on_server};
    return i8x_tunnel_new(&opts, tunnel, &port);
}

static void start(const fleet *f)
{
    char url[I8X_TEMP_PATH_SIZE + 8];
    i8x_temp_dir_init(&dir);
    sem_init(&woken, 0, 0);
    sem_init(&told, 0, 0);
    ck_assert_ok(i8x_link_server_new(wake, NULL, &server));
    snprintf(url, sizeof url, "ipc://%s", i8x_temp_dir_path(&dir, "link"));
    ck_assert_ok(i8x_link_server_listen(server, url, NULL));
    ck_assert_ok(open_door(f, "127.0.0.1:0", &door));
}

static void stop(void)
{
    i8x_tunnel_free(door);
    i8x_link_server_free(server);
    i8x_temp_dir_deinit(&dir);
}

/* A worker's side: its tunnel and its link. */
typedef struct worker {
    i8x_tunnel *tunnel;
    i8x_link_client *client;
} worker;

static i8x_tls_opts worker_tls(const fleet *f)
{
    return (i8x_tls_opts){.ca = f->ca_cert.text,
                          .cert = f->worker_cert.text,
                          .key = f->worker_key.text,
                          .server_name = SERVER_NAME};
}

static worker start_worker(const i8x_tls_opts *tls, const char *name)
{
    worker w;
    char address[64], url[I8X_TEMP_PATH_SIZE + 8];
    snprintf(address, sizeof address, "localhost:%d", port);
    i8x_tunnel_opts opts = {
        .address = address, .path = i8x_temp_dir_path(&dir, name), .tls = *tls, .told = on_client};
    ck_assert_ok(i8x_tunnel_new(&opts, &w.tunnel, NULL));
    snprintf(url, sizeof url, "ipc://%s", i8x_temp_dir_path(&dir, name));
    ck_assert_ok(i8x_link_client_new(url, 4, &w.client));
    return w;
}

static void stop_worker(worker *w)
{
    i8x_link_client_free(w->client);
    i8x_tunnel_free(w->tunnel);
}

typedef struct question {
    i8x_link_client *client;
    const uint8_t *bytes;
    size_t size;
    int lane;
} question;

static void *ask(void *user)
{
    question *q = user;
    const uint8_t *reply;
    size_t size;
    i8x_status status = I8X_EUNREACHABLE;
    for (int tries = 0; status == I8X_EUNREACHABLE && tries < 100; tries++)
        status = i8x_link_client_call(q->client, q->lane, q->bytes, q->size, 60000, &reply, &size);
    ck_assert_ok(status);
    ck_assert_uint_eq(size, q->size);
    ck_assert_mem_eq(reply, q->bytes, size);
    return NULL;
}

/* Answers requests with themselves until so many have been. */
static void echo(int count)
{
    i8x_link_event event;
    while (count > 0) {
        while (!i8x_link_server_next(server, &event))
            sem_wait(&woken);
        if (event.type != I8X_LINK_REQUEST)
            continue;
        i8x_link_server_reply(server, event.context, event.bytes, event.size);
        count--;
    }
}

static void expect_works(worker *w)
{
    question q = {w->client, (const uint8_t *)"ask", 3, 0};
    pthread_t thread;
    pthread_create(&thread, NULL, ask, &q);
    echo(1);
    pthread_join(thread, NULL);
}

static void expect_good(const fleet *f)
{
    i8x_tls_opts tls = worker_tls(f);
    worker w = start_worker(&tls, "good");
    i8x_tunnel_event event;
    do
        event = next_told();
    while (event.refused);
    ck_assert_str_eq(event.name, "w1");
    ck_assert_int_eq(strncmp(event.peer, "127.0.0.1:", 10), 0);
    expect_works(&w);
    char peer[I8X_TUNNEL_PEER_SIZE];
    ck_assert(i8x_tunnel_find(door, "w1", peer));
    ck_assert_str_eq(peer, event.peer);
    ck_assert(!i8x_tunnel_find(door, "w2", NULL) && !i8x_tunnel_find(door, "", NULL));
    ck_assert_int_eq(i8x_tunnel_count(door), 1);
    stop_worker(&w);
    while (i8x_tunnel_count(door) > 0)
        sched_yield();
}

/* The server's tunnel names the reason and nng hears nothing. */
static void expect_refused(const i8x_tls_opts *tls, const char *reason)
{
    worker w = start_worker(tls, "bad");
    i8x_tunnel_event event;
    do { /* the one before may still have been trying */
        event = next_told();
        ck_assert(event.refused);
    } while (strstr(event.reason, reason) == NULL);
    ck_assert_int_eq(strncmp(event.peer, "127.0.0.1:", 10), 0);
    const uint8_t *reply;
    size_t size;
    ck_assert_status(i8x_link_client_call(w.client, 0, "x", 1, 300, &reply, &size),
                     I8X_EUNREACHABLE);
    stop_worker(&w);
    i8x_link_event heard;
    while (i8x_link_server_next(server, &heard)) /* of an earlier one that left */
        ck_assert_int_eq(heard.type, I8X_LINK_PIPE_GONE);
    ck_assert_int_eq(i8x_tunnel_count(door), 0);
    while (sem_trywait(&told) == 0) /* it tried again and again */
        ;
}

START_TEST(certificates_of_both_sides_are_wanted)
{
    static fleet home, foreign, expired, early;
    make_fleet(&home);
    make_fleet(&foreign);
    expired = early = home;
    make_worker(&expired, &home, life_from(-YEAR, -1));
    make_worker(&early, &home, life_from(3600, YEAR));
    start(&home);
    expect_good(&home);

    i8x_tls_opts none = {.ca = home.ca_cert.text, .server_name = SERVER_NAME};
    expect_refused(&none, "peer did not return a certificate");
    i8x_tls_opts strange = worker_tls(&foreign);
    strange.ca = home.ca_cert.text; /* it trusts us, we do not trust it */
    expect_refused(&strange, "certificate");
    i8x_tls_opts late = worker_tls(&expired);
    expect_refused(&late, "certificate has expired");
    i8x_tls_opts soon = worker_tls(&early);
    expect_refused(&soon, "certificate is not yet valid");
    /* our own server's certificate is no worker's */
    i8x_tls_opts posing = {.ca = home.ca_cert.text,
                           .cert = home.server_cert.text,
                           .key = home.server_key.text,
                           .server_name = SERVER_NAME};
    expect_refused(&posing, "unsuitable certificate purpose");
    i8x_tls_opts misled = worker_tls(&home);
    misled.server_name = "other.test"; /* the worker refuses the server */
    expect_refused(&misled, "alert");
    i8x_tls_opts astray = worker_tls(&home);
    astray.ca = foreign.ca_cert.text; /* so does one of another fleet */
    expect_refused(&astray, "alert");

    expect_good(&home); /* and the door still opens */
    stop();
}
END_TEST

START_TEST(a_worker_is_no_server)
{
    static fleet home;
    make_fleet(&home);
    /* who has a worker's certificate cannot pose as the coordinator */
    home.server_cert = home.worker_cert;
    home.server_key = home.worker_key;
    start(&home);
    i8x_tls_opts tls = worker_tls(&home);
    expect_refused(&tls, "alert");
    stop();
}
END_TEST

static int connect_raw(void)
{
    struct sockaddr_in where = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    return fd;
}

START_TEST(broken_handshakes_leave_the_door_open)
{
    static fleet home;
    make_fleet(&home);
    start(&home);
    static const uint8_t hello[] = {0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3}; /* and no more */
    static const uint8_t junk[] = "GET / HTTP/1.1\r\n\r\n";
    static const struct {
        const void *bytes;
        size_t size;
    } openings[] = {{"", 0}, {hello, sizeof hello}, {junk, sizeof junk}, {hello, 3}};
    for (int i = 0; i < 400; i++) {
        int fd = connect_raw();
        size_t kind = (size_t)i % 4;
        ck_assert_int_eq(send(fd, openings[kind].bytes, openings[kind].size, MSG_NOSIGNAL),
                         (ssize_t)openings[kind].size);
        struct linger reset = {.l_onoff = i / 4 % 2, .l_linger = 0}; /* FIN or RST */
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        ck_assert(next_told().refused);
    }
    expect_good(&home);
    stop();
}
END_TEST

START_TEST(one_address_cannot_take_all_handshakes)
{
    static fleet home;
    make_fleet(&home);
    start(&home);
    int fds[I8X_TLS_HANDSHAKES_PER_IP_MAX + 1];
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        fds[i] = connect_raw(); /* and says nothing */
    i8x_tunnel_event event = next_told();
    ck_assert(event.refused);
    ck_assert_ptr_nonnull(strstr(event.reason, "too many handshakes"));
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        close(fds[i]);
    expect_good(&home);
    stop();
}
END_TEST

/* Large messages both ways at once over several lanes: more than every buffer on the way. */
START_TEST(bytes_arrive_as_they_were_sent)
{
    static fleet home;
    static uint8_t bytes[4][3 << 20];
    make_fleet(&home);
    start(&home);
    i8x_tls_opts tls = worker_tls(&home);
    worker w = start_worker(&tls, "w");
    question questions[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        for (size_t k = 0; k < sizeof bytes[i]; k++)
            bytes[i][k] = (uint8_t)(i8x_rng_u64(7, (uint64_t)i << 32 | k / 8) >> k % 8 * 8);
        questions[i] = (question){w.client, bytes[i], sizeof bytes[i] - (size_t)i * 4097, i};
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, ask, &questions[i]);
        echo(4);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    }
    stop_worker(&w);
    stop();
}
END_TEST

START_TEST(a_new_certificate_is_used_by_new_connections)
{
    static fleet home, expired;
    make_fleet(&home);
    expired = home;
    make_worker(&expired, &home, life_from(-YEAR, -1));
    start(&home);
    i8x_tls_opts good = worker_tls(&home), late = worker_tls(&expired);
    worker w = start_worker(&late, "w");
    ck_assert(next_told().refused);
    ck_assert_ok(i8x_tunnel_renew(w.tunnel, &good));
    expect_works(&w);
    ck_assert_ok(i8x_tunnel_renew(w.tunnel, &late)); /* what stands goes on */
    expect_works(&w);
    i8x_tls_opts rubbish = good;
    rubbish.cert = "rubbish";
    ck_assert_status(i8x_tunnel_renew(w.tunnel, &rubbish), I8X_EFORMAT);
    expect_works(&w);
    stop_worker(&w);
    stop();
}
END_TEST

/* The coordinator's nng goes and comes back, as when the daemon is started again. */
START_TEST(a_lost_connection_comes_back)
{
    static fleet home;
    make_fleet(&home);
    start(&home);
    i8x_tls_opts tls = worker_tls(&home);
    worker w = start_worker(&tls, "w");
    expect_works(&w);
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    i8x_tunnel_free(door);
    const uint8_t *reply;
    size_t size;
    /* nng 1.5 loses a message that it begins to send while its connection is being closed */
    __lsan_disable();
    while (i8x_link_client_call(w.client, 0, "x", 1, 1000, &reply, &size) != I8X_EUNREACHABLE)
        ;
    __lsan_enable();
    i8x_link_event event;
    while (i8x_link_server_next(server, &event))
        if (event.type == I8X_LINK_REQUEST)
            i8x_link_server_reply(server, event.context, "x", 1);
    ck_assert_ok(open_door(&home, address, &door));
    expect_works(&w);
    stop_worker(&w);
    stop();
}
END_TEST

START_TEST(bad_options_are_refused)
{
    static fleet home;
    make_fleet(&home);
    start(&home);
    static const char *const bad[] = {
        "", "127.0.0.1", "127.0.0.1:", ":1", "no.such.host.invalid:1", "127.0.0.1:x"};
    i8x_tunnel *tunnel;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_status(open_door(&home, bad[i], &tunnel), I8X_EARG);
    char taken[64];
    snprintf(taken, sizeof taken, "127.0.0.1:%d", port);
    ck_assert_status(open_door(&home, taken, &tunnel), I8X_EIO);
    home.server_key = home.worker_key;
    ck_assert_status(open_door(&home, "127.0.0.1:0", &tunnel), I8X_EFORMAT);
    char path[200];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = 0;
    i8x_tunnel_opts opts = {.address = "127.0.0.1:1", .path = path, .tls = worker_tls(&home)};
    ck_assert_status(i8x_tunnel_new(&opts, &tunnel, NULL), I8X_EARG);
    stop();
}
END_TEST

Suite *check_tunnel_suite(void)
{
    const TTest *tests[] = {
        certificates_of_both_sides_are_wanted, a_worker_is_no_server,
        broken_handshakes_leave_the_door_open, one_address_cannot_take_all_handshakes,
        bytes_arrive_as_they_were_sent,        a_new_certificate_is_used_by_new_connections,
        a_lost_connection_comes_back,          bad_options_are_refused};
    return i8x_suite("tunnel", tests, sizeof tests / sizeof tests[0]);
}
