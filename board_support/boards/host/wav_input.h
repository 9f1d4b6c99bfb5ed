/* 16 kHz mono 16-bit samples from a WAV file or raw little-endian data. */
#ifndef WAV_INPUT_H
#define WAV_INPUT_H

#include <stdbool.h>
#include <stdint.h>

/* Opens `path`, or standard input for NULL or "-". A file that starts with RIFF is read as WAV, others as raw.
 * Returns NULL, or what is wrong with it. */
const char *wav_input_open(const char *path, uint32_t rate_hz);

/* Reads `count` samples; false when fewer are left (an incomplete block at the end is not heard). */
bool wav_input_read(int16_t *samples, uint32_t count);

#endif
