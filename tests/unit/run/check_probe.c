/* SPDX-License-Identifier: Apache-2.0
 *
 * Probe: its text is bounded and strict, its job runs through the ordinary plan to an artifact that
 * names every blob, and only where it is allowed.
 */
#include "core/run/probe.h"

#include <stdio.h>
#include <string.h>

#include "core/run/task.h"
#include "int8x/local.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

static i8x_probe probe;

static i8x_status parse(const char *text)
{
    return i8x_probe_parse(text, strlen(text), &probe);
}

START_TEST(lines_set_what_they_name)
{
    ck_assert(i8x_probe_is("int8x probe\ncount", 17));
    ck_assert(!i8x_probe_is("int8x prob", 10));
    ck_assert_ok(parse("int8x probe\ncount 7\nms 20\nbytes 1000\nmode crash\nseed x y\n"));
    ck_assert_int_eq(probe.count, 7);
    ck_assert_int_eq(probe.ms, 20);
    ck_assert_int_eq(probe.bytes, 1000);
    ck_assert_int_eq(probe.mode, I8X_PROBE_CRASH);
    ck_assert_ok(parse("int8x probe\n"));
    ck_assert_int_eq(probe.count, 1);
    ck_assert_int_eq(probe.mode, I8X_PROBE_OK);
}
END_TEST

START_TEST(lines_that_make_no_sense_are_refused)
{
    ck_assert_status(parse("int8x probe\ncount 0\n"), I8X_ERANGE);
    ck_assert_status(parse("int8x probe\ncount 50001\n"), I8X_ERANGE);
    ck_assert_status(parse("int8x probe\ncount 99999999999999999999\n"), I8X_ERANGE);
    ck_assert_status(parse("int8x probe\nms -1\n"), I8X_ERANGE);
    ck_assert_status(parse("int8x probe\nms 1x\n"), I8X_ERANGE);
    ck_assert_status(parse("int8x probe\nmode lie\n"), I8X_EFORMAT);
    ck_assert_status(parse("int8x probe\ncount\n"), I8X_EFORMAT);
    ck_assert_status(parse("int8x probe\ncolor red\n"), I8X_EFORMAT);
    static char huge[I8X_PROBE_TEXT_MAX + 1];
    memset(huge, 'x', sizeof huge);
    memcpy(huge, "int8x probe\n", 12);
    ck_assert_status(i8x_probe_parse(huge, sizeof huge, &probe), I8X_ELIMIT);
}
END_TEST

static i8x_temp_dir temp;
static i8x_blobdir *dir;

static i8x_status run(const char *text, bool allowed, i8x_plan **plan)
{
    i8x_temp_dir_init(&temp);
    ck_assert_ok(i8x_blobdir_open(i8x_temp_dir_path(&temp, "blobs"), &dir));
    i8x_temp_dir_put(&temp, "probe", text, strlen(text));
    i8x_job job = {.name = "probe"};
    i8x_recipe_default(&job.recipe);
    ck_assert_ok(i8x_blobdir_link(dir, i8x_temp_dir_path(&temp, "probe"), &job.model));
    job.calib = job.model;
    i8x_task_env env = {.io = i8x_blobdir_io(dir), .threads = 1, .probes = allowed};
    return i8x_local_run(&job, &env, NULL, plan, NULL);
}

static void end(void)
{
    i8x_blobdir_close(dir);
    i8x_temp_dir_deinit(&temp);
}

START_TEST(a_probe_runs_to_an_artifact_that_names_its_blobs)
{
    i8x_plan *plan;
    const char *text = "int8x probe\ncount 3\nbytes 70000\n";
    ck_assert_ok(run(text, true, &plan));
    ck_assert_int_eq(i8x_plan_task_count(plan), 5); /* inspect, three, the last */
    i8x_blob_ref artifact, report;
    ck_assert(i8x_plan_artifact(plan, &artifact) && i8x_plan_report(plan, &report));
    ck_assert_uint_eq(artifact.size_bytes, strlen(text) + 3 * 70);
    int count;
    i8x_digest first = i8x_plan_outputs(plan, 1, &count)->ref.digest;
    i8x_digest second = i8x_plan_outputs(plan, 2, &count)->ref.digest;
    ck_assert_uint_eq(i8x_plan_outputs(plan, 1, &count)->ref.size_bytes, 70000);
    ck_assert(!i8x_digest_equal(&first, &second));
    i8x_plan_free(plan);
    end();
}
END_TEST

START_TEST(the_last_task_waits_for_many_without_reading_them)
{
    i8x_plan *plan;
    ck_assert_ok(run("int8x probe\ncount 1000\n", true, &plan));
    ck_assert_int_eq(i8x_plan_task_count(plan), 1002);
    ck_assert_int_eq(i8x_plan_done_count(plan), 1002);
    ck_assert_int_eq(i8x_plan_task(plan, 1001)->input_count, 1);
    i8x_plan_free(plan);
    end();
}
END_TEST

START_TEST(a_probe_that_is_to_fail_fails_and_none_runs_where_it_is_not_allowed)
{
    i8x_plan *plan;
    ck_assert_status(run("int8x probe\nmode fail\n", true, &plan), I8X_EARG);
    end();
    ck_assert_status(run("int8x probe\n", false, &plan), I8X_EUNSUPPORTED);
    end();
}
END_TEST

Suite *check_probe_suite(void)
{
    const TTest *tests[] = {lines_set_what_they_name, lines_that_make_no_sense_are_refused,
                            a_probe_runs_to_an_artifact_that_names_its_blobs,
                            the_last_task_waits_for_many_without_reading_them,
                            a_probe_that_is_to_fail_fails_and_none_runs_where_it_is_not_allowed};
    return i8x_suite("probe", tests, sizeof tests / sizeof tests[0]);
}
