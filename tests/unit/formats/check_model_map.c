/* SPDX-License-Identifier: Apache-2.0
 *
 * The files behind a model. External data is the way out of the model's folder, so every way to
 * write such a path is tried.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/formats/model_map.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

static i8x_temp_dir dir;
static i8x_model_map *map;

/* <dir>/secret, <dir>/m/model, <dir>/m/w.bin, <dir>/m/sub/w.bin, links out of m */
static void set_up(void)
{
    i8x_temp_dir_init(&dir);
    ck_assert_int_eq(mkdir(i8x_temp_dir_path(&dir, "m"), 0755), 0);
    ck_assert_int_eq(mkdir(i8x_temp_dir_path(&dir, "m/sub"), 0755), 0);
    (void)i8x_temp_dir_put(&dir, "secret", "secret", 6);
    (void)i8x_temp_dir_put(&dir, "m/w.bin", "0123456789", 10);
    (void)i8x_temp_dir_put(&dir, "m/empty", "", 0);
    (void)i8x_temp_dir_put(&dir, "m/sub/w.bin", "sub", 3);
    ck_assert_int_eq(symlink("../secret", i8x_temp_dir_path(&dir, "m/link")), 0);
    ck_assert_int_eq(symlink("w.bin", i8x_temp_dir_path(&dir, "m/inner_link")), 0);
    ck_assert_int_eq(symlink("..", i8x_temp_dir_path(&dir, "m/up")), 0);
    ck_assert_ok(i8x_model_map_open(i8x_temp_dir_put(&dir, "m/model", "model", 5), &map));
}

static void tear_down(void)
{
    i8x_model_map_free(map);
    i8x_temp_dir_deinit(&dir);
}

START_TEST(external_data_beneath_the_folder_are_mapped)
{
    const uint8_t *data, *again;
    size_t size;
    set_up();
    ck_assert_mem_eq(i8x_model_map_get(map, &size), "model", 5);
    ck_assert_uint_eq(size, 5);
    ck_assert_ok(i8x_model_map_external(map, "w.bin", 3, 4, &data));
    ck_assert_mem_eq(data, "3456", 4);
    ck_assert_ok(i8x_model_map_external(map, "sub/w.bin", 0, 3, &again));
    ck_assert_mem_eq(again, "sub", 3);
    ck_assert_ok(i8x_model_map_external(map, "w.bin", 0, 10, &again));
    ck_assert_ptr_eq(again + 3, data); /* one mapping for all tensors of a file */
    ck_assert_ok(i8x_model_map_external(map, "empty", 0, 0, &again));
    i8x_model_map_forget(map, data, 4);
    ck_assert_mem_eq(data, "3456", 4);
    tear_down();
}
END_TEST

START_TEST(no_path_leads_out_of_the_folder)
{
    const char *bad[] = {
        "",           "/etc/passwd", "..",   "../secret",  "sub/../../secret", "./../secret",
        "sub//w.bin", "sub/",        "link", "inner_link", "up/secret",        "w.bin/x",
        "sub"};
    const uint8_t *data;
    set_up();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(i8x_model_map_external(map, bad[i], 0, 1, &data) == I8X_EFORMAT,
                      "'%s' gives %s", bad[i], i8x_status_name(i8x_last_error()->status));
    tear_down();
}
END_TEST

START_TEST(ranges_beyond_the_file_and_missing_files_are_refused)
{
    const uint8_t *data;
    char longest[5000];
    set_up();
    ck_assert_status(i8x_model_map_external(map, "w.bin", 11, 0, &data), I8X_EFORMAT);
    ck_assert_status(i8x_model_map_external(map, "w.bin", 0, 11, &data), I8X_EFORMAT);
    ck_assert_status(i8x_model_map_external(map, "w.bin", UINT64_MAX, 4, &data), I8X_EFORMAT);
    ck_assert_status(i8x_model_map_external(map, "w.bin", 4, SIZE_MAX, &data), I8X_EFORMAT);
    ck_assert_status(i8x_model_map_external(map, "none", 0, 1, &data), I8X_ENOENT);
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    ck_assert_status(i8x_model_map_external(map, longest, 0, 1, &data), I8X_EFORMAT);
    char deep[128] = "m";
    for (int i = 0; i <= I8X_EXTERNAL_DEPTH_MAX; i++) { /* folders that are there, one too many */
        strcat(deep, "/a");
        ck_assert_int_eq(mkdir(i8x_temp_dir_path(&dir, deep), 0755), 0);
    }
    ck_assert_status(i8x_model_map_external(map, deep + 2, 0, 1, &data), I8X_ELIMIT);
    tear_down();
}
END_TEST

START_TEST(many_files_grow_the_list)
{
    char name[16];
    const uint8_t *data, *first;
    set_up();
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "m/f%d", i);
        (void)i8x_temp_dir_put(&dir, name, name, strlen(name));
        ck_assert_ok(i8x_model_map_external(map, name + 2, 0, 2, i == 0 ? &first : &data));
    }
    ck_assert_mem_eq(first, "m/", 2);
    tear_down();
}
END_TEST

START_TEST(a_model_from_memory_has_no_folder)
{
    const uint8_t *data;
    ck_assert_ok(i8x_model_map_bytes("abc", 3, &map));
    ck_assert_status(i8x_model_map_external(map, "w.bin", 0, 1, &data), I8X_EUNSUPPORTED);
    i8x_model_map_free(map);
    ck_assert_status(i8x_model_map_bytes("abc", SIZE_MAX, &map), I8X_ELIMIT);
    i8x_model_map_free(NULL);
}
END_TEST

Suite *check_model_map_suite(void)
{
    const TTest *tests[] = {
        external_data_beneath_the_folder_are_mapped,
        no_path_leads_out_of_the_folder,
        ranges_beyond_the_file_and_missing_files_are_refused,
        many_files_grow_the_list,
        a_model_from_memory_has_no_folder,
    };
    return i8x_suite("model_map", tests, sizeof tests / sizeof tests[0]);
}
