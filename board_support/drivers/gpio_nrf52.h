/* Pins of the nRF52, numbered 0 to 31 (port 0) and 32 to 47 (port 1), as PSEL registers number them. */
#ifndef GPIO_NRF52_H
#define GPIO_NRF52_H

#include <stdbool.h>
#include <stdint.h>

void gpio_output(uint32_t pin, bool level);
void gpio_input(uint32_t pin);
void gpio_write(uint32_t pin, bool level);

#endif
