/* nRF52840 PS v1.7, 6.34 (UARTE), transmission only.
 *
 * `queued` and `sent` count bytes for ever; their difference is what the ring holds. One EasyDMA transfer sends
 * the longest run that does not wrap. EasyDMA reads RAM only, so the ring is in RAM whatever the text was.
 */
#include "uarte_nrf52.h"

#include "cortex_m.h"
#include "gpio_nrf52.h"
#include "nrf52840.h"
#include "place.h"

#define RING_BYTES 1024u /* about 89 ms of text at 115200 baud */
#define UARTE_ENABLED 8u
#define UARTE_INT_ENDTX (1u << 8)
#define UARTE_PRIORITY 5u
#define PANIC_POLLS 1000000u

#if BOARD_CONSOLE_BAUD == 115200
#define BAUDRATE 0x01D60000u
#elif BOARD_CONSOLE_BAUD == 1000000
#define BAUDRATE 0x10000000u
#else
#error "the console runs at 115200 or 1000000 baud: [features] console = { baud = 115200 }"
#endif

static char ring[RING_BYTES] PLACE_DMA;
static volatile uint32_t queued;
static volatile uint32_t sent;
static volatile uint32_t in_flight;

static void send_next(void) {
    uint32_t start = sent % RING_BYTES;
    uint32_t length = queued - sent;
    if (length > RING_BYTES - start) {
        length = RING_BYTES - start;
    }
    in_flight = length;
    if (length != 0u) {
        memory_barrier();
        REGISTER(UARTE0_TXD_PTR) = (uint32_t)(uintptr_t)&ring[start];
        REGISTER(UARTE0_TXD_MAXCNT) = length;
        REGISTER(UARTE0_TASKS_STARTTX) = 1;
    }
}

void UARTE0_UART0_IRQHandler(void);
void UARTE0_UART0_IRQHandler(void) {
    REGISTER(UARTE0_EVENTS_ENDTX) = 0;
    sent += in_flight;
    send_next();
    (void)REGISTER(UARTE0_EVENTS_ENDTX); /* the write must arrive before the handler ends: PS 6.1.8 */
}

void uarte_start(void) {
    gpio_output(BOARD_CONSOLE_TX_PIN, true);
    REGISTER(UARTE0_PSEL_TXD) = BOARD_CONSOLE_TX_PIN;
    REGISTER(UARTE0_BAUDRATE) = BAUDRATE;
    REGISTER(UARTE0_ENABLE) = UARTE_ENABLED;
    REGISTER(UARTE0_INTENSET) = UARTE_INT_ENDTX;
    nvic_enable(UARTE0_UART0_IRQ, UARTE_PRIORITY);
}

void uarte_write(const char *text, uint32_t length) {
    while (length != 0u) {
        uint32_t primask = irq_disable();
        uint32_t room = RING_BYTES - (queued - sent);
        if (room == 0u) {
            wait_for_interrupt();
        }
        uint32_t count = length < room ? length : room;
        for (uint32_t i = 0; i < count; i++) {
            ring[(queued + i) % RING_BYTES] = text[i];
        }
        queued += count;
        if (in_flight == 0u) {
            send_next();
        }
        irq_restore(primask);
        text += count;
        length -= count;
    }
}

static void wait_sent(void) {
    for (uint32_t polls = 0; polls < PANIC_POLLS && REGISTER(UARTE0_EVENTS_ENDTX) == 0u; polls++) {
    }
}

void uarte_write_now(const char *text, uint32_t length) {
    if (in_flight != 0u) {
        wait_sent();
    }
    uint32_t count = length < RING_BYTES ? length : RING_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        ring[i] = text[i];
    }
    memory_barrier();
    REGISTER(UARTE0_EVENTS_ENDTX) = 0;
    REGISTER(UARTE0_TXD_PTR) = (uint32_t)(uintptr_t)ring;
    REGISTER(UARTE0_TXD_MAXCNT) = count;
    REGISTER(UARTE0_TASKS_STARTTX) = 1;
    wait_sent();
}
