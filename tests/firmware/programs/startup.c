/* Start of the test programs: vectors, memory, FPU, main. Handlers that a program does not define stop it. */
#include "board.h"

extern uint32_t __stack_top, __data_load, __data_start, __data_end, __bss_start, __bss_end;
int main(void);
void Reset_Handler(void);
void stop_here(void);

void stop_here(void) {
    for (;;) {
    }
}

void Reset_Handler(void) {
    REGISTER(0xE000ED88u) |= 0xFu << 20; /* CPACR: floating point on */
    const uint32_t *from = &__data_load;
    for (uint32_t *to = &__data_start; to < &__data_end; to++, from++) {
        *(volatile uint32_t *)to = *from;
    }
    for (uint32_t *to = &__bss_start; to < &__bss_end; to++) {
        *(volatile uint32_t *)to = 0;
    }
    (void)main();
    stop_here();
}

#define WEAK __attribute__((weak, alias("stop_here")))
WEAK void HardFault_Handler(void);
WEAK void UsageFault_Handler(void);
WEAK void SVC_Handler(void);
WEAK void PendSV_Handler(void);
WEAK void SysTick_Handler(void);
WEAK void UARTE0_IRQHandler(void);
WEAK void RTC1_IRQHandler(void);
WEAK void PDM_IRQHandler(void);

typedef union {
    uint32_t *stack;
    void (*code)(void);
} vector;

extern const vector vectors[64];
__attribute__((used, section(".vectors"))) const vector vectors[64] = {
    [0] = {.stack = &__stack_top},
    [1] = {.code = Reset_Handler},
    [2] = {.code = stop_here},
    [3] = {.code = HardFault_Handler},
    [4] = {.code = stop_here},
    [5] = {.code = stop_here},
    [6] = {.code = UsageFault_Handler},
    [11] = {.code = SVC_Handler},
    [14] = {.code = PendSV_Handler},
    [15] = {.code = SysTick_Handler},
    [16 + 2] = {.code = UARTE0_IRQHandler},
    [16 + 17] = {.code = RTC1_IRQHandler},
    [16 + 29] = {.code = PDM_IRQHandler},
};
