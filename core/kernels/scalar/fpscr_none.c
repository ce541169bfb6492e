/* SPDX-License-Identifier: Apache-2.0
 *
 * Processors whose vector units keep denormals: there is nothing to clear or to read.
 */
#include "core/kernels/levels.h"

void i8x_fpscr_clear(void)
{
}

bool i8x_fpscr_flushed(void)
{
    return false;
}
