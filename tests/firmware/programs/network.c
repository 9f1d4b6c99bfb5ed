/* Shaped like a compiled network: int8 layers that share kernels, run again and again while the microphone records. */
#include "board.h"

#define NOINLINE __attribute__((noinline))
#define PIXELS 36
#define CHANNELS 32

static int8_t input[PIXELS * CHANNELS];
static int8_t output[PIXELS * CHANNELS];
static int8_t weights[CHANNELS * CHANNELS];
static int32_t bias[CHANNELS];
static int16_t record[2][160] __attribute__((aligned(4)));
static volatile uint32_t blocks;
volatile uint32_t runs;

void PDM_IRQHandler(void);
void PDM_IRQHandler(void) {
    if (REGISTER(PDM + 0x108u) != 0u) {
        REGISTER(PDM + 0x108u) = 0;
    }
    if (REGISTER(PDM + 0x100u) != 0u) {
        REGISTER(PDM + 0x100u) = 0;
        blocks++;
        REGISTER(PDM + 0x560u) = (uint32_t)(uintptr_t)record[blocks % 2u];
    }
}

static int8_t requantize(int32_t sum) {
    int32_t value = (int32_t)(((int64_t)sum * 1518500250 + (1 << 30)) >> 31) >> 6;
    return (int8_t)(value > 127 ? 127 : value < -128 ? -128 : value);
}

NOINLINE static int32_t shared_dot(const int8_t *x, const int8_t *w, int32_t count, int32_t sum) {
    for (int32_t k = 0; k < count; k += 4) {
        int32_t a;
        int32_t b;
        __builtin_memcpy(&a, x + k, 4);
        __builtin_memcpy(&b, w + k, 4);
        int32_t a0, a1, b0, b1;
        __asm__("sxtb16 %0, %4\n\tsxtb16 %1, %4, ror #8\n\tsxtb16 %2, %5\n\tsxtb16 %3, %5, ror #8"
                : "=&r"(a0), "=&r"(a1), "=&r"(b0), "=&r"(b1) : "r"(a), "r"(b));
        __asm__("smlad %0, %1, %2, %0\n\tsmlad %0, %3, %4, %0" : "+&r"(sum) : "r"(a0), "r"(b0), "r"(a1), "r"(b1));
    }
    return sum;
}

NOINLINE static void m_layer_00_conv2d(const int8_t *x, int8_t *y) {
    for (int32_t p = 0; p < PIXELS; p++) {
        for (int32_t o = 0; o < CHANNELS; o++) {
            y[p * CHANNELS + o] = requantize(shared_dot(x + p * CHANNELS, weights + o * CHANNELS, CHANNELS, bias[o]));
        }
    }
}

NOINLINE static void m_layer_01_depthwise(const int8_t *x, int8_t *y) {
    for (int32_t p = 7; p < PIXELS - 7; p++) {
        for (int32_t c = 0; c < CHANNELS; c++) {
            int32_t sum = bias[c];
            for (int32_t k = 0; k < 9; k++) {
                sum += x[(p + (k / 3 - 1) * 6 + k % 3 - 1) * CHANNELS + c] * weights[k * CHANNELS + c];
            }
            y[p * CHANNELS + c] = requantize(sum);
        }
    }
}

NOINLINE static void m_layer_02_fully_connected(const int8_t *x, int8_t *y) {
    for (int32_t o = 0; o < 4; o++) {
        y[o] = requantize(shared_dot(x, weights + o, CHANNELS, bias[o]) / (o + 3));
    }
}

/* Every kind of instruction that has its own line in the timing table. */
NOINLINE static void m_layer_03_mixture(const int8_t *x, int8_t *y) {
    float mean = 0.0f;
    uint32_t words[4] = {1, 2, 3, 4};
    for (int32_t i = 0; i < 64; i++) {
        mean = mean * 0.5f + (float)x[i] / (float)(i + 1);
        switch (x[i] & 7) {
        case 0: words[0] += words[3] / (uint32_t)(i + 1); break;
        case 1: words[1] ^= words[2] << (i & 7); break;
        case 2: words[2] -= (uint32_t)x[i]; break;
        case 3: words[3] *= words[0]; break;
        case 4: words[0] |= 5; break;
        default: words[1] += (uint32_t)(x[i] > 3 ? i : -i); break;
        }
        __asm__ volatile("ldmia %0, {r4-r7}\n\tldrd r4, r5, [%0]\n\tstrd r4, r5, [%0]\n\tvldmia %0, {s2-s5}\n\t"
                         "vfma.f32 s2, s3, s4\n\tumull r4, r5, r6, r7\n\tldr r4, [%0]\n\tldr r5, [%0, #4]\n\t"
                         "str r5, [%0, #8]\n\tmovs r5, #0\n\tstr r4, [%0, r5]\n\tdmb"
                         : : "r"(words) : "r4", "r5", "r6", "r7", "s2", "s3", "s4", "s5", "cc", "memory");
    }
    y[0] = (int8_t)(mean + (float)words[0] + (float)words[1] + (float)words[2] + (float)words[3]);
}

void m_invoke(void);
NOINLINE void m_invoke(void) {
    m_layer_00_conv2d(input, output);
    m_layer_01_depthwise(output, input);
    m_layer_02_fully_connected(input, output);
    m_layer_03_mixture(input, output);
}

static void fill(void) {
    uint32_t state = 1;
    for (int32_t i = 0; i < PIXELS * CHANNELS; i++) {
        state = state * 1664525u + 1013904223u;
        input[i] = (int8_t)(state >> 24);
        weights[i % (CHANNELS * CHANNELS)] = (int8_t)(state >> 16);
    }
}

void run(void);
NOINLINE void run(void) {
    fill();
    m_invoke();
}

#ifndef RUNS
#define RUNS 1000000u
#endif

int main(void) {
    console_start();
    low_frequency_clock_start();
    REGISTER(PDM + 0x540u) = 30;
    REGISTER(PDM + 0x544u) = 31;
    REGISTER(PDM + 0x504u) = 0x0A000000u;
    REGISTER(PDM + 0x520u) = 1;
    REGISTER(PDM + 0x508u) = 1;
    REGISTER(PDM + 0x560u) = (uint32_t)(uintptr_t)record[0];
    REGISTER(PDM + 0x564u) = 160;
    REGISTER(PDM + 0x304u) = 1u << 0 | 1u << 2;
    REGISTER(PDM + 0x500u) = 1;
    irq_enable(29, 2);
    REGISTER(PDM + 0x000u) = 1;
    for (uint32_t i = 0; i < RUNS; i++) {
        run();
        runs++;
        if (i % 64u == 0u) {
            REGISTER(P0 + 0x508u) = 1;
        }
    }
    print("done\n");
    for (;;) {
        wait_for_interrupt();
    }
}
