/* SPDX-License-Identifier: Apache-2.0
 *
 * Flat: a JSON document as two columns of CSV: the path of each value ("stages.0.kind") and the
 * value.
 */
#ifndef CLIENT_CLI_VIEW_FLAT_H
#define CLIENT_CLI_VIEW_FLAT_H

#include "proto/json.h"

/** To standard output, with the header path,value. Errors: I8X_ENOMEM, I8X_EIO. */
I8X_FALLIBLE i8x_status i8x_flat_csv(const i8x_json *json);

#endif
