/* Runs an exported network's own test on a bare core: start-up, the C library's puts by semihosting, exit status.
 *
 * Source: Semihosting for AArch32 and AArch64 2.0; RISC-V Semihosting 1.0.
 */
#include <stddef.h>
#include <stdint.h>

#define SYS_WRITE0 0x04u
#define SYS_EXIT_EXTENDED 0x20u
#define APPLICATION_EXIT 0x20026u
#define CPACR (*(volatile uint32_t *)0xE000ED88u)

int m_test(void);
int puts(const char *text);
void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
_Noreturn void start(void);
extern uint32_t __stack_top;

static void semihosting(uint32_t operation, const void *argument) {
#if defined(__riscv)
    register uint32_t number __asm__("a0") = operation;
    register const void *block __asm__("a1") = argument;
    __asm__ volatile(".option push\n.option norvc\n.balign 16\nslli x0, x0, 0x1f\nebreak\nsrai x0, x0, 7\n.option pop"
                     : "+r"(number) : "r"(block) : "memory");
#else
    register uint32_t number __asm__("r0") = operation;
    register const void *block __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(number) : "r"(block) : "memory");
#endif
}

int puts(const char *text) {
    semihosting(SYS_WRITE0, text);
    semihosting(SYS_WRITE0, "\n");
    return 0;
}

/* A compiler may call these two wherever it likes. */
void *memcpy(void *to, const void *from, size_t count) {
    for (volatile size_t i = 0; i < count; i++) {
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

void *memset(void *to, int value, size_t count) {
    for (volatile size_t i = 0; i < count; i++) {
        ((uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

/* Variables lie where the loader of the emulator puts them, so that none has to be copied or zeroed. */
__attribute__((used)) _Noreturn void start(void) {
#if defined(__ARM_FP)
    CPACR |= 0xFu << 20;
    __asm__ volatile("dsb\nisb");
#endif
    const uint32_t block[2] = {APPLICATION_EXIT, (uint32_t)m_test()};
    semihosting(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}

#if defined(__riscv)
__attribute__((naked, used, section(".vectors"))) void entry(void);
__attribute__((naked, used, section(".vectors"))) void entry(void) {
    __asm__ volatile("la sp, __stack_top\nj start");
}
#else
__attribute__((used, section(".vectors"))) static const void *const vectors[2] = {&__stack_top, (const void *)start};
#endif
