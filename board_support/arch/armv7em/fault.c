/* The handler of all processor faults. It trusts nothing but its own registers: the stack may be broken. */
#include "fault.h"

#include "cortex_m.h"

extern uint32_t __stack_limit, __stack_top;

void HardFault_Handler(void);
__attribute__((used)) _Noreturn void fault_report(uint32_t frame);

#define CFSR_MMARVALID (1u << 7)
#define CFSR_BFARVALID (1u << 15)
#define NVIC_WORDS ((SOC_INTERRUPTS + 31u) / 32u)
#define FRAME_PC 6u
#define FRAME_BYTES 32u

static char *append(char *at, const char *text) {
    while (*text != '\0') {
        *at++ = *text++;
    }
    return at;
}

static char *append_hex(char *at, uint32_t value) {
    at = append(at, "0x");
    for (int32_t shift = 28; shift >= 0; shift -= 4) {
        *at++ = "0123456789abcdef"[(value >> shift) & 15u];
    }
    return at;
}

static const char *fault_kind(uint32_t exception, uint32_t cfsr) {
    if (exception >= 16u) {
        return "unexpected_interrupt";
    }
    if ((cfsr & 0xFFFF0000u) != 0u) {
        return "usage";
    }
    if ((cfsr & 0x0000FF00u) != 0u) {
        return "bus";
    }
    return (cfsr & 0x000000FFu) != 0u ? "memory" : "hard";
}

_Noreturn void fault_report(uint32_t frame) {
    static char line[96];
    for (uint32_t i = 0; i < NVIC_WORDS; i++) {
        REGISTER(NVIC_ICER + 4u * i) = 0xFFFFFFFFu; /* no driver may run any more */
    }
    uint32_t cfsr = REGISTER(SCB_CFSR);
    uint32_t low = (uint32_t)(uintptr_t)&__stack_limit;
    uint32_t high = (uint32_t)(uintptr_t)&__stack_top;
    char *at = append(line, "fault kind=");
    at = append(at, fault_kind(REGISTER(SCB_ICSR) & 0x1FFu, cfsr));
    at = append(at, " pc=");
    /* After a stack overflow there is no frame to read. */
    int readable = (frame & 3u) == 0u && frame >= low && frame <= high - FRAME_BYTES;
    at = readable ? append_hex(at, ((const uint32_t *)(uintptr_t)frame)[FRAME_PC]) : append(at, "unknown");
    if ((cfsr & CFSR_BFARVALID) != 0u) {
        at = append_hex(append(at, " address="), REGISTER(SCB_BFAR));
    } else if ((cfsr & CFSR_MMARVALID) != 0u) {
        at = append_hex(append(at, " address="), REGISTER(SCB_MMFAR));
    }
    if (frame < low) {
        at = append(at, " stack=overflow");
    }
    at = append(at, "\n");
    fault_write(line, (uint32_t)(at - line));
    /* Without a debugger a breakpoint would lock the core up, and the nRF52 resets then. */
    if ((REGISTER(DEBUG_DHCSR) & DEBUG_DHCSR_C_DEBUGEN) != 0u) {
        __asm__ volatile("bkpt 0xFA");
    }
    for (;;) {
    }
}

/* The report needs 256 bytes below the stacked frame; after an overflow it starts again from the top of the stack. */
__attribute__((naked)) void HardFault_Handler(void) {
    __asm__ volatile("mrs r0, msp\n\t"
                     "ldr r1, =__stack_limit + 256\n\t"
                     "cmp r0, r1\n\t"
                     "bhs 1f\n\t"
                     "ldr r1, =__stack_top\n\t"
                     "msr msp, r1\n"
                     "1:\n\t"
                     "b fault_report\n\t"
                     ".ltorg");
}
