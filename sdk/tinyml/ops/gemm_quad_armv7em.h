/* gemm_quad.h for Armv7E-M: 21 cycles for the 16 products of a group, about 60 for four outputs. */
#ifndef TM_GEMM_QUAD_ARMV7EM_H
#define TM_GEMM_QUAD_ARMV7EM_H

#include "attributes.h"
#include "gemm_quad.h"

/* Frame: entry, inputs, rounds, the last four outputs, multiplier, packed scale. r0, r1 inputs, r2, r3, r8, r9 weights,
 * r4 .. r7 the sums, r12 stream, lr inputs, r10 rounds, r11 outputs.
 * Every instruction has four bytes, so that a round can be entered in its middle: 80 bytes a group. Rounds of 8 groups
 * for long sums, of 2 (_short) where code is worth more than speed. */
#define TM_GEMM_QUAD_HEAD(unroll)                                                                                      \
    "push {r4-r11, lr}\n sub sp, sp, #24\n"                                                                            \
    "ldm r0, {r1-r8}\n mov r11, r2\n mov r12, r4\n sub r3, r3, #4\n"                                                   \
    "adr.w r9, 2f\n mov r10, #80\n mla r9, r6, r10, r9\n orr r0, r9, #1\n mov r2, r5\n"                               \
    "strd r0, r1, [sp]\n strd r2, r3, [sp, #8]\n strd r7, r8, [sp, #16]\n"                                            \
    "1:\n"                                                                                                             \
    "ldr r10, [sp, #8]\n ldr lr, [sp, #4]\n ldm r12!, {r4-r7}\n ldr pc, [sp]\n"                                       \
    ".p2align 2\n 2:\n"                                                                                                \
    ".rept " #unroll "\n"                                                                                              \
    "ldr.w r0, [lr], #4\n ldr.w r3, [r12, #4]\n ldr.w r8, [r12, #8]\n ldr.w r9, [r12, #12]\n ldr.w r2, [r12], #16\n"   \
    "eor r1, r0, #0x00800080\n uxtb16 r0, r1\n mvn.w r1, r1\n"                                                         \
    "smlad r4, r0, r2, r4\n smlad r5, r0, r3, r5\n smlad r6, r0, r8, r6\n smlad r7, r0, r9, r7\n"                      \
    "sxtb16 r2, r2\n sxtb16 r3, r3\n sxtb16 r8, r8\n sxtb16 r9, r9\n"                                                  \
    "smlad r4, r1, r2, r4\n smlad r5, r1, r3, r5\n smlad r6, r1, r8, r6\n smlad r7, r1, r9, r7\n"                      \
    ".endr\n"                                                                                                          \
    "subs r10, r10, #1\n bpl.w 2b\n"

#define TM_GEMM_QUAD_TAIL                                                                                              \
    "ssat r4, #8, r4\n ssat r5, #8, r5\n ssat r6, #8, r6\n ssat r7, #8, r7\n"                                          \
    "ldr r0, [sp, #12]\n cmp r11, r0\n bhi 3f\n"                                                                      \
    "strb r4, [r11]\n strb r5, [r11, #1]\n strb r6, [r11, #2]\n strb r7, [r11, #3]\n add r11, r11, #4\n blo.w 1b\n"    \
    "b 4f\n"                                                                                                           \
    "3: sub r0, r0, r11\n strb r4, [r11]\n cmn r0, #2\n blt 4f\n strb r5, [r11, #1]\n beq 4f\n strb r6, [r11, #2]\n"  \
    "4: add sp, sp, #24\n pop {r4-r11, pc}\n"

/* r0, r1 are a multiplier and a packed scale; r1, r2 become offset and right. */
#define TM_GEMM_QUAD_SCALE "and r2, r1, #31\n bic r1, r1, #31\n"
#define TM_GEMM_QUAD_SCALED(sum) "smmla " sum ", " sum ", r0, r1\n asr " sum ", " sum ", r2\n"
#define TM_GEMM_QUAD_OUTPUT(sum) "ldm r12!, {r0, r1}\n" TM_GEMM_QUAD_SCALE TM_GEMM_QUAD_SCALED(sum)

#define TM_GEMM_QUAD_SIGNED(sum)                                                                                       \
    "ldm r12!, {r0, r1}\n" TM_GEMM_QUAD_SCALE "cmp r2, #7\n ite hi\n movhi r8, #128\n movls r8, #0\n"                  \
    "smmla r3, " sum ", r0, r1\n and " sum ", r8, " sum ", asr #31\n sub " sum ", r3, " sum "\n asr " sum ", " sum ", r2\n"

#define TM_GEMM_QUAD_CLOBBERS ::: "r0", "r1", "r2", "r3", "r12", "cc", "memory"

#define TM_GEMM_QUADS(suffix, unroll)                                                                                  \
    static TM_NAKED void tm_gemm_quads##suffix(TM_UNUSED const tm_gemm_quad *quad)                                     \
    {                                                                                                                  \
        __asm__ volatile(                                                                                              \
            TM_GEMM_QUAD_HEAD(unroll)                                                                                  \
            TM_GEMM_QUAD_OUTPUT("r4") TM_GEMM_QUAD_OUTPUT("r5") TM_GEMM_QUAD_OUTPUT("r6") TM_GEMM_QUAD_OUTPUT("r7")    \
            TM_GEMM_QUAD_TAIL TM_GEMM_QUAD_CLOBBERS);                                                                  \
    }                                                                                                                  \
                                                                                                                       \
    static TM_NAKED void tm_gemm_quads_signed##suffix(TM_UNUSED const tm_gemm_quad *quad)                              \
    {                                                                                                                  \
        __asm__ volatile(                                                                                              \
            TM_GEMM_QUAD_HEAD(unroll)                                                                                  \
            TM_GEMM_QUAD_SIGNED("r4") TM_GEMM_QUAD_SIGNED("r5") TM_GEMM_QUAD_SIGNED("r6") TM_GEMM_QUAD_SIGNED("r7")    \
            TM_GEMM_QUAD_TAIL TM_GEMM_QUAD_CLOBBERS);                                                                  \
    }                                                                                                                  \
                                                                                                                       \
    /* All channels have the multiplier and the packed scale of the struct. */                                        \
    static TM_NAKED void tm_gemm_quads_tensor##suffix(TM_UNUSED const tm_gemm_quad *quad)                              \
    {                                                                                                                  \
        __asm__ volatile(                                                                                              \
            TM_GEMM_QUAD_HEAD(unroll)                                                                                  \
            "ldr r0, [sp, #16]\n ldr r1, [sp, #20]\n" TM_GEMM_QUAD_SCALE                                               \
            TM_GEMM_QUAD_SCALED("r4") TM_GEMM_QUAD_SCALED("r5") TM_GEMM_QUAD_SCALED("r6") TM_GEMM_QUAD_SCALED("r7")    \
            TM_GEMM_QUAD_TAIL TM_GEMM_QUAD_CLOBBERS);                                                                  \
    }

TM_GEMM_QUADS(, 8)
TM_GEMM_QUADS(_short, 2)

#undef TM_GEMM_QUADS
#undef TM_GEMM_QUAD_CLOBBERS
#undef TM_GEMM_QUAD_SIGNED
#undef TM_GEMM_QUAD_OUTPUT
#undef TM_GEMM_QUAD_SCALED
#undef TM_GEMM_QUAD_SCALE
#undef TM_GEMM_QUAD_HEAD
#undef TM_GEMM_QUAD_TAIL

#endif
