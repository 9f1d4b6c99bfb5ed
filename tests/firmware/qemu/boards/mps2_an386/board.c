/* QEMU's mps2-an386: the microphone is an array in the image, the console a CMSDK UART, the end a semihosting exit.
 *
 * Source: Arm AN386; Cortex-M System Design Kit TRM (DDI 0479), 4.3 UART; Semihosting for AArch32 and AArch64 2.0.
 */
#include "hal.h"

#include <stddef.h>

#include "cortex_m.h"
#include "fault.h"
#include "log_mel_config.h"

#define UART0_DATA 0x40004000u
#define UART0_STATE 0x40004004u
#define UART0_CTRL 0x40004008u
#define UART0_BAUDDIV 0x40004010u
#define UART_STATE_TX_FULL (1u << 0)
#define UART_CTRL_TX_ENABLE (1u << 0)
#define UART_BAUDDIV_MIN 16u
#define SYS_EXIT_EXTENDED 0x20u
#define APPLICATION_EXIT 0x20026u

extern const int16_t test_pcm[];
extern const uint32_t test_pcm_samples;
static uint32_t position;

_Noreturn static void semihosting_exit(uint32_t status) {
    uint32_t block[2] = {APPLICATION_EXIT, status};
    register uint32_t operation __asm__("r0") = SYS_EXIT_EXTENDED;
    register uint32_t *argument __asm__("r1") = block;
    __asm__ volatile("bkpt 0xAB" : "+r"(operation) : "r"(argument) : "memory");
    for (;;) {
    }
}

void hal_init(void) {
    REGISTER(UART0_BAUDDIV) = UART_BAUDDIV_MIN;
    REGISTER(UART0_CTRL) = UART_CTRL_TX_ENABLE;
}

uint32_t hal_time_ms(void) { return position / (TM_LOG_MEL_SAMPLE_RATE_HZ / 1000u); }

void hal_console_write(const char *text, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        while ((REGISTER(UART0_STATE) & UART_STATE_TX_FULL) != 0u) {
        }
        REGISTER(UART0_DATA) = (uint8_t)text[i];
    }
}

void fault_write(const char *text, uint32_t length) {
    hal_console_write(text, length);
    semihosting_exit(1);
}

void hal_led_set(bool on) { (void)on; }

void hal_mic_start(void) {}

const int16_t *hal_mic_take(void) { return hal_running() ? &test_pcm[position] : NULL; }

void hal_mic_release(void) { position += TM_LOG_MEL_HOP_SAMPLES; }

uint32_t hal_mic_lost_samples(void) { return 0; }

void hal_sleep(void) {}

bool hal_running(void) {
    if (position + TM_LOG_MEL_HOP_SAMPLES > test_pcm_samples) {
        semihosting_exit(0);
    }
    return true;
}
