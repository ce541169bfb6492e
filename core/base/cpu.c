/* SPDX-License-Identifier: Apache-2.0
 *
 * CPU levels. x86: __builtin_cpu_supports reads CPUID and XGETBV (gcc and clang check the operating
 * system's state for AVX and AVX-512 bits). ARM: the kernel's HWCAP. The only file that tests
 * features.
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "int8x/cpu.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) || defined(__arm__)
#include <sys/auxv.h>
#endif

/* Values of the Linux kernel's arch/arm/include/uapi/asm/hwcap.h and the arm64 one. */
#define ARM_HWCAP_NEON (1ul << 12)
#define ARM_HWCAP_VFPV4 (1ul << 16)
#define ARM64_HWCAP_ASIMD (1ul << 1)

#define FEATURES_MAX 16

static const char *const names[I8X_CPU_LEVEL_COUNT] = {"scalar", "neon", "avx2", "avx512"};

#if defined(__x86_64__)
/* clang 14 does not know the name "f16c"; CPUID leaf 1 says it in bit 29 of ECX. */
static bool has_f16c(void)
{
    unsigned eax, ebx, ecx = 0, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx >> 29 & 1u) != 0;
}
#endif

static bool has_level(i8x_cpu_level level)
{
    if (level == I8X_CPU_SCALAR)
        return true;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    if (level == I8X_CPU_AVX2)
        return avx2;
    if (level == I8X_CPU_AVX512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vnni");
#elif defined(__aarch64__)
    if (level == I8X_CPU_NEON)
        return (getauxval(AT_HWCAP) & ARM64_HWCAP_ASIMD) != 0;
#elif defined(__arm__)
    const unsigned long wanted = ARM_HWCAP_NEON | ARM_HWCAP_VFPV4;
    if (level == I8X_CPU_NEON)
        return (getauxval(AT_HWCAP) & wanted) == wanted;
#endif
    return false;
}

/* ---- features, for humans ---- */

typedef struct feature {
    const char *name;
    bool there;
} feature;

#if defined(__x86_64__)
/* CPUID leaf 7, sub-leaf 1, EAX bit 4; clang 14 does not know the name. */
static bool has_avx_vnni(void)
{
    unsigned eax = 0, ebx, ecx, edx;
    return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1u) != 0;
}

static size_t list_features(feature *list)
{
    __builtin_cpu_init();
    const bool avx = __builtin_cpu_supports("avx");
    const feature all[] = {{"sse4.2", __builtin_cpu_supports("sse4.2")},
                           {"popcnt", __builtin_cpu_supports("popcnt")},
                           {"avx", avx},
                           {"f16c", avx && has_f16c()},
                           {"fma", __builtin_cpu_supports("fma")},
                           {"avx2", __builtin_cpu_supports("avx2")},
                           {"avx_vnni", avx && has_avx_vnni()},
                           {"avx512f", __builtin_cpu_supports("avx512f")},
                           {"avx512bw", __builtin_cpu_supports("avx512bw")},
                           {"avx512dq", __builtin_cpu_supports("avx512dq")},
                           {"avx512vl", __builtin_cpu_supports("avx512vl")},
                           {"avx512vnni", __builtin_cpu_supports("avx512vnni")}};
    memcpy(list, all, sizeof all);
    return sizeof all / sizeof *all;
}
#elif defined(__aarch64__)
static size_t list_features(feature *list)
{
    const unsigned long one = getauxval(AT_HWCAP), two = getauxval(AT_HWCAP2);
    const feature all[] = {
        {"asimd", one >> 1 & 1},    {"crc32", one >> 7 & 1},    {"atomics", one >> 8 & 1},
        {"asimdhp", one >> 10 & 1}, {"dotprod", one >> 20 & 1}, {"sve", one >> 22 & 1},
        {"sve2", two >> 1 & 1},     {"i8mm", two >> 13 & 1},    {"bf16", two >> 14 & 1}};
    memcpy(list, all, sizeof all);
    return sizeof all / sizeof *all;
}
#elif defined(__arm__)
static size_t list_features(feature *list)
{
    const unsigned long one = getauxval(AT_HWCAP);
    const feature all[] = {{"neon", one & ARM_HWCAP_NEON},
                           {"vfpv4", one & ARM_HWCAP_VFPV4},
                           {"asimdhp", one >> 23 & 1},
                           {"dotprod", one >> 24 & 1}};
    memcpy(list, all, sizeof all);
    return sizeof all / sizeof *all;
}
#else
static size_t list_features(feature *list)
{
    (void)list;
    return 0;
}
#endif

char *i8x_cpu_features(char *text, size_t size)
{
    feature list[FEATURES_MAX];
    const size_t count = list_features(list);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t length = strlen(list[i].name) + (used > 0);
        if (!list[i].there || used + length + 1 > size)
            continue;
        if (used > 0)
            text[used++] = ' ';
        memcpy(text + used, list[i].name, strlen(list[i].name));
        used += strlen(list[i].name);
    }
    if (size > 0)
        text[used] = 0;
    return text;
}

/* Asked once: in a virtual machine each CPUID is a trip to its host. */
i8x_cpu_level i8x_cpu_detect(void)
{
    static atomic_int known = -1;
    int level = atomic_load_explicit(&known, memory_order_relaxed);
    if (level >= 0)
        return (i8x_cpu_level)level;
    level = I8X_CPU_LEVEL_COUNT - 1;
    while (!has_level((i8x_cpu_level)level)) /* the scalar one is always there */
        level--;
    atomic_store_explicit(&known, level, memory_order_relaxed);
    return (i8x_cpu_level)level;
}

const char *i8x_cpu_level_name(i8x_cpu_level level)
{
    return (unsigned)level < I8X_CPU_LEVEL_COUNT ? names[level] : "?";
}

i8x_status i8x_cpu_level_parse(const char *name, i8x_cpu_level *level)
{
    I8X_ENSURE(name != NULL, I8X_EARG, "CPU level is NULL");
    for (int i = 0; i < I8X_CPU_LEVEL_COUNT; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        I8X_ENSURE(has_level((i8x_cpu_level)i), I8X_EUNSUPPORTED,
                   "CPU level '%s' is more than this processor has (%s)", name,
                   names[i8x_cpu_detect()]);
        *level = (i8x_cpu_level)i;
        return I8X_OK;
    }
    I8X_FAIL(I8X_EARG, "CPU level '%s' is none of scalar, neon, avx2, avx512", name);
}

int i8x_cpu_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    /* more processors than a cpu_set_t holds */
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}
