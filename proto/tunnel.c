/* SPDX-License-Identifier: Apache-2.0
 *
 * One thread, epoll, two sockets a connection with a small buffer each way. A buffer is filled only
 * when it is empty and a socket is watched only for what it can be used for now, so a slow side
 * holds its other side back as one TCP connection would. Whoever has not shown a good certificate
 * within the handshake's time is let go; how many may try at once is bounded, in all and for one
 * address.
 */
#define _GNU_SOURCE /* accept4 */
#include "proto/tunnel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "int8x/clock.h"
#include "proto/limits.h"
#include "proto/trust_token.h"

#define BUFFER_BYTES 8192
#define EVENTS_MAX 64
#define ROUNDS_MAX 64 /* of one connection before the others get their turn */
#define TICK_MS 250   /* between looks at deadlines */
#define BACKLOG 128
#define KEEPALIVE_IDLE_S 30
#define KEEPALIVE_EVERY_S 10
#define KEEPALIVE_COUNT 3

/* LEAVING: see leave */
typedef enum conn_state { CONNECTING, HANDSHAKE, OPEN, LEAVING, DEAD } conn_state;

typedef struct tunnel_conn tunnel_conn;

/* What epoll gives back: one socket of a connection. */
typedef struct conn_end {
    tunnel_conn *conn;
    int fd;
    uint32_t events; /* that are watched; 0 and known = none */
    bool known;      /* to epoll */
} conn_end;

typedef struct conn_buffer {
    uint8_t bytes[BUFFER_BYTES];
    size_t at, size;
} conn_buffer;

struct tunnel_conn {
    tunnel_conn *next, *previous; /* under the tunnel's mutex */
    i8x_tunnel *tunnel;
    conn_state state;
    conn_end secure, plain;
    i8x_tls_stream *tls;
    i8x_tls_result last_read, last_write; /* what the TLS side waits for */
    conn_buffer in, out;                  /* from TLS; to TLS */
    bool greeted;                         /* the plain side has said something */
    int64_t deadline_ns;                  /* of every state but OPEN */
    struct addrinfo *addresses, *address; /* client: all, and the next to try */
    char peer[I8X_TUNNEL_PEER_SIZE], host[INET6_ADDRSTRLEN];
    char name[I8X_PKI_NAME_MAX + 1];
};

struct i8x_tunnel {
    bool server;
    char address[I8X_TUNNEL_PEER_SIZE + I8X_PKI_HOST_MAX];
    struct sockaddr_un path;
    i8x_tunnel_cb told;
    void *user;
    int epoll_fd, listen_fd, stop_fd;
    bool resting; /* no descriptors left: new connections wait for a tick */
    bool leaving; /* a connection may be LEAVING */
    pthread_t thread;
    bool runs;
    pthread_mutex_t mutex;
    i8x_tls_context *context;    /* under the mutex */
    tunnel_conn *first;          /* list under the mutex, connections the thread's */
    int open_count, early_count; /* under the mutex */
};

static int64_t now_ns(void)
{
    return i8x_clock_now_ns(NULL);
}

/* ---- epoll ---- */

static void watch(tunnel_conn *conn, conn_end *end, uint32_t events)
{
    if (end->fd < 0 || (end->known && end->events == events))
        return;
    struct epoll_event event = {.events = events, .data.ptr = end};
    int code = epoll_ctl(conn->tunnel->epoll_fd, end->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
                         end->fd, &event);
    if (code != 0) { /* no memory in the kernel: this connection cannot go on */
        conn->state = DEAD;
        return;
    }
    end->known = true;
    end->events = events;
}

static void watch_own(i8x_tunnel *tunnel, int fd, int *data, bool on)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};
    (void)epoll_ctl(tunnel->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event);
}

/* ---- connections ---- */

static void tell(const tunnel_conn *conn, bool refused, const char *reason)
{
    i8x_tunnel_event event = {.refused = refused};
    snprintf(event.peer, sizeof event.peer, "%s", conn->peer);
    snprintf(event.name, sizeof event.name, "%s", refused ? "" : conn->name);
    snprintf(event.reason, sizeof event.reason, "%s", reason);
    conn->tunnel->told(conn->tunnel->user, &event);
}

static void leave(tunnel_conn *conn);

static void refuse(tunnel_conn *conn, const char *reason)
{
    tell(conn, true, reason);
    leave(conn);
}

static tunnel_conn *add_conn(i8x_tunnel *tunnel, int secure_fd, int plain_fd)
{
    tunnel_conn *conn = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *conn);
    I8X_ASSERT(conn != NULL);
    conn->tunnel = tunnel;
    conn->secure = (conn_end){.conn = conn, .fd = secure_fd};
    conn->plain = (conn_end){.conn = conn, .fd = plain_fd};
    conn->deadline_ns = now_ns() + (int64_t)I8X_TLS_HANDSHAKE_MS * 1000000;
    pthread_mutex_lock(&tunnel->mutex);
    conn->next = tunnel->first;
    if (tunnel->first != NULL)
        tunnel->first->previous = conn;
    tunnel->first = conn;
    tunnel->early_count++;
    pthread_mutex_unlock(&tunnel->mutex);
    return conn;
}

static void free_conn(tunnel_conn *conn)
{
    i8x_tunnel *tunnel = conn->tunnel;
    pthread_mutex_lock(&tunnel->mutex);
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        tunnel->first = conn->next;
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    if (conn->name[0] != 0)
        tunnel->open_count--;
    else
        tunnel->early_count--;
    pthread_mutex_unlock(&tunnel->mutex);
    i8x_tls_stream_free(conn->tls);
    if (conn->secure.fd >= 0)
        close(conn->secure.fd);
    if (conn->plain.fd >= 0)
        close(conn->plain.fd);
    if (conn->addresses != NULL)
        freeaddrinfo(conn->addresses);
    i8x_wipe(&conn->in, sizeof conn->in); /* a HELLO's token passes here */
    i8x_wipe(&conn->out, sizeof conn->out);
    i8x_alloc_free(i8x_alloc_heap(), conn, sizeof *conn);
}

/*
 * An open connection ends. nng 1.5 takes a unix socket that is closed before it has said its
 * greeting for the end of its whole listener (or dialer), so this side waits for the greeting.
 */
static void leave(tunnel_conn *conn)
{
    conn->state = conn->greeted || conn->plain.fd < 0 ? DEAD : LEAVING;
    if (conn->state == DEAD)
        return;
    i8x_tls_stream_free(conn->tls);
    conn->tls = NULL;
    if (conn->secure.fd >= 0)
        close(conn->secure.fd);
    conn->secure.fd = -1;
    conn->deadline_ns = now_ns() + (int64_t)I8X_TLS_HANDSHAKE_MS * 1000000;
    conn->tunnel->leaving = true;
    watch(conn, &conn->plain, EPOLLIN);
}

static void free_dead(i8x_tunnel *tunnel)
{
    for (tunnel_conn *conn = tunnel->first, *next; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->state == DEAD)
            free_conn(conn);
    }
}

static void set_keepalive(int fd)
{
    int on = 1, idle = KEEPALIVE_IDLE_S, every = KEEPALIVE_EVERY_S, count = KEEPALIVE_COUNT;
    unsigned lost_ms = (KEEPALIVE_IDLE_S + KEEPALIVE_EVERY_S * KEEPALIVE_COUNT) * 1000u;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost_ms, sizeof lost_ms);
}

/* ---- steps before OPEN ---- */

static void start_handshake(tunnel_conn *conn)
{
    i8x_tunnel *tunnel = conn->tunnel;
    set_keepalive(conn->secure.fd);
    pthread_mutex_lock(&tunnel->mutex);
    i8x_status status = i8x_tls_stream_new(tunnel->context, conn->secure.fd, &conn->tls);
    pthread_mutex_unlock(&tunnel->mutex);
    if (status != I8X_OK)
        refuse(conn, i8x_last_error()->detail);
    else
        conn->state = HANDSHAKE;
}

/* Tries the addresses of the coordinator that are left, one at a time. */
static void try_connect(tunnel_conn *conn)
{
    int code = 0;
    while (conn->address != NULL) {
        const struct addrinfo *a = conn->address;
        conn->address = a->ai_next;
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0 && (connect(fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS)) {
            conn->secure = (conn_end){.conn = conn, .fd = fd};
            conn->state = CONNECTING;
            watch(conn, &conn->secure, EPOLLOUT);
            return;
        }
        code = errno;
        if (fd >= 0)
            close(fd);
    }
    refuse(conn, code != 0 ? strerror(code) : "no address of the coordinator can be reached");
}

static void check_connect(tunnel_conn *conn)
{
    int code = 0;
    socklen_t size = sizeof code;
    if (getsockopt(conn->secure.fd, SOL_SOCKET, SO_ERROR, &code, &size) == 0 && code == 0) {
        start_handshake(conn);
        return;
    }
    close(conn->secure.fd);
    conn->secure.fd = -1;
    if (conn->address != NULL)
        try_connect(conn);
    else
        refuse(conn, strerror(code));
}

/* "HOST:PORT" or "[HOST]:PORT" as two texts. */
static i8x_status split_address(const char *address, char host[I8X_PKI_HOST_MAX + 1],
                                const char **port)
{
    const char *colon = strrchr(address, ':');
    bool bracketed = address[0] == '[' && colon != NULL && colon > address && colon[-1] == ']';
    size_t size = colon == NULL ? 0 : (size_t)(colon - address) - (bracketed ? 2 : 0);
    I8X_ENSURE(colon != NULL && size > 0 && size <= I8X_PKI_HOST_MAX && colon[1] != 0, I8X_EARG,
               "link address '%.100s': wanted HOST:PORT", address);
    memcpy(host, address + bracketed, size);
    host[size] = 0;
    *port = colon + 1;
    return I8X_OK;
}

static void look_up(tunnel_conn *conn)
{
    char host[I8X_PKI_HOST_MAX + 1];
    const char *port;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    if (split_address(conn->tunnel->address, host, &port) != I8X_OK) {
        refuse(conn, i8x_last_error()->detail);
        return;
    }
    int code = getaddrinfo(host, port, &hints, &conn->addresses);
    conn->address = conn->addresses;
    if (code != 0)
        refuse(conn, gai_strerror(code));
    else
        try_connect(conn);
}

/* The certificate is good: the other socket may come in. */
static void open_conn(tunnel_conn *conn)
{
    i8x_tunnel *tunnel = conn->tunnel;
    char name[I8X_PKI_NAME_MAX + 1];
    if (tunnel->server) {
        conn->plain.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (conn->plain.fd < 0 || connect(conn->plain.fd, (const struct sockaddr *)&tunnel->path,
                                          sizeof tunnel->path) != 0) {
            refuse(conn, strerror(errno));
            return;
        }
    }
    i8x_tls_peer_name(conn->tls, name);
    pthread_mutex_lock(&tunnel->mutex);
    snprintf(conn->name, sizeof conn->name, "%s", name[0] != 0 ? name : "?");
    tunnel->early_count--;
    tunnel->open_count++;
    pthread_mutex_unlock(&tunnel->mutex);
    conn->state = OPEN;
    conn->last_read = conn->last_write = I8X_TLS_WANTS_READ;
    tell(conn, false, "");
}

static void shake_hands(tunnel_conn *conn)
{
    switch (i8x_tls_handshake(conn->tls)) {
    case I8X_TLS_DONE:
        open_conn(conn);
        break;
    case I8X_TLS_WANTS_READ:
        watch(conn, &conn->secure, EPOLLIN);
        break;
    case I8X_TLS_WANTS_WRITE:
        watch(conn, &conn->secure, EPOLLOUT);
        break;
    default:
        refuse(conn, i8x_tls_reason(conn->tls));
    }
}

/* ---- carrying ---- */

/* TLS -> in -> plain. True if anything moved. A client learns by its first read that the server did
 * not like its certificate: TLS 1.3 is done earlier at its side. */
static bool carry_in(tunnel_conn *conn)
{
    conn_buffer *in = &conn->in;
    if (in->size == 0) {
        size_t got = 0;
        conn->last_read = i8x_tls_read(conn->tls, in->bytes, sizeof in->bytes, &got);
        if (conn->last_read == I8X_TLS_FAILED && !conn->tunnel->server)
            tell(conn, true, i8x_tls_reason(conn->tls));
        if (conn->last_read == I8X_TLS_FAILED || conn->last_read == I8X_TLS_ENDED)
            leave(conn);
        in->at = 0;
        in->size = conn->last_read == I8X_TLS_DONE ? got : 0;
        if (in->size == 0)
            return false;
    }
    ssize_t put = send(conn->plain.fd, in->bytes + in->at, in->size, MSG_NOSIGNAL);
    if (put < 0) {
        conn->state = errno == EAGAIN || errno == EINTR ? conn->state : DEAD;
        return errno == EINTR;
    }
    in->at += (size_t)put;
    in->size -= (size_t)put;
    return true;
}

/* plain -> out -> TLS. True if anything moved. */
static bool carry_out(tunnel_conn *conn)
{
    conn_buffer *out = &conn->out;
    if (out->size == 0) {
        ssize_t got = recv(conn->plain.fd, out->bytes, sizeof out->bytes, 0);
        if (got <= 0) {
            conn->state = got < 0 && (errno == EAGAIN || errno == EINTR) ? conn->state : DEAD;
            conn->last_write = I8X_TLS_DONE; /* nothing to write */
            return got < 0 && errno == EINTR;
        }
        out->at = 0;
        out->size = (size_t)got;
        conn->greeted = true;
    }
    size_t put = 0;
    conn->last_write = i8x_tls_write(conn->tls, out->bytes + out->at, out->size, &put);
    if (conn->last_write == I8X_TLS_FAILED || conn->last_write == I8X_TLS_ENDED)
        leave(conn);
    if (conn->last_write != I8X_TLS_DONE)
        return false;
    out->at += put;
    out->size -= put;
    return true;
}

/* What each socket is good for now. */
static void watch_open(tunnel_conn *conn)
{
    uint32_t secure = 0, plain = 0;
    if (conn->in.size == 0)
        secure |= conn->last_read == I8X_TLS_WANTS_WRITE ? EPOLLOUT : EPOLLIN;
    else
        plain |= EPOLLOUT;
    if (conn->out.size == 0)
        plain |= EPOLLIN;
    else
        secure |= conn->last_write == I8X_TLS_WANTS_READ ? EPOLLIN : EPOLLOUT;
    watch(conn, &conn->secure, secure);
    watch(conn, &conn->plain, plain);
}

static void carry(tunnel_conn *conn)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        bool moved = carry_in(conn);
        if (conn->state == OPEN)
            moved |= carry_out(conn);
        if (conn->state != OPEN)
            return;
        if (!moved) {
            watch_open(conn);
            return;
        }
    }
    /* others wait: come back at once, since TLS may hold bytes that epoll does not see */
    watch(conn, &conn->secure, EPOLLIN | EPOLLOUT);
}

static void drive(tunnel_conn *conn)
{
    if (conn->state == CONNECTING)
        check_connect(conn);
    if (conn->state == HANDSHAKE)
        shake_hands(conn);
    if (conn->state == OPEN)
        carry(conn);
}

/* ---- arrivals ---- */

static void name_peer(tunnel_conn *conn, const struct sockaddr_storage *from)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
    if (from->ss_family == AF_INET6 &&
        inet_ntop(AF_INET6, &v6->sin6_addr, conn->host, sizeof conn->host) != NULL)
        snprintf(conn->peer, sizeof conn->peer, "[%s]:%d", conn->host, ntohs(v6->sin6_port));
    else if (from->ss_family == AF_INET &&
             inet_ntop(AF_INET, &v4->sin_addr, conn->host, sizeof conn->host) != NULL)
        snprintf(conn->peer, sizeof conn->peer, "%s:%d", conn->host, ntohs(v4->sin_port));
    else
        snprintf(conn->peer, sizeof conn->peer, "?");
}

static const char *too_many(const i8x_tunnel *tunnel, const tunnel_conn *fresh)
{
    int same = 0;
    for (const tunnel_conn *conn = tunnel->first; conn != NULL; conn = conn->next)
        same += conn != fresh && conn->state != OPEN && strcmp(conn->host, fresh->host) == 0;
    if (tunnel->open_count >= I8X_WORKERS_MAX)
        return "as many connections stand as may";
    if (tunnel->early_count > I8X_TLS_HANDSHAKES_MAX)
        return "too many handshakes at once";
    return same >= I8X_TLS_HANDSHAKES_PER_IP_MAX ? "too many handshakes of this address at once"
                                                 : NULL;
}

static void rest(i8x_tunnel *tunnel)
{
    watch_own(tunnel, tunnel->listen_fd, &tunnel->listen_fd, false);
    tunnel->resting = true;
}

static void accept_all(i8x_tunnel *tunnel)
{
    for (int i = 0; i < EVENTS_MAX; i++) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof from;
        int fd = accept4(tunnel->listen_fd, (struct sockaddr *)&from, &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS))
            rest(tunnel);
        if (fd < 0)
            return;
        tunnel_conn *conn = add_conn(tunnel, tunnel->server ? fd : -1, tunnel->server ? -1 : fd);
        if (!tunnel->server) {
            snprintf(conn->peer, sizeof conn->peer, "%.71s", tunnel->address);
            look_up(conn);
            continue;
        }
        name_peer(conn, &from);
        const char *reason = too_many(tunnel, conn);
        if (reason != NULL)
            refuse(conn, reason);
        else
            start_handshake(conn);
        drive(conn);
    }
}

static void look_at_deadlines(i8x_tunnel *tunnel)
{
    int64_t now = now_ns();
    bool leaving = false;
    for (tunnel_conn *conn = tunnel->first; conn != NULL; conn = conn->next) {
        leaving |= conn->state == LEAVING;
        if (now <= conn->deadline_ns)
            continue;
        if (conn->state == CONNECTING || conn->state == HANDSHAKE)
            refuse(conn, "no handshake in time");
        else if (conn->state == LEAVING)
            conn->state = DEAD;
    }
    tunnel->leaving = leaving;
    if (tunnel->resting) {
        tunnel->resting = false;
        watch_own(tunnel, tunnel->listen_fd, &tunnel->listen_fd, true);
    }
}

static void on_event(conn_end *end, uint32_t events)
{
    tunnel_conn *conn = end->conn;
    if (conn->state == DEAD)
        return;
    if (conn->state == LEAVING) {
        if (end == &conn->plain) /* the greeting, or the end */
            conn->state = DEAD;
        return;
    }
    drive(conn);
    /* a socket that is gone stays ready for ever: what could be carried has been */
    if (conn->state == OPEN && (events & (EPOLLHUP | EPOLLERR)) != 0)
        leave(conn);
}

static void *run(void *user)
{
    i8x_tunnel *tunnel = user;
    int64_t tick_ns = now_ns();
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        bool early = tunnel->early_count > 0 || tunnel->leaving || tunnel->resting;
        int count = epoll_wait(tunnel->epoll_fd, events, EVENTS_MAX, early ? TICK_MS : -1);
        for (int i = 0; i < count; i++) {
            void *what = events[i].data.ptr;
            if (what == &tunnel->stop_fd)
                return NULL;
            if (what == &tunnel->listen_fd)
                accept_all(tunnel);
            else
                on_event(what, events[i].events);
        }
        if (now_ns() - tick_ns > (int64_t)TICK_MS * 1000000) {
            look_at_deadlines(tunnel);
            tick_ns = now_ns();
        }
        free_dead(tunnel);
    }
}

/* ---- start and stop ---- */

static i8x_status set_path(i8x_tunnel *tunnel, const char *path)
{
    I8X_ENSURE(strlen(path) < sizeof tunnel->path.sun_path, I8X_EARG,
               "'%.120s': a socket's path has at most %zu bytes; a folder with a shorter path is "
               "wanted",
               path, sizeof tunnel->path.sun_path - 1);
    tunnel->path.sun_family = AF_UNIX;
    snprintf(tunnel->path.sun_path, sizeof tunnel->path.sun_path, "%s", path);
    return I8X_OK;
}

static i8x_status bind_unix(i8x_tunnel *tunnel)
{
    unlink(tunnel->path.sun_path); /* of an earlier life: the folder has one owner */
    tunnel->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    I8X_ENSURE(tunnel->listen_fd >= 0 &&
                   bind(tunnel->listen_fd, (const struct sockaddr *)&tunnel->path,
                        sizeof tunnel->path) == 0 &&
                   listen(tunnel->listen_fd, BACKLOG) == 0,
               I8X_EIO, "cannot listen on %s: %s", tunnel->path.sun_path, strerror(errno));
    return I8X_OK;
}

static i8x_status bind_tcp(i8x_tunnel *tunnel, int *port)
{
    char host[I8X_PKI_HOST_MAX + 1];
    const char *service;
    I8X_TRY(split_address(tunnel->address, host, &service));
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int on = 1,
        code = getaddrinfo(strcmp(host, "*") == 0 ? "0.0.0.0" : host, service, &hints, &found);
    I8X_ENSURE(code == 0, I8X_EARG, "link address '%.100s': %s", tunnel->address,
               gai_strerror(code));
    tunnel->listen_fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool good = tunnel->listen_fd >= 0 &&
                setsockopt(tunnel->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                bind(tunnel->listen_fd, found->ai_addr, found->ai_addrlen) == 0 &&
                listen(tunnel->listen_fd, BACKLOG) == 0;
    int saved_errno = errno;
    freeaddrinfo(found);
    I8X_ENSURE(good, I8X_EIO, "cannot listen on %.100s: %s", tunnel->address,
               strerror(saved_errno));
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    memset(&bound, 0, sizeof bound);
    if (port != NULL && getsockname(tunnel->listen_fd, (struct sockaddr *)&bound, &size) == 0)
        *port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                  : ((struct sockaddr_in *)&bound)->sin_port);
    return I8X_OK;
}

static i8x_status start_thread(i8x_tunnel *tunnel)
{
    tunnel->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    tunnel->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    I8X_ENSURE(tunnel->epoll_fd >= 0 && tunnel->stop_fd >= 0, I8X_EIO, "link tunnel: %s",
               strerror(errno));
    watch_own(tunnel, tunnel->stop_fd, &tunnel->stop_fd, true);
    watch_own(tunnel, tunnel->listen_fd, &tunnel->listen_fd, true);
    sigset_t all, before;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    tunnel->runs = pthread_create(&tunnel->thread, NULL, run, tunnel) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    I8X_ENSURE(tunnel->runs, I8X_ENOMEM, "no thread for the link's tunnel");
    return I8X_OK;
}

static i8x_status open_tunnel(i8x_tunnel *tunnel, const i8x_tunnel_opts *opts, int *port)
{
    char host[I8X_PKI_HOST_MAX + 1];
    const char *service;
    I8X_TRY(split_address(opts->address, host, &service));
    snprintf(tunnel->address, sizeof tunnel->address, "%s", opts->address);
    I8X_TRY(set_path(tunnel, opts->path));
    I8X_TRY(i8x_tls_context_new(&opts->tls, &tunnel->context));
    I8X_TRY(tunnel->server ? bind_tcp(tunnel, port) : bind_unix(tunnel));
    return start_thread(tunnel);
}

i8x_status i8x_tunnel_new(const i8x_tunnel_opts *opts, i8x_tunnel **tunnel, int *port)
{
    i8x_tunnel *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->server = opts->tls.server;
    made->told = opts->told;
    made->user = opts->user;
    made->epoll_fd = made->listen_fd = made->stop_fd = -1;
    pthread_mutex_init(&made->mutex, NULL);
    i8x_status status = open_tunnel(made, opts, port);
    if (status != I8X_OK) {
        i8x_tunnel_free(made);
        return status;
    }
    *tunnel = made;
    return I8X_OK;
}

i8x_status i8x_tunnel_renew(i8x_tunnel *tunnel, const i8x_tls_opts *tls)
{
    i8x_tls_context *fresh = NULL;
    I8X_TRY(i8x_tls_context_new(tls, &fresh));
    pthread_mutex_lock(&tunnel->mutex);
    i8x_tls_context *old = tunnel->context;
    tunnel->context = fresh;
    pthread_mutex_unlock(&tunnel->mutex);
    i8x_tls_context_free(old);
    return I8X_OK;
}

bool i8x_tunnel_find(i8x_tunnel *tunnel, const char *name, char peer[I8X_TUNNEL_PEER_SIZE])
{
    bool found = false;
    pthread_mutex_lock(&tunnel->mutex);
    for (const tunnel_conn *conn = tunnel->first; conn != NULL && !found; conn = conn->next) {
        found = name[0] != 0 && strcmp(conn->name, name) == 0;
        if (found && peer != NULL)
            memcpy(peer, conn->peer, I8X_TUNNEL_PEER_SIZE);
    }
    pthread_mutex_unlock(&tunnel->mutex);
    return found;
}

int i8x_tunnel_count(i8x_tunnel *tunnel)
{
    pthread_mutex_lock(&tunnel->mutex);
    int count = tunnel->open_count;
    pthread_mutex_unlock(&tunnel->mutex);
    return count;
}

void i8x_tunnel_free(i8x_tunnel *tunnel)
{
    if (tunnel == NULL)
        return;
    uint64_t one = 1;
    if (tunnel->runs && write(tunnel->stop_fd, &one, sizeof one) == sizeof one)
        pthread_join(tunnel->thread, NULL);
    while (tunnel->first != NULL)
        free_conn(tunnel->first);
    if (tunnel->listen_fd >= 0)
        close(tunnel->listen_fd);
    if (!tunnel->server && tunnel->listen_fd >= 0)
        unlink(tunnel->path.sun_path);
    if (tunnel->epoll_fd >= 0)
        close(tunnel->epoll_fd);
    if (tunnel->stop_fd >= 0)
        close(tunnel->stop_fd);
    i8x_tls_context_free(tunnel->context);
    pthread_mutex_destroy(&tunnel->mutex);
    i8x_alloc_free(i8x_alloc_heap(), tunnel, sizeof *tunnel);
}
