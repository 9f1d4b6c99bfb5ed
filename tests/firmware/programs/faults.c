/* One wrong thing, chosen by FAULT_<NAME>; the marked line is where it is to be reported. */
#include "board.h"

static volatile uint32_t words[8];
static volatile uint32_t sink;

#define NOINLINE __attribute__((noinline))

NOINLINE static void wrong(uint32_t argument) {
    (void)argument;
#if defined(FAULT_UNMAPPED_READ)
    sink = REGISTER(0x30000000u + argument); /* here */
#elif defined(FAULT_UNMAPPED_WRITE)
    REGISTER(0x20040000u + argument) = 1; /* here */
#elif defined(FAULT_FLASH_WRITE)
    REGISTER(0x00000400u + argument) = 1; /* here */
#elif defined(FAULT_JUMP)
    ((void (*)(void))(uintptr_t)(0x60000001u + argument))(); /* here */
#elif defined(FAULT_ARM_STATE)
    ((void (*)(void))(uintptr_t)(0x00000100u + argument))(); /* here */
#elif defined(FAULT_UNDEFINED)
    __asm__ volatile("udf #0"); /* here */
#elif defined(FAULT_BKPT)
    __asm__ volatile("bkpt #0"); /* here */
#elif defined(FAULT_UNMODELLED)
    sink = 1;
    REGISTER(0x4001D00Cu + argument) = 1; /* here */
#elif defined(FAULT_UNMODELLED_PERIPHERAL)
    sink = REGISTER(0x40003500u + argument); /* here */
#elif defined(FAULT_BYTE_ACCESS)
    *(volatile uint8_t *)(UARTE + 0x500u + argument) = 8; /* here */
#elif defined(FAULT_READ_ONLY)
    REGISTER(RTC1 + 0x504u + argument) = 8; /* here */
#elif defined(FAULT_DMA_FLASH)
    REGISTER(UARTE + 0x544u) = 0x100u + argument;
    REGISTER(UARTE + 0x548u) = 4;
    REGISTER(UARTE + 0x008u) = 1; /* here */
#elif defined(FAULT_LDM)
    __asm__ volatile("ldmia %0, {r4, r5}" : : "r"((uintptr_t)words + 1u + argument) : "r4", "r5"); /* here */
#elif defined(FAULT_STM)
    __asm__ volatile("stmia %0, {r4, r5}" : : "r"((uintptr_t)words + 2u + argument) : "memory"); /* here */
#elif defined(FAULT_LDRD)
    __asm__ volatile("ldrd r4, r5, [%0, #4]" : : "r"((uintptr_t)words + 2u + argument) : "r4", "r5"); /* here */
#elif defined(FAULT_STRD)
    __asm__ volatile("strd r4, r5, [%0], #8" : : "r"((uintptr_t)words + 3u + argument) : "memory"); /* here */
#elif defined(FAULT_VLDR)
    __asm__ volatile("vldr s1, [%0, #8]" : : "r"((uintptr_t)words + 2u + argument) : "s1"); /* here */
#elif defined(FAULT_VSTR)
    __asm__ volatile("vstr s1, [%0]" : : "r"((uintptr_t)words + 1u + argument) : "memory"); /* here */
#elif defined(FAULT_VLDM)
    __asm__ volatile("vldmia %0, {s2-s4}" : : "r"((uintptr_t)words + 2u + argument) : "s2", "s3", "s4"); /* here */
#elif defined(FAULT_LDREX)
    __asm__ volatile("ldrex r4, [%0]" : : "r"((uintptr_t)words + 2u + argument) : "r4"); /* here */
#elif defined(FAULT_LOADED_POINTER)
    words[0] = (uint32_t)(uintptr_t)words + 2u + argument;
    __asm__ volatile("ldr r3, [%0]\n\tldmia r3, {r4, r5}" : : "r"(words) : "r3", "r4", "r5"); /* here */
#elif defined(FAULT_CONDITIONAL)
    __asm__ volatile("cmp %1, #1\n\tit eq\n\tldrdeq r4, r5, [%0]\n\tcmp %1, #0\n\tit eq\n\tldrdeq r4, r5, [%0]" /* here */
                     : : "r"((uintptr_t)words + 2u), "r"(argument) : "r4", "r5", "cc");
#elif defined(FAULT_RESET)
    REGISTER(0xE000ED0Cu) = 0x05FA0004u + argument; /* here */
#elif defined(FAULT_POLL)
    while (REGISTER(UARTE + 0x104u) == argument) { /* here */
    }
#elif defined(FAULT_LOOP)
    for (;;) { /* here */
        __asm__ volatile("");
    }
#elif defined(FAULT_SPIN)
    while (words[0] == argument) { /* here */
    }
#endif
}

/* What silicon allows must pass. */
NOINLINE static void allowed(uint32_t argument) {
    __asm__ volatile("ldr r4, [%0]\n\tldrh r4, [%0, #2]\n\tstr r4, [%0]" : : "r"((uintptr_t)words + 1u) : "r4", "memory");
    __asm__ volatile("ldmia %0, {r4, r5}\n\tldrd r4, r5, [%0, #4]\n\tvldr s1, [%0]" : : "r"(words) : "r4", "r5", "s1");
    /* Skipped by its condition: the address does not matter. */
    __asm__ volatile("cmp %1, #1\n\tit eq\n\tldrdeq r4, r5, [%0]" : : "r"((uintptr_t)words + 1u), "r"(argument)
                     : "r4", "r5", "cc");
}

NOINLINE static void middle(uint32_t argument) {
    wrong(argument);
    sink++;
}

#if defined(HANDLED)
void HardFault_Handler(void);
void HardFault_Handler(void) {
    print_number("hfsr", REGISTER(0xE000ED2Cu) >> 30);
    print_number("cfsr", REGISTER(0xE000ED28u));
    for (;;) {
    }
}
void UsageFault_Handler(void);
void UsageFault_Handler(void) {
    print_number("usage", REGISTER(0xE000ED28u) >> 16);
    for (;;) {
    }
}
#endif

int main(void) {
    console_start();
    words[1] = (uint32_t)(uintptr_t)words;
#if defined(USAGE_ENABLED)
    REGISTER(0xE000ED24u) |= 1u << 18;
#endif
    allowed(0);
    print("before\n");
    middle(0);
    print("after\n");
    for (;;) {
        wait_for_interrupt();
    }
}
