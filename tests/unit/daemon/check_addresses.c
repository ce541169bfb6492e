/* SPDX-License-Identifier: Apache-2.0
 *
 * What others are told of where the coordinator is, from what the operator said.
 */
#include <string.h>

#include "daemon/addresses.h"
#include "tests/support/suite.h"

static i8x_addresses made(const char *http, const char *link, const char *advertise, bool tls)
{
    i8x_addresses_opts opts = {.http = http,
                               .link = link,
                               .advertise = advertise,
                               .name = tls ? "box.example" : NULL,
                               .http_port = 8480,
                               .link_port = 8481,
                               .tls = tls,
                               .http_tls = tls};
    i8x_addresses addresses;
    ck_assert_ok(i8x_addresses_make(&opts, &addresses));
    return addresses;
}

START_TEST(others_are_told_what_can_be_reached)
{
    static const struct {
        const char *http, *link, *advertise;
        bool tls;
        const char *url, *local_url, *address, *told_link;
    } cases[] = {
        {"127.0.0.1:0", "tcp://127.0.0.1:0", NULL, false, "http://127.0.0.1:8480",
         "http://127.0.0.1:8480", "127.0.0.1:8480", "tcp://127.0.0.1:8481"},
        {"127.0.0.1:0", "ipc:///tmp/x", NULL, false, "http://127.0.0.1:8480",
         "http://127.0.0.1:8480", "127.0.0.1:8480", "ipc:///tmp/x"},
        {"127.0.0.1:0", "tcp://127.0.0.1:0", "http://10.0.0.1:99", false, "http://10.0.0.1:99",
         "http://127.0.0.1:8480", "10.0.0.1:99", "tcp://127.0.0.1:8481"},
        {"0.0.0.0:0", "tcp://0.0.0.0:0", NULL, true, "https://box.example:8480",
         "https://127.0.0.1:8480", "box.example:8480", "tls+tcp://box.example:8481"},
        {"10.0.0.5:0", "tls+tcp://10.0.0.6:0", NULL, true, "https://10.0.0.5:8480",
         "https://10.0.0.5:8480", "10.0.0.5:8480", "tls+tcp://10.0.0.6:8481"},
        {"10.0.0.5:0", "tcp://10.0.0.5:0", "gate.example:443", true, "https://gate.example:443",
         "https://10.0.0.5:8480", "gate.example:443", "tls+tcp://gate.example:8481"},
        {"[::]:0", "tcp://[::]:0", "[fd00::7]", true, "https://[fd00::7]:8480",
         "https://[::1]:8480", "[fd00::7]:8480", "tls+tcp://[fd00::7]:8481"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        i8x_addresses a = made(cases[i].http, cases[i].link, cases[i].advertise, cases[i].tls);
        ck_assert_str_eq(a.url, cases[i].url);
        ck_assert_str_eq(a.local_url, cases[i].local_url);
        ck_assert_str_eq(a.address, cases[i].address);
        ck_assert_str_eq(a.link, cases[i].told_link);
    }
}
END_TEST

START_TEST(what_cannot_be_meant_is_refused)
{
    static const char *const bad[] = {
        "", ":1", "[::1", "host:port", "host:123456", "http://host:1"}; /* the API speaks TLS */
    i8x_addresses addresses;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        i8x_addresses_opts opts = {.http = "127.0.0.1:1",
                                   .link = "tcp://127.0.0.1:2",
                                   .advertise = bad[i],
                                   .tls = true,
                                   .http_tls = true};
        ck_assert_status(i8x_addresses_make(&opts, &addresses), I8X_EARG);
    }
    char large[I8X_PKI_HOST_MAX + 8];
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = 0;
    i8x_addresses_opts opts = {
        .http = "127.0.0.1:1", .link = "tcp://127.0.0.1:2", .advertise = large};
    ck_assert_status(i8x_addresses_make(&opts, &addresses), I8X_EARG);
    large[I8X_PKI_HOST_MAX] = 0; /* a name of full length and its port are more than a URL has */
    opts.tls = opts.http_tls = true;
    ck_assert_status(i8x_addresses_make(&opts, &addresses), I8X_ELIMIT);
}
END_TEST

START_TEST(loopback_is_told_apart)
{
    static const char *const loopback[] = {"127.0.0.1:1",  "127.9.9.9:1",       "localhost:1",
                                           "[::1]:1",      "tcp://127.0.0.1:1", "ipc:///tmp/x",
                                           "tcp://[::1]:1"};
    static const char *const beyond[] = {"0.0.0.0:1",  "10.0.0.1:1",          "[::]:1",
                                         "tcp://*:1",  "localhost.example:1", "128.0.0.1:1",
                                         "tcp://box:1"};
    for (size_t i = 0; i < sizeof loopback / sizeof *loopback; i++)
        ck_assert_msg(i8x_address_is_loopback(loopback[i]), "%s", loopback[i]);
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        ck_assert_msg(!i8x_address_is_loopback(beyond[i]), "%s", beyond[i]);
    ck_assert(i8x_address_is_any("0.0.0.0") && i8x_address_is_any("::") && i8x_address_is_any("*"));
    ck_assert(!i8x_address_is_any("10.0.0.0"));
}
END_TEST

Suite *check_addresses_suite(void)
{
    const TTest *tests[] = {others_are_told_what_can_be_reached, what_cannot_be_meant_is_refused,
                            loopback_is_told_apart};
    return i8x_suite("addresses", tests, sizeof tests / sizeof tests[0]);
}
