/* depthwise_rows.h for Armv7E-M: 39 cycles for two outputs at stride 1, 27 for one at stride 2, 12 more for a row. */
#ifndef TM_DEPTHWISE_ROWS_ARMV7EM_H
#define TM_DEPTHWISE_ROWS_ARMV7EM_H

#include "attributes.h"
#include "depthwise_rows.h"

/* One kernel row for two outputs: r1, r2 four inputs, r10, r11 the sums. */
#define TM_DEPTHWISE_ROW(w01, w12)                                                                                     \
    "smlad r10, r1, " w01 ", r10\n smlatb r11, r1, " w01 ", r11\n"                                                     \
    "smlabt r10, r2, " w12 ", r10\n smlad r11, r2, " w12 ", r11\n"

TM_INLINE void tm_depthwise_rows3x3(const tm_depthwise_rows *rows, const int row_bytes, const int stride)
{
    register const tm_depthwise_rows *r0 __asm__("r0") = rows;
    __asm__ volatile(
        "add r1, r0, #40\n ldm r1, {r4-r8}\n push {r4-r8}\n" /* sp: bias, +4 y_stride, +8 row_end, +12 last_end, +16 back */
        "ldr r3, [r0, #4]\n add r1, r0, #8\n ldm r1, {r4-r9, r12, lr}\n ldr r0, [r0]\n"
        "1:\n"
        "ldr r10, [sp]\n ldr r1, [r0]\n ldr r2, [r0, #4]\n mov r11, r10\n"
        TM_DEPTHWISE_ROW("r4", "r5")
        "ldr r1, [r0, %[row1]]\n ldr r2, [r0, %[row1b]]\n"
        TM_DEPTHWISE_ROW("r6", "r7")
        "ldr r1, [r0, %[row2]]\n ldr r2, [r0, %[row2b]]\n"
        TM_DEPTHWISE_ROW("r8", "r9")
        "smmlar r10, r10, r12, lr\n smmlar r11, r11, r12, lr\n ldrd r1, r2, [sp, #4]\n"
        "ssat r10, #8, r10\n ssat r11, #8, r11\n adds r0, r0, #4\n"
        "strb r10, [r3]\n strb r11, [r3, r1]\n add r3, r3, r1, lsl #1\n"
        "cmp r0, r2\n bne 1b\n"
        "ldr r1, [sp, #16]\n add r0, r0, %[skip]\n sub r3, r3, r1\n"
        "ldr r1, [sp, #12]\n cmp r2, r1\n add r2, r2, %[step]\n str r2, [sp, #8]\n bne 1b\n"
        "add sp, sp, #20\n"
        : "+r"(r0)
        : [row1] "i"(row_bytes), [row1b] "i"(row_bytes + 4), [row2] "i"(2 * row_bytes), [row2b] "i"(2 * row_bytes + 4),
          [step] "i"(stride * row_bytes), [skip] "i"((stride - 1) * row_bytes + 4)
        : "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
}

#undef TM_DEPTHWISE_ROW

TM_INLINE void tm_depthwise_rows3x3_s2(const tm_depthwise_rows *rows, const int row_bytes, const int stride)
{
    register const tm_depthwise_rows *r0 __asm__("r0") = rows;
    __asm__ volatile(
        "add r1, r0, #40\n ldm r1, {r4-r8}\n push {r4-r8}\n" /* sp: bias, +4 y_stride, +8 row_end, +12 last_end, +16 back */
        "mov r11, r5\n"
        "ldr r3, [r0, #4]\n add r1, r0, #8\n ldm r1, {r4-r9, r12, lr}\n ldr r0, [r0]\n"
        "1:\n"
        "ldr r10, [sp]\n ldr r1, [r0]\n ldr r2, [r0, #4]\n smlad r10, r1, r4, r10\n smlad r10, r2, r5, r10\n"
        "ldr r1, [r0, %[row1]]\n ldr r2, [r0, %[row1b]]\n smlad r10, r1, r6, r10\n smlad r10, r2, r7, r10\n"
        "ldr r1, [r0, %[row2]]\n ldr r2, [r0, %[row2b]]\n smlad r10, r1, r8, r10\n smlad r10, r2, r9, r10\n"
        "ldr r2, [sp, #8]\n smmlar r10, r10, r12, lr\n adds r0, r0, #4\n ssat r10, #8, r10\n"
        "cmp r0, r2\n strb r10, [r3]\n add r3, r3, r11\n bne 1b\n"
        "ldr r1, [sp, #12]\n add r0, r0, %[skip]\n cmp r2, r1\n add r2, r2, %[step]\n str r2, [sp, #8]\n bne 1b\n"
        "add sp, sp, #20\n"
        : "+r"(r0)
        : [row1] "i"(row_bytes), [row1b] "i"(row_bytes + 4), [row2] "i"(2 * row_bytes), [row2b] "i"(2 * row_bytes + 4),
          [step] "i"(stride * row_bytes), [skip] "i"((stride - 1) * row_bytes + 4)
        : "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
}

#endif
