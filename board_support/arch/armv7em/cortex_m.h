/* Core peripherals and instructions of an Armv7E-M processor, as far as they are used here.
 *
 * Source: Armv7-M Architecture Reference Manual (DDI 0403E), B3.2 (SCB), B3.4 (NVIC), C1.6 (DHCSR), B1.4 (special registers).
 * Names are CMSIS-like; the addresses are architectural, the same on every device.
 */
#ifndef CORTEX_M_H
#define CORTEX_M_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define SCB_ICSR 0xE000ED04u
#define SCB_VTOR 0xE000ED08u
#define SCB_SHCSR 0xE000ED24u
#define SCB_CFSR 0xE000ED28u
#define SCB_MMFAR 0xE000ED34u
#define SCB_BFAR 0xE000ED38u
#define SCB_CPACR 0xE000ED88u
#define DEBUG_DHCSR 0xE000EDF0u
#define NVIC_ISER 0xE000E100u
#define NVIC_ICER 0xE000E180u
#define NVIC_ICPR 0xE000E280u
#define NVIC_IPR 0xE000E400u

#define SCB_SHCSR_MEMFAULTENA (1u << 16)
#define SCB_SHCSR_BUSFAULTENA (1u << 17)
#define SCB_SHCSR_USGFAULTENA (1u << 18)
#define DEBUG_DHCSR_C_DEBUGEN (1u << 0)
#define SCB_CPACR_CP10_CP11_FULL (0xFu << 20)

/* Enables interrupt `irq` at `priority`, 0 (most urgent) to 7; nRF52 implements the upper three bits. */
static inline void nvic_enable(uint32_t irq, uint32_t priority) {
    *(volatile uint8_t *)(NVIC_IPR + irq) = (uint8_t)(priority << 5);
    REGISTER(NVIC_ISER + 4u * (irq >> 5)) = 1u << (irq & 31u);
}

static inline void nvic_disable(uint32_t irq) { REGISTER(NVIC_ICER + 4u * (irq >> 5)) = 1u << (irq & 31u); }

static inline void nvic_clear_pending(uint32_t irq) { REGISTER(NVIC_ICPR + 4u * (irq >> 5)) = 1u << (irq & 31u); }

/* Masks interrupts; returns the state to give to irq_restore. */
static inline uint32_t irq_disable(void) {
    uint32_t primask;
    __asm__ volatile("mrs %0, primask\n\tcpsid i" : "=r"(primask) : : "memory");
    return primask;
}

static inline void irq_restore(uint32_t primask) {
    __asm__ volatile("msr primask, %0\n\tisb" : : "r"(primask) : "memory");
}

/* Sleeps until an interrupt is pending, also one that irq_disable holds back. */
static inline void wait_for_interrupt(void) { __asm__ volatile("dsb\n\twfi\n\tisb" : : : "memory"); }

/* Orders memory accesses of the program against a DMA master's. */
static inline void memory_barrier(void) { __asm__ volatile("dmb" : : : "memory"); }

#endif
