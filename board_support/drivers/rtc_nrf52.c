/* nRF52840 PS v1.7, 6.22 (RTC): a 24-bit counter, extended in software.
 *
 * `halves` counts half turns of the counter, at its overflow and in its middle. It is even in the lower half and odd
 * in the upper one, so a reader sees when the interrupt that counts is still to come, and takes one half more.
 */
#include "rtc_nrf52.h"

#include "cortex_m.h"
#include "nrf52840.h"

#define RTC_INT_OVRFLW (1u << 1)
#define RTC_INT_COMPARE0 (1u << 16)
#define RTC_PRIORITY 4u
#define HALF_TURN 0x800000u

static volatile uint32_t halves;

void RTC1_IRQHandler(void);
void RTC1_IRQHandler(void) {
    if (REGISTER(RTC1_EVENTS_OVRFLW) != 0u) {
        REGISTER(RTC1_EVENTS_OVRFLW) = 0;
        halves++;
    }
    if (REGISTER(RTC1_EVENTS_COMPARE) != 0u) {
        REGISTER(RTC1_EVENTS_COMPARE) = 0;
        halves++;
    }
    (void)REGISTER(RTC1_EVENTS_COMPARE); /* the writes must arrive before the handler ends: PS 6.1.8 */
}

void rtc_start(void) {
    REGISTER(RTC1_TASKS_STOP) = 1; /* a bootloader may have used it */
    REGISTER(RTC1_TASKS_CLEAR) = 1;
    REGISTER(RTC1_PRESCALER) = 0;
    REGISTER(RTC1_CC) = HALF_TURN;
    REGISTER(RTC1_EVENTS_OVRFLW) = 0;
    REGISTER(RTC1_EVENTS_COMPARE) = 0;
    REGISTER(RTC1_INTENSET) = RTC_INT_OVRFLW | RTC_INT_COMPARE0;
    nvic_enable(RTC1_IRQ, RTC_PRIORITY);
    REGISTER(RTC1_TASKS_START) = 1;
}

uint32_t rtc_time_ms(void) {
    uint32_t before = halves; /* first: what the counter does meanwhile is then ahead, never behind */
    uint32_t counter = REGISTER(RTC1_COUNTER);
    uint32_t ahead = counter ^ ((before & 1u) * HALF_TURN);
    uint64_t ticks = (uint64_t)before * HALF_TURN + ahead;
    return (uint32_t)((ticks * 125u) >> 12); /* 1000 / 32768 */
}
