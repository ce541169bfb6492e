/* SPDX-License-Identifier: Apache-2.0
 *
 * Made root: trees of /proc and /sys of machines that we do not have, in a temporary folder.
 */
#ifndef I8X_TESTS_MADE_ROOT_H
#define I8X_TESTS_MADE_ROOT_H

#include <stddef.h>

#include "tests/support/temp_dir.h"

/** Writes root/path, with the folders on the way. */
void made_root_put(i8x_temp_dir *root, const char *path, const char *text);
void made_root_put_bytes(i8x_temp_dir *root, const char *path, const void *bytes, size_t size);
/** Raspberry Pi 4: one cluster, throttled by its firmware, one thermal zone. */
void made_root_rpi4(i8x_temp_dir *root);
/** Jetson Nano: PMIC-Die at a constant 100 degrees, a fan that turns, cpu-balanced holding back. */
void made_root_jetson(i8x_temp_dir *root);
/** x86 server: DMI, coretemp in hwmon, 8 of its processors by a control group of version 2. */
void made_root_server(i8x_temp_dir *root);

#endif
