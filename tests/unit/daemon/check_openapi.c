/* SPDX-License-Identifier: Apache-2.0
 *
 * The document that is made of the route table: every row is in it once and names only what there
 * is. tests/interop/test_openapi.py holds it against the OpenAPI specification and the service.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/http/openapi.h"
#include "proto/json.h"
#include "tests/support/suite.h"

static i8x_json *print_and_parse(void)
{
    int count;
    const i8x_http_route *routes = i8x_routes(&count);
    i8x_buffer text;
    i8x_json *json = NULL;
    i8x_buffer_init(&text, 0);
    ck_assert_ok(i8x_openapi_print(routes, count, "1.2.3", &text));
    ck_assert_ok(i8x_json_parse(i8x_buffer_cstr(&text), text.size, &json));
    i8x_buffer_deinit(&text);
    return json;
}

START_TEST(every_route_is_an_operation_with_a_name_of_its_own)
{
    int count;
    const i8x_http_route *routes = i8x_routes(&count);
    i8x_json *json = print_and_parse();
    const i8x_json *paths = i8x_json_member(json, "paths");
    for (int i = 0; i < count; i++) {
        char method[8] = "";
        for (size_t c = 0; routes[i].method[c] != 0; c++)
            method[c] = (char)(routes[i].method[c] | 0x20);
        const i8x_json *operation = i8x_json_member(i8x_json_member(paths, routes[i].path), method);
        ck_assert_str_eq(i8x_json_member_text(operation, "operationId", ""), routes[i].id);
        ck_assert_int_gt(i8x_json_count(i8x_json_member(operation, "responses")), 5);
        ck_assert_int_eq(i8x_json_count(i8x_json_member(operation, "security")),
                         routes[i].roles != 0);
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(routes[k].id, routes[i].id);
    }
    i8x_json_free(json);
}
END_TEST

/* Counts references in a document and checks that each points to something. */
static int check_references(const i8x_json *root, const i8x_json *json)
{
    int count = 0;
    const char *target = i8x_json_text(i8x_json_member(json, "$ref"));
    if (target != NULL) {
        char group[32], name[64];
        ck_assert_int_eq(sscanf(target, "#/components/%31[a-z]/%63s", group, name), 2);
        const i8x_json *groups = i8x_json_member(i8x_json_member(root, "components"), group);
        ck_assert_msg(i8x_json_member(groups, name) != NULL, "%s", target);
        count++;
    }
    for (int i = 0; i < i8x_json_count(json); i++)
        count += check_references(root, i8x_json_item(json, i));
    return count;
}

START_TEST(every_reference_leads_somewhere)
{
    i8x_json *json = print_and_parse();
    ck_assert_int_gt(check_references(json, json), 200);
    i8x_json_free(json);
}
END_TEST

static void no_handle(i8x_http_request *request)
{
    (void)request;
}

START_TEST(a_row_that_says_too_little_is_an_error)
{
    i8x_http_route routes[] = {
        {.method = "GET", .path = "/a", .handle = no_handle, .sentence = "a", .gives = "200"},
        {.method = "GET", .path = "/a", .handle = no_handle, .sentence = "a", .id = "a"},
        {.method = "GET",
         .path = "/a",
         .handle = no_handle,
         .sentence = "a",
         .id = "a",
         .gives = "299"},
    };
    for (int i = 0; i < 3; i++) {
        i8x_buffer text;
        i8x_buffer_init(&text, 0);
        ck_assert_status(i8x_openapi_print(&routes[i], 1, "1", &text), I8X_EINTERNAL);
        i8x_buffer_deinit(&text);
    }
}
END_TEST

Suite *check_openapi_suite(void)
{
    const TTest *tests[] = {every_route_is_an_operation_with_a_name_of_its_own,
                            every_reference_leads_somewhere,
                            a_row_that_says_too_little_is_an_error};
    return i8x_suite("openapi", tests, sizeof tests / sizeof tests[0]);
}
