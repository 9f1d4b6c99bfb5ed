/* Uses more stack than there is; below it lie variables that must not be lost without notice. */
#include "board.h"

static volatile uint32_t depth;

__attribute__((noinline)) static uint32_t deeper(uint32_t n) {
    volatile uint32_t room[24];
    for (uint32_t i = 0; i < 24u; i++) {
        room[i] = n + i;
    }
    depth = n;
    return n == 0u ? room[3] : deeper(n - 1u) + room[5]; /* here */
}

int main(void) {
    console_start();
    print_number("shallow", deeper(3) != 0u);
    print_number("deep", deeper(DEPTH) != 0u);
    for (;;) {
        wait_for_interrupt();
    }
}
