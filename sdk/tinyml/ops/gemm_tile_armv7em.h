/* gemm_tile.h for Armv7E-M: 24 cycles for the 24 products of a group, 62 for the six outputs of a pair. */
#ifndef TM_GEMM_TILE_ARMV7EM_H
#define TM_GEMM_TILE_ARMV7EM_H

#include "attributes.h"
#include "gemm_tile.h"

/* r0, r1 weights of the two channels, r3, r10, r11 three pixels, r4 .. r9 the sums, r12 stream, lr windows, r2 pitch.
 * Every instruction has four bytes, so that a round can be entered in its middle: 88 bytes a group. */
#define TM_GEMM_ROUND                                                                                                  \
    ".rept 8\n"                                                                                                        \
    "ldr.w r1, [r12, #4]\n ldr.w r0, [r12], #8\n"                                                                      \
    "ldr.w r10, [lr, r2]\n ldr.w r11, [lr, r2, lsl #1]\n ldr.w r3, [lr], #4\n"                                         \
    "smlad r4, r3, r0, r4\n smlad r6, r10, r0, r6\n smlad r8, r11, r0, r8\n"                                           \
    "smlad r5, r3, r1, r5\n smlad r7, r10, r1, r7\n smlad r9, r11, r1, r9\n"                                           \
    "ldr.w r10, [lr, r2]\n ldr.w r11, [lr, r2, lsl #1]\n ldr.w r3, [lr], #4\n"                                         \
    "sxtb16 r0, r0\n sxtb16 r1, r1\n"                                                                                  \
    "smlad r4, r3, r0, r4\n smlad r6, r10, r0, r6\n smlad r8, r11, r0, r8\n"                                           \
    "smlad r5, r3, r1, r5\n smlad r7, r10, r1, r7\n smlad r9, r11, r1, r9\n"                                           \
    ".endr\n"

/* Frame: entry, windows, windows end, y, second, third, stream end. */
#define TM_GEMM_HEAD                                                                                                   \
    "push {r4-r11, lr}\n sub sp, sp, #28\n"                                                                            \
    "ldm r0, {r1-r8, r12}\n"                                                                                           \
    "adr.w r9, 2f\n mov r10, #88\n mla r9, r4, r10, r9\n orr r0, r9, #1\n"                                             \
    "mov r4, r3\n mov r3, r5\n mov r5, r7\n stm sp, {r0-r3, r6}\n str r5, [sp, #20]\n str r8, [sp, #24]\n mov r2, r4\n"   \
    "1:\n"                                                                                                             \
    "ldr r5, [r12, #4]\n ldr r4, [r12], #8\n ldr lr, [sp, #4]\n"                                                       \
    "mov r6, r4\n mov r7, r5\n mov r8, r4\n mov r9, r5\n"                                                             \
    "ldr pc, [sp]\n"                                                                                                   \
    ".p2align 2\n 2:\n" TM_GEMM_ROUND                                                                                  \
    "ldr r3, [sp, #8]\n cmp lr, r3\n bne.w 2b\n"

#define TM_GEMM_TAIL                                                                                                   \
    "ssat r4, #8, r4\n ssat r5, #8, r5\n ssat r6, #8, r6\n ssat r7, #8, r7\n ssat r8, #8, r8\n ssat r9, #8, r9\n"      \
    "add r10, r10, r3\n add r11, r11, r3\n"                                                                            \
    "strb r8, [r11]\n strb r9, [r11, #1]\n strb r6, [r10]\n strb r7, [r10, #1]\n strb r4, [r3]\n strb r5, [r3, #1]\n"  \
    "ldr r0, [sp, #24]\n adds r3, r3, #2\n adds r12, r12, #16\n cmp r12, r0\n str r3, [sp, #12]\n bne.w 1b\n"          \
    "add sp, sp, #28\n pop {r4-r11, pc}\n"

static TM_NAKED void tm_gemm_tile3(TM_UNUSED const tm_gemm_tile *tile)
{
    __asm__ volatile(
        TM_GEMM_HEAD
        "ldr r0, [r12]\n ldr r1, [r12, #4]\n ldr r3, [sp, #12]\n ldr r10, [sp, #16]\n ldr r11, [sp, #20]\n"
        "and lr, r1, #31\n bic r1, r1, #31\n"
        "smmla r4, r4, r0, r1\n smmla r6, r6, r0, r1\n smmla r8, r8, r0, r1\n"
        "asr r4, r4, lr\n asr r6, r6, lr\n asr r8, r8, lr\n"
        "ldr r0, [r12, #8]\n ldr r1, [r12, #12]\n and lr, r1, #31\n bic r1, r1, #31\n"
        "smmla r5, r5, r0, r1\n smmla r7, r7, r0, r1\n smmla r9, r9, r0, r1\n"
        "asr r5, r5, lr\n asr r7, r7, lr\n asr r9, r9, lr\n"
        TM_GEMM_TAIL ::: "r0", "r1", "r2", "r3", "r12", "cc", "memory");
}

/* r0, r1, lr become multiplier, offset, right, r10 what is taken from negative sums. */
#define TM_GEMM_SIGNED_SCALE(multiplier, packed)                                                                       \
    "ldr r0, [r12, #" multiplier "]\n ldr r1, [r12, #" packed "]\n and lr, r1, #31\n bic r1, r1, #31\n"               \
    "cmp lr, #7\n ite hi\n movhi r10, #128\n movls r10, #0\n"

/* One signed output: r3 is free. */
#define TM_GEMM_SIGNED(sum)                                                                                            \
    "smmla r3, " sum ", r0, r1\n and " sum ", r10, " sum ", asr #31\n sub " sum ", r3, " sum "\n asr " sum ", " sum ", lr\n"

static TM_NAKED void tm_gemm_tile3_signed(TM_UNUSED const tm_gemm_tile *tile)
{
    __asm__ volatile(
        TM_GEMM_HEAD
        TM_GEMM_SIGNED_SCALE("0", "4")
        TM_GEMM_SIGNED("r4") TM_GEMM_SIGNED("r6") TM_GEMM_SIGNED("r8")
        TM_GEMM_SIGNED_SCALE("8", "12")
        TM_GEMM_SIGNED("r5") TM_GEMM_SIGNED("r7") TM_GEMM_SIGNED("r9")
        "ldr r3, [sp, #12]\n ldr r10, [sp, #16]\n ldr r11, [sp, #20]\n"
        TM_GEMM_TAIL ::: "r0", "r1", "r2", "r3", "r12", "cc", "memory");
}

#undef TM_GEMM_SIGNED
#undef TM_GEMM_SIGNED_SCALE
#undef TM_GEMM_ROUND
#undef TM_GEMM_HEAD
#undef TM_GEMM_TAIL

#endif
