/* Host only: many hops in one call, so that the binding's overhead does not count. */
#include "log_mel.h"

uint32_t tm_log_mel_size(void);
void tm_log_mel_run(tm_log_mel *s, const int16_t *pcm, uint32_t hops, int8_t *features);
void tm_log_mel_run_log(tm_log_mel *s, const int16_t *pcm, uint32_t hops, int16_t *log_energies);

uint32_t tm_log_mel_size(void)
{
    return (uint32_t)sizeof(tm_log_mel);
}

void tm_log_mel_run(tm_log_mel *s, const int16_t *pcm, uint32_t hops, int8_t *features)
{
    for (uint32_t i = 0; i < hops; i++)
        tm_log_mel_push(s, pcm + (uint64_t)i * TM_LOG_MEL_HOP_SAMPLES, features + (uint64_t)i * TM_LOG_MEL_BINS);
}

void tm_log_mel_run_log(tm_log_mel *s, const int16_t *pcm, uint32_t hops, int16_t *log_energies)
{
    for (uint32_t i = 0; i < hops; i++)
        tm_log_mel_push_log(s, pcm + (uint64_t)i * TM_LOG_MEL_HOP_SAMPLES, log_energies + (uint64_t)i * TM_LOG_MEL_BINS);
}
