/* depthwise_expand.h for Armv7E-M: 36 cycles for eight pixels of both channels, about 12 for a row. */
#ifndef TM_DEPTHWISE_EXPAND_ARMV7EM_H
#define TM_DEPTHWISE_EXPAND_ARMV7EM_H

/* Two pixels in the half-words `first` and `second` to both planes. */
#define TM_DW_CELLS(first, second)                                                                                     \
    "pkhbt " first ", " first ", " second ", lsl #16\n sxtab16 " second ", r5, " first "\n"                            \
    "sxtab16 " first ", r5, " first ", ror #8\n str " second ", [r1], #4\n str " first ", [r2], #4\n"

#define TM_DW_CELLS4                                                                                                   \
    "ldrh r6, [r0]\n ldrh r7, [r0, r3]\n ldrh r8, [r0, r3, lsl #1]\n ldrh r9, [r0, r4]\n"                             \
    TM_DW_CELLS("r6", "r7") TM_DW_CELLS("r8", "r9") "add r0, r0, r3, lsl #2\n"

/* r4: three pixels, r10: plane_skip, r11: how many are left of a row, r12: columns, lr: rows left; x_skip on the stack. */
TM_INLINE void tm_depthwise_expand_cells(const tm_depthwise_cells *cells)
{
    register const tm_depthwise_cells *r0 __asm__("r0") = cells;
    __asm__ volatile(
        "ldr r10, [r0, #32]\n ldr r6, [r0, #28]\n push {r6, r7}\n ldr r12, [r0, #20]\n ldr lr, [r0, #24]\n"
        "ldm r0, {r0-r3, r5}\n add r4, r3, r3, lsl #1\n"
        "1:\n"
        "subs r11, r12, #8\n blt 3f\n"
        "2:\n"
        TM_DW_CELLS4 TM_DW_CELLS4
        "subs r11, r11, #8\n bge 2b\n"
        "3:\n"
        "lsls r11, r12, #30\n bcc 6f\n"
        TM_DW_CELLS4
        "lsls r11, r12, #30\n"
        "6:\n beq 5f\n bpl 4f\n"
        "ldrh r6, [r0]\n ldrh r7, [r0, r3]\n"
        TM_DW_CELLS("r6", "r7")
        "add r0, r0, r3, lsl #1\n lsls r11, r11, #1\n beq 5f\n"
        "4:\n"
        "ldrh r6, [r0]\n add r0, r0, r3\n sxtab16 r7, r5, r6\n sxtab16 r6, r5, r6, ror #8\n strh r7, [r1], #2\n strh r6, [r2], #2\n"
        "5:\n"
        "ldr r6, [sp]\n add r1, r1, r10\n add r2, r2, r10\n add r0, r0, r6\n subs lr, lr, #1\n bne 1b\n"
        "add sp, sp, #8\n"
        : "+r"(r0)
        :
        : "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
}

#undef TM_DW_CELLS
#undef TM_DW_CELLS4

/* Loops in assembly, because compilers would call memset and memcpy. */
TM_INLINE void tm_depthwise_clear(int16_t *a, int16_t *b, int32_t words)
{
    __asm__ volatile("1:\n str %3, [%0], #4\n str %3, [%1], #4\n subs %2, %2, #1\n bne 1b\n"
                     : "+r"(a), "+r"(b), "+r"(words)
                     : "r"(0)
                     : "cc", "memory");
}

TM_INLINE void tm_depthwise_move(int16_t *a, int16_t *b, int32_t from_bytes, int32_t words)
{
    const int16_t *from_a = a + from_bytes / 2;
    const int16_t *from_b = b + from_bytes / 2;
    int32_t one, other;
    __asm__ volatile("1:\n ldr %5, [%2], #4\n ldr %6, [%3], #4\n str %5, [%0], #4\n str %6, [%1], #4\n"
                     "subs %4, %4, #1\n bne 1b\n"
                     : "+r"(a), "+r"(b), "+r"(from_a), "+r"(from_b), "+r"(words), "=&r"(one), "=&r"(other)
                     :
                     : "cc", "memory");
}

#endif
