/* SPDX-License-Identifier: Apache-2.0
 *
 * Model: the device tree's on ARM boards, DMI's on PCs (without what vendors put there when they
 * have nothing to say), the processor's name otherwise. Control groups: version 2 (cpu.max,
 * memory.max) and version 1 (cpu.cfs_quota_us, memory.limit_in_bytes); every group from our own up
 * to the root limits us, and inside a container the path of /proc/self/cgroup may be the host's, so
 * a group that is not there is skipped.
 */
#include "worker/device.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "int8x/cpu.h"
#include "worker/sysfile.h"

#define GROUP_PATH_SIZE 512
#define MEMORY_MAX ((int64_t)1 << 50) /* a limit beyond it is no limit */

/* ---- model ---- */

static bool is_filler(const char *text)
{
    static const char *const fillers[] = {"To Be Filled By O.E.M.",
                                          "To be filled by O.E.M.",
                                          "System Product Name",
                                          "System manufacturer",
                                          "Default",
                                          "Default string",
                                          "Not Specified",
                                          "None"};
    for (size_t i = 0; i < sizeof fillers / sizeof *fillers; i++)
        if (strcmp(text, fillers[i]) == 0)
            return true;
    return false;
}

/* The value of the first "key : value" line of /proc/cpuinfo. */
static bool cpuinfo_value(const char *root, const char *key, char *value, size_t size)
{
    static const char blanks[] = " \t:";
    char text[4096];
    i8x_sysfile_read(root, "proc/cpuinfo", text, sizeof text);
    for (char *line = text; *line != 0;) {
        size_t length = strcspn(line, "\n");
        if (strncmp(line, key, strlen(key)) == 0) {
            const char *at = line + strlen(key);
            at += strspn(at, blanks);
            snprintf(value, size, "%.*s", (int)strcspn(at, "\n"), at);
            return *value != 0;
        }
        line += length + (line[length] == '\n');
    }
    return false;
}

static void read_model(const char *root, char *model, size_t size)
{
    static const char *const trees[] = {"proc/device-tree/model",
                                        "sys/firmware/devicetree/base/model"};
    for (int i = 0; i < 2; i++)
        if (i8x_sysfile_text(root, trees[i], model, size))
            return;
    char vendor[I8X_WIRE_NAME_MAX / 2], product[I8X_WIRE_NAME_MAX / 2];
    bool made = i8x_sysfile_text(root, "sys/class/dmi/id/sys_vendor", vendor, sizeof vendor) &&
                !is_filler(vendor);
    bool named = i8x_sysfile_text(root, "sys/class/dmi/id/product_name", product, sizeof product) &&
                 !is_filler(product);
    if (named) {
        snprintf(model, size, "%s%s%s", made ? vendor : "", made ? " " : "", product);
        return;
    }
    *model = 0;
    if (!cpuinfo_value(root, "model name", model, size))
        cpuinfo_value(root, "Hardware", model, size);
    for (char *at = model; *at != 0; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7E)
            *at = '?';
}

/* ---- control groups ---- */

/* Looks at a group; called from our own group up to the root of each hierarchy. */
typedef void (*group_fn)(const char *root, const char *folder, void *user);

/* Calls fn for HIERARCHY, HIERARCHY/a, HIERARCHY/a/b of the group path /a/b, the deepest first. */
static void climb(const char *root, const char *hierarchy, const char *path, group_fn fn,
                  void *user)
{
    char folder[GROUP_PATH_SIZE];
    int base = (int)strlen(hierarchy);
    int length = snprintf(folder, sizeof folder, "%s%s", hierarchy, path);
    if (length >= (int)sizeof folder || strstr(path, "..") != NULL)
        length = base;
    while (length >= base) {
        folder[length] = 0;
        fn(root, folder, user);
        do
            length--;
        while (length > base && folder[length] != '/');
    }
}

/* The groups of this process that hold the controller ("cpu", "memory"), of both versions. */
static void each_group(const char *root, const char *controller, group_fn fn, void *user)
{
    char text[4096], hierarchy[64];
    i8x_sysfile_read(root, "proc/self/cgroup", text, sizeof text);
    for (char *line = text, *next; *line != 0; line = next) {
        size_t length = strcspn(line, "\n");
        next = line + length + (line[length] == '\n');
        line[length] = 0;
        char *names = strchr(line, ':');
        char *path = names != NULL ? strchr(++names, ':') : NULL;
        if (path == NULL)
            continue;
        *path++ = 0;
        if (*names == 0) {
            climb(root, "sys/fs/cgroup", path, fn, user);
            continue;
        }
        bool listed = false;
        for (char *name = names; name != NULL && !listed; name = strchr(name, ',')) {
            name += *name == ',';
            size_t size = strcspn(name, ",");
            listed = size == strlen(controller) && strncmp(name, controller, size) == 0;
        }
        snprintf(hierarchy, sizeof hierarchy, "sys/fs/cgroup/%s", controller);
        if (listed)
            climb(root, hierarchy, path, fn, user);
    }
}

/* Least quota so far, in processors, rounded up. */
static void take_quota(const char *root, const char *folder, void *user)
{
    int *least = user;
    char path[GROUP_PATH_SIZE + 32], text[64];
    long long quota = 0, period = 0;
    int64_t old_quota, old_period;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    bool found = i8x_sysfile_text(root, path, text, sizeof text) &&
                 sscanf(text, "%18lld %18lld", &quota, &period) == 2;
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (!found && i8x_sysfile_number(root, path, 1, INT32_MAX, &old_quota)) {
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        found = i8x_sysfile_number(root, path, 1, INT32_MAX, &old_period);
        quota = old_quota;
        period = found ? old_period : 0;
    }
    if (!found || quota <= 0 || period <= 0 || quota / period >= INT32_MAX)
        return;
    int cores = (int)(quota / period + (quota % period > 0));
    if (*least == 0 || cores < *least)
        *least = cores;
}

int i8x_device_quota_cores(const char *root)
{
    int least = 0;
    each_group(root, "cpu", take_quota, &least);
    return least;
}

/* ---- memory ---- */

typedef struct memory_room {
    uint64_t limit, left; /* least of all groups; UINT64_MAX = none */
} memory_room;

static void take_memory(const char *root, const char *folder, void *user)
{
    static const char *const names[2][2] = {{"memory.max", "memory.current"},
                                            {"memory.limit_in_bytes", "memory.usage_in_bytes"}};
    memory_room *room = user;
    char path[GROUP_PATH_SIZE + 32];
    for (int version = 0; version < 2; version++) {
        int64_t limit, used = 0;
        snprintf(path, sizeof path, "%s/%s", folder, names[version][0]);
        if (!i8x_sysfile_number(root, path, 1, MEMORY_MAX, &limit))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, names[version][1]);
        if (!i8x_sysfile_number(root, path, 0, MEMORY_MAX, &used))
            used = 0;
        uint64_t left = limit > used ? (uint64_t)(limit - used) : 0;
        room->limit = (uint64_t)limit < room->limit ? (uint64_t)limit : room->limit;
        room->left = left < room->left ? left : room->left;
    }
}

/* "MemTotal:  3884312 kB" in bytes, 0 if it is not there. */
static uint64_t meminfo_bytes(const char *root, const char *key)
{
    char text[4096];
    i8x_sysfile_read(root, "proc/meminfo", text, sizeof text);
    const char *at = strstr(text, key);
    long long kib = at != NULL ? strtoll(at + strlen(key), NULL, 10) : 0;
    return kib > 0 && kib < MEMORY_MAX / 1024 ? (uint64_t)kib * 1024 : 0;
}

static uint64_t least(uint64_t machine, uint64_t group)
{
    if (machine == 0)
        return group == UINT64_MAX ? 0 : group;
    return group < machine ? group : machine;
}

uint64_t i8x_device_memory_available(const char *root)
{
    memory_room room = {UINT64_MAX, UINT64_MAX};
    each_group(root, "memory", take_memory, &room);
    return least(meminfo_bytes(root, "MemAvailable:"), room.left);
}

void i8x_device_read(const char *root, i8x_device *device)
{
    memset(device, 0, sizeof *device);
    read_model(root, device->model, sizeof device->model);
    i8x_cpu_features(device->features, sizeof device->features);
    int quota = i8x_device_quota_cores(root), allowed = i8x_cpu_count();
    device->cores = quota > 0 && quota < allowed ? quota : allowed;
    memory_room room = {UINT64_MAX, UINT64_MAX};
    each_group(root, "memory", take_memory, &room);
    device->memory_bytes = least(meminfo_bytes(root, "MemTotal:"), room.limit);
}
