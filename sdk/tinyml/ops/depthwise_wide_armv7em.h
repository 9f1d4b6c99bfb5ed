/* depthwise_wide.h for Armv7E-M. Cycles of one kernel row for four outputs: 20, 28, 38 (3, 5, 7 columns) at stride 1,
 * 23, 29, 37 at stride 2; about 50 more for every four outputs. */
#ifndef TM_DEPTHWISE_WIDE_ARMV7EM_H
#define TM_DEPTHWISE_WIDE_ARMV7EM_H

/* Sums r10, r11, r12, lr; r0 inputs, r1 weights. On the stack: bias, +4 multiplier, +8 offset, +12 right, +16 y,
 * +20 y_pixel, +24 x, +28 weights, +32 weights_end, +36 step, +40 outputs left. */
#define TM_DW_WIDE_ENTER                                                                                               \
    "ldm r0, {r1-r11}\n push {r1-r11}\n"                                                                               \
    "1:\n"                                                                                                             \
    "ldr r0, [sp, #24]\n ldr r1, [sp, #28]\n ldr r8, [sp, #36]\n ldr r9, [sp, #32]\n ldr r10, [sp]\n"                  \
    "mov r11, r10\n mov r12, r10\n mov lr, r10\n"                                                                      \
    "2:\n"
#define TM_DW_WIDE_NEXT "add r0, r0, r8\n cmp r1, r9\n bne 2b\n"

#define TM_DW_WIDE_SIGNED(sum)                                                                                         \
    "asr r9, " sum ", #31\n smmla " sum ", " sum ", r2, r3\n add " sum ", " sum ", r9, lsl #1\n"
#define TM_DW_WIDE_SIGNED4                                                                                             \
    TM_DW_WIDE_SIGNED("r10") TM_DW_WIDE_SIGNED("r11") TM_DW_WIDE_SIGNED("r12") TM_DW_WIDE_SIGNED("lr")
#define TM_DW_WIDE_PLAIN4                                                                                              \
    "smmla r10, r10, r2, r3\n smmla r11, r11, r2, r3\n smmla r12, r12, r2, r3\n smmla lr, lr, r2, r3\n"
#define TM_DW_WIDE_OUT(scale, x_step)                                                                                  \
    "ldr r2, [sp, #4]\n ldr r3, [sp, #8]\n ldr r4, [sp, #12]\n ldr r5, [sp, #16]\n ldr r6, [sp, #20]\n"                \
    "ldr r7, [sp, #40]\n ldr r8, [sp, #24]\n"                                                                          \
    "lsl r10, r10, #2\n lsl r11, r11, #2\n lsl r12, r12, #2\n lsl lr, lr, #2\n"                                        \
    scale                                                                                                              \
    "asr r10, r10, r4\n asr r11, r11, r4\n asr r12, r12, r4\n asr lr, lr, r4\n"                                        \
    "ssat r10, #8, r10\n ssat r11, #8, r11\n ssat r12, #8, r12\n ssat lr, #8, lr\n"                                    \
    "strb r10, [r5]\n subs r7, r7, #4\n blt 3f\n"                                                                      \
    "strb r11, [r5, r6]\n add r5, r5, r6, lsl #1\n strb r12, [r5]\n strb lr, [r5, r6]\n add r5, r5, r6, lsl #1\n"      \
    "str r5, [sp, #16]\n add r8, r8, #" x_step "\n str r8, [sp, #24]\n str r7, [sp, #40]\n bne 1b\n b 4f\n"            \
    "3:\n cmn r7, #3\n beq 4f\n strb r11, [r5, r6]\n cmn r7, #2\n beq 4f\n add r5, r5, r6, lsl #1\n strb r12, [r5]\n"  \
    "4:\n add sp, sp, #44\n"

/* Stride 1: of each input pair, what it adds to the four sums. */
#define TM_DW_WIDE3_S1                                                                                                 \
    "ldm r1!, {r4, r5}\n ldr r2, [r0]\n ldr r3, [r0, #4]\n ldr r6, [r0, #8]\n"                                         \
    "smlad r10, r2, r4, r10\n smlatb r11, r2, r4, r11\n"                                                               \
    "smlabt r10, r3, r5, r10\n smlad r11, r3, r5, r11\n smlad r12, r3, r4, r12\n smlatb lr, r3, r4, lr\n"              \
    "smlabt r12, r6, r5, r12\n smlad lr, r6, r5, lr\n"
#define TM_DW_WIDE5_S1                                                                                                 \
    "ldm r1!, {r4-r7}\n ldr r2, [r0]\n ldr r3, [r0, #4]\n"                                                             \
    "smlad r10, r2, r4, r10\n smlatb r11, r2, r4, r11\n"                                                               \
    "smlad r10, r3, r5, r10\n smlad r11, r3, r6, r11\n smlad r12, r3, r4, r12\n smlatb lr, r3, r4, lr\n"               \
    "ldr r2, [r0, #8]\n ldr r3, [r0, #12]\n"                                                                           \
    "smlabt r10, r2, r7, r10\n smlad r11, r2, r7, r11\n smlad r12, r2, r5, r12\n smlad lr, r2, r6, lr\n"               \
    "smlabt r12, r3, r7, r12\n smlad lr, r3, r7, lr\n"
#define TM_DW_WIDE7_S1                                                                                                 \
    "ldm r1!, {r4-r9}\n ldr r2, [r0]\n ldr r3, [r0, #4]\n"                                                             \
    "smlad r10, r2, r4, r10\n smlatb r11, r2, r4, r11\n"                                                               \
    "smlad r10, r3, r5, r10\n smlad r11, r3, r7, r11\n smlad r12, r3, r4, r12\n smlatb lr, r3, r4, lr\n"               \
    "ldr r2, [r0, #8]\n ldr r3, [r0, #12]\n"                                                                           \
    "smlad r10, r2, r6, r10\n smlad r11, r2, r8, r11\n smlad r12, r2, r5, r12\n smlad lr, r2, r7, lr\n"                \
    "smlabt r10, r3, r9, r10\n smlad r11, r3, r9, r11\n smlad r12, r3, r6, r12\n smlad lr, r3, r8, lr\n"               \
    "ldr r2, [r0, #16]\n ldr r8, [sp, #36]\n ldr r3, [sp, #32]\n"                                                      \
    "smlabt r12, r2, r9, r12\n smlad lr, r2, r9, lr\n mov r9, r3\n"

/* Stride 2. */
#define TM_DW_WIDE3_S2                                                                                                 \
    "ldm r1!, {r4, r5}\n ldr r2, [r0]\n ldr r3, [r0, #4]\n ldr r6, [r0, #8]\n ldr r7, [r0, #12]\n"                     \
    "smlad r10, r2, r4, r10\n smlabb r10, r3, r5, r10\n smlad r11, r3, r4, r11\n smlabb r11, r6, r5, r11\n"            \
    "ldr r2, [r0, #16]\n"                                                                                              \
    "smlad r12, r6, r4, r12\n smlabb r12, r7, r5, r12\n smlad lr, r7, r4, lr\n smlabb lr, r2, r5, lr\n"
#define TM_DW_WIDE5_S2                                                                                                 \
    "ldm r1!, {r4-r6}\n ldr r2, [r0]\n ldr r3, [r0, #4]\n ldr r7, [r0, #8]\n"                                          \
    "smlad r10, r2, r4, r10\n smlad r10, r3, r5, r10\n smlabb r10, r7, r6, r10\n"                                      \
    "smlad r11, r3, r4, r11\n smlad r11, r7, r5, r11\n smlad r12, r7, r4, r12\n"                                       \
    "ldr r2, [r0, #12]\n ldr r3, [r0, #16]\n ldr r7, [r0, #20]\n"                                                      \
    "smlabb r11, r2, r6, r11\n smlad r12, r2, r5, r12\n smlabb r12, r3, r6, r12\n"                                     \
    "smlad lr, r2, r4, lr\n smlad lr, r3, r5, lr\n smlabb lr, r7, r6, lr\n"
#define TM_DW_WIDE7_S2                                                                                                 \
    "ldm r1!, {r4-r7}\n ldr r2, [r0]\n ldr r3, [r0, #4]\n ldr r8, [r0, #8]\n ldr r9, [r0, #12]\n"                      \
    "smlad r10, r2, r4, r10\n smlad r10, r3, r5, r10\n smlad r10, r8, r6, r10\n smlabb r10, r9, r7, r10\n"             \
    "smlad r11, r3, r4, r11\n smlad r11, r8, r5, r11\n smlad r11, r9, r6, r11\n"                                       \
    "smlad r12, r8, r4, r12\n smlad r12, r9, r5, r12\n smlad lr, r9, r4, lr\n"                                         \
    "ldr r2, [r0, #16]\n ldr r3, [r0, #20]\n ldr r4, [r0, #24]\n ldr r8, [sp, #36]\n ldr r9, [sp, #32]\n"              \
    "smlabb r11, r2, r7, r11\n smlad r12, r2, r6, r12\n smlabb r12, r3, r7, r12\n"                                     \
    "smlad lr, r2, r5, lr\n smlad lr, r3, r6, lr\n smlabb lr, r4, r7, lr\n"

#define TM_DW_WIDE_RUN(row, scale, x_step)                                                                             \
    __asm__ volatile(TM_DW_WIDE_ENTER row TM_DW_WIDE_NEXT TM_DW_WIDE_OUT(scale, x_step)                                \
                     : "+r"(r0)                                                                                        \
                     :                                                                                                 \
                     : "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory")
#define TM_DW_WIDE_ROW(row, x_step)                                                                                    \
    do {                                                                                                               \
        if (is_signed) {                                                                                               \
            TM_DW_WIDE_RUN(row, TM_DW_WIDE_SIGNED4, x_step);                                                           \
        } else {                                                                                                       \
            TM_DW_WIDE_RUN(row, TM_DW_WIDE_PLAIN4, x_step);                                                            \
        }                                                                                                              \
    } while (0)

TM_INLINE void tm_depthwise_wide_row(const tm_depthwise_row *set, const int columns, const int stride,
                                     const int is_signed)
{
    register const tm_depthwise_row *r0 __asm__("r0") = set;
    if (stride == 1 && columns == 3) {
        TM_DW_WIDE_ROW(TM_DW_WIDE3_S1, "8");
    } else if (stride == 1 && columns == 5) {
        TM_DW_WIDE_ROW(TM_DW_WIDE5_S1, "8");
    } else if (stride == 1) {
        TM_DW_WIDE_ROW(TM_DW_WIDE7_S1, "8");
    } else if (columns == 3) {
        TM_DW_WIDE_ROW(TM_DW_WIDE3_S2, "16");
    } else if (columns == 5) {
        TM_DW_WIDE_ROW(TM_DW_WIDE5_S2, "16");
    } else {
        TM_DW_WIDE_ROW(TM_DW_WIDE7_S2, "16");
    }
}

#endif
