/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenAPI 3.1 out of the route table and schemas.json, and JSON Schemas of what clients write. A
 * route says in its row what it takes, sends and gives:
 *
 *     .id = "getJob"                    operationId
 *     .takes = "job wait version"       names of parameters in schemas.json
 *     .sends = "JobRequest"             schema of the request's body; "bytes"; "?...": it may be
 *                                         missing; NULL: none
 *     .gives = "200:Job+ETag 404 409"   answers: code, schema and headers. Schemas that are none of
 *                                       schemas.json: bytes, text, events. No schema: no body below
 *                                       400, a problem from there on
 *
 * What any route may answer (wrong framing, too large, no right, stopping ...) need not be said.
 * In schemas.json "@name@" stands for a list that the code knows (states, kinds, types of
 * problems).
 */
#ifndef I8X_DAEMON_OPENAPI_H
#define I8X_DAEMON_OPENAPI_H

#include "daemon/http/server.h"
#include "proto/buffer.h"

/** The document as JSON. Errors: I8X_ENOMEM, I8X_EINTERNAL (a row names what is not there). */
I8X_FALLIBLE i8x_status i8x_openapi_print(const i8x_http_route *routes, int count,
                                          const char *version, i8x_buffer *text);
/** JSON Schema 2020-12 of a recipe, from int8x/fields.def. Errors: I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_openapi_print_recipe(i8x_buffer *text);
/** JSON Schema 2020-12 of the body of POST /v1/jobs. Errors: as above. */
I8X_FALLIBLE i8x_status i8x_openapi_print_job(i8x_buffer *text);

#endif
