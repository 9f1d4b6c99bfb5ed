/* Says hello, then toggles a pin at every RTC compare, sleeping in between. */
#include "board.h"

static volatile uint32_t ticks;

void RTC1_IRQHandler(void);
void RTC1_IRQHandler(void) {
    REGISTER(RTC1 + 0x140u) = 0;
    ticks++;
    REGISTER(RTC1 + 0x540u) = ticks * 3277u + 3277u;
    REGISTER(P0 + (ticks & 1u ? 0x508u : 0x50Cu)) = 1u << 13;
}

int main(void) {
    console_start();
    print("hello\n");
    low_frequency_clock_start();
    REGISTER(P0 + 0x518u) = 1u << 13;
    REGISTER(RTC1 + 0x540u) = 3277;
    REGISTER(RTC1 + 0x304u) = 1u << 16;
    irq_enable(17, 3);
    REGISTER(RTC1 + 0x000u) = 1;
    while (ticks < 5u) {
        wait_for_interrupt();
    }
    print_number("ticks", ticks);
    print_number("counter", REGISTER(RTC1 + 0x504u));
    for (;;) {
        wait_for_interrupt();
    }
}
