/* nRF52840 PS v1.7, 6.15 (PDM).
 *
 * The block counters run for ever: `claimed` blocks were given to the DMA, `filled` came back, `released` were
 * taken. In between, in order: released <= filled <= claimed <= released + MIC_BLOCKS.
 */
#include "pdm_nrf52.h"

#include <stdbool.h>
#include <stddef.h>

#include "cortex_m.h"
#include "gpio_nrf52.h"
#include "log_mel_config.h"
#include "nrf52840.h"
#include "place.h"

/* 1.28 MHz / 80 = 16000 Hz exactly; the reset values (1.032 MHz / 64) would give 16125 Hz. */
#define PDMCLKCTRL_1280K 0x0A000000u
#define RATIO_80 1u
#define MODE_MONO 1u /* two successive samples of the left channel per word, the earlier one lower */
#define GAIN_0DB 0x28u /* steps of 0.5 dB */
#define PDM_INT_STARTED (1u << 0)
#define PDM_INT_END (1u << 2)
#define PDM_PRIORITY 2u

/* Two belong to the DMA, the others wait: 8 blocks of 20 ms let an inference last 120 ms. */
#define MIC_BLOCKS 8u
#define SPILL MIC_BLOCKS

#if BOARD_MICROPHONE_RATE_HZ != 16000 || TM_LOG_MEL_SAMPLE_RATE_HZ != 16000
#error "this driver records at 16000 Hz"
#endif

volatile uint32_t tm_lost_samples;

static int16_t blocks[MIC_BLOCKS + 1u][TM_LOG_MEL_HOP_SAMPLES] __attribute__((aligned(4))) PLACE_DMA;
static uint32_t claimed;
static volatile uint32_t filled;
static volatile uint32_t released;
static uint32_t filling; /* index of the block that the DMA writes now, SPILL if it is lost */
static uint32_t armed; /* and of the one that follows */

static void arm_next(void) {
    if (claimed - released < MIC_BLOCKS) {
        armed = claimed % MIC_BLOCKS;
        claimed++;
    } else {
        armed = SPILL;
    }
    REGISTER(PDM_SAMPLE_PTR) = (uint32_t)(uintptr_t)blocks[armed];
}

void PDM_IRQHandler(void);
void PDM_IRQHandler(void) {
    if (REGISTER(PDM_EVENTS_END) != 0u) {
        REGISTER(PDM_EVENTS_END) = 0;
        memory_barrier();
        if (filling == SPILL) {
            tm_lost_samples += TM_LOG_MEL_HOP_SAMPLES;
        } else {
            filled++;
        }
    }
    if (REGISTER(PDM_EVENTS_STARTED) != 0u) {
        REGISTER(PDM_EVENTS_STARTED) = 0;
        filling = armed;
        arm_next();
    }
    (void)REGISTER(PDM_EVENTS_STARTED); /* the writes must arrive before the handler ends: PS 6.1.8 */
}

void pdm_start(void) {
    gpio_output(BOARD_MICROPHONE_CLK_PIN, false);
    gpio_input(BOARD_MICROPHONE_DIN_PIN);
    REGISTER(PDM_PSEL_CLK) = BOARD_MICROPHONE_CLK_PIN;
    REGISTER(PDM_PSEL_DIN) = BOARD_MICROPHONE_DIN_PIN;
    REGISTER(PDM_PDMCLKCTRL) = PDMCLKCTRL_1280K;
    REGISTER(PDM_RATIO) = RATIO_80;
    REGISTER(PDM_MODE) = MODE_MONO;
    REGISTER(PDM_GAINL) = (uint32_t)((int32_t)GAIN_0DB + 2 * (BOARD_MICROPHONE_GAIN_DB));
    REGISTER(PDM_GAINR) = (uint32_t)((int32_t)GAIN_0DB + 2 * (BOARD_MICROPHONE_GAIN_DB));
    REGISTER(PDM_SAMPLE_MAXCNT) = TM_LOG_MEL_HOP_SAMPLES;
    arm_next();
    REGISTER(PDM_INTENSET) = PDM_INT_STARTED | PDM_INT_END;
    nvic_enable(PDM_IRQ, PDM_PRIORITY);
    REGISTER(PDM_ENABLE) = 1;
    REGISTER(PDM_TASKS_START) = 1;
}

const int16_t *pdm_take(void) {
    if (filled == released) {
        return NULL;
    }
    memory_barrier();
    return blocks[released % MIC_BLOCKS];
}

void pdm_release(void) {
    memory_barrier();
    released++;
}
