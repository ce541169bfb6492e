/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls a kernel with every callee-saved register and a stretch of stack filled with known values, and
 * notes what came back. Offsets: struct call in harness.h.
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
        .type kernel_tester_trampoline, @function
kernel_tester_trampoline:
        pushq %rbx
        pushq %rbp
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        subq $200, %rsp                 /* 64 bytes of arguments, 128 of canary, 8 to align */
        movq %rdi, current(%rip)
        movq %rsp, SP_BEFORE(%rdi)
        movabsq $0x5ca1ab1e0ddba11, %rax
        xorl %ecx, %ecx
1:      movq %rax, 64(%rsp, %rcx, 8)
        incl %ecx
        cmpl $16, %ecx
        jne 1b
        xorl %ecx, %ecx
2:      movq INTS + 48(%rdi, %rcx, 8), %rax
        movq %rax, (%rsp, %rcx, 8)
        incl %ecx
        cmpl $8, %ecx
        jne 2b
        movss FP + 0(%rdi), %xmm0
        movss FP + 4(%rdi), %xmm1
        movss FP + 8(%rdi), %xmm2
        movss FP + 12(%rdi), %xmm3
        movq BEFORE + 0(%rdi), %rbx
        movq BEFORE + 8(%rdi), %rbp
        movq BEFORE + 16(%rdi), %r12
        movq BEFORE + 24(%rdi), %r13
        movq BEFORE + 32(%rdi), %r14
        movq BEFORE + 40(%rdi), %r15
        movq FN(%rdi), %r11
        movq INTS + 8(%rdi), %rsi
        movq INTS + 16(%rdi), %rdx
        movq INTS + 24(%rdi), %rcx
        movq INTS + 32(%rdi), %r8
        movq INTS + 40(%rdi), %r9
        movq INTS + 0(%rdi), %rdi
        movl $8, %eax
        call *%r11
        movq current(%rip), %r11
        movq %rax, INT_RESULT(%r11)
        movss %xmm0, FP_RESULT(%r11)
        movq %rsp, SP_AFTER(%r11)
        movq SP_BEFORE(%r11), %rsp
        movq %rbx, AFTER + 0(%r11)
        movq %rbp, AFTER + 8(%r11)
        movq %r12, AFTER + 16(%r11)
        movq %r13, AFTER + 24(%r11)
        movq %r14, AFTER + 32(%r11)
        movq %r15, AFTER + 40(%r11)
        movabsq $0x5ca1ab1e0ddba11, %rax
        xorl %ecx, %ecx
        xorl %edx, %edx
3:      cmpq %rax, 64(%rsp, %rcx, 8)
        je 4f
        incl %edx
4:      incl %ecx
        cmpl $16, %ecx
        jne 3b
        movq %rdx, CANARY_BAD(%r11)
        cld
        addq $200, %rsp
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbp
        popq %rbx
        ret
        .size kernel_tester_trampoline, . - kernel_tester_trampoline

/* Self-test: a kernel of any signature that spoils rbx, and one that writes above its frame. */
        .globl kernel_tester_clobber
        .type kernel_tester_clobber, @function
kernel_tester_clobber:
        xorl %ebx, %ebx
        ret
        .size kernel_tester_clobber, . - kernel_tester_clobber

        .globl kernel_tester_smash
        .type kernel_tester_smash, @function
kernel_tester_smash:
        movq $0, 96(%rsp)
        ret
        .size kernel_tester_smash, . - kernel_tester_smash

        .globl kernel_tester_illegal
        .type kernel_tester_illegal, @function
kernel_tester_illegal:
        ud2
        .size kernel_tester_illegal, . - kernel_tester_illegal

        .section .rodata
        .globl kernel_tester_saved_count
        .align 4
kernel_tester_saved_count:
        .long 6
        .local current
        .comm current, 8, 8
        .section .note.GNU-stack, "", @progbits
