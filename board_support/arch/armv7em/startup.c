/* Reset: stack, memory, FPU, then main. The vector table itself belongs to the SoC (soc/NAME/vectors.c). */
#include "cortex_m.h"

extern const uint32_t __vectors_start;
extern const uint32_t __data_load;
extern uint32_t __data_start, __data_end, __bss_start, __bss_end;

int main(void);
_Noreturn void Reset_Handler(void);

_Noreturn void Reset_Handler(void) {
    /* The image need not lie at address 0: a UF2 bootloader starts it higher up. */
    REGISTER(SCB_VTOR) = (uint32_t)(uintptr_t)&__vectors_start;
    REGISTER(SCB_CPACR) |= SCB_CPACR_CP10_CP11_FULL;
    REGISTER(SCB_SHCSR) |= SCB_SHCSR_MEMFAULTENA | SCB_SHCSR_BUSFAULTENA | SCB_SHCSR_USGFAULTENA;
    __asm__ volatile("dsb\n\tisb" : : : "memory");

    const uint32_t *from = &__data_load;
    for (uint32_t *to = &__data_start; to < &__data_end; to++, from++) {
        /* volatile: the loops must not become calls of memcpy and memset */
        *(volatile uint32_t *)to = *from;
    }
    for (uint32_t *to = &__bss_start; to < &__bss_end; to++) {
        *(volatile uint32_t *)to = 0;
    }
    (void)main();
    for (;;) {
        wait_for_interrupt();
    }
}
