/* SPDX-License-Identifier: Apache-2.0
 *
 * Copy: short runs of floats. A call of memcpy costs as much as copying some thirty floats, and
 * rows of small planes have 7 or 14; copies of fixed size are inlined.
 */
#ifndef CORE_OPS_COPY_H
#define CORE_OPS_COPY_H

#include <stddef.h>
#include <string.h>

/** to[i] = from[i], i < count; no overlap. */
static inline void i8x_copy_f32(float *to, const float *from, size_t count)
{
    if (count > 256) {
        memcpy(to, from, count * sizeof *to);
        return;
    }
    for (; count >= 16; count -= 16, to += 16, from += 16)
        memcpy(to, from, 16 * sizeof *to);
    if (count & 8) {
        memcpy(to, from, 8 * sizeof *to);
        to += 8;
        from += 8;
    }
    if (count & 4) {
        memcpy(to, from, 4 * sizeof *to);
        to += 4;
        from += 4;
    }
    for (count &= 3; count > 0; count--)
        *to++ = *from++;
}

#endif
