/* SPDX-License-Identifier: Apache-2.0
 *
 * rlimits and prctl. Under a sanitizer the shadow memory would be counted, so limits are left out
 * there.
 */
#include "worker/guard.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/limits.h"

#define STACK_BYTES (8u << 20) /* of one thread, as the C library makes them */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

bool i8x_guard_watches_memory(void)
{
    return !sanitized;
}

void i8x_guard_child(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    sigset_t all;
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

void i8x_guard_memory(uint64_t memory_bytes, int threads)
{
    if (memory_bytes == 0 || sanitized)
        return;
    static rlim_t set; /* of this process: most tasks have the limit of the one before */
    rlim_t limit = (rlim_t)(memory_bytes + I8X_SLOT_SLACK_BYTES + (uint64_t)threads * STACK_BYTES);
    if (limit == set)
        return;
    struct rlimit limits;
    if (getrlimit(RLIMIT_DATA, &limits) != 0)
        return;
    if (limits.rlim_max == RLIM_INFINITY || limit < limits.rlim_max)
        limits.rlim_cur = limit; /* the hard limit stays, the next task may have another one */
    if (setrlimit(RLIMIT_DATA, &limits) == 0)
        set = limit;
}

uint64_t i8x_guard_resident_bytes(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    unsigned long long size = 0, resident = 0, shared = 0;
    int fields = fscanf(file, "%llu %llu %llu", &size, &resident, &shared);
    fclose(file);
    return fields == 3 && resident > shared ? (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE)
                                            : 0;
}
