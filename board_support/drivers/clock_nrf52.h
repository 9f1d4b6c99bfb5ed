/* Clocks and instruction cache of the nRF52840. */
#ifndef CLOCK_NRF52_H
#define CLOCK_NRF52_H

/* Starts the 32 MHz crystal, the 32.768 kHz clock and the flash cache; returns when both clocks run. */
void clock_start(void);

#endif
