/* Uses floating point though nothing has switched the FPU on. */
#include "board.h"

static volatile float x = 2.0f;

int main(void) {
    console_start();
    print("before\n");
    REGISTER(0xE000ED88u) = 0;
    __asm__ volatile("dsb\n\tisb\n\tb 1f\n1:" : : : "memory");
    x = x * 1.5f; /* here */
    print("after\n");
    for (;;) {
        wait_for_interrupt();
    }
}
