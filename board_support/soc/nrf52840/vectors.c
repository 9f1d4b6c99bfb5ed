/* Vector table of the nRF52840: 16 system exceptions and 48 interrupts (nRF52840 PS v1.7, 4.2.4).
 *
 * An exception or interrupt without a handler of its own ends in the fault report.
 */
#include "nrf52840.h"

#include <stdint.h>

typedef void (*handler)(void);
typedef union {
    uint32_t *stack;
    handler code;
} vector;

extern uint32_t __stack_top;
_Noreturn void Reset_Handler(void);
void HardFault_Handler(void);
void unused_handler(void);
void UARTE0_UART0_IRQHandler(void);
void RTC1_IRQHandler(void);
void PDM_IRQHandler(void);

__attribute__((naked)) void unused_handler(void) { __asm__ volatile("b HardFault_Handler"); }

#define WEAK __attribute__((weak, alias("unused_handler")))
WEAK void UARTE0_UART0_IRQHandler(void);
WEAK void RTC1_IRQHandler(void);
WEAK void PDM_IRQHandler(void);

#define UNUSED {.code = unused_handler}
#define UNUSED_4 UNUSED, UNUSED, UNUSED, UNUSED
#define FAULT {.code = HardFault_Handler}

_Static_assert(UARTE0_UART0_IRQ == 2u && RTC1_IRQ == 17u && PDM_IRQ == 29u, "order of the table below");

extern const vector nrf52840_vectors[16u + SOC_INTERRUPTS];
__attribute__((used, section(".vectors"))) const vector nrf52840_vectors[16u + SOC_INTERRUPTS] = {
    {.stack = &__stack_top}, {.code = Reset_Handler}, UNUSED, FAULT, /* initial stack, reset, NMI, HardFault */
    FAULT, FAULT, FAULT, UNUSED, /* MemManage, BusFault, UsageFault */
    UNUSED_4, UNUSED_4, /* SVCall, DebugMonitor, PendSV, SysTick */
    UNUSED, UNUSED, {.code = UARTE0_UART0_IRQHandler}, UNUSED, /* 0 to 3 */
    UNUSED_4, UNUSED_4, UNUSED_4, /* 4 to 15 */
    UNUSED, {.code = RTC1_IRQHandler}, UNUSED, UNUSED, /* 16 to 19 */
    UNUSED_4, UNUSED_4, /* 20 to 27 */
    UNUSED, {.code = PDM_IRQHandler}, UNUSED, UNUSED, /* 28 to 31 */
    UNUSED_4, UNUSED_4, UNUSED_4, UNUSED_4, /* 32 to 47 */
};
