/* nRF52840 PS v1.7, 6.22 (RTC): a 24-bit counter, extended by its overflow interrupt. */
#include "rtc_nrf52.h"

#include "cortex_m.h"
#include "nrf52840.h"

#define RTC_INT_OVRFLW (1u << 1)
#define RTC_PRIORITY 4u

static volatile uint32_t overflows;

void RTC1_IRQHandler(void);
void RTC1_IRQHandler(void) {
    REGISTER(RTC1_EVENTS_OVRFLW) = 0;
    overflows++;
    (void)REGISTER(RTC1_EVENTS_OVRFLW); /* the write must arrive before the handler ends: PS 6.1.8 */
}

void rtc_start(void) {
    REGISTER(RTC1_PRESCALER) = 0;
    REGISTER(RTC1_EVENTS_OVRFLW) = 0;
    REGISTER(RTC1_INTENSET) = RTC_INT_OVRFLW;
    nvic_enable(RTC1_IRQ, RTC_PRIORITY);
    REGISTER(RTC1_TASKS_START) = 1;
}

uint32_t rtc_time_ms(void) {
    uint32_t primask = irq_disable();
    uint32_t high = overflows;
    uint32_t low = REGISTER(RTC1_COUNTER);
    if (REGISTER(RTC1_EVENTS_OVRFLW) != 0u) {
        /* It overflowed with the interrupt held back, perhaps between the two reads: read again. */
        high++;
        low = REGISTER(RTC1_COUNTER);
    }
    irq_restore(primask);
    uint64_t ticks = ((uint64_t)high << 24) | low;
    return (uint32_t)((ticks * 125u) >> 12); /* 1000 / 32768 */
}
