/* gemm_expand.h for Armv7E-M: 30 cycles for four words, about 22 for a row. */
#ifndef TM_GEMM_EXPAND_ARMV7EM_H
#define TM_GEMM_EXPAND_ARMV7EM_H

#include "attributes.h"
#include "gemm_expand.h"

#define TM_GEMM_EXPAND_WORD(low, both)                                                                                 \
    "eor " low ", " low ", #0x00800080\n mvn " both ", " low "\n uxtb16 " low ", " low "\n"

/* r0 the struct, r1 groups, r2 rows, r3 input, lr words left, r12 offset. */
static TM_NAKED void tm_gemm_expand_columns(TM_UNUSED tm_gemm_columns *columns)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n ldr r1, [r0, #24]\n"
        "1: ldr r2, [r0]\n"
        "2: ldr r3, [r2], #4\n ldr r12, [r0, #8]\n ldr r4, [r0, #12]\n ldr lr, [r0, #20]\n"
        "cmp r12, r4\n bhs 6f\n cmp r3, #0\n beq 6f\n add r3, r3, r12\n"
        "subs lr, lr, #4\n blt 4f\n"
        "3: ldm r3!, {r4, r6, r8, r10}\n"
        TM_GEMM_EXPAND_WORD("r4", "r5") TM_GEMM_EXPAND_WORD("r6", "r7")
        TM_GEMM_EXPAND_WORD("r8", "r9") TM_GEMM_EXPAND_WORD("r10", "r11")
        "subs lr, lr, #4\n stm r1!, {r4-r11}\n bge 3b\n"
        "4: adds lr, lr, #4\n beq 8f\n"
        "5: ldr r4, [r3], #4\n" TM_GEMM_EXPAND_WORD("r4", "r5") "subs lr, lr, #1\n stm r1!, {r4, r5}\n bne 5b\n b 8f\n"
        "6: ldr r4, [r0, #28]\n" TM_GEMM_EXPAND_WORD("r4", "r5")
        "7: stm r1!, {r4, r5}\n subs lr, lr, #1\n bne 7b\n"
        "8: ldr r4, [r0, #4]\n cmp r2, r4\n bne 2b\n"
        "ldr r4, [r0, #8]\n ldr r5, [r0, #16]\n ldr r6, [r0, #32]\n"
        "add r4, r4, r5\n str r4, [r0, #8]\n subs r6, r6, #1\n str r6, [r0, #32]\n bne 1b\n"
        "str r1, [r0, #24]\n pop {r4-r11, pc}\n" ::: "r0", "r1", "r2", "r3", "r12", "cc", "memory");
}

#undef TM_GEMM_EXPAND_WORD

#endif
