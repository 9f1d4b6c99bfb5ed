/* gemm_tile.h for Armv7E-M: 26 cycles for the 24 products of a group, 36 for the six outputs of a pair. */
#ifndef TM_GEMM_TILE_ARMV7EM_H
#define TM_GEMM_TILE_ARMV7EM_H

#include "attributes.h"
#include "gemm_tile.h"

/* One group: r0, r1 weights of the two channels, r3, r10, r11 three pixels, r4 .. r9 the sums. */
#define TM_GEMM_GROUP                                                                                                  \
    "ldm r12!, {r0, r1}\n ldm lr!, {r3, r10, r11}\n"                                                                   \
    "sxtb16 r2, r0\n smlad r4, r3, r2, r4\n smlad r6, r10, r2, r6\n smlad r8, r11, r2, r8\n"                           \
    "sxtb16 r2, r1\n smlad r5, r3, r2, r5\n smlad r7, r10, r2, r7\n smlad r9, r11, r2, r9\n"                           \
    "ldm lr!, {r3, r10, r11}\n"                                                                                        \
    "sxtb16 r2, r0, ror #8\n smlad r4, r3, r2, r4\n smlad r6, r10, r2, r6\n smlad r8, r11, r2, r8\n"                   \
    "sxtb16 r2, r1, ror #8\n smlad r5, r3, r2, r5\n smlad r7, r10, r2, r7\n smlad r9, r11, r2, r9\n"

static TM_SEPARATE void tm_gemm_tile3(const tm_gemm_tile *tile)
{
    register const tm_gemm_tile *r0 __asm__("r0") = tile;
    __asm__ volatile(
        "ldm r0, {r1-r6, r12, lr}\n"
        "push {r1-r6, lr}\n" /* sp: columns, +4 columns_end, +8 y, +12 y_stride, +16 zero_point, +20 odd, +24 end */
        "1:\n"
        "ldr r0, [sp, #20]\n ldr lr, [sp]\n"
        "ldm r12!, {r4, r5}\n"
        "mov r6, r4\n mov r7, r5\n mov r8, r4\n mov r9, r5\n"
        "cmp r0, #0\n bne 3f\n"
        "2:\n" TM_GEMM_GROUP
        "3:\n" TM_GEMM_GROUP
        "ldr r0, [sp, #4]\n cmp lr, r0\n bne 2b\n"
        "ldm r12!, {r0, r1}\n add r2, sp, #8\n ldm r2, {r3, r10, r11}\n"
        "smmlar r4, r4, r0, r11\n smmlar r5, r5, r1, r11\n smmlar r6, r6, r0, r11\n"
        "smmlar r7, r7, r1, r11\n smmlar r8, r8, r0, r11\n smmlar r9, r9, r1, r11\n"
        "ssat r4, #8, r4\n ssat r5, #8, r5\n ssat r6, #8, r6\n ssat r7, #8, r7\n ssat r8, #8, r8\n ssat r9, #8, r9\n"
        "add r2, r3, r10\n strb r4, [r3]\n strb r5, [r3, #1]\n strb r6, [r2]\n strb r7, [r2, #1]\n"
        "add r2, r2, r10\n ldr r0, [sp, #24]\n adds r3, r3, #2\n str r3, [sp, #8]\n strb r8, [r2]\n strb r9, [r2, #1]\n"
        "cmp r12, r0\n bne 1b\n"
        "add sp, sp, #28\n"
        : "+r"(r0)
        :
        : "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
}

#undef TM_GEMM_GROUP

#endif
