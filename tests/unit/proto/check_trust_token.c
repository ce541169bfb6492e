/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens and invitations as text: every one is new, and what is nearly one is refused without being
 * repeated in the sentence, which ends up in a log.
 */
#include <stdio.h>
#include <string.h>

#include "proto/trust_token.h"
#include "tests/support/suite.h"
#include "tests/support/temp_dir.h"

START_TEST(a_token_shows_its_role_and_is_never_the_same)
{
    static const char letters[] = "rswaj";
    for (int role = 0; role < I8X_TOKEN_ROLE_COUNT; role++) {
        char one[I8X_TOKEN_SIZE], two[I8X_TOKEN_SIZE];
        ck_assert_ok(i8x_token_make((i8x_token_role)role, one));
        ck_assert_ok(i8x_token_make((i8x_token_role)role, two));
        ck_assert_str_ne(one, two);
        ck_assert_int_eq(strncmp(one, "i8x_", 4), 0);
        ck_assert_int_eq(one[4], letters[role]);
        ck_assert(i8x_token_is_text(one));
        i8x_digest a = i8x_token_hash(one), b = i8x_token_hash(two);
        ck_assert(!i8x_digest_equal(&a, &b));
        const char *name = i8x_token_role_name((i8x_token_role)role);
        ck_assert_int_eq(i8x_token_role_from_name(name), role);
    }
    ck_assert_int_eq(i8x_token_role_from_name("root"), I8X_TOKEN_ROLE_COUNT);
    ck_assert_str_eq(i8x_token_role_name(I8X_TOKEN_ROLE_COUNT), "?");
}
END_TEST

START_TEST(what_is_no_token_is_told_apart)
{
    char good[I8X_TOKEN_SIZE];
    ck_assert_ok(i8x_token_make(I8X_TOKEN_READ, good));
    ck_assert(i8x_token_is_text(good));
    for (size_t i = 0; i < sizeof good - 1; i++) { /* each byte counts */
        char bad[I8X_TOKEN_SIZE];
        memcpy(bad, good, sizeof bad);
        bad[i] = 'Z';
        ck_assert(!i8x_token_is_text(bad));
        bad[i] = 0;
        ck_assert(!i8x_token_is_text(bad));
    }
    ck_assert(!i8x_token_is_text(""));
}
END_TEST

START_TEST(a_token_file_gives_its_first_line)
{
    i8x_temp_dir dir;
    i8x_temp_dir_init(&dir);
    char token[I8X_TOKEN_SIZE], text[200], got[I8X_TOKEN_SIZE];
    ck_assert_ok(i8x_token_make(I8X_TOKEN_ADMIN, token));
    int size = snprintf(text, sizeof text, "%s\r\nmade by hand\n", token);
    ck_assert_ok(i8x_token_read(i8x_temp_dir_put(&dir, "t", text, (unsigned long)size), got));
    ck_assert_str_eq(got, token);
    text[20] = 'X';
    ck_assert_status(i8x_token_read(i8x_temp_dir_put(&dir, "t", text, (unsigned long)size), got),
                     I8X_EFORMAT);
    ck_assert_ptr_null(strstr(i8x_last_error()->detail, "i8x_a"));
    ck_assert_status(i8x_token_read(i8x_temp_dir_path(&dir, "none"), got), I8X_ENOENT);
    static char large[I8X_TOKEN_FILE_MAX + 1];
    ck_assert_status(i8x_token_read(i8x_temp_dir_put(&dir, "l", large, sizeof large), got),
                     I8X_ELIMIT);
    i8x_temp_dir_deinit(&dir);
}
END_TEST

START_TEST(an_invitation_survives_the_round_trip)
{
    i8x_invite invite = {.address = "[fd00::1]:8480", .ca = i8x_digest_of("ca", 2)}, got;
    ck_assert_ok(i8x_token_make(I8X_TOKEN_JOIN, invite.secret));
    char text[I8X_INVITE_SIZE];
    i8x_invite_print(&invite, text);
    strcat(text, " \n");
    ck_assert_ok(i8x_invite_parse(text, &got));
    ck_assert_str_eq(got.address, invite.address);
    ck_assert_str_eq(got.secret, invite.secret);
    ck_assert(i8x_digest_equal(&got.ca, &invite.ca));
}
END_TEST

START_TEST(what_is_no_invitation_is_refused_without_repeating_it)
{
    i8x_invite invite = {.address = "host:1", .ca = i8x_digest_of("ca", 2)}, got;
    ck_assert_ok(i8x_token_make(I8X_TOKEN_JOIN, invite.secret));
    char text[I8X_INVITE_SIZE], bad[I8X_INVITE_SIZE + 2];
    i8x_invite_print(&invite, text);
    size_t size = strlen(text);
    for (size_t cut = 0; cut < size; cut++) {
        snprintf(bad, sizeof bad, "%.*s", (int)cut, text);
        ck_assert_status(i8x_invite_parse(bad, &got), I8X_EFORMAT);
        ck_assert_ptr_null(strstr(i8x_last_error()->detail, invite.secret + 10));
    }
    snprintf(bad, sizeof bad, "%sx", text);
    ck_assert_status(i8x_invite_parse(bad, &got), I8X_EFORMAT);
    snprintf(bad, sizeof bad, "%s", text);
    bad[1] = '/'; /* the address becomes part of a URL */
    ck_assert_status(i8x_invite_parse(bad, &got), I8X_EFORMAT);
    snprintf(bad, sizeof bad, "%s", text);
    strstr(bad, "i8x_j")[4] = 'a'; /* an admin's token is no invitation */
    ck_assert_status(i8x_invite_parse(bad, &got), I8X_EFORMAT);
}
END_TEST

START_TEST(lives_are_read_with_their_units)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {{"1", 1}, {"90s", 90}, {"15m", 900}, {"12h", 43200}, {"3650d", 315360000}};
    static const char *const bad[] = {"",    "0",    "-1", "h",     "1w",
                                      "1 h", "1h1m", "+1", "3651d", "99999999999999999999"};
    int64_t seconds;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_ok(i8x_life_parse(good[i].text, &seconds));
        ck_assert_int_eq(seconds, good[i].seconds);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_status(i8x_life_parse(bad[i], &seconds), I8X_EARG);
}
END_TEST

START_TEST(wiped_memory_is_zero)
{
    char secret[] = "i8x_asecret";
    i8x_wipe(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++)
        ck_assert_int_eq(secret[i], 0);
    i8x_wipe(NULL, 0);
}
END_TEST

Suite *check_trust_token_suite(void)
{
    const TTest *tests[] = {a_token_shows_its_role_and_is_never_the_same,
                            what_is_no_token_is_told_apart,
                            a_token_file_gives_its_first_line,
                            an_invitation_survives_the_round_trip,
                            what_is_no_invitation_is_refused_without_repeating_it,
                            lives_are_read_with_their_units,
                            wiped_memory_is_zero};
    return i8x_suite("trust_token", tests, sizeof tests / sizeof tests[0]);
}
