/* SPDX-License-Identifier: Apache-2.0
 *
 * Guard: what a child may do and take. The memory limit counts private writable memory
 * (RLIMIT_DATA), so mapped input files are free; the agent also watches the resident size, for
 * systems that ignore the limit (user-mode emulation does).
 */
#ifndef I8X_WORKER_GUARD_H
#define I8X_WORKER_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** For a new child: dies with its parent, gains no privileges, dumps no core, ignores SIGINT and
 * SIGTERM. */
void i8x_guard_child(void);
/** Limits the memory of this process to that of a task and what a process has beside it. 0 = no
 * limit. */
void i8x_guard_memory(uint64_t memory_bytes, int threads);
/** Private resident bytes of another process, 0 if unknown. */
uint64_t i8x_guard_resident_bytes(pid_t pid);
/** False where the numbers of a process are a sanitizer's. */
bool i8x_guard_watches_memory(void);

#endif
