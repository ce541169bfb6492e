/* SPDX-License-Identifier: Apache-2.0
 *
 * The programs need it too, so it is public: see int8x/file.h.
 */
#ifndef I8X_BASE_FILE_H
#define I8X_BASE_FILE_H

#include "int8x/file.h"

#endif
