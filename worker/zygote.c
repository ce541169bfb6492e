/* SPDX-License-Identifier: Apache-2.0
 *
 * Two commands over a socket: spawn (answered with the pid and, as ancillary data, the slot's
 * socket) and reap. A slot that died stays a zombie until it is reaped, so its pid cannot mean
 * another process, and the kill that comes first does not change how it ended.
 */
#include "worker/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "worker/guard.h"
#include "worker/slot.h"

typedef enum zygote_op { ZYGOTE_SPAWN, ZYGOTE_REAP } zygote_op;

typedef struct zygote_command {
    int32_t op, number, pid;
} zygote_command;

typedef struct zygote_answer {
    int32_t pid, status; /* pid -1: it did not work */
} zygote_answer;

struct i8x_zygote {
    pid_t pid;
    int fd;
    pthread_mutex_t mutex;
};

typedef union fd_message { /* ancillary data wants its own alignment */
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
} fd_message;

char *i8x_zygote_stderr(const char *cache_folder, int number, char *path, size_t size)
{
    snprintf(path, size, "%s/tmp/slot%d.stderr", cache_folder, number);
    return path;
}

/* ---- in the zygote ---- */

static void answer(int fd, zygote_answer what, int passed_fd)
{
    struct iovec part = {&what, sizeof what};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    fd_message control = {{0}};
    if (passed_fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &passed_fd, sizeof(int));
    }
    if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
        _exit(0); /* the agent is gone, and with us the slots */
}

static void slot_process(int command_fd, int slot_fd, int number, const char *folder)
{
    close(command_fd);
    i8x_guard_child();
    char path[PATH_MAX];
    int file = open(i8x_zygote_stderr(folder, number, path, sizeof path),
                    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    if (file < 0)
        file = open("/dev/null", O_WRONLY | O_CLOEXEC); /* disk full: not the agent's own log */
    if (file >= 0)
        dup2(file, STDERR_FILENO);
    i8x_slot_main(slot_fd, number, folder);
}

static void spawn_slot(int fd, int number, const char *folder)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        answer(fd, (zygote_answer){-1, errno}, -1);
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        slot_process(fd, pair[1], number, folder);
    }
    close(pair[1]);
    answer(fd, (zygote_answer){pid, errno}, pid > 0 ? pair[0] : -1);
    close(pair[0]);
}

static void reap_slot(int fd, pid_t pid)
{
    int status = 0;
    kill(pid, SIGKILL);
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    answer(fd, (zygote_answer){got == pid ? pid : -1, status}, -1);
}

static void zygote_main(int fd, const char *folder, int nice_value)
{
    i8x_guard_child(); /* children of ours get SIGKILL when this process ends */
    setpriority(PRIO_PROCESS, 0, nice_value); /* raising it is always allowed */
    zygote_command command;
    for (;;) {
        ssize_t got = recv(fd, &command, sizeof command, MSG_WAITALL);
        if (got < 0 && errno == EINTR)
            continue;
        if (got != (ssize_t)sizeof command)
            _exit(0);
        if (command.op == ZYGOTE_SPAWN)
            spawn_slot(fd, command.number, folder);
        else
            reap_slot(fd, command.pid);
    }
}

/* ---- in the agent ---- */

pid_t i8x_zygote_pid(const i8x_zygote *zygote)
{
    return zygote->pid;
}

i8x_status i8x_zygote_new(const char *cache_folder, int nice_value, i8x_zygote **zygote)
{
    int pair[2];
    I8X_ENSURE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, I8X_EIO,
               "socketpair: %s", strerror(errno));
    i8x_zygote *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->pid = fork();
    if (made->pid == 0) {
        close(pair[0]);
        zygote_main(pair[1], cache_folder, nice_value);
    }
    close(pair[1]);
    made->fd = pair[0];
    pthread_mutex_init(&made->mutex, NULL);
    if (made->pid < 0) {
        i8x_zygote_free(made);
        I8X_FAIL(I8X_EIO, "fork: %s", strerror(errno));
    }
    *zygote = made;
    return I8X_OK;
}

/* One command and its answer; *passed_fd is -1 or a socket. */
static i8x_status ask(i8x_zygote *zygote, const zygote_command *command, zygote_answer *reply,
                      int *passed_fd)
{
    *passed_fd = -1;
    I8X_ENSURE(send(zygote->fd, command, sizeof *command, MSG_NOSIGNAL) == (ssize_t)sizeof *command,
               I8X_EIO, "the process that forks slots is gone");
    fd_message control;
    struct iovec part = {reply, sizeof *reply};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t got;
    do
        got = recvmsg(zygote->fd, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    I8X_ENSURE(got == (ssize_t)sizeof *reply, I8X_EIO, "the process that forks slots is gone");
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head != NULL && head->cmsg_type == SCM_RIGHTS)
        memcpy(passed_fd, CMSG_DATA(head), sizeof(int));
    return I8X_OK;
}

i8x_status i8x_zygote_spawn(i8x_zygote *zygote, int number, pid_t *pid, int *fd)
{
    zygote_command command = {.op = ZYGOTE_SPAWN, .number = number};
    zygote_answer reply = {0};
    pthread_mutex_lock(&zygote->mutex);
    i8x_status status = ask(zygote, &command, &reply, fd);
    pthread_mutex_unlock(&zygote->mutex);
    I8X_TRY(status);
    I8X_ENSURE(reply.pid > 0 && *fd >= 0, I8X_EIO, "no new slot: %s", strerror(reply.status));
    *pid = reply.pid;
    return I8X_OK;
}

i8x_status i8x_zygote_reap(i8x_zygote *zygote, pid_t pid, int *status)
{
    zygote_command command = {.op = ZYGOTE_REAP, .pid = pid};
    zygote_answer reply = {0};
    int none;
    pthread_mutex_lock(&zygote->mutex);
    i8x_status asked = ask(zygote, &command, &reply, &none);
    pthread_mutex_unlock(&zygote->mutex);
    I8X_TRY(asked);
    I8X_ENSURE(reply.pid == pid, I8X_EIO, "slot %d is not there to be reaped", (int)pid);
    *status = reply.status;
    return I8X_OK;
}

void i8x_zygote_free(i8x_zygote *zygote)
{
    if (zygote == NULL)
        return;
    close(zygote->fd);
    if (zygote->pid > 0)
        waitpid(zygote->pid, NULL, 0);
    pthread_mutex_destroy(&zygote->mutex);
    i8x_alloc_free(i8x_alloc_heap(), zygote, sizeof *zygote);
}
