/* nRF52840 PS v1.7, 5.4 (CLOCK) and 4.3.6 (instruction cache). */
#include "clock_nrf52.h"

#include "cortex_m.h"
#include "nrf52840.h"

#if defined(BOARD_CLOCK_LFCLK_XTAL)
#define LFCLK_SOURCE 1u
#elif defined(BOARD_CLOCK_LFCLK_RC)
#define LFCLK_SOURCE 0u
#elif defined(BOARD_CLOCK_LFCLK_SYNTH)
#define LFCLK_SOURCE 2u
#else
#error "the board names no source of the 32.768 kHz clock: [features] clock = { driver = \"clock_nrf52\", lfclk = \"xtal\" }"
#endif

#define ICACHECNF_CACHEEN 1u
#define CLOCK_INT_HFCLKSTARTED (1u << 0)
#define CLOCK_INT_LFCLKSTARTED (1u << 1)
#define CLOCK_PRIORITY 6u

#define CLOCK_STATE_RUNNING (1u << 16)
#define CLOCK_STATE_MASK 0x00010003u /* STATE and SRC */
#define HFCLK_SOURCE_XTAL 1u

/* Sleeps until the status register says so. The interrupt only wakes: interrupts are held back. A bootloader may
 * have left the clock running, which raises no event, so the status is what counts. */
static void wait_for(uint32_t status, uint32_t source, uint32_t event, uint32_t interrupt) {
    REGISTER(CLOCK_INTENSET) = interrupt;
    while ((REGISTER(status) & CLOCK_STATE_MASK) != (CLOCK_STATE_RUNNING | source)) {
        wait_for_interrupt();
    }
    REGISTER(CLOCK_INTENCLR) = interrupt;
    REGISTER(event) = 0;
    (void)REGISTER(event); /* the write must arrive before the interrupt is taken back: PS 6.1.8 */
    nvic_clear_pending(POWER_CLOCK_IRQ);
}

void clock_start(void) {
    REGISTER(NVMC_ICACHECNF) = ICACHECNF_CACHEEN;
    uint32_t primask = irq_disable();
    nvic_enable(POWER_CLOCK_IRQ, CLOCK_PRIORITY);

    /* The microphone's clock needs the crystal: the internal oscillator is only accurate to some percent. */
    REGISTER(CLOCK_EVENTS_HFCLKSTARTED) = 0;
    REGISTER(CLOCK_TASKS_HFCLKSTART) = 1;

    /* The source may be chosen only while that clock stands still. */
    if ((REGISTER(CLOCK_LFCLKSTAT) & CLOCK_STATE_RUNNING) != 0u) {
        REGISTER(CLOCK_TASKS_LFCLKSTOP) = 1;
        while ((REGISTER(CLOCK_LFCLKSTAT) & CLOCK_STATE_RUNNING) != 0u) {
        }
    }
    REGISTER(CLOCK_LFCLKSRC) = LFCLK_SOURCE;
    REGISTER(CLOCK_EVENTS_LFCLKSTARTED) = 0;
    REGISTER(CLOCK_TASKS_LFCLKSTART) = 1;

    wait_for(CLOCK_HFCLKSTAT, HFCLK_SOURCE_XTAL, CLOCK_EVENTS_HFCLKSTARTED, CLOCK_INT_HFCLKSTARTED);
    /* RTC registers are invalid until this clock runs: nRF52840 Errata, anomaly 20. A crystal takes 0.25 s. */
    wait_for(CLOCK_LFCLKSTAT, LFCLK_SOURCE, CLOCK_EVENTS_LFCLKSTARTED, CLOCK_INT_LFCLKSTARTED);
    nvic_disable(POWER_CLOCK_IRQ);
    irq_restore(primask);
}
