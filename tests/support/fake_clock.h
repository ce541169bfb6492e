/* SPDX-License-Identifier: Apache-2.0
 *
 * Fake clock: time that stands still until the test moves it.
 */
#ifndef I8X_TESTS_FAKE_CLOCK_H
#define I8X_TESTS_FAKE_CLOCK_H

#include "int8x/clock.h"

typedef struct i8x_fake_clock {
    i8x_clock clock; /* hand &clock to the code under test */
    int64_t now_ns;
} i8x_fake_clock;

/** The struct must not move while clock is in use. */
void i8x_fake_clock_init(i8x_fake_clock *fake, int64_t now_ns);
/** Moves time forward. */
void i8x_fake_clock_advance(i8x_fake_clock *fake, int64_t by_ns);

#endif
