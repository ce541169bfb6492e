/* SPDX-License-Identifier: Apache-2.0
 *
 * Crash shim: preloaded into a program, it counts the calls that change files and ends the process
 * by SIGKILL instead of carrying out call number INT8X_CRASH_CALL: a crash at any chosen moment of
 * the program's dealings with the disk. Without that variable it writes how many calls there were
 * to the file INT8X_CRASH_COUNT when the process ends.
 *
 *     LD_PRELOAD=crash_shim.so INT8X_CRASH_CALL=17 int8xd --data DIR ...
 *
 * A moment can also be named: INT8X_CRASH_ORDER is a file that may come to be while the program
 * runs; the process ends before the first call on a path that contains the file's text.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;
static long crash_at;
static const char *order_path;

__attribute__((constructor)) static void start(void)
{
    const char *text = getenv("INT8X_CRASH_CALL");
    crash_at = text != NULL ? strtol(text, NULL, 10) : 0;
    order_path = getenv("INT8X_CRASH_ORDER");
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("INT8X_CRASH_COUNT");
    FILE *file = path != NULL ? fopen(path, "w") : NULL;
    if (file == NULL)
        return;
    fprintf(file, "%ld\n", atomic_load(&calls));
    fclose(file);
}

/* Only files count: what goes to sockets, pipes and the log is no dealing with the disk. */
static int is_file(int fd)
{
    struct stat info;
    int flags = fcntl(fd, F_GETFL);
    return fd > 2 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && flags >= 0;
}

static int is_ordered(const char *path)
{
    char order[256] = "";
    int fd = order_path != NULL ? open(order_path, O_RDONLY) : -1;
    if (fd < 0)
        return 0;
    ssize_t size = read(fd, order, sizeof order - 1);
    close(fd);
    return size > 0 && strstr(path, order) != NULL;
}

static void count(const char *path)
{
    if (atomic_fetch_add(&calls, 1) + 1 == crash_at || is_ordered(path))
        kill(getpid(), SIGKILL);
}

static void count_fd(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = 0;
    count(path);
}

/* The C library's own function of that name; dlsym gives a data pointer, hence the copy. */
#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (real == NULL) {                                                                            \
        void *symbol = dlsym(RTLD_NEXT, #name);                                                    \
        memcpy(&real, &symbol, sizeof real);                                                       \
    }

ssize_t write(int fd, const void *bytes, size_t size)
{
    REAL(write)
    if (is_file(fd))
        count_fd(fd);
    return real(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    REAL(pwrite)
    count_fd(fd);
    return real(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    REAL(pwrite64)
    count_fd(fd);
    return real(fd, bytes, size, offset);
}

int fsync(int fd)
{
    REAL(fsync)
    count_fd(fd);
    return real(fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync)
    count_fd(fd);
    return real(fd);
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate)
    count_fd(fd);
    return real(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    REAL(ftruncate64)
    count_fd(fd);
    return real(fd, size);
}

int rename(const char *from, const char *to)
{
    REAL(rename)
    count(to);
    return real(from, to);
}

int unlink(const char *path)
{
    REAL(unlink)
    count(path);
    return real(path);
}
