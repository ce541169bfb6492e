/* SPDX-License-Identifier: Apache-2.0
 *
 * Device: model, processors and memory of machines that we do not have, from made trees; control
 * groups of both versions limit; hostile files do no harm.
 */
#include "worker/device.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "int8x/cpu.h"
#include "tests/support/suite.h"
#include "tests/unit/worker/made_root.h"

static i8x_temp_dir root;
static i8x_device device;

START_TEST(a_raspberry_pi_is_known_by_its_device_tree)
{
    i8x_temp_dir_init(&root);
    made_root_rpi4(&root);
    i8x_device_read(root.path, &device);
    ck_assert_str_eq(device.model, "Raspberry Pi 4 Model B Rev 1.4");
    ck_assert_uint_eq(device.memory_bytes, 3884312ull * 1024);
    ck_assert_uint_eq(i8x_device_memory_available(root.path), 3000000ull * 1024);
    ck_assert_int_eq(device.cores, i8x_cpu_count());
    i8x_temp_dir_deinit(&root);
}
END_TEST

START_TEST(groups_of_version_one_without_a_limit_do_not_limit)
{
    i8x_temp_dir_init(&root);
    made_root_jetson(&root);
    i8x_device_read(root.path, &device);
    ck_assert_str_eq(device.model, "NVIDIA Jetson Nano Developer Kit");
    ck_assert_int_eq(i8x_device_quota_cores(root.path), 0);
    ck_assert_uint_eq(device.memory_bytes, 4059248ull * 1024);
    made_root_put(&root, "sys/fs/cgroup/cpu/user.slice/cpu.cfs_quota_us", "250000\n");
    made_root_put(&root, "sys/fs/cgroup/cpu/user.slice/cpu.cfs_period_us", "100000\n");
    made_root_put(&root, "sys/fs/cgroup/memory/user.slice/memory.limit_in_bytes", "1048576000\n");
    made_root_put(&root, "sys/fs/cgroup/memory/user.slice/memory.usage_in_bytes", "2097152000\n");
    ck_assert_int_eq(i8x_device_quota_cores(root.path), 3);
    ck_assert_uint_eq(i8x_device_memory_available(root.path), 0);
    i8x_device_read(root.path, &device);
    ck_assert_uint_eq(device.memory_bytes, 1048576000);
    i8x_temp_dir_deinit(&root);
}
END_TEST

START_TEST(the_tightest_group_on_the_way_up_counts)
{
    i8x_temp_dir_init(&root);
    made_root_server(&root);
    i8x_device_read(root.path, &device);
    ck_assert_str_eq(device.model, "Dell Inc. PowerEdge R740");
    ck_assert_int_eq(i8x_device_quota_cores(root.path), 2); /* of the slice, rounded up */
    ck_assert_int_eq(device.cores, i8x_cpu_count() < 2 ? i8x_cpu_count() : 2);
    ck_assert_uint_eq(device.memory_bytes, 8589934592ull);
    ck_assert_uint_eq(i8x_device_memory_available(root.path), 8589934592ull - 1073741824);
    made_root_put(&root, "sys/class/dmi/id/product_name", "To Be Filled By O.E.M.\n");
    i8x_device_read(root.path, &device);
    ck_assert_str_eq(device.model, "Intel(R) Xeon(R)");
    i8x_temp_dir_deinit(&root);
}
END_TEST

START_TEST(an_empty_machine_is_unknown_and_has_a_processor)
{
    i8x_temp_dir_init(&root);
    i8x_device_read(root.path, &device);
    ck_assert_str_eq(device.model, "");
    ck_assert_int_ge(device.cores, 1);
    ck_assert_uint_eq(device.memory_bytes, 0);
    ck_assert_uint_eq(i8x_device_memory_available(root.path), 0);
    i8x_device_read("/nonexistent", &device);
    ck_assert_int_ge(device.cores, 1);
    i8x_temp_dir_deinit(&root);
}
END_TEST

START_TEST(hostile_files_do_no_harm)
{
    static const char *const paths[] = {"proc/device-tree/model",
                                        "sys/class/dmi/id/product_name",
                                        "proc/self/cgroup",
                                        "proc/meminfo",
                                        "proc/cpuinfo",
                                        "sys/fs/cgroup/cpu.max",
                                        "sys/fs/cgroup/memory.max"};
    static char huge[200000];
    memset(huge, '9', sizeof huge);
    static const char *const texts[] = {"",
                                        "\n",
                                        "-1 -1",
                                        "99999999999999999999 1",
                                        "1 0",
                                        "\x01\xff\x80 binary",
                                        "0::/../../../../etc\n",
                                        "::::\n:\n0::\n",
                                        "1:cpu:/a\n2:cpu,memory:" /* cut */};
    i8x_temp_dir_init(&root);
    for (size_t text = 0; text <= sizeof texts / sizeof *texts; text++) {
        bool all = text == sizeof texts / sizeof *texts;
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
            made_root_put_bytes(&root, paths[i], all ? huge : texts[text],
                                all ? sizeof huge : strlen(texts[text]));
        i8x_device_read(root.path, &device);
        ck_assert_int_ge(device.cores, 1);
        ck_assert_int_le(device.cores, i8x_cpu_count());
        ck_assert_uint_lt(strlen(device.model), sizeof device.model);
        for (const char *at = device.model; *at != 0; at++)
            ck_assert(*at >= 0x20 && *at < 0x7F);
    }
    i8x_temp_dir_deinit(&root);
}
END_TEST

/* A fifo where a file should be must not stop the worker. */
START_TEST(a_fifo_is_not_waited_for)
{
    i8x_temp_dir_init(&root);
    mkdir(i8x_temp_dir_path(&root, "proc"), 0700);
    ck_assert_int_eq(mkfifo(i8x_temp_dir_path(&root, "proc/meminfo"), 0600), 0);
    i8x_device_read(root.path, &device);
    ck_assert_uint_eq(device.memory_bytes, 0);
    i8x_temp_dir_deinit(&root);
}
END_TEST

Suite *check_device_suite(void)
{
    const TTest *tests[] = {a_raspberry_pi_is_known_by_its_device_tree,
                            groups_of_version_one_without_a_limit_do_not_limit,
                            the_tightest_group_on_the_way_up_counts,
                            an_empty_machine_is_unknown_and_has_a_processor,
                            hostile_files_do_no_harm,
                            a_fifo_is_not_waited_for};
    return i8x_suite("device", tests, sizeof tests / sizeof tests[0]);
}
