/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel tester, shared part. Buffers lie between two unreadable pages: placed at the end, an
 * access behind them faults; placed at the beginning, one before them does; the free side holds a
 * known pattern that must survive. Calls go through an assembly trampoline (trampoline_*.S) that
 * checks the callee-saved registers and the stack; signals come back here by siglongjmp.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "tests/kernels/harness.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FRAME_BYTE 0xa7
#define FRAME_BYTES 512
#define OUTPUT_BYTE 0x5e
#define INNER_BYTES ((size_t)3 << 20) /* holds the bins of loghist */

extern const uint32_t kernel_tester_saved_count;
void kernel_tester_trampoline(call *c);

const size_t lengths[] = {
    0,   1,   2,   3,    4,    5,    6,    7,    8,    9,    10,   11,  12,  13,  14,  15,
    16,  17,  18,  19,   20,   21,   22,   23,   24,   25,   26,   27,  28,  29,  30,  31,
    32,  33,  34,  35,   36,   37,   38,   39,   40,   41,   42,   43,  44,  45,  46,  47,
    48,  49,  50,  51,   52,   53,   54,   55,   56,   57,   58,   59,  60,  61,  62,  63,
    64,  65,  66,  67,   68,   69,   70,   71,   72,   73,   74,   75,  76,  77,  78,  79,
    80,  81,  82,  83,   84,   85,   86,   87,   88,   89,   90,   91,  92,  93,  94,  95,
    96,  97,  98,  99,   100,  101,  102,  103,  104,  105,  106,  107, 108, 109, 110, 111,
    112, 113, 114, 115,  116,  117,  118,  119,  120,  121,  122,  123, 124, 125, 126, 127,
    128, 129, 143, 144,  145,  159,  160,  161,  191,  193,  255,  256, 257, 287, 300, 511,
    512, 513, 529, 1023, 1024, 1025, 1039, 1040, 1041, 1057, 2049, 3001};
const size_t length_count = sizeof lengths / sizeof lengths[0];

/* splitmix64 */
uint64_t random_bits(tester *t)
{
    uint64_t z = (t->rng += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t random_below(tester *t, uint32_t limit)
{
    return (uint32_t)((random_bits(t) >> 32) * limit >> 32);
}

float random_float(tester *t, float lo, float hi)
{
    return lo + (hi - lo) * (float)(random_bits(t) >> 40) * 0x1p-24f;
}

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float noise(tester *t)
{
    float sum = 0;
    for (int i = 0; i < 4; ++i)
        sum += random_float(t, -1, 1);
    return sum;
}

static float any_exponent(tester *t, bool denormals)
{
    uint32_t bits = (uint32_t)random_bits(t);
    uint32_t exponent = bits >> 23 & 255;
    if (exponent == 255 || (exponent == 0 && !denormals))
        bits = (bits & 0x807fffffu) | 0x3f800000u;
    if (denormals && random_below(t, 4) == 0)
        bits &= 0x807fffffu;
    return from_bits(bits);
}

static float bad_number(tester *t)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    return bad[random_below(t, 3)];
}

void fill_f32(tester *t, float *x, size_t n, style kind)
{
    size_t run = 0;
    uint32_t mode = 0;
    for (size_t i = 0; i < n; ++i) {
        if (run == 0) {
            run = 1 + random_below(t, random_below(t, 4) == 0 ? 40 : 4);
            mode = random_below(t, 4);
        }
        --run;
        switch (kind) {
        case STYLE_RELU:
            x[i] = mode < 2 ? (random_below(t, 8) == 0 ? -0.0f : 0.0f) : fabsf(noise(t));
            break;
        case STYLE_TIES:
            x[i] = (float)((int)random_below(t, 2400) - 1200) * (mode == 0 ? 0.25f : 0.5f);
            break;
        case STYLE_EXTREMES:
            x[i] = mode == 0   ? FLT_MAX
                   : mode == 1 ? -FLT_MAX
                   : mode == 2 ? (i % 2 ? FLT_MAX : -FLT_MAX)
                               : noise(t) * 1e30f;
            break;
        case STYLE_WIDE:
            x[i] = any_exponent(t, false);
            break;
        case STYLE_DENORMAL:
            x[i] = any_exponent(t, true);
            break;
        case STYLE_CODES:
            x[i] = mode == 0   ? -127.0f
                   : mode == 1 ? 127.0f
                               : (float)((int)random_below(t, 255) - 127);
            break;
        case STYLE_NONFINITE:
            x[i] = mode == 0 ? bad_number(t) : noise(t);
            break;
        default:
            x[i] = noise(t);
            break;
        }
    }
    if (kind == STYLE_ONE_BAD && n)
        x[random_below(t, (uint32_t)n)] = bad_number(t);
}

/* Codes: noise, runs of the least, the greatest, zero and alternating extremes. */
void fill_bytes(tester *t, void *x, size_t n)
{
    static const uint8_t runs[] = {0x80, 0x7f, 0x00, 0xff, 0x81};
    uint8_t *to = x;
    size_t run = 0;
    uint32_t mode = 0;
    for (size_t i = 0; i < n; ++i) {
        if (run == 0) {
            run = 1 + random_below(t, 40);
            mode = random_below(t, 9);
        }
        --run;
        to[i] = mode < 5 ? runs[mode] : mode == 5 ? (i % 2 ? 0x80 : 0x7f) : (uint8_t)random_bits(t);
    }
}

bool fail(tester *t, const char *format, ...)
{
    if (!t->failed) {
        va_list args;
        va_start(args, format);
        vsnprintf(t->message, sizeof t->message, format, args);
        va_end(args);
        t->failed = true;
    }
    return false;
}

bool same_f32(tester *t, const char *what, const float *expected, const float *got, size_t n)
{
    if (t->flushed) /* the contract: the task is repeated at the scalar level */
        return true;
    for (size_t i = 0; i < n; ++i) {
        uint32_t a, b;
        memcpy(&a, expected + i, sizeof a);
        memcpy(&b, got + i, sizeof b);
        if (a != b && !(expected[i] != expected[i] && got[i] != got[i]))
            return fail(t, "%s[%zu] of %zu: expected %a (%08x), got %a (%08x)", what, i, n,
                        (double)expected[i], a, (double)got[i], b);
    }
    return true;
}

bool same_f64(tester *t, const char *what, const double *expected, const double *got, size_t n)
{
    if (t->flushed) /* the contract: the task is repeated at the scalar level */
        return true;
    for (size_t i = 0; i < n; ++i) {
        uint64_t a, b;
        memcpy(&a, expected + i, sizeof a);
        memcpy(&b, got + i, sizeof b);
        if (a != b && !(expected[i] != expected[i] && got[i] != got[i]))
            return fail(t, "%s[%zu]: expected %a, got %a", what, i, expected[i], got[i]);
    }
    return true;
}

bool same_bytes(tester *t, const char *what, const void *expected, const void *got, size_t n)
{
    if (t->flushed) /* the contract: the task is repeated at the scalar level */
        return true;
    const uint8_t *a = expected, *b = got;
    for (size_t i = 0; i < n; ++i)
        if (a[i] != b[i])
            return fail(t, "%s: byte %zu of %zu: expected %02x, got %02x", what, i, n, a[i], b[i]);
    return true;
}

void case_begin(tester *t)
{
    t->buffer_count = 0;
    t->cases += 1;
}

static void *place(tester *t, const void *from, size_t size_bytes, size_t align, bool output)
{
    if (t->buffer_count >= BUFFERS || size_bytes > INNER_BYTES) {
        fprintf(stderr, "kernel_tester: a case asks for too many or too large buffers\n");
        exit(2);
    }
    buffer *b = &t->buffers[t->buffer_count++];
    uint8_t *inner = b->map + b->page_bytes, *end = inner + b->inner_bytes;
    size_t padded = (size_bytes + align - 1) / align * align;
    b->data = t->place == PLACE_END     ? end - padded
              : t->place == PLACE_BEGIN ? inner
                                        : inner + (FRAME_BYTES + 4 + align - 1) / align * align;
    b->size_bytes = size_bytes;
    b->output = output;
    size_t before = (size_t)(b->data - inner), after = (size_t)(end - b->data) - size_bytes;
    size_t frame_before = before < FRAME_BYTES ? before : FRAME_BYTES;
    size_t frame_after = after < FRAME_BYTES ? after : FRAME_BYTES;
    memset(b->data - frame_before, FRAME_BYTE, frame_before);
    memset(b->data + size_bytes, FRAME_BYTE, frame_after);
    if (from && size_bytes)
        memcpy(b->data, from, size_bytes);
    else
        memset(b->data, OUTPUT_BYTE, size_bytes);
    if (!output && size_bytes)
        memcpy(b->copy, from, size_bytes);
    return b->data;
}

void *place_input(tester *t, const void *from, size_t size_bytes, size_t align)
{
    return place(t, from, size_bytes, align, false);
}

void *place_output(tester *t, const void *from, size_t size_bytes, size_t align)
{
    return place(t, from, size_bytes, align, true);
}

static bool frame_intact(const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; ++i)
        if (from[i] != FRAME_BYTE)
            return false;
    return true;
}

bool case_end(tester *t)
{
    for (int i = 0; i < t->buffer_count; ++i) {
        const buffer *b = &t->buffers[i];
        const uint8_t *inner = b->map + b->page_bytes, *end = inner + b->inner_bytes;
        size_t before = (size_t)(b->data - inner), after = (size_t)(end - b->data) - b->size_bytes;
        if (!frame_intact(b->data - (before < FRAME_BYTES ? before : FRAME_BYTES),
                          before < FRAME_BYTES ? before : FRAME_BYTES))
            return fail(t, "wrote before buffer %d (%zu bytes)", i, b->size_bytes);
        if (!frame_intact(b->data + b->size_bytes, after < FRAME_BYTES ? after : FRAME_BYTES))
            return fail(t, "wrote behind buffer %d (%zu bytes)", i, b->size_bytes);
        if (!b->output && b->size_bytes && memcmp(b->data, b->copy, b->size_bytes) != 0)
            return fail(t, "wrote to input %d (%zu bytes)", i, b->size_bytes);
    }
    return true;
}

static sigjmp_buf fault_return;
static volatile sig_atomic_t fault_expected;

static void on_fault(int number)
{
    if (!fault_expected) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    fault_expected = 0;
    siglongjmp(fault_return, number);
}

static const char *signal_name(int number)
{
    return number == SIGSEGV ? "SEGV" : number == SIGBUS ? "BUS" : number == SIGILL ? "ILL" : "FPE";
}

bool guarded_call(tester *t, call *c, void (*fn)(void), int int_count, const uint64_t *ints,
                  int fp_count, const float *fp)
{
    memset(c, 0, sizeof *c);
    c->fn = WORD(fn);
    for (int i = 0; i < int_count; ++i)
        c->ints[i] = ints[i];
    for (int i = 0; i < fp_count; ++i)
        c->fp[i] = fp[i];
    for (int i = 0; i < CALL_SAVED; ++i)
        c->before[i] = 0x1122334455667701u * (uint64_t)(i + 1);
    int fault = sigsetjmp(fault_return, 1);
    if (fault)
        return fail(t, "signal %s", signal_name(fault));
    fault_expected = 1;
    i8x_kernels_fpscr_clear();
    kernel_tester_trampoline(c);
    t->flushed = t->flushes && i8x_kernels_flushed();
    t->flushed_cases += t->flushed;
    fault_expected = 0;
    if (c->sp_after != c->sp_before)
        return fail(t, "stack pointer moved by %lld", (long long)(c->sp_after - c->sp_before));
    if (c->canary_bad)
        return fail(t, "wrote to its caller's stack (%llu words)",
                    (unsigned long long)c->canary_bad);
    for (uint32_t i = 0; i < kernel_tester_saved_count; ++i) {
        uint64_t got = c->after[i], expected = c->before[i];
        if (sizeof(void *) == 4 && i < 8) { /* core registers of ARMv7 */
            got = (uint32_t)got;
            expected = (uint32_t)expected;
        }
        if (got != expected)
            return fail(t, "callee-saved register %u (order of trampoline_*.S) was not restored",
                        i);
    }
    return true;
}

bool harness_init(tester *t, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    t->rng = seed;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < BUFFERS; ++i) {
        buffer *b = &t->buffers[i];
        b->page_bytes = page;
        b->inner_bytes = INNER_BYTES;
        b->map_bytes = INNER_BYTES + 2 * page;
        b->map = mmap(NULL, b->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        b->copy = malloc(INNER_BYTES);
        if (b->map == MAP_FAILED || !b->copy ||
            mprotect(b->map + page, INNER_BYTES, PROT_READ | PROT_WRITE) != 0) {
            fprintf(stderr, "kernel_tester: no memory for guarded buffers\n");
            return false;
        }
    }
    static uint8_t stack[1 << 16];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaltstack(&alternate, NULL) != 0)
        return false;
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; ++i)
        if (sigaction(numbers[i], &action, NULL) != 0)
            return false;
    return true;
}

void harness_deinit(tester *t)
{
    for (int i = 0; i < BUFFERS; ++i) {
        munmap(t->buffers[i].map, t->buffers[i].map_bytes);
        free(t->buffers[i].copy);
    }
}

bool run_test(tester *t, const test *what, const i8x_kernels *reference, const i8x_kernels *level,
              int repeat)
{
    t->reference = reference;
    t->level = level;
    t->flushes = sizeof(void *) == 4 && level->level == I8X_CPU_NEON;
    t->failed = false;
    for (int round = 0; round < repeat; ++round)
        for (int place = 0; place < PLACE_COUNT; ++place)
            for (int kind = 0; kind < STYLE_COUNT; ++kind) {
                if (!(what->styles >> kind & 1))
                    continue;
                t->place = (placement)place;
                for (size_t l = 0; l < length_count; ++l) {
                    if (t->brief && lengths[l] > LENGTH_BRIEF && kind != STYLE_NOISE)
                        continue;
                    if (!what->run(t, lengths[l], (style)kind)) {
                        size_t used = strlen(t->message);
                        snprintf(t->message + used, sizeof t->message - used,
                                 " (n %zu, inputs %d, placement %d)", lengths[l], kind, place);
                        return false;
                    }
                }
            }
    return true;
}
