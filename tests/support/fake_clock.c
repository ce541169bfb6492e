/* SPDX-License-Identifier: Apache-2.0
 *
 * A clock for tests.
 */
#include "tests/support/fake_clock.h"

#include "int8x/status.h"

static int64_t fake_now(void *user)
{
    return ((const i8x_fake_clock *)user)->now_ns;
}

void i8x_fake_clock_init(i8x_fake_clock *fake, int64_t now_ns)
{
    *fake = (i8x_fake_clock){{fake_now, fake}, now_ns};
}

void i8x_fake_clock_advance(i8x_fake_clock *fake, int64_t by_ns)
{
    I8X_ASSERT(by_ns >= 0);
    fake->now_ns += by_ns;
}
