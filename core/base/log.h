/* SPDX-License-Identifier: Apache-2.0
 *
 * Log, private part: the last words of a process. Everything else is in int8x/log.h.
 */
#ifndef I8X_BASE_LOG_H
#define I8X_BASE_LOG_H

#include "int8x/log.h"

/** Writes "int8x: <text>" and a newline to standard error with one write(2), past sink and level;
 * async-signal-safe. */
void i8x_log_last_words(const char *text);

#endif
