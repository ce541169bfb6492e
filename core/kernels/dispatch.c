/* SPDX-License-Identifier: Apache-2.0
 *
 * Dispatch: fills the table of kernels, scalar first, then each level overwrites what it has.
 *
 * The process-wide table is made once, at first use or by i8x_kernels_select at program start.
 * Ifuncs were left out: they need glibc, run before main and cannot be told a lower level.
 */
#include "core/kernels/kernels.h"

#include <pthread.h>

#include "core/kernels/levels.h"
#include "int8x/cpu.h"

static i8x_kernels table;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

void i8x_kernels_init(i8x_kernels *k, i8x_cpu_level max_level)
{
    i8x_cpu_level level = i8x_cpu_detect();
    if (max_level < level)
        level = max_level;
    i8x_kernels_init_scalar(k);
#define LEVEL(name, suffix)                                                                        \
    if (level >= I8X_CPU_##name)                                                                   \
        i8x_kernels_init_##suffix(k);
    I8X_KERNEL_LEVELS
#undef LEVEL
}

static void table_init(void)
{
    i8x_kernels_init(&table, I8X_CPU_LEVEL_COUNT);
}

const i8x_kernels *i8x_kernels_get(void)
{
    pthread_once(&table_once, table_init);
    return &table;
}

void i8x_kernels_select(i8x_cpu_level max_level)
{
    pthread_once(&table_once, table_init);
    i8x_kernels_init(&table, max_level);
}

i8x_cpu_level i8x_kernels_level(void)
{
    return i8x_kernels_get()->level;
}

void i8x_kernels_fpscr_clear(void)
{
    i8x_fpscr_clear();
}

bool i8x_kernels_flushed(void)
{
    return i8x_kernels_get()->level != I8X_CPU_SCALAR && i8x_fpscr_flushed();
}
