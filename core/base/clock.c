/* SPDX-License-Identifier: Apache-2.0
 *
 * Monotonic time, processor time and the peak of resident memory of this process. ru_maxrss may
 * have begun with the peak of the program that started this one. Once VmHWM of /proc/self/status,
 * which costs more to read, has reached it, the two are the same for good.
 */
#include "core/base/clock.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STATUS_SIZE                                                                                \
    4096 /* /proc/self/status is about 1.5 KB; VmHWM stands in its first kilobyte                  \
          */

static int64_t read_clock(clockid_t id)
{
    struct timespec now = {0};
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t monotonic_now(void *user)
{
    (void)user;
    return read_clock(CLOCK_MONOTONIC);
}

const i8x_clock *i8x_clock_monotonic(void)
{
    static const i8x_clock monotonic = {monotonic_now, NULL};
    return &monotonic;
}

int64_t i8x_clock_now_ns(const i8x_clock *clock)
{
    return clock != NULL ? clock->now_ns(clock->user) : monotonic_now(NULL);
}

int64_t i8x_clock_process_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static size_t read_high_water(void)
{
    char text[STATUS_SIZE];
    const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    const ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    const char *digit = strstr(text, "VmHWM:");
    if (digit == NULL)
        return 0;
    size_t kilobytes = 0;
    for (digit += strlen("VmHWM:"); *digit == ' ' || *digit == '\t'; digit++)
        continue;
    for (; *digit >= '0' && *digit <= '9'; digit++)
        kilobytes = kilobytes * 10 + (size_t)(*digit - '0');
    return kilobytes * 1024;
}

size_t i8x_clock_peak_rss_bytes(void)
{
    static atomic_bool same;
    struct rusage usage = {0};
    const bool known = getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_maxrss > 0;
    const size_t peak = (size_t)usage.ru_maxrss * 1024;
    if (known && atomic_load_explicit(&same, memory_order_relaxed))
        return peak;
    const size_t mark = read_high_water();
    if (known && peak <= mark)
        atomic_store_explicit(&same, true, memory_order_relaxed);
    return mark;
}
