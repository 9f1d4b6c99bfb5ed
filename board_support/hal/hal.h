/* What a board offers an application: the whole contract.
 *
 * A board implements it in boards/NAME/board.c from the drivers of its SoC. Everything is called from the main
 * loop only; interrupts stay inside the drivers. Nothing here allocates memory or fails: a board that cannot
 * come up stops in its fault handler and says so on the console.
 */
#ifndef HAL_H
#define HAL_H

#include <stdbool.h>
#include <stdint.h>

/* PLACE_ARENA and PLACE_DMA: the memory that the network's arena and the DMA buffers go to. */
#include "place.h"

/* Clocks, time, console and LED. Call first. */
void hal_init(void);

/* Milliseconds since hal_init, from a clock that runs in sleep too; wraps after 49.7 days. */
uint32_t hal_time_ms(void);

/* Queues `length` bytes for the console and returns; waits only while the queue is full. */
void hal_console_write(const char *text, uint32_t length);

void hal_led_set(bool on);

/* Starts the microphone: 16-bit mono samples in blocks of TM_LOG_MEL_HOP_SAMPLES (log_mel_config.h). */
void hal_mic_start(void);

/* The oldest full block, or NULL. It stays valid, and is the one returned again, until hal_mic_release. */
const int16_t *hal_mic_take(void);

/* Gives the block of hal_mic_take back to the microphone. */
void hal_mic_release(void);

/* Samples that were recorded while no block was free, since the start. */
uint32_t hal_mic_lost_samples(void);

/* Sleeps until an interrupt came; returns at once when a full block is waiting. */
void hal_sleep(void);

/* False when the input has ended (native programs only; devices run for ever). */
bool hal_running(void);

#endif
