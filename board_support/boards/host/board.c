/* The hal contract on this computer: the microphone is a file, time is the audio that was read.
 *
 * Usage: PROGRAM [FILE.wav | FILE.raw | -]
 */
#include "hal.h"

#include <stdio.h>

#include "log_mel_config.h"
#include "wav_input.h"

/* The application's main is compiled as app_main (-Dmain=app_main), so that this file can read arguments. */
#undef main
int app_main(void);

static int16_t block[TM_LOG_MEL_HOP_SAMPLES];
static bool block_full;
static bool ended;
static uint32_t blocks_read;

void hal_init(void) {}

uint32_t hal_time_ms(void) {
    return (uint32_t)((uint64_t)blocks_read * TM_LOG_MEL_HOP_SAMPLES * 1000u / TM_LOG_MEL_SAMPLE_RATE_HZ);
}

void hal_console_write(const char *text, uint32_t length) { (void)fwrite(text, 1, length, stdout); }

void hal_led_set(bool on) { (void)on; }

void hal_mic_start(void) {}

const int16_t *hal_mic_take(void) {
    if (!block_full && !ended) {
        block_full = wav_input_read(block, TM_LOG_MEL_HOP_SAMPLES);
        ended = !block_full;
        blocks_read += block_full ? 1u : 0u;
    }
    return block_full ? block : NULL;
}

void hal_mic_release(void) { block_full = false; }

uint32_t hal_mic_lost_samples(void) { return 0; }

void hal_sleep(void) {}

bool hal_running(void) { return !ended; }

int main(int argc, char **argv) {
    const char *wrong = wav_input_open(argc > 1 ? argv[1] : NULL, BOARD_MICROPHONE_RATE_HZ);
    if (argc > 2 || wrong != NULL) {
        (void)fprintf(stderr, "error: %s\nusage: %s [FILE.wav | FILE.raw | -]\n",
                      wrong != NULL ? wrong : "one file at most", argv[0]);
        return 1;
    }
    int status = app_main();
    return fflush(stdout) == 0 ? status : 1;
}
