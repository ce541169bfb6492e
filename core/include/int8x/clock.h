/* SPDX-License-Identifier: Apache-2.0
 *
 * Clock: monotonic time behind a function pointer (tests put a fake one there), and what this
 * process has used. Times are for reports and timeouts, never for anything that is hashed.
 * Thread-safe.
 */
#ifndef INT8X_CLOCK_H
#define INT8X_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "int8x/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct i8x_clock {
    int64_t (*now_ns)(void *user); /* never goes back */
    void *user;
} i8x_clock;

/** The system's monotonic clock. Static. */
I8X_EXPORT const i8x_clock *i8x_clock_monotonic(void);
/** Now, in nanoseconds from an unknown start; clock NULL = the monotonic one. */
I8X_EXPORT int64_t i8x_clock_now_ns(const i8x_clock *clock);
/** Processor time of all threads of this process, nanoseconds. */
I8X_EXPORT int64_t i8x_clock_process_cpu_ns(void);
/** Most memory this process has had resident (VmHWM of /proc/self/status); 0 if unknown. */
I8X_EXPORT size_t i8x_clock_peak_rss_bytes(void);

#ifdef __cplusplus
}
#endif
#endif
