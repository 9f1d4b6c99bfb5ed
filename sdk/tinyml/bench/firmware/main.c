/* Runs the network on the inputs that were linked in and prints every output as hexadecimal bytes. */
#include "bench_inputs.h"
#include "hal.h"
#include "m.h"

_Static_assert(BENCH_INPUT_BYTES == M_INPUT_BYTES, "the inputs belong to another network");

static uint8_t arena[M_ARENA_BYTES] PLACE_ARENA __attribute__((aligned(M_ARENA_ALIGN)));

static void print_output(const int8_t *output) {
    static const char digits[] = "0123456789abcdef";
    char pair[3] = {0};
    for (uint32_t i = 0; i < M_OUTPUT_BYTES; i++) {
        pair[0] = digits[(uint8_t)output[i] >> 4];
        pair[1] = digits[(uint8_t)output[i] & 15u];
        hal_console_write(pair, 2);
    }
    hal_console_write("\n", 1);
}

int main(void) {
    hal_init();
    for (uint32_t run = 0; run < BENCH_RUNS; run++) {
        int8_t *input = m_input(arena);
        for (uint32_t i = 0; i < M_INPUT_BYTES; i++) {
            input[i] = bench_inputs[run][i];
        }
        m_invoke(arena);
        hal_console_write("output ", 7);
        print_output(m_output(arena));
    }
    hal_console_write("done\n", 5);
    for (;;) {
        hal_sleep();
    }
}
