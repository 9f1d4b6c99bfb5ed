/* depthwise3x3.h for Armv7E-M: 66 cycles for four outputs at stride 1 and one shift for all channels (6 more with a
 * shift for each), 72 at stride 2, about 20 for a row. */
#ifndef TM_DEPTHWISE3X3_ARMV7EM_H
#define TM_DEPTHWISE3X3_ARMV7EM_H

#include "attributes.h"

/* On the stack: bias, +4 multiplier, +8 offset, +12 right, +16 y, +20 y_pixel, +24 end, +28 last, +32 y_skip,
 * +36 x_skip, +40 tail, +44 step. Throughout: r0 the plane, r3 its pitch, r4-r9 weights, r10-r12 and lr the sums. */
#define TM_DW_ENTER                                                                                                    \
    "ldm r0!, {r1-r12}\n push {r1-r12}\n ldm r0, {r3-r10}\n mov r0, r10\n"                                             \
    "ldr r1, [sp, #24]\n cmp r0, r1\n beq 3f\n"                                                                        \
    "2:\n"

/* Sums in r10, r11, r12, lr to y; then the next step of four while the row lasts. */
#define TM_DW_FOUR_SHIFT                                                                                               \
    "ldr r1, [sp, #12]\n ldr r2, [sp, #16]\n asr r10, r10, r1\n asr r11, r11, r1\n asr r12, r12, r1\n asr lr, lr, r1\n" \
    "ssat r10, #8, r10\n ssat r11, #8, r11\n ssat r12, #8, r12\n ssat lr, #8, lr\n ldr r1, [sp, #20]\n"
#define TM_DW_FOUR_FIXED                                                                                               \
    "ssat r10, #8, r10, asr #10\n ssat r11, #8, r11, asr #10\n ssat r12, #8, r12, asr #10\n ssat lr, #8, lr, asr #10\n" \
    "ldr r2, [sp, #16]\n ldr r1, [sp, #20]\n"
#define TM_DW_FOUR_OUT(shift)                                                                                          \
    "ldr r1, [sp, #4]\n ldr r2, [sp, #8]\n"                                                                            \
    "smmla r10, r10, r1, r2\n smmla r11, r11, r1, r2\n smmla r12, r12, r1, r2\n smmla lr, lr, r1, r2\n"                \
    shift                                                                                                              \
    "strb r11, [r2, r1]\n strb r10, [r2]\n add r2, r2, r1, lsl #1\n"                                                   \
    "ldr r10, [sp, #24]\n strb lr, [r2, r1]\n strb r12, [r2]\n add r2, r2, r1, lsl #1\n"                               \
    "str r2, [sp, #16]\n cmp r0, r10\n bne 2b\n"

/* After the steps of four: the next row, or first (6:) steps of two, of which an odd row's last writes its second
 * output under its first. */
#define TM_DW_ROW_END                                                                                                  \
    "3:\n ldr r1, [sp, #40]\n cbnz r1, 6f\n"                                                                           \
    "5:\n ldr r10, [sp, #16]\n ldr r11, [sp, #32]\n ldr r1, [sp, #24]\n ldr r12, [sp, #36]\n ldr lr, [sp, #28]\n"      \
    "ldr r2, [sp, #44]\n add r10, r10, r11\n str r10, [sp, #16]\n add r0, r0, r12\n cmp r1, lr\n beq 9f\n"             \
    "add r1, r1, r2\n str r1, [sp, #24]\n cmp r0, r1\n bne 2b\n b 3b\n"                                                \
    "6:\n mov r12, r1\n"                                                                                               \
    "4:\n"
#define TM_DW_TWO_SHIFT                                                                                                \
    "ldr r1, [sp, #12]\n ldr lr, [sp, #20]\n ldr r2, [sp, #16]\n asr r10, r10, r1\n asr r11, r11, r1\n"                \
    "ssat r10, #8, r10\n ssat r11, #8, r11\n"
#define TM_DW_TWO_FIXED                                                                                                \
    "ldr lr, [sp, #20]\n ldr r2, [sp, #16]\n ssat r10, #8, r10, asr #10\n ssat r11, #8, r11, asr #10\n"
#define TM_DW_TWO_OUT(shift)                                                                                           \
    "ldr r1, [sp, #4]\n ldr r2, [sp, #8]\n smmla r10, r10, r1, r2\n smmla r11, r11, r1, r2\n"                          \
    shift                                                                                                              \
    "cmp r12, #1\n it eq\n moveq lr, #0\n strb r11, [r2, lr]\n strb r10, [r2]\n add r2, r2, lr, lsl #1\n"              \
    "str r2, [sp, #16]\n subs r12, r12, #2\n bgt 4b\n b 5b\n"                                                          \
    "9:\n add sp, sp, #48\n"

/* Stride 1. r4, r6, r8: (w0, w1) of the kernel rows, r5, r7, r9: (w1, w2). Column pairs 0, 1, 2 of the input, each
 * by its three rows; the last load of a group moves r0 to the next column pair. */
#define TM_DW_S1_FOUR                                                                                                  \
    "ldr lr, [sp]\n ldr r1, [r0]\n ldr r2, [r0, r3]\n"                                                                 \
    "smlad r10, r1, r4, lr\n smlatb r11, r1, r4, lr\n smlad r10, r2, r6, r10\n smlatb r11, r2, r6, r11\n"              \
    "ldr r1, [r0, r3, lsl #1]\n ldr r2, [r0, #4]!\n"                                                                   \
    "smlad r10, r1, r8, r10\n smlatb r11, r1, r8, r11\n"                                                               \
    "smlabt r10, r2, r5, r10\n smlad r11, r2, r5, r11\n smlad r12, r2, r4, lr\n smlatb lr, r2, r4, lr\n"               \
    "ldr r1, [r0, r3]\n"                                                                                               \
    "smlabt r10, r1, r7, r10\n smlad r11, r1, r7, r11\n smlad r12, r1, r6, r12\n smlatb lr, r1, r6, lr\n"              \
    "ldr r1, [r0, r3, lsl #1]\n ldr r2, [r0, #4]!\n"                                                                   \
    "smlabt r10, r1, r9, r10\n smlad r11, r1, r9, r11\n smlad r12, r1, r8, r12\n smlatb lr, r1, r8, lr\n"              \
    "smlabt r12, r2, r5, r12\n smlad lr, r2, r5, lr\n"                                                                 \
    "ldr r1, [r0, r3]\n ldr r2, [r0, r3, lsl #1]\n"                                                                    \
    "smlabt r12, r1, r7, r12\n smlad lr, r1, r7, lr\n smlabt r12, r2, r9, r12\n smlad lr, r2, r9, lr\n"
#define TM_DW_S1_TWO                                                                                                   \
    "ldr lr, [sp]\n ldr r1, [r0]\n ldr r2, [r0, r3]\n"                                                                 \
    "smlad r10, r1, r4, lr\n smlatb r11, r1, r4, lr\n smlad r10, r2, r6, r10\n smlatb r11, r2, r6, r11\n"              \
    "ldr r1, [r0, r3, lsl #1]\n ldr r2, [r0, #4]!\n"                                                                   \
    "smlad r10, r1, r8, r10\n smlatb r11, r1, r8, r11\n smlabt r10, r2, r5, r10\n smlad r11, r2, r5, r11\n"            \
    "ldr r1, [r0, r3]\n ldr r2, [r0, r3, lsl #1]\n"                                                                    \
    "smlabt r10, r1, r7, r10\n smlad r11, r1, r7, r11\n smlabt r10, r2, r9, r10\n smlad r11, r2, r9, r11\n"

/* Stride 2. r4, r5, r6: (w0, w1) of the kernel rows, r7: w2 of rows 0 and 1, r8: w2 of row 2. */
#define TM_DW_S2_LOAD "ldr r1, [r0, #4]!\n ldr r2, [r0, r3]\n ldr r9, [r0, r3, lsl #1]\n"
#define TM_DW_S2_LEFT(sum, start) "smlad " sum ", r1, r4, " start "\n smlad " sum ", r2, r5, " sum "\n smlad " sum ", r9, r6, " sum "\n"
#define TM_DW_S2_RIGHT(sum) "smlabb " sum ", r1, r7, " sum "\n smlabt " sum ", r2, r7, " sum "\n smlabb " sum ", r9, r8, " sum "\n"
#define TM_DW_S2_TWO                                                                                                   \
    "ldr lr, [sp]\n ldr r1, [r0]\n ldr r2, [r0, r3]\n ldr r9, [r0, r3, lsl #1]\n"                                      \
    TM_DW_S2_LEFT("r10", "lr")                                                                                         \
    TM_DW_S2_LOAD TM_DW_S2_RIGHT("r10") TM_DW_S2_LEFT("r11", "lr")                                                     \
    TM_DW_S2_LOAD TM_DW_S2_RIGHT("r11")
#define TM_DW_S2_FOUR                                                                                                  \
    TM_DW_S2_TWO TM_DW_S2_LEFT("r12", "lr")                                                                            \
    TM_DW_S2_LOAD TM_DW_S2_RIGHT("r12") TM_DW_S2_LEFT("lr", "lr")                                                      \
    TM_DW_S2_LOAD TM_DW_S2_RIGHT("lr")

#define TM_DW_RUN(text)                                                                                                \
    __asm__ volatile(text                                                                                              \
                     : "+r"(r0)                                                                                        \
                     :                                                                                                 \
                     : "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory")

TM_INLINE void tm_depthwise3x3_s1(const tm_depthwise3x3 *set, const int fixed)
{
    register const tm_depthwise3x3 *r0 __asm__("r0") = set;
    if (fixed) {
        TM_DW_RUN(TM_DW_ENTER TM_DW_S1_FOUR TM_DW_FOUR_OUT(TM_DW_FOUR_FIXED) TM_DW_ROW_END TM_DW_S1_TWO
                      TM_DW_TWO_OUT(TM_DW_TWO_FIXED));
    } else {
        TM_DW_RUN(TM_DW_ENTER TM_DW_S1_FOUR TM_DW_FOUR_OUT(TM_DW_FOUR_SHIFT) TM_DW_ROW_END TM_DW_S1_TWO
                      TM_DW_TWO_OUT(TM_DW_TWO_SHIFT));
    }
}

TM_INLINE void tm_depthwise3x3_s2(const tm_depthwise3x3 *set, const int fixed)
{
    register const tm_depthwise3x3 *r0 __asm__("r0") = set;
    if (fixed) {
        TM_DW_RUN(TM_DW_ENTER TM_DW_S2_FOUR TM_DW_FOUR_OUT(TM_DW_FOUR_FIXED) TM_DW_ROW_END TM_DW_S2_TWO
                      TM_DW_TWO_OUT(TM_DW_TWO_FIXED));
    } else {
        TM_DW_RUN(TM_DW_ENTER TM_DW_S2_FOUR TM_DW_FOUR_OUT(TM_DW_FOUR_SHIFT) TM_DW_ROW_END TM_DW_S2_TWO
                      TM_DW_TWO_OUT(TM_DW_TWO_SHIFT));
    }
}

#endif
