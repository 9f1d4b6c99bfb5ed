/* Time of day since start from RTC1, which runs in sleep; resolution 1/32768 s. */
#ifndef RTC_NRF52_H
#define RTC_NRF52_H

#include <stdint.h>

/* Needs the 32.768 kHz clock running. */
void rtc_start(void);

/* Milliseconds since rtc_start, rounded down; wraps at 2^32. Never steps back at the counter's 512 s overflow. */
uint32_t rtc_time_ms(void);

#endif
