/* SPDX-License-Identifier: Apache-2.0
 *
 * Zygote and frames: slots come, answer, die and are replaced; how they died is known. A task of
 * bytes that are none fails with a sentence, and the slot lives.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/limits.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"
#include "worker/cache.h"
#include "worker/frame.h"
#include "worker/zygote.h"

static i8x_temp_dir dir;
static i8x_zygote *zygote;

static void setup(void)
{
    i8x_temp_dir_init(&dir);
    ck_assert_ok(i8x_zygote_new(dir.path, 0, &zygote));
    i8x_cache *cache;
    ck_assert_ok(i8x_cache_open(dir.path, 1 << 20, &cache));
    i8x_cache_close(cache);
}

static void teardown(void)
{
    i8x_zygote_free(zygote);
    i8x_temp_dir_deinit(&dir);
}

START_TEST(a_slot_refuses_rubbish_and_lives)
{
    setup();
    pid_t pid;
    int fd, status;
    ck_assert_ok(i8x_zygote_spawn(zygote, 0, &pid, &fd));
    i8x_buffer frame;
    i8x_buffer_init(&frame, I8X_SLOT_FRAME_MAX);
    for (int i = 0; i < 3; i++) {
        i8x_frame_run run = {.memory_bytes = 64 << 20, .threads = 1};
        i8x_frame_type type;
        ck_assert_ok(i8x_frame_write(fd, I8X_FRAME_RUN, &run, sizeof run, "rubbish", 7));
        ck_assert_ok(i8x_frame_read(fd, &type, &frame));
        ck_assert_int_eq(type, I8X_FRAME_FAILED);
        i8x_frame_failed failed;
        ck_assert_uint_eq(frame.size, sizeof failed);
        memcpy(&failed, frame.bytes, sizeof failed);
        ck_assert_int_ne(failed.status, I8X_OK);
        ck_assert_uint_gt(strlen(failed.detail), 0);
    }
    ck_assert_ok(i8x_zygote_reap(zygote, pid, &status));
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    i8x_frame_type type;
    ck_assert_status(i8x_frame_read(fd, &type, &frame), I8X_EIO);
    close(fd);
    i8x_buffer_deinit(&frame);
    teardown();
}
END_TEST

START_TEST(how_a_slot_died_is_known)
{
    setup();
    for (int number = 0; number < 3; number++) {
        pid_t pid;
        int fd, status;
        char byte;
        ck_assert_ok(i8x_zygote_spawn(zygote, number, &pid, &fd));
        kill(pid, SIGUSR1);                      /* sanitizers catch the classical ones */
        ck_assert_int_eq(read(fd, &byte, 1), 0); /* the socket tells at once */
        ck_assert_ok(i8x_zygote_reap(zygote, pid, &status));
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(WTERMSIG(status), SIGUSR1);
        close(fd);
    }
    int status;
    ck_assert_status(i8x_zygote_reap(zygote, getpid() + 100000, &status), I8X_EIO);
    teardown();
}
END_TEST

START_TEST(a_frame_over_the_limit_is_refused)
{
    setup();
    pid_t pid;
    int fd;
    static char big[I8X_SLOT_FRAME_MAX + 1];
    ck_assert_ok(i8x_zygote_spawn(zygote, 0, &pid, &fd));
    ck_assert_status(i8x_frame_write(fd, I8X_FRAME_RUN, NULL, 0, big, sizeof big), I8X_ELIMIT);
    close(fd);
    teardown();
}
END_TEST

Suite *check_zygote_suite(void)
{
    const TTest *tests[] = {a_slot_refuses_rubbish_and_lives, how_a_slot_died_is_known,
                            a_frame_over_the_limit_is_refused};
    return i8x_suite("zygote", tests, sizeof tests / sizeof tests[0]);
}
