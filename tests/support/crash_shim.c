/* SPDX-License-Identifier: Apache-2.0
 *
 * Crash shim: preloaded into a program, it counts the calls that change files and ends the process
 * by SIGKILL instead of carrying out call number INT8X_CRASH_CALL: a crash at any chosen moment of
 * the program's dealings with the disk. Without that variable it writes how many calls there were
 * to the file INT8X_CRASH_COUNT when the process ends.
 *
 *     LD_PRELOAD=libcrash_shim.so INT8X_CRASH_CALL=17 int8xd --data DIR ...
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

__attribute__((constructor)) static void start(void)
{
    const char *text = getenv("INT8X_CRASH_CALL");
    crash_at = text != NULL ? strtol(text, NULL, 10) : 0;
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

static void count(void)
{
    if (atomic_fetch_add(&calls, 1) + 1 == crash_at)
        kill(getpid(), SIGKILL);
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
        count();
    return real(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    REAL(pwrite)
    count();
    return real(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    REAL(pwrite64)
    count();
    return real(fd, bytes, size, offset);
}

int fsync(int fd)
{
    REAL(fsync)
    count();
    return real(fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync)
    count();
    return real(fd);
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate)
    count();
    return real(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    REAL(ftruncate64)
    count();
    return real(fd, size);
}

int rename(const char *from, const char *to)
{
    REAL(rename)
    count();
    return real(from, to);
}

int unlink(const char *path)
{
    REAL(unlink)
    count();
    return real(path);
}
