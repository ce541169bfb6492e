/* SPDX-License-Identifier: Apache-2.0
 *
 * ARMv7: NEON always flushes denormal inputs and results to zero and notes it in two cumulative
 * flags of FPSCR: IDC (bit 7, denormal input) and UFC (bit 3, underflow). Both are per thread. VFP
 * code may set UFC too, without flushing: that costs a repetition and changes nothing.
 */
#include "core/kernels/levels.h"

#define FPSCR_IDC (1u << 7)
#define FPSCR_UFC (1u << 3)

static uint32_t fpscr_read(void)
{
    uint32_t flags;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(flags) : : "memory");
    return flags;
}

void i8x_fpscr_clear(void)
{
    uint32_t flags = fpscr_read() & ~(FPSCR_IDC | FPSCR_UFC);
    __asm__ volatile("vmsr fpscr, %0" : : "r"(flags) : "memory");
}

bool i8x_fpscr_flushed(void)
{
    return (fpscr_read() & (FPSCR_IDC | FPSCR_UFC)) != 0;
}
