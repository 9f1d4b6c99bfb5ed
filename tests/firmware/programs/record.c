/* Records by DMA into two buffers in turn and prints a checksum; AWAKE_CYCLES of work for each block. */
#include "board.h"

#define BLOCK 320u
#ifndef BLOCKS
#define BLOCKS 10u
#endif

volatile uint32_t tm_lost_samples;
static int16_t buffers[2][BLOCK] __attribute__((aligned(4)));
static volatile uint32_t filled;
static volatile uint32_t started;

void PDM_IRQHandler(void);
void PDM_IRQHandler(void) {
    if (REGISTER(PDM + 0x108u) != 0u) {
        REGISTER(PDM + 0x108u) = 0;
        filled++;
    }
    if (REGISTER(PDM + 0x100u) != 0u) {
        REGISTER(PDM + 0x100u) = 0;
        started++;
        REGISTER(PDM + 0x560u) = (uint32_t)(uintptr_t)buffers[started % 2u];
    }
}

__attribute__((noinline)) static void work(uint32_t rounds) {
    for (uint32_t i = 0; i < rounds; i++) {
        __asm__ volatile("nop");
    }
}

static void start(void) {
    REGISTER(PDM + 0x540u) = 30;
    REGISTER(PDM + 0x544u) = 31;
    REGISTER(PDM + 0x504u) = PDMCLKCTRL;
    REGISTER(PDM + 0x520u) = RATIO;
    REGISTER(PDM + 0x508u) = 1;
    REGISTER(PDM + 0x560u) = (uint32_t)(uintptr_t)buffers[0];
    REGISTER(PDM + 0x564u) = BLOCK;
    REGISTER(PDM + 0x304u) = 1u << 0 | 1u << 2;
    REGISTER(PDM + 0x500u) = 1;
    irq_enable(29, 2);
    REGISTER(PDM + 0x000u) = 1;
}

int main(void) {
    console_start();
    start();
    uint32_t sum = 0;
    for (uint32_t block = 0; block < BLOCKS; block++) {
        while (filled == block) {
            wait_for_interrupt();
        }
        if (block == 3u) {
#if defined(MASKED)
            __asm__ volatile("cpsid i" : : : "memory");
#endif
            work(WORK); /* here */
            __asm__ volatile("cpsie i" : : : "memory");
        }
        for (uint32_t i = 0; i < BLOCK; i++) {
            sum = sum * 31u + (uint16_t)buffers[block % 2u][i];
        }
    }
    REGISTER(PDM + 0x004u) = 1;
    print_number("sum", sum);
    print_number("stopped", REGISTER(PDM + 0x104u));
    for (;;) {
        wait_for_interrupt();
    }
}
