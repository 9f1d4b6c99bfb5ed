/* PDM microphone of the nRF52: 16-bit mono at exactly 16 kHz, in blocks of one hop.
 *
 * EasyDMA fills one block while the next is already armed; an interrupt per block moves on. Full blocks queue
 * until the main loop takes them, so that an inference may last several hops. With the queue full, samples go to
 * a spill block and are counted in `tm_lost_samples`.
 */
#ifndef PDM_NRF52_H
#define PDM_NRF52_H

#include <stdint.h>

/* Samples lost since the start; the virtual board reads it by name. */
extern volatile uint32_t tm_lost_samples;

void pdm_start(void);

/* The oldest full block of TM_LOG_MEL_HOP_SAMPLES samples, or NULL. */
const int16_t *pdm_take(void);

void pdm_release(void);

#endif
