/* Vector table of the MPS2 board with the AN386 image; no interrupts are used. */
#include <stdint.h>

typedef void (*handler)(void);
typedef union {
    uint32_t *stack;
    handler code;
} vector;

extern uint32_t __stack_top;
_Noreturn void Reset_Handler(void);
void HardFault_Handler(void);

#define FAULT {.code = HardFault_Handler}

extern const vector mps2_vectors[16];
__attribute__((used, section(".vectors"))) const vector mps2_vectors[16] = {
    {.stack = &__stack_top}, {.code = Reset_Handler}, FAULT, FAULT, FAULT, FAULT, FAULT, FAULT,
    FAULT, FAULT, FAULT, FAULT, FAULT, FAULT, FAULT, FAULT,
};
