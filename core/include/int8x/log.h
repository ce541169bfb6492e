/* SPDX-License-Identifier: Apache-2.0
 *
 * Log: one line of logfmt per event: time, level, event name, thread, then key=value pairs.
 *
 *     i8x_log(I8X_LOG_INFO, "lease_granted", "job=%s task=%d worker=%s", job, task, worker);
 *
 * Values with spaces, quotes or control bytes are quoted by i8x_log_quote. Thread-safe. The sink is
 * set once at program start (default: standard error, level info).
 */
#ifndef INT8X_LOG_H
#define INT8X_LOG_H

#include <stddef.h>

#include "int8x/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum i8x_log_level {
    I8X_LOG_ERROR,
    I8X_LOG_WARN,
    I8X_LOG_INFO,
    I8X_LOG_DEBUG
} i8x_log_level;

/** line: one whole line without the newline; borrowed. */
typedef void (*i8x_log_sink_fn)(i8x_log_level level, const char *line, void *user);

/** sink NULL = standard error. Lines above max_level are dropped before they are formatted. */
I8X_EXPORT void i8x_log_configure(i8x_log_level max_level, i8x_log_sink_fn sink, void *user);
/** Level named "error", "warn", "info" or "debug". Errors: I8X_EARG. */
I8X_FALLIBLE i8x_status i8x_log_level_parse(const char *name, i8x_log_level *level);
/** format gives the key=value part; may be "". Lines are cut at 1,024 bytes. */
I8X_EXPORT void i8x_log(i8x_log_level level, const char *event, const char *format, ...)
    I8X_PRINTF(3, 4);
/** Writes text as one logfmt value ("..." with escapes where needed) into buffer; returns buffer.
 */
I8X_EXPORT const char *i8x_log_quote(const char *text, char *buffer, size_t size_bytes);

#ifdef __cplusplus
}
#endif
#endif
