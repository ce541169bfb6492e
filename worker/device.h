/* SPDX-License-Identifier: Apache-2.0
 *
 * Device: what this machine is. Read once, below a root folder that holds proc/ and sys/ ("" is
 * this machine). Control groups count: a container of two processors and 4 GiB says so.
 * Thread-safe.
 *
 *     i8x_device device; i8x_device_read("", &device);   // device.cores, device.model ...
 */
#ifndef I8X_WORKER_DEVICE_H
#define I8X_WORKER_DEVICE_H

#include <stdint.h>

#include "proto/limits.h"

typedef struct i8x_device {
    char model[I8X_WIRE_NAME_MAX + 1];        /* "Raspberry Pi 4 Model B Rev 1.4", "" = unknown */
    char features[I8X_WIRE_FEATURES_MAX + 1]; /* int8x/cpu.h */
    int cores;             /* processors this process may use: affinity and quota; at least 1 */
    uint64_t memory_bytes; /* of the machine or of the control group; 0 = unknown */
} i8x_device;

void i8x_device_read(const char *root, i8x_device *device);
/** Processors that a quota of the control groups of this process allows, rounded up; 0 = no quota.
 */
int i8x_device_quota_cores(const char *root);
/** Bytes that may still be taken without swapping, in the machine and in the control groups; 0 =
 * unknown. */
uint64_t i8x_device_memory_available(const char *root);

#endif
