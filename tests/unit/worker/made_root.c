/* SPDX-License-Identifier: Apache-2.0
 *
 * The files as these machines show them (kernel documentation: sysfs-class-thermal, cpufreq,
 * cgroup-v2, power_supply; Raspberry Pi: soc:firmware/get_throttled).
 */
#include "tests/unit/worker/made_root.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/suite.h"

void made_root_put_bytes(i8x_temp_dir *root, const char *path, const void *bytes, size_t size)
{
    char full[2 * I8X_TEMP_PATH_SIZE];
    snprintf(full, sizeof full, "%s/%s", root->path, path);
    for (char *slash = full + strlen(root->path) + 1; (slash = strchr(slash, '/')) != NULL;
         slash++) {
        *slash = 0;
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    ck_assert_msg(file != NULL, "%s", full);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

void made_root_put(i8x_temp_dir *root, const char *path, const char *text)
{
    made_root_put_bytes(root, path, text, strlen(text));
}

static void put_rows(i8x_temp_dir *root, const char *const (*rows)[2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        made_root_put(root, rows[i][0], rows[i][1]);
}

#define PUT_ROWS(root, rows) put_rows(root, rows, sizeof(rows) / sizeof *(rows))
#define POLICY "sys/devices/system/cpu/cpufreq/policy"
#define THERMAL "sys/class/thermal/"

void made_root_rpi4(i8x_temp_dir *root)
{
    static const char model[] = "Raspberry Pi 4 Model B Rev 1.4"; /* its zero byte is in the file */
    static const char *const rows[][2] = {
        {"proc/meminfo", "MemTotal:        3884312 kB\nMemFree:          100 kB\n"
                         "MemAvailable:    3000000 kB\n"},
        {"proc/self/cgroup", "0::/\n"},
        {"proc/stat", "cpu  1000 0 500 8000 500 0 0 0 0 0\ncpu0 1 2 3\n"},
        {THERMAL "thermal_zone0/type", "cpu-thermal\n"},
        {THERMAL "thermal_zone0/temp", "81305\n"},
        {POLICY "0/cpuinfo_max_freq", "1800000\n"},
        {POLICY "0/scaling_max_freq", "1800000\n"},
        {POLICY "0/scaling_cur_freq", "1000000\n"},
        {"sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n"},
        {"sys/class/hwmon/hwmon1/name", "rpi_volt\n"},
        {"sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n"},
    };
    PUT_ROWS(root, rows);
    made_root_put_bytes(root, "proc/device-tree/model", model, sizeof model);
}

void made_root_jetson(i8x_temp_dir *root)
{
    static const char *const rows[][2] = {
        {"proc/device-tree/model", "NVIDIA Jetson Nano Developer Kit"},
        {"proc/meminfo", "MemTotal: 4059248 kB\nMemAvailable: 2000000 kB\n"},
        {"proc/self/cgroup", "11:memory:/user.slice\n4:cpu,cpuacct:/user.slice\n0::/user.slice\n"},
        {"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},
        {"sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"},
        {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
        {THERMAL "thermal_zone0/type", "AO-therm\n"},
        {THERMAL "thermal_zone0/temp", "41000\n"},
        {THERMAL "thermal_zone1/type", "CPU-therm\n"},
        {THERMAL "thermal_zone1/temp", "58500\n"},
        {THERMAL "thermal_zone3/type", "PMIC-Die\n"},
        {THERMAL "thermal_zone3/temp", "100000\n"},
        {THERMAL "cooling_device0/type", "pwm-fan\n"},
        {THERMAL "cooling_device0/cur_state", "5\n"},
        {THERMAL "cooling_device1/type", "cpu-balanced\n"},
        {THERMAL "cooling_device1/cur_state", "2\n"},
        {POLICY "0/cpuinfo_max_freq", "1479000\n"},
        {POLICY "0/scaling_max_freq", "921600\n"},
        {POLICY "0/scaling_cur_freq", "921600\n"},
        {"sys/class/power_supply/ac/type", "Mains\n"},
        {"sys/class/power_supply/ac/online", "1\n"},
    };
    PUT_ROWS(root, rows);
}

void made_root_server(i8x_temp_dir *root)
{
    static const char *const rows[][2] = {
        {"sys/class/dmi/id/sys_vendor", "Dell Inc.\n"},
        {"sys/class/dmi/id/product_name", "PowerEdge R740 \n"},
        {"proc/meminfo", "MemTotal:       263856864 kB\nMemAvailable:   200000000 kB\n"},
        {"proc/self/cgroup", "0::/system.slice/int8x.service\n"},
        {"sys/fs/cgroup/system.slice/int8x.service/cpu.max", "max 100000\n"},
        {"sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n"},
        {"sys/fs/cgroup/system.slice/int8x.service/memory.max", "8589934592\n"},
        {"sys/fs/cgroup/system.slice/int8x.service/memory.current", "1073741824\n"},
        {"proc/cpuinfo", "processor\t: 0\nmodel name\t: Intel(R) Xeon(R)\ncpu MHz\t\t: 2600.500\n"},
        {"sys/class/hwmon/hwmon0/name", "nvme\n"},
        {"sys/class/hwmon/hwmon0/temp1_input", "70850\n"},
        {"sys/class/hwmon/hwmon2/name", "coretemp\n"},
        {"sys/class/hwmon/hwmon2/temp1_input", "45000\n"},
        {"sys/class/hwmon/hwmon2/temp2_input", "47000\n"},
        {"sys/class/hwmon/hwmon2/temp2_crit", "100000\n"},
        {THERMAL "cooling_device0/type", "Processor\n"},
        {THERMAL "cooling_device0/cur_state", "0\n"},
    };
    PUT_ROWS(root, rows);
}
