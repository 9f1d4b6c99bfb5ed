/* Programs its own flash and reads it back. */
#include "board.h"

#define NVMC 0x4001E000u
#define PAGE 0x00040000u

static void wait_ready(void) {
    while (REGISTER(NVMC + 0x400u) == 0u) {
    }
}

static void write_word(uint32_t address, uint32_t value) {
    REGISTER(NVMC + 0x504u) = 1;
    REGISTER(address) = value;
    wait_ready();
    REGISTER(NVMC + 0x504u) = 0;
}

int main(void) {
    console_start();
    low_frequency_clock_start();
    REGISTER(RTC1 + 0x000u) = 1;
    print_number("erased", REGISTER(PAGE) == 0xFFFFFFFFu);
    write_word(PAGE, 0x12345678);
    print_number("written", REGISTER(PAGE) == 0x12345678u);
    write_word(PAGE, 0xFF00FF00);
    print_number("cleared", REGISTER(PAGE) == 0x12005600u);
    uint32_t begin = REGISTER(RTC1 + 0x504u);
    REGISTER(NVMC + 0x504u) = 2;
    REGISTER(NVMC + 0x508u) = PAGE;
    wait_ready();
    REGISTER(NVMC + 0x504u) = 0;
    print_number("erase_ticks", REGISTER(RTC1 + 0x504u) - begin);
    print_number("again", REGISTER(PAGE) == 0xFFFFFFFFu);
    for (;;) {
        wait_for_interrupt();
    }
}
