/* SPDX-License-Identifier: Apache-2.0
 *
 * The trust folder: it is made once and whole, nothing in it is overwritten, keys that others may
 * read are refused, and the server's certificate follows the names and the clock.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/trust_folder.h"
#include "proto/trust_store.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

#define NOW 1700000000
#define DAY 86400

static const char *const names[] = {"box.local", "10.0.0.7"};
static i8x_temp_dir dir;
static char data[I8X_TEMP_PATH_SIZE];
static i8x_trust_keys keys;
static bool renewed;

static i8x_status init(int name_count)
{
    i8x_trust_init_opts opts = {.data = data,
                                .names = names,
                                .name_count = name_count,
                                .now_s = NOW,
                                .ca_life_s = 3650 * (int64_t)DAY,
                                .server_life_s = 100 * DAY};
    return i8x_trust_folder_init(&opts);
}

static void setup(void)
{
    i8x_temp_dir_init(&dir);
    snprintf(data, sizeof data, "%s", i8x_temp_dir_path(&dir, "data"));
}

static void teardown(void)
{
    i8x_temp_dir_deinit(&dir);
}

static const char *path_of(const char *name)
{
    static char path[2][I8X_TEMP_PATH_SIZE];
    static int turn;
    turn = !turn;
    return i8x_trust_folder_path(data, name, path[turn], sizeof path[turn]);
}

START_TEST(init_makes_what_a_coordinator_needs)
{
    setup();
    ck_assert(!i8x_trust_folder_exists(data));
    ck_assert_ok(init(2));
    ck_assert(i8x_trust_folder_exists(data));
    static const char *const secrets[] = {"ca.key", "server.key", "tokens", "admin.token"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        struct stat info;
        ck_assert_int_eq(stat(path_of(secrets[i]), &info), 0);
        ck_assert_int_eq(info.st_mode & 0777, 0600);
    }
    ck_assert_ok(i8x_trust_folder_load(data, names, 2, NOW, &keys, &renewed));
    ck_assert(!renewed);
    static const char *const covered[] = {"box.local", "10.0.0.7", "localhost",
                                          "127.0.0.1", "::1",      I8X_TRUST_LINK_NAME};
    for (size_t i = 0; i < sizeof covered / sizeof *covered; i++)
        ck_assert(i8x_pki_covers(&keys.server_cert, covered[i]));
    ck_assert_ok(i8x_pki_check(&keys.server_cert, &keys.ca_cert, &keys.server_key));
    char token[I8X_TOKEN_SIZE];
    i8x_trust_store *store;
    const i8x_token_row *row;
    ck_assert_ok(i8x_token_read(path_of("admin.token"), token));
    ck_assert_ok(i8x_trust_store_open(path_of("tokens"), NOW, &store));
    ck_assert_int_eq(i8x_trust_store_check(store, token, NOW, &row), I8X_TOKEN_GOOD);
    ck_assert_int_eq(row->role, I8X_TOKEN_ADMIN);
    i8x_trust_store_close(store);
    teardown();
}
END_TEST

START_TEST(init_overwrites_nothing)
{
    setup();
    ck_assert_ok(init(1));
    char before[I8X_TOKEN_SIZE], after[I8X_TOKEN_SIZE];
    ck_assert_ok(i8x_token_read(path_of("admin.token"), before));
    ck_assert_status(init(1), I8X_EEXIST);
    ck_assert_ok(i8x_token_read(path_of("admin.token"), after));
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(rename(path_of(""), i8x_temp_dir_path(&dir, "away")), 0);
    static const char *const bad = "no name";
    i8x_trust_init_opts opts = {data, &bad, 1, NOW, DAY, DAY};
    ck_assert_status(i8x_trust_folder_init(&opts), I8X_EARG);
    ck_assert(!i8x_trust_folder_exists(data)); /* nor half of it */
    ck_assert_ok(init(1));
    teardown();
}
END_TEST

START_TEST(keys_that_others_may_read_are_refused)
{
    setup();
    ck_assert_ok(init(1));
    static const char *const secrets[] = {"ca.key", "server.key"};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(chmod(path_of(secrets[i]), 0640), 0);
        ck_assert_status(i8x_trust_folder_load(data, names, 1, NOW, &keys, &renewed), I8X_EDENIED);
        ck_assert_ptr_nonnull(strstr(i8x_last_error()->detail, secrets[i]));
        ck_assert_int_eq(chmod(path_of(secrets[i]), 0600), 0);
    }
    ck_assert_ok(i8x_trust_folder_load(data, names, 1, NOW, &keys, &renewed));
    ck_assert_int_eq(unlink(path_of("ca.key")), 0);
    ck_assert_status(i8x_trust_folder_load(data, names, 1, NOW, &keys, &renewed), I8X_ENOENT);
    teardown();
}
END_TEST

START_TEST(the_servers_certificate_follows_names_and_clock)
{
    setup();
    ck_assert_ok(init(1));
    const char *more[] = {"other.local", "10.9.9.9"};
    ck_assert_ok(i8x_trust_folder_load(data, more, 2, NOW, &keys, &renewed));
    ck_assert(renewed);
    ck_assert(i8x_pki_covers(&keys.server_cert, "other.local"));
    ck_assert(i8x_pki_covers(&keys.server_cert, "box.local"));
    ck_assert_ok(i8x_trust_folder_load(data, more, 2, NOW + 49 * DAY, &keys, &renewed));
    ck_assert(!renewed);
    ck_assert_ok(i8x_trust_folder_load(data, more, 2, NOW + 51 * DAY, &keys, &renewed));
    ck_assert(renewed);
    i8x_pki_facts facts;
    ck_assert_ok(i8x_pki_look(&keys.server_cert, &facts));
    ck_assert_int_eq(facts.life.until_s, NOW + 151 * DAY);
    i8x_pki_names got;
    ck_assert_ok(i8x_pki_names_of(&keys.server_cert, &got));
    ck_assert_int_eq(got.count, 7); /* no name twice */
    teardown();
}
END_TEST

START_TEST(a_renewal_that_was_broken_off_is_done_again)
{
    setup();
    ck_assert_ok(init(1));
    i8x_pem key;
    ck_assert_ok(i8x_pki_key_make(&key)); /* the key is new, the certificate is still the old one */
    FILE *file = fopen(path_of("server.key"), "wb");
    ck_assert_ptr_nonnull(file);
    fputs(key.text, file);
    fclose(file);
    ck_assert_ok(i8x_trust_folder_load(data, names, 1, NOW, &keys, &renewed));
    ck_assert(renewed);
    ck_assert_ok(i8x_trust_folder_load(data, names, 1, NOW, &keys, &renewed));
    ck_assert(!renewed);
    teardown();
}
END_TEST

START_TEST(no_life_is_longer_than_the_cas)
{
    setup();
    ck_assert_ok(init(1));
    ck_assert_ok(i8x_trust_folder_load(data, names, 1, NOW, &keys, &renewed));
    i8x_pki_life life;
    ck_assert_ok(i8x_trust_life(&keys.ca_cert, NOW + 3640 * (int64_t)DAY, 90 * DAY, &life));
    ck_assert_int_eq(life.until_s, NOW + 3650 * (int64_t)DAY);
    ck_assert_status(i8x_trust_life(&keys.ca_cert, NOW + 3651 * (int64_t)DAY, DAY, &life),
                     I8X_EDENIED);
    teardown();
}
END_TEST

Suite *check_trust_folder_suite(void)
{
    const TTest *tests[] = {init_makes_what_a_coordinator_needs,
                            init_overwrites_nothing,
                            keys_that_others_may_read_are_refused,
                            the_servers_certificate_follows_names_and_clock,
                            a_renewal_that_was_broken_off_is_done_again,
                            no_life_is_longer_than_the_cas};
    return i8x_suite("trust_folder", tests, sizeof tests / sizeof tests[0]);
}
