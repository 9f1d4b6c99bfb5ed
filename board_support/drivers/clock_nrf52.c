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

void clock_start(void) {
    REGISTER(NVMC_ICACHECNF) = ICACHECNF_CACHEEN;

    /* The microphone's clock needs the crystal: the internal oscillator is only accurate to some percent. */
    REGISTER(CLOCK_EVENTS_HFCLKSTARTED) = 0;
    REGISTER(CLOCK_TASKS_HFCLKSTART) = 1;

    REGISTER(CLOCK_LFCLKSRC) = LFCLK_SOURCE;
    REGISTER(CLOCK_EVENTS_LFCLKSTARTED) = 0;
    REGISTER(CLOCK_TASKS_LFCLKSTART) = 1;

    while (REGISTER(CLOCK_EVENTS_HFCLKSTARTED) == 0u) {
    }
    /* RTC registers are invalid until this clock runs: nRF52840 Errata, anomaly 20. */
    while (REGISTER(CLOCK_EVENTS_LFCLKSTARTED) == 0u) {
    }
}
