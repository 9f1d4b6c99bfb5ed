/* nRF52840-DK: the hal contract from the drivers of the SoC. */
#include "hal.h"

#include <stddef.h>

#include "clock_nrf52.h"
#include "cortex_m.h"
#include "fault.h"
#include "gpio_nrf52.h"
#include "pdm_nrf52.h"
#include "rtc_nrf52.h"
#include "uarte_nrf52.h"

void hal_init(void) {
    clock_start();
    rtc_start();
    uarte_start();
    gpio_output(BOARD_LED_PIN, BOARD_LED_ACTIVE_LOW);
}

uint32_t hal_time_ms(void) { return rtc_time_ms(); }

void hal_console_write(const char *text, uint32_t length) { uarte_write(text, length); }

void fault_write(const char *text, uint32_t length) { uarte_write_now(text, length); }

void hal_led_set(bool on) { gpio_write(BOARD_LED_PIN, on != (BOARD_LED_ACTIVE_LOW != 0)); }

void hal_mic_start(void) { pdm_start(); }

const int16_t *hal_mic_take(void) { return pdm_take(); }

void hal_mic_release(void) { pdm_release(); }

uint32_t hal_mic_lost_samples(void) { return tm_lost_samples; }

void hal_sleep(void) {
    /* With interrupts held back, a block that comes after the test still ends the sleep. */
    uint32_t primask = irq_disable();
    if (pdm_take() == NULL) {
        wait_for_interrupt();
    }
    irq_restore(primask);
}

bool hal_running(void) { return true; }
