/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls a kernel with every callee-saved register (r4-r11, d8-d15) and a stretch of stack filled with known
 * values, and notes what came back. Integer arguments are the low words of the 64-bit fields. Offsets:
 * struct call in harness.h.
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
#define CANARY 0x0ddba115

        .syntax unified
        .arch armv7-a
        .fpu neon-vfpv4
        .arm
        .text
        .globl kernel_tester_trampoline
        .type kernel_tester_trampoline, %function
kernel_tester_trampoline:
        push {r4-r11, lr}
        vpush {d8-d15}
        sub sp, sp, #196                /* 64 bytes of arguments, 128 of canary, 4 to align */
        ldr r12, 9f
8:      add r12, pc, r12
        str r0, [r12]
        str sp, [r0, #SP_BEFORE]
        movw r2, #(CANARY & 0xffff)
        movt r2, #(CANARY >> 16)
        add r1, sp, #64
        mov r3, #32
1:      str r2, [r1], #4
        subs r3, r3, #1
        bne 1b
        add r1, r0, #(INTS + 32)
        mov r2, sp
        mov r3, #10
2:      ldr r4, [r1], #8
        str r4, [r2], #4
        subs r3, r3, #1
        bne 2b
        add r1, r0, #FP
        vldm r1, {s0-s3}
        add r1, r0, #(BEFORE + 64)
        vldm r1, {d8-d15}
        ldr r4, [r0, #(BEFORE + 0)]
        ldr r5, [r0, #(BEFORE + 8)]
        ldr r6, [r0, #(BEFORE + 16)]
        ldr r7, [r0, #(BEFORE + 24)]
        ldr r8, [r0, #(BEFORE + 32)]
        ldr r9, [r0, #(BEFORE + 40)]
        ldr r10, [r0, #(BEFORE + 48)]
        ldr r11, [r0, #(BEFORE + 56)]
        ldr r12, [r0, #FN]
        ldr r1, [r0, #(INTS + 8)]
        ldr r2, [r0, #(INTS + 16)]
        ldr r3, [r0, #(INTS + 24)]
        ldr r0, [r0, #INTS]
        blx r12
        ldr r12, 11f
10:     add r12, pc, r12
        ldr r12, [r12]
        str r0, [r12, #INT_RESULT]
        str r1, [r12, #(INT_RESULT + 4)]
        add r1, r12, #FP_RESULT
        vstr s0, [r1]
        str sp, [r12, #SP_AFTER]
        ldr sp, [r12, #SP_BEFORE]
        str r4, [r12, #(AFTER + 0)]
        str r5, [r12, #(AFTER + 8)]
        str r6, [r12, #(AFTER + 16)]
        str r7, [r12, #(AFTER + 24)]
        str r8, [r12, #(AFTER + 32)]
        str r9, [r12, #(AFTER + 40)]
        str r10, [r12, #(AFTER + 48)]
        str r11, [r12, #(AFTER + 56)]
        add r1, r12, #(AFTER + 64)
        vstm r1, {d8-d15}
        movw r2, #(CANARY & 0xffff)
        movt r2, #(CANARY >> 16)
        add r1, sp, #64
        mov r3, #32
        mov r5, #0
3:      ldr r4, [r1], #4
        cmp r4, r2
        addne r5, r5, #1
        subs r3, r3, #1
        bne 3b
        str r5, [r12, #CANARY_BAD]
        add sp, sp, #196
        vpop {d8-d15}
        pop {r4-r11, pc}
9:      .word current - 8b - 8
11:     .word current - 10b - 8
        .size kernel_tester_trampoline, . - kernel_tester_trampoline

/* Self-test: a kernel of any signature that spoils d9, and one that writes above its frame. */
        .globl kernel_tester_clobber
        .type kernel_tester_clobber, %function
kernel_tester_clobber:
        vmov.i32 d9, #0
        bx lr
        .size kernel_tester_clobber, . - kernel_tester_clobber

        .globl kernel_tester_smash
        .type kernel_tester_smash, %function
kernel_tester_smash:
        mov r0, #0
        str r0, [sp, #80]
        bx lr
        .size kernel_tester_smash, . - kernel_tester_smash

        .globl kernel_tester_illegal
        .type kernel_tester_illegal, %function
kernel_tester_illegal:
        udf #0
        .size kernel_tester_illegal, . - kernel_tester_illegal

        .section .rodata
        .globl kernel_tester_saved_count
        .align 2
kernel_tester_saved_count:
        .long 16
        .local current
        .comm current, 8, 8
        .section .note.GNU-stack, "", %progbits
