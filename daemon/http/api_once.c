/* SPDX-License-Identifier: Apache-2.0
 *
 * What the requests that make something share: an Idempotency-Key makes one job or sweep however
 * often the request is sent.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/http/api.h"
#include "daemon/once.h"
#include "proto/limits.h"

static i8x_status check_key(const char *text)
{
    size_t size = strlen(text);
    for (const char *c = text; *c != 0; c++)
        I8X_ENSURE(*c >= 0x20 && *c < 0x7F, I8X_EARG,
                   "Idempotency-Key holds a character that cannot be printed");
    I8X_ENSURE(size > 0 && size <= I8X_ONCE_KEY_MAX, I8X_EARG,
               "Idempotency-Key has %zu characters, allowed are 1 to %d", size, I8X_ONCE_KEY_MAX);
    return I8X_OK;
}

bool i8x_api_once_read(i8x_http_request *request, char kind, i8x_api_once *once)
{
    const char *text = i8x_http_header(request, "Idempotency-Key");
    *once = (i8x_api_once){.has_key = text != NULL};
    if (text == NULL)
        return true;
    if (check_key(text) != I8X_OK) {
        i8x_http_reply_error(request);
        return false;
    }
    once->row.key = i8x_once_key(request->principal, text);
    once->row.body = i8x_digest_of(request->body, request->body_size);
    const i8x_request_row *old =
        i8x_once_find(i8x_api_daemon(request)->once, &once->row.key, i8x_daemon_wall_ms());
    if (old == NULL)
        return true;
    if (i8x_digest_equal(&old->body, &once->row.body) && old->job[0] == kind) {
        snprintf(once->id, sizeof once->id, "%s", old->job);
        return true;
    }
    i8x_http_reply_problem(request, I8X_EEXIST, 422,
                           "this Idempotency-Key came with another request before: take a new one "
                           "for a new request");
    return false;
}

i8x_status i8x_api_once_check_room(i8x_http_request *request, const i8x_api_once *once)
{
    return once->has_key ? i8x_once_check_room(i8x_api_daemon(request)->once, i8x_daemon_wall_ms())
                         : I8X_OK;
}

void i8x_api_once_keep(i8x_http_request *request, i8x_api_once *once, const char *id)
{
    if (!once->has_key)
        return;
    once->row.job = id;
    once->row.created_ms = i8x_daemon_wall_ms();
    i8x_once_put(i8x_api_daemon(request)->once, &once->row);
    once->row.job = NULL; /* lives no longer than this */
}

void i8x_api_once_forgotten(i8x_http_request *request)
{
    i8x_http_reply_problem(request, I8X_ENOENT, 410,
                           "what came of this Idempotency-Key was forgotten: take a new one for a "
                           "new request");
}
