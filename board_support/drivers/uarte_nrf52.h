/* Console output by UARTE0: text is queued in RAM and sent by EasyDMA in the background. */
#ifndef UARTE_NRF52_H
#define UARTE_NRF52_H

#include <stdint.h>

void uarte_start(void);

/* Queues text; sleeps while the queue is full, so no text is lost. */
void uarte_write(const char *text, uint32_t length);

/* For the fault report: lets a transfer in flight end, then sends `text` without interrupts or the queue. */
void uarte_write_now(const char *text, uint32_t length);

#endif
