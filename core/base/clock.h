/* SPDX-License-Identifier: Apache-2.0
 *
 * The programs need it too, so it is public: see int8x/clock.h.
 */
#ifndef I8X_BASE_CLOCK_H
#define I8X_BASE_CLOCK_H

#include "int8x/clock.h"

#endif
