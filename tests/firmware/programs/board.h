/* Registers and a console for the test programs; they use no driver of the product. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UARTE 0x40002000u
#define RTC1 0x40011000u
#define PDM 0x4001D000u
#define P0 0x50000000u
#define NVIC_ISER 0xE000E100u

static inline void irq_enable(uint32_t irq, uint32_t priority) {
    *(volatile uint8_t *)(0xE000E400u + irq) = (uint8_t)(priority << 5);
    REGISTER(NVIC_ISER + 4u * (irq >> 5)) = 1u << (irq & 31u);
}

static inline void console_start(void) {
    REGISTER(UARTE + 0x50Cu) = 6; /* PSEL.TXD */
    REGISTER(UARTE + 0x524u) = 0x01D60000u; /* BAUDRATE: 115200 */
    REGISTER(UARTE + 0x500u) = 8; /* ENABLE */
}

/* Sends and waits, polling. */
static inline void print_bytes(const char *text, uint32_t length) {
    static char buffer[128];
    for (uint32_t i = 0; i < length && i < sizeof buffer; i++) {
        buffer[i] = text[i];
    }
    REGISTER(UARTE + 0x120u) = 0;
    REGISTER(UARTE + 0x544u) = (uint32_t)(uintptr_t)buffer;
    REGISTER(UARTE + 0x548u) = length;
    REGISTER(UARTE + 0x008u) = 1;
    while (REGISTER(UARTE + 0x120u) == 0u) {
    }
}

static inline void print(const char *text) {
    uint32_t length = 0;
    while (text[length] != '\0') {
        length++;
    }
    print_bytes(text, length);
}

static inline void print_number(const char *name, uint32_t value) {
    char line[48];
    char digits[10];
    uint32_t length = 0;
    uint32_t count = 0;
    for (; name[length] != '\0' && length < 32u; length++) {
        line[length] = name[length];
    }
    line[length++] = '=';
    do {
        digits[count++] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0u);
    while (count != 0u) {
        line[length++] = digits[--count];
    }
    line[length++] = '\n';
    print_bytes(line, length);
}

static inline void low_frequency_clock_start(void) {
    REGISTER(0x40000518u) = 0; /* LFCLKSRC: RC oscillator */
    REGISTER(0x40000104u) = 0;
    REGISTER(0x40000008u) = 1;
    while (REGISTER(0x40000104u) == 0u) {
    }
}

static inline void wait_for_interrupt(void) { __asm__ volatile("dsb\n\twfi" : : : "memory"); }

#endif
