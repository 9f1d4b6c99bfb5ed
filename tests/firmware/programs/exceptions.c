/* Exceptions as the architecture orders them; each test prints what its handlers left in the log. */
#include "board.h"

#define ICSR REGISTER(0xE000ED04u)
#define PENDSVSET (1u << 28)
#define SYST_CTRL REGISTER(0xE000E010u)
#define SYST_LOAD REGISTER(0xE000E014u)
#define SYST_VAL REGISTER(0xE000E018u)
#define NVIC_ISPR REGISTER(0xE000E200u)
#define DEMCR REGISTER(0xE000EDFCu)
#define DWT_CTRL REGISTER(0xE0001000u)
#define CYCCNT REGISTER(0xE0001004u)

static volatile char log_text[64];
static volatile uint32_t log_length;
static volatile uint32_t systicks;
static volatile uint32_t rtc_wakes;
static volatile bool pend_pdm_in_rtc;
static volatile float disturb;

static void note(char c) { log_text[log_length++] = c; }

static void show(const char *name) {
    print(name);
    print_bytes((const char *)log_text, log_length);
    print("\n");
    log_length = 0;
}

/* Adds the SVC's number to the caller's r0. */
__attribute__((naked)) void SVC_Handler(void) {
    __asm__ volatile("tst lr, #4\n\t"
                     "ite eq\n\t"
                     "mrseq r0, msp\n\t"
                     "mrsne r0, psp\n\t"
                     "ldr r1, [r0, #24]\n\t"
                     "ldrb r1, [r1, #-2]\n\t"
                     "ldr r2, [r0]\n\t"
                     "add r2, r1\n\t"
                     "str r2, [r0]\n\t"
                     "bx lr");
}

void PendSV_Handler(void);
void PendSV_Handler(void) { note('P'); }

void SysTick_Handler(void);
void SysTick_Handler(void) {
    systicks++;
    if (systicks == 1u) {
        note('s');
        ICSR = PENDSVSET; /* less urgent: it follows when this handler is done */
        note('S');
        SYST_CTRL = 0;
    }
}

void PDM_IRQHandler(void);
void PDM_IRQHandler(void) {
    note('d');
    disturb = disturb * 3.0f + 1.0f;
    __asm__ volatile("vmov s0, %0\n\tvmov s15, %0\n\tvmov s31, %0" : : "r"(0x12345678) : "s0", "s15", "s31");
}

void RTC1_IRQHandler(void);
void RTC1_IRQHandler(void) {
    REGISTER(RTC1 + 0x140u) = 0;
    rtc_wakes++;
    note('r');
    if (pend_pdm_in_rtc) {
        NVIC_ISPR = 1u << 29; /* more urgent: it runs at once, inside this handler */
        __asm__ volatile("dsb\n\tisb" : : : "memory");
        __asm__ volatile("b 1f\n1:");
    }
    note('R');
}

static uint32_t supervisor(uint32_t value) {
    register uint32_t r0 __asm__("r0") = value;
    __asm__ volatile("svc 7" : "+r"(r0) : : "r1", "r2", "r3", "r12", "memory", "cc");
    return r0;
}

static void test_priorities(void) {
    irq_enable(17, 5);
    irq_enable(29, 2);
    pend_pdm_in_rtc = true;
    NVIC_ISPR = 1u << 17;
    __asm__ volatile("dsb\n\tisb\n\tb 1f\n1:" : : : "memory");
    pend_pdm_in_rtc = false;
    show("nested ");
    /* Both pending at once: the more urgent first, then the other without returning in between. */
    NVIC_ISPR = 1u << 17 | 1u << 29;
    __asm__ volatile("dsb\n\tisb\n\tb 1f\n1:" : : : "memory");
    show("ordered ");
}

static void test_masks(void) {
    __asm__ volatile("cpsid i" : : : "memory");
    NVIC_ISPR = 1u << 29;
    __asm__ volatile("b 1f\n1: nop\n\tb 2f\n2:" : : : "memory");
    note('1');
    __asm__ volatile("cpsie i\n\tisb\n\tb 1f\n1:" : : : "memory");
    note('2');
    show("primask ");
    __asm__ volatile("msr basepri, %0" : : "r"(4u << 5) : "memory");
    NVIC_ISPR = 1u << 17 | 1u << 29; /* priority 5 is held back, 2 is not */
    __asm__ volatile("dsb\n\tisb\n\tb 1f\n1:" : : : "memory");
    note('1');
    __asm__ volatile("msr basepri, %0\n\tisb\n\tb 1f\n1:" : : "r"(0) : "memory");
    show("basepri ");
}

static void test_floating_point(void) {
    float sum;
    uint32_t high;
    __asm__ volatile("vmov.f32 s0, #1.5\n\tvmov.f32 s15, #2.5\n\tvmov.f32 s31, #4.0\n\t"
                     "str %2, [%3]\n\tdsb\n\tisb\n\tb 1f\n1:\n\t"
                     "vadd.f32 s0, s0, s15\n\tvmov %0, s0\n\tvmov %1, s31"
                     : "=&r"(sum), "=&r"(high)
                     : "r"(1u << 29), "r"(0xE000E200u)
                     : "s0", "s15", "s31", "memory");
    log_length = 0;
    print_number("fp_sum", (uint32_t)(sum * 10.0f));
}

/* 100 rounds of subs (1 cycle) and bne (3 cycles taken, 1 not). */
static void test_cycle_counter(void) {
    DEMCR |= 1u << 24;
    CYCCNT = 0;
    DWT_CTRL |= 1;
    __asm__ volatile("b 1f\n1:" : : : "memory");
    uint32_t begin = CYCCNT;
    __asm__ volatile("mov r0, #100\n1: subs r0, #1\n\tbne 1b\n\tb 2f\n2:" : : : "r0", "cc", "memory");
    print_number("loop", CYCCNT - begin);
}

static void test_sleep(void) {
    low_frequency_clock_start();
    REGISTER(RTC1 + 0x304u) = 1u << 16;
    REGISTER(RTC1 + 0x540u) = 328; /* 10 ms */
    REGISTER(RTC1 + 0x000u) = 1;
    SYST_LOAD = 0xFFFFFF;
    SYST_VAL = 0;
    SYST_CTRL = 5;
    uint32_t begin = CYCCNT;
    uint32_t tick = SYST_VAL;
    __asm__ volatile("cpsid i" : : : "memory"); /* a masked interrupt ends the sleep all the same */
    wait_for_interrupt();
    uint32_t slept = REGISTER(RTC1 + 0x504u);
    note('w');
    __asm__ volatile("cpsie i\n\tisb\n\tb 1f\n1:" : : : "memory");
    uint32_t counted = CYCCNT - begin;
    uint32_t ticked = (tick - SYST_VAL) & 0xFFFFFF;
    SYST_CTRL = 0;
    show("sleep ");
    print_number("rtc", slept);
    print_number("cyccnt_small", counted < 1000u);
    print_number("systick_small", ticked < 1000u);
    __asm__ volatile("sev\n\twfe\n\tsev\n\twfe" : : : "memory");
    print("event\n");
}

static void test_systick(void) {
    REGISTER(0xE000ED20u) = 0xC0E00000u; /* SysTick 6, PendSV 7 */
    SYST_LOAD = 999;
    SYST_VAL = 0;
    SYST_CTRL = 7;
    while (systicks == 0u) {
    }
    show("systick ");
}

static uint32_t process_stack[64] __attribute__((aligned(8)));

static void test_process_stack(void) {
    uint32_t result;
    __asm__ volatile("msr psp, %1\n\tmov r3, sp\n\tmov r2, #2\n\tmsr control, r2\n\tisb\n\tmov r0, #30\n\tsvc 7\n\t"
                     "mov r2, #0\n\tmsr control, r2\n\tisb\n\tmov %0, r0"
                     : "=r"(result)
                     : "r"(&process_stack[64])
                     : "r0", "r1", "r2", "r3", "r12", "memory", "cc");
    print_number("psp_svc", result);
}

int main(void) {
    console_start();
    print_number("svc", supervisor(35));
    test_priorities();
    test_masks();
    test_floating_point();
    test_systick();
    test_cycle_counter();
    test_sleep();
    test_process_stack();
    print("done\n");
    for (;;) {
        wait_for_interrupt();
    }
}
