/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls a kernel with every callee-saved register (x19-x29, the low halves of v8-v15) and a stretch of stack
 * filled with known values, and notes what came back. Offsets: struct call in harness.h.
 */
#define FN 0
#define INTS 8
#define FP 120
#define INT_RESULT 152
#define FP_RESULT 160
#define SP_BEFORE 168
#define SP_AFTER 176
#define CANARY_BAD 184
#define BEFORE 192
#define AFTER 384

        .text
        .globl kernel_tester_trampoline
        .type kernel_tester_trampoline, %function
kernel_tester_trampoline:
        stp x29, x30, [sp, -160]!
        stp x19, x20, [sp, 16]
        stp x21, x22, [sp, 32]
        stp x23, x24, [sp, 48]
        stp x25, x26, [sp, 64]
        stp x27, x28, [sp, 80]
        stp d8, d9, [sp, 96]
        stp d10, d11, [sp, 112]
        stp d12, d13, [sp, 128]
        stp d14, d15, [sp, 144]
        sub sp, sp, 192                 /* 64 bytes of arguments, 128 of canary */
        adrp x9, current
        add x9, x9, :lo12:current
        str x0, [x9]
        mov x10, sp
        str x10, [x0, SP_BEFORE]
        ldr x11, =0x05ca1ab1e0ddba11
        mov x12, 0
        add x13, sp, 64
1:      str x11, [x13, x12, lsl 3]
        add x12, x12, 1
        cmp x12, 16
        b.ne 1b
        mov x12, 0
        add x13, x0, INTS + 64
2:      ldr x14, [x13, x12, lsl 3]
        str x14, [x10, x12, lsl 3]
        add x12, x12, 1
        cmp x12, 6
        b.ne 2b
        ldr s0, [x0, FP + 0]
        ldr s1, [x0, FP + 4]
        ldr s2, [x0, FP + 8]
        ldr s3, [x0, FP + 12]
        add x9, x0, BEFORE
        ldp x19, x20, [x9, 0]
        ldp x21, x22, [x9, 16]
        ldp x23, x24, [x9, 32]
        ldp x25, x26, [x9, 48]
        ldp x27, x28, [x9, 64]
        ldr x29, [x9, 80]
        ldp d8, d9, [x9, 88]
        ldp d10, d11, [x9, 104]
        ldp d12, d13, [x9, 120]
        ldp d14, d15, [x9, 136]
        ldr x9, [x0, FN]
        ldp x6, x7, [x0, INTS + 48]
        ldp x4, x5, [x0, INTS + 32]
        ldp x2, x3, [x0, INTS + 16]
        ldr x1, [x0, INTS + 8]
        ldr x0, [x0, INTS]
        blr x9
        adrp x9, current
        add x9, x9, :lo12:current
        ldr x9, [x9]
        str x0, [x9, INT_RESULT]
        str s0, [x9, FP_RESULT]
        mov x10, sp
        str x10, [x9, SP_AFTER]
        ldr x10, [x9, SP_BEFORE]
        mov sp, x10
        add x11, x9, AFTER
        stp x19, x20, [x11, 0]
        stp x21, x22, [x11, 16]
        stp x23, x24, [x11, 32]
        stp x25, x26, [x11, 48]
        stp x27, x28, [x11, 64]
        str x29, [x11, 80]
        stp d8, d9, [x11, 88]
        stp d10, d11, [x11, 104]
        stp d12, d13, [x11, 120]
        stp d14, d15, [x11, 136]
        ldr x11, =0x05ca1ab1e0ddba11
        mov x12, 0
        mov x14, 0
        add x13, sp, 64
3:      ldr x15, [x13, x12, lsl 3]
        cmp x15, x11
        cinc x14, x14, ne
        add x12, x12, 1
        cmp x12, 16
        b.ne 3b
        str x14, [x9, CANARY_BAD]
        add sp, sp, 192
        ldp x19, x20, [sp, 16]
        ldp x21, x22, [sp, 32]
        ldp x23, x24, [sp, 48]
        ldp x25, x26, [sp, 64]
        ldp x27, x28, [sp, 80]
        ldp d8, d9, [sp, 96]
        ldp d10, d11, [sp, 112]
        ldp d12, d13, [sp, 128]
        ldp d14, d15, [sp, 144]
        ldp x29, x30, [sp], 160
        ret
        .size kernel_tester_trampoline, . - kernel_tester_trampoline

/* Self-test: a kernel of any signature that spoils v9, and one that writes above its frame. */
        .globl kernel_tester_clobber
        .type kernel_tester_clobber, %function
kernel_tester_clobber:
        movi v9.2d, 0
        ret
        .size kernel_tester_clobber, . - kernel_tester_clobber

        .globl kernel_tester_smash
        .type kernel_tester_smash, %function
kernel_tester_smash:
        str xzr, [sp, 88]
        ret
        .size kernel_tester_smash, . - kernel_tester_smash

        .globl kernel_tester_illegal
        .type kernel_tester_illegal, %function
kernel_tester_illegal:
        udf 0
        .size kernel_tester_illegal, . - kernel_tester_illegal
        .ltorg

        .section .rodata
        .globl kernel_tester_saved_count
        .align 2
kernel_tester_saved_count:
        .long 19
        .local current
        .comm current, 8, 8
        .section .note.GNU-stack, "", %progbits
