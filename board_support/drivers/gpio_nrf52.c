/* nRF52840 PS v1.7, 6.9 (GPIO). */
#include "gpio_nrf52.h"

#include "cortex_m.h"
#include "nrf52840.h"

#define PIN_CNF_INPUT_CONNECTED 0u /* DIR = input, INPUT = connected, no pull */

static uint32_t port_offset(uint32_t pin) { return (pin >> 5) * GPIO_PORT_STRIDE; }

static uint32_t pin_mask(uint32_t pin) { return 1u << (pin & 31u); }

void gpio_write(uint32_t pin, bool level) {
    REGISTER((level ? P0_OUTSET : P0_OUTCLR) + port_offset(pin)) = pin_mask(pin);
}

void gpio_output(uint32_t pin, bool level) {
    gpio_write(pin, level);
    REGISTER(P0_DIRSET + port_offset(pin)) = pin_mask(pin);
}

void gpio_input(uint32_t pin) {
    REGISTER(P0_PIN_CNF + port_offset(pin) + 4u * (pin & 31u)) = PIN_CNF_INPUT_CONNECTED;
}
