/* SPDX-License-Identifier: Apache-2.0
 *
 * Wire: every message survives the round trip, limits hold in both directions, foreign bytes are
 * refused with a status and never crash.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "int8x/alloc.h"
#include "proto/wire.h"
#include "tests/support/suite.h"

static i8x_digest key_of(int n)
{
    return i8x_digest_of(&n, sizeof n);
}

static i8x_arena *arena;
static i8x_buffer frame;

static void setup(void)
{
    ck_assert_ok(i8x_arena_new(NULL, I8X_WIRE_ARENA_MAX, &arena));
    i8x_buffer_init(&frame, I8X_WIRE_FRAME_MAX);
}

static void teardown(void)
{
    i8x_arena_free(arena);
    i8x_buffer_deinit(&frame);
}

static i8x_wire_message turn(const i8x_wire_message *message)
{
    i8x_wire_message got;
    ck_assert_ok(i8x_wire_encode(message, &frame));
    ck_assert_ok(i8x_wire_decode(frame.bytes, frame.size, arena, &got));
    ck_assert_int_eq(got.type, message->type);
    ck_assert_uint_eq(got.session, message->session);
    return got;
}

START_TEST(hello_and_welcome_survive_the_round_trip)
{
    setup();
    i8x_wire_kind kinds[] = {{"calibrate", 3}, {"merge", 1}};
    i8x_wire_held held[] = {{key_of(1), 7, 2, 9, true}, {key_of(2), UINT64_MAX, 0, 0, false}};
    i8x_wire_message hello = {.type = I8X_WIRE_HELLO,
                              .u.hello = {.worker = "w1.local-2",
                                          .name = "Küche",
                                          .arch = "aarch64",
                                          .level = "neon",
                                          .cores = 4,
                                          .slots = 2,
                                          .memory_bytes = 1ull << 33,
                                          .kinds = kinds,
                                          .kind_count = 2,
                                          .held = held,
                                          .held_count = 2}};
    i8x_wire_hello got = turn(&hello).u.hello;
    ck_assert_str_eq(got.worker, "w1.local-2");
    ck_assert_str_eq(got.name, "Küche");
    ck_assert_str_eq(got.arch, "aarch64");
    ck_assert_uint_eq(got.memory_bytes, 1ull << 33);
    ck_assert_uint_eq(got.kind_count, 2);
    ck_assert_str_eq(got.kinds[0].name, "calibrate");
    ck_assert_int_eq(got.kinds[0].revision, 3);
    ck_assert_uint_eq(got.held[1].epoch, UINT64_MAX);
    ck_assert(i8x_digest_equal(&got.held[0].key, &held[0].key));
    i8x_wire_message welcome = {
        .type = I8X_WIRE_WELCOME,
        .session = 0xF123456789ABCDEFull,
        .u.welcome = {"http://127.0.0.1:8480", 3000, 15000, 1ull << 32, 60}};
    ck_assert_str_eq(turn(&welcome).u.welcome.http_url, "http://127.0.0.1:8480");
    teardown();
}
END_TEST

START_TEST(device_and_status_survive_the_round_trip)
{
    setup();
    i8x_wire_message hello = {
        .type = I8X_WIRE_HELLO,
        .u.hello = {.worker = "w1",
                    .slots = 1,
                    .has_device = true,
                    .device = {"Raspberry Pi 4", "asimd crc32", "0.2.0", 1ull << 32, 3}}};
    i8x_wire_device device = turn(&hello).u.hello.device;
    ck_assert_str_eq(device.model, "Raspberry Pi 4");
    ck_assert_str_eq(device.features, "asimd crc32");
    ck_assert_str_eq(device.version, "0.2.0");
    ck_assert_uint_eq(device.memory_bytes, 1ull << 32);
    ck_assert_uint_eq(device.threads, 3);
    i8x_wire_status status = {I8X_WIRE_ACTIVITY_HOT,
                              "why",
                              "cpu-thermal",
                              -12345,
                              600000000,
                              1500000000,
                              7,
                              true,
                              999,
                              1000,
                              77,
                              I8X_WIRE_POWER_BATTERY,
                              true,
                              42,
                              1ull << 40};
    i8x_wire_message renew = {.type = I8X_WIRE_RENEW,
                              .u.renew = {.has_status = true, .status = status}};
    i8x_wire_status got = turn(&renew).u.renew.status;
    ck_assert_int_eq(got.activity, I8X_WIRE_ACTIVITY_HOT);
    ck_assert_str_eq(i8x_wire_activity_name(got.activity), "hot");
    ck_assert_str_eq(got.reason, "why");
    ck_assert_str_eq(got.hottest, "cpu-thermal");
    ck_assert_int_eq(got.temperature_mc, -12345);
    ck_assert_uint_eq(got.frequency_max_hz, 1500000000);
    ck_assert_uint_eq(got.throttled, 7);
    ck_assert_uint_eq(got.load_others_permille, 1000);
    ck_assert_int_eq(got.power, I8X_WIRE_POWER_BATTERY);
    ck_assert(got.load_known && got.battery && got.battery_percent == 42);
    ck_assert_uint_eq(got.cache_bytes, 1ull << 40);
    teardown();
}
END_TEST

/* A worker of an older version sends neither; a newer one states that we do not know. */
START_TEST(an_older_worker_sends_no_device_and_a_newer_one_has_states_of_its_own)
{
    setup();
    i8x_wire_message hello = {.type = I8X_WIRE_HELLO, .u.hello = {.worker = "w", .slots = 1}};
    ck_assert(!turn(&hello).u.hello.has_device);
    i8x_wire_message renew = {.type = I8X_WIRE_RENEW};
    ck_assert(!turn(&renew).u.renew.has_status);
    renew.u.renew = (i8x_wire_renew){
        .has_status = true, .status = {.activity = (i8x_wire_activity)77, .throttled = 1u << 20}};
    i8x_wire_status got = turn(&renew).u.renew.status;
    ck_assert_int_eq(got.activity, I8X_WIRE_ACTIVITY_UNKNOWN);
    ck_assert_uint_eq(got.throttled, 0);
    teardown();
}
END_TEST

START_TEST(grants_results_and_failures_survive_the_round_trip)
{
    setup();
    uint8_t task[] = {0, 1, 2, 255};
    i8x_wire_grant grants[] = {{key_of(5), 11, task, sizeof task, "j1"}};
    i8x_wire_state states[] = {I8X_WIRE_STATE_STALE, I8X_WIRE_STATE_COMMITTED,
                               I8X_WIRE_STATE_REFUSED};
    i8x_wire_message committed = {
        .type = I8X_WIRE_COMMITTED, .session = 5, .u.committed = {states, 3, "why", grants, 1}};
    i8x_wire_committed got = turn(&committed).u.committed;
    ck_assert_uint_eq(got.state_count, 3);
    ck_assert_mem_eq(got.states, states, sizeof states);
    ck_assert_uint_eq(got.grant_count, 1);
    ck_assert_mem_eq(got.grants[0].task, task, sizeof task);
    ck_assert_str_eq(got.grants[0].job, "j1");
    i8x_wire_item items[] = {{key_of(5), 11, task, sizeof task}, {key_of(6), 12, task, 2}};
    i8x_wire_message result = {.type = I8X_WIRE_RESULT, .session = 5, .u.result = {items, 2, 1}};
    i8x_wire_result given = turn(&result).u.result;
    ck_assert_uint_eq(given.count, 2);
    ck_assert_mem_eq(given.items[0].result, task, sizeof task);
    ck_assert(i8x_digest_equal(&given.items[1].key, &items[1].key));
    ck_assert_uint_eq(given.items[1].epoch, 12);
    ck_assert_uint_eq(given.items[1].result_size, 2);
    i8x_wire_message fail = {
        .type = I8X_WIRE_FAIL,
        .session = 5,
        .u.fail = {key_of(5), 11, I8X_WIRE_CAUSE_MEMORY, I8X_ELIMIT, "too much", "tail", 0}};
    i8x_wire_fail failed = turn(&fail).u.fail;
    ck_assert_int_eq(failed.status, I8X_ELIMIT);
    ck_assert_int_eq(failed.cause, I8X_WIRE_CAUSE_MEMORY);
    ck_assert_str_eq(failed.tail, "tail");
    teardown();
}
END_TEST

START_TEST(small_messages_survive_the_round_trip)
{
    setup();
    i8x_digest digests[] = {key_of(1), key_of(2)};
    i8x_wire_message lease = {.type = I8X_WIRE_LEASE, .u.lease = {64, 10000}};
    ck_assert_uint_eq(turn(&lease).u.lease.want, 64);
    i8x_wire_message control = {.type = I8X_WIRE_CONTROL,
                                .u.control = {{digests, 2}, {digests, 1}}};
    ck_assert(i8x_digest_equal(&turn(&control).u.control.cancel.digests[1], &digests[1]));
    ck_assert_uint_eq(turn(&control).u.control.call_back.digest_count, 1);
    i8x_wire_message have = {.type = I8X_WIRE_HAVE, .u.have = {{digests, 2}, {digests, 1}, true}};
    ck_assert_uint_eq(turn(&have).u.have.blobs.digest_count, 2);
    ck_assert_uint_eq(turn(&have).u.have.gone.digest_count, 1);
    ck_assert(turn(&have).u.have.all);
    i8x_wire_message bye = {.type = I8X_WIRE_BYE, .u.bye = {NULL}};
    ck_assert_str_eq(turn(&bye).u.bye.reason, "");
    i8x_wire_message error = {.type = I8X_WIRE_ERROR, .u.error = {I8X_ENOENT, "who?"}};
    ck_assert_int_eq(turn(&error).u.error.status, I8X_ENOENT);
    i8x_wire_held held = {key_of(1), 3, 1, 2, true};
    i8x_wire_message renew = {.type = I8X_WIRE_RENEW,
                              .u.renew = {.held = &held, .held_count = 1, .draining = true}};
    ck_assert(turn(&renew).u.renew.draining);
    i8x_wire_message grants = {.type = I8X_WIRE_GRANTS};
    ck_assert_uint_eq(turn(&grants).u.grants.grant_count, 0);
    teardown();
}
END_TEST

static void expect_refused(const i8x_wire_message *message, i8x_status wanted)
{
    i8x_wire_message got;
    ck_assert_ok(i8x_wire_encode(message, &frame));
    ck_assert_status(i8x_wire_decode(frame.bytes, frame.size, arena, &got), wanted);
}

START_TEST(decoding_refuses_what_is_over_its_limit)
{
    setup();
    char long_text[I8X_WIRE_DETAIL_MAX + 2];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    i8x_wire_message lease = {.type = I8X_WIRE_LEASE, .u.lease = {I8X_WIRE_GRANTS_MAX + 1, 0}};
    expect_refused(&lease, I8X_ERANGE);
    lease.u.lease = (i8x_wire_lease){0, 0};
    expect_refused(&lease, I8X_ERANGE);
    lease.u.lease = (i8x_wire_lease){1, I8X_WIRE_WAIT_MS_MAX + 1};
    expect_refused(&lease, I8X_ERANGE);
    i8x_wire_message bye = {.type = I8X_WIRE_BYE, .u.bye = {long_text}};
    expect_refused(&bye, I8X_ELIMIT);
    i8x_wire_message renew = {.type = I8X_WIRE_RENEW, .u.renew = {.has_status = true}};
    renew.u.renew.status.reason = long_text;
    expect_refused(&renew, I8X_ELIMIT);
    renew.u.renew.status = (i8x_wire_status){.temperature_mc = 300001};
    expect_refused(&renew, I8X_ERANGE);
    renew.u.renew.status = (i8x_wire_status){.load_permille = 1001};
    expect_refused(&renew, I8X_ERANGE);
    i8x_wire_message hello = {.type = I8X_WIRE_HELLO, .u.hello = {.worker = "../etc", .slots = 1}};
    expect_refused(&hello, I8X_EFORMAT);
    hello.u.hello.worker = "";
    expect_refused(&hello, I8X_EFORMAT);
    hello.u.hello = (i8x_wire_hello){.worker = "w", .slots = 0};
    expect_refused(&hello, I8X_ERANGE);
    teardown();
}
END_TEST

START_TEST(encoding_refuses_what_is_over_its_limit)
{
    setup();
    static i8x_digest digests[I8X_WIRE_DIGESTS_MAX + 1];
    i8x_wire_message have = {.type = I8X_WIRE_HAVE,
                             .u.have = {.blobs = {digests, I8X_WIRE_DIGESTS_MAX + 1}}};
    ck_assert_status(i8x_wire_encode(&have, &frame), I8X_ELIMIT);
    static uint8_t bytes[I8X_WIRE_RESULT_MAX + 1];
    i8x_wire_item items[I8X_WIRE_RESULTS_MAX + 1] = {
        {.result = bytes}, {.result = bytes, .result_size = sizeof bytes}};
    i8x_wire_message result = {.type = I8X_WIRE_RESULT, .u.result = {items + 1, 1, 0}};
    ck_assert_status(i8x_wire_encode(&result, &frame), I8X_ELIMIT);
    result.u.result = (i8x_wire_result){items, 2, 0};
    ck_assert_status(i8x_wire_encode(&result, &frame), I8X_ELIMIT);
    items[1].result_size = 0;
    ck_assert_ok(i8x_wire_encode(&result, &frame));
    result.u.result.count = I8X_WIRE_RESULTS_MAX + 1;
    ck_assert_status(i8x_wire_encode(&result, &frame), I8X_ELIMIT);
    teardown();
}
END_TEST

START_TEST(another_version_is_refused)
{
    setup();
    i8x_wire_message bye = {.type = I8X_WIRE_BYE, .u.bye = {"x"}}, got;
    ck_assert_ok(i8x_wire_encode(&bye, &frame));
    ck_assert_uint_eq(frame.bytes[0], 8); /* field 1, the version */
    frame.bytes[1] = 2;
    ck_assert_status(i8x_wire_decode(frame.bytes, frame.size, arena, &got), I8X_EVERSION);
    teardown();
}
END_TEST

START_TEST(truncated_and_empty_frames_are_refused)
{
    setup();
    i8x_wire_held held = {key_of(1), 3, 1, 2, false};
    i8x_wire_message renew = {.type = I8X_WIRE_RENEW,
                              .session = 9,
                              .u.renew = {.held = &held, .held_count = 1, .draining = true}},
                     got;
    ck_assert_ok(i8x_wire_encode(&renew, &frame));
    for (size_t size = 0; size < frame.size; size++)
        ck_require(i8x_wire_decode(frame.bytes, size, arena, &got) != I8X_OK,
                   "%zu of %zu bytes were taken", size, frame.size);
    ck_assert_status(i8x_wire_decode(frame.bytes, I8X_WIRE_FRAME_MAX + 1, arena, &got), I8X_ELIMIT);
    uint8_t only_version[] = {8, 1};
    ck_assert_status(i8x_wire_decode(only_version, sizeof only_version, arena, &got), I8X_EFORMAT);
    teardown();
}
END_TEST

START_TEST(a_key_of_another_length_is_refused)
{
    setup();
    /* Frame{version 1, result{key: 3 bytes}} */
    uint8_t bytes[] = {8, 1, 0x82, 1, 5, 0x0a, 3, 1, 2, 3};
    i8x_wire_message got;
    ck_assert_status(i8x_wire_decode(bytes, sizeof bytes, arena, &got), I8X_EFORMAT);
    teardown();
}
END_TEST

/* Frames written from the field numbers alone: the schema cannot drift without this test. */
START_TEST(frames_made_by_hand_decode_as_they_should)
{
    setup();
    FILE *file = fopen(I8X_TEST_SOURCE_DIR "/tests/golden/wire_errors/files.txt", "r");
    ck_assert_ptr_nonnull(file);
    static char line[8192];
    int count = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        char name[64], status[32], word[32], hex[4096];
        if (line[0] == '#' || sscanf(line, "%63s %31s %31s %4095s", name, status, word, hex) != 4)
            continue;
        uint8_t bytes[2048];
        size_t size = hex[0] == '-' ? 0 : strlen(hex) / 2;
        for (size_t i = 0; i < size; i++) {
            char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
            bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
        }
        i8x_wire_message got;
        i8x_status decoded = i8x_wire_decode(bytes, size, arena, &got);
        ck_assert_msg(decoded == i8x_status_from_name(status), "%s: %s, wanted %s", name,
                      i8x_status_name(decoded), status);
        ck_assert_msg(decoded == I8X_OK || strstr(i8x_last_error()->detail, word) != NULL,
                      "%s: '%s' lacks '%s'", name, i8x_last_error()->detail, word);
        count++;
    }
    fclose(file);
    ck_assert_int_ge(count, 30);
    teardown();
}
END_TEST

Suite *check_wire_suite(void)
{
    const TTest *tests[] = {hello_and_welcome_survive_the_round_trip,
                            device_and_status_survive_the_round_trip,
                            an_older_worker_sends_no_device_and_a_newer_one_has_states_of_its_own,
                            grants_results_and_failures_survive_the_round_trip,
                            small_messages_survive_the_round_trip,
                            decoding_refuses_what_is_over_its_limit,
                            encoding_refuses_what_is_over_its_limit,
                            another_version_is_refused,
                            truncated_and_empty_frames_are_refused,
                            a_key_of_another_length_is_refused,
                            frames_made_by_hand_decode_as_they_should};
    return i8x_suite("wire", tests, sizeof tests / sizeof tests[0]);
}
