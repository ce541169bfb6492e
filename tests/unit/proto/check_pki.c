/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates: each use has its own kind, names and life are what was asked for, a request has to
 * be signed by its own P-256 key, and what another CA signed is told apart. That real TLS libraries
 * take them is shown by check_link.c (mbed TLS) and the end-to-end tests (GnuTLS, OpenSSL).
 */
#include <stdio.h>
#include <string.h>

#include "proto/pki.h"
#include "proto/trust_token.h"
#include "tests/support/suite.h"

#define DAY 86400

static const i8x_pki_life life = {1700000000, 1700000000 + 30 * (int64_t)DAY};
static i8x_pem ca_key, ca_cert;
static i8x_pki_ca ca = {&ca_cert, &ca_key};

/* made by openssl req: a P-384 key */
static const char p384_request[] =
    "-----BEGIN CERTIFICATE REQUEST-----\n"
    "MIIBBTCBiwIBADAMMQowCAYDVQQDDAF4MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE\n"
    "CIXkHZMgf/4PJfl3igb9keihycmdOcKfou12OLJkaC+YatWMsNeX7pNWdwaXGbd1\n"
    "bZBfwY8TmSwnyezYwyVxPSFF4Yx9dRci4/JHE3OmbMi0OYwwVjmVH1jW1KTUXYHx\n"
    "oAAwCgYIKoZIzj0EAwIDaQAwZgIxAP2lSRkgvZVGDOo4mmqQ2Ke7MHxq3ehxW+hm\n"
    "qZsrex/wgn4RAxBO6Rt/KidYqdnSBwIxAIZnCWoIv4ugdv4iLt2jSf4KTMD79sgK\n"
    "viaSOt/uPYWENFEGrSiWV3B4aQidStMSTg==\n"
    "-----END CERTIFICATE REQUEST-----\n";

static void make_ca(void)
{
    ck_assert_ok(i8x_pki_key_make(&ca_key));
    ck_assert_ok(i8x_pki_ca_make("int8x CA test", life, &ca_key, &ca_cert));
}

START_TEST(a_ca_is_a_ca_and_nothing_else)
{
    make_ca();
    i8x_pki_facts facts;
    ck_assert_ok(i8x_pki_look(&ca_cert, &facts));
    ck_assert_str_eq(facts.name, "int8x CA test");
    ck_assert(facts.is_ca && !facts.is_server && !facts.is_client);
    ck_assert_int_eq(facts.life.from_s, life.from_s);
    ck_assert_int_eq(facts.life.until_s, life.until_s);
    ck_assert_ok(i8x_pki_check(&ca_cert, &ca_cert, &ca_key));
}
END_TEST

START_TEST(a_server_is_good_for_its_names_only)
{
    make_ca();
    i8x_pem key, cert;
    const char *names[] = {"box.local", "10.1.2.3", "fd00::1", "127.0.0.1"};
    ck_assert_ok(i8x_pki_key_make(&key));
    ck_assert_ok(i8x_pki_issue_server(&ca, &key, names, 4, life, &cert));
    for (int i = 0; i < 4; i++)
        ck_assert(i8x_pki_covers(&cert, names[i]));
    ck_assert(!i8x_pki_covers(&cert, "other.local"));
    ck_assert(!i8x_pki_covers(&cert, "10.1.2.4"));
    i8x_pki_names got;
    ck_assert_ok(i8x_pki_names_of(&cert, &got));
    ck_assert_int_eq(got.count, 4);
    ck_assert_str_eq(got.list[0], "box.local");
    ck_assert_str_eq(got.list[1], "10.1.2.3");
    ck_assert_str_eq(got.list[2], "fd00::1");
    i8x_pki_facts facts;
    ck_assert_ok(i8x_pki_look(&cert, &facts));
    ck_assert(facts.is_server && !facts.is_client && !facts.is_ca);
    ck_assert_ok(i8x_pki_check(&cert, &ca_cert, &key));
}
END_TEST

START_TEST(bad_names_are_refused)
{
    make_ca();
    i8x_pem key, cert;
    ck_assert_ok(i8x_pki_key_make(&key));
    static const char *const bad[] = {"", "two words", "a/b", "*.local", "10.0.0.1/8", "a:b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (i8x_pki_issue_server(&ca, &key, &bad[i], 1, life, &cert) == I8X_OK)
            ck_abort_msg("'%s' was taken as a name", bad[i]);
    const char *many[I8X_PKI_NAMES_MAX + 1];
    for (int i = 0; i <= I8X_PKI_NAMES_MAX; i++)
        many[i] = "a.b";
    ck_assert_ok(i8x_pki_issue_server(&ca, &key, many, I8X_PKI_NAMES_MAX, life, &cert));
    ck_assert_status(i8x_pki_issue_server(&ca, &key, many, I8X_PKI_NAMES_MAX + 1, life, &cert),
                     I8X_EARG);
    ck_assert_status(i8x_pki_issue_server(&ca, &key, many, 0, life, &cert), I8X_EARG);
    ck_assert_status(i8x_pki_ca_make("", life, &key, &cert), I8X_EARG);
}
END_TEST

START_TEST(a_worker_gets_a_client_certificate_for_its_own_key)
{
    make_ca();
    i8x_pem key, other, request, cert;
    ck_assert_ok(i8x_pki_key_make(&key));
    ck_assert_ok(i8x_pki_key_make(&other));
    ck_assert_str_ne(key.text, other.text);
    ck_assert_ok(i8x_pki_request_make("what it calls itself", &key, &request));
    ck_assert_ok(i8x_pki_issue_client(&ca, request.text, "w0123456789ab", life, &cert));
    i8x_pki_facts facts;
    ck_assert_ok(i8x_pki_look(&cert, &facts));
    ck_assert_str_eq(facts.name, "w0123456789ab");
    ck_assert(facts.is_client && !facts.is_server && !facts.is_ca);
    ck_assert_ok(i8x_pki_check(&cert, &ca_cert, &key));
    ck_assert_status(i8x_pki_check(&cert, &ca_cert, &other), I8X_EDENIED);
    i8x_pki_names none;
    ck_assert_ok(i8x_pki_names_of(&cert, &none));
    ck_assert_int_eq(none.count, 0);
}
END_TEST

START_TEST(requests_that_are_none_are_refused)
{
    make_ca();
    i8x_pem key, request, cert;
    ck_assert_ok(i8x_pki_key_make(&key));
    ck_assert_ok(i8x_pki_request_make("w", &key, &request));
    ck_assert_status(i8x_pki_issue_client(&ca, p384_request, "w", life, &cert), I8X_EFORMAT);
    ck_assert_status(i8x_pki_issue_client(&ca, "", "w", life, &cert), I8X_EFORMAT);
    ck_assert_status(i8x_pki_issue_client(&ca, ca_cert.text, "w", life, &cert), I8X_EFORMAT);
    ck_assert_status(i8x_pki_issue_client(&ca, request.text, "", life, &cert), I8X_EARG);
    int refused = 0, tried = 0;
    char *first = strchr(request.text, '\n') + 1, *last = strstr(request.text, "-----END") - 8;
    for (char *c = first; c < last; c += 7) { /* one changed letter: name, key or signature; the
                                                 last letters have bits that mean nothing */
        if (*c == '\n')
            continue;
        char old = *c;
        *c = old == 'A' ? 'B' : 'A';
        tried++;
        refused += i8x_pki_issue_client(&ca, request.text, "w", life, &cert) == I8X_EFORMAT;
        *c = old;
    }
    ck_assert_int_gt(tried, 30);
    ck_assert_int_eq(refused, tried);
    char *large = memset(request.text, 'A', sizeof request.text - 1);
    large[sizeof request.text - 1] = 0;
    ck_assert_status(i8x_pki_issue_client(&ca, large, "w", life, &cert), I8X_EFORMAT);
}
END_TEST

START_TEST(what_another_ca_signed_is_told_apart)
{
    make_ca();
    i8x_pem other_key, other_cert, key, cert;
    i8x_pki_ca other = {&other_cert, &other_key};
    const char *name = "box";
    ck_assert_ok(i8x_pki_key_make(&other_key));
    ck_assert_ok(i8x_pki_ca_make("int8x CA test", life, &other_key, &other_cert));
    ck_assert_ok(i8x_pki_key_make(&key));
    ck_assert_ok(i8x_pki_issue_server(&other, &key, &name, 1, life, &cert));
    ck_assert_ok(i8x_pki_check(&cert, &other_cert, &key));
    ck_assert_status(i8x_pki_check(&cert, &ca_cert, &key), I8X_EDENIED);
    ck_assert_status(i8x_pki_check(&cert, &cert, &key), I8X_EDENIED);
    i8x_digest one, two;
    ck_assert_ok(i8x_pki_fingerprint(&ca_cert, &one));
    ck_assert_ok(i8x_pki_fingerprint(&other_cert, &two));
    ck_assert(!i8x_digest_equal(&one, &two));
    i8x_pki_ca mixed = {&ca_cert, &other_key};
    ck_assert_status(i8x_pki_issue_server(&mixed, &key, &name, 1, life, &cert), I8X_EFORMAT);
    i8x_pem nothing = {{0}};
    i8x_pki_facts facts;
    ck_assert_status(i8x_pki_fingerprint(&nothing, &one), I8X_EFORMAT);
    ck_assert_status(i8x_pki_look(&nothing, &facts), I8X_EFORMAT);
    ck_assert_status(i8x_pki_check(&nothing, &ca_cert, NULL), I8X_EFORMAT);
    ck_assert_status(i8x_pki_request_make("w", &nothing, &cert), I8X_EFORMAT);
    i8x_pki_names names;
    ck_assert_status(i8x_pki_names_of(&nothing, &names), I8X_EFORMAT);
    ck_assert(!i8x_pki_covers(&nothing, "box"));
}
END_TEST

Suite *check_pki_suite(void)
{
    const TTest *tests[] = {a_ca_is_a_ca_and_nothing_else,
                            a_server_is_good_for_its_names_only,
                            bad_names_are_refused,
                            a_worker_gets_a_client_certificate_for_its_own_key,
                            requests_that_are_none_are_refused,
                            what_another_ca_signed_is_told_apart};
    return i8x_suite("pki", tests, sizeof tests / sizeof tests[0]);
}
