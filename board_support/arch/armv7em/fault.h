/* Processor faults end the program with one console line: `fault kind=bus pc=0x00001234 address=0x40000000`. */
#ifndef FAULT_H
#define FAULT_H

#include <stdint.h>

/* Implemented by the board: sends text with interrupts off, in whatever state the console is, and waits. */
void fault_write(const char *text, uint32_t length);

#endif
