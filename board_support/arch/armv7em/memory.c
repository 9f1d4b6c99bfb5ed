/* The four functions that compilers call on their own. Unaligned word access is what Armv7E-M allows.
 *
 * The empty asm in each loop keeps the compiler from recognising the loop as a call of the function itself.
 */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *left, const void *right, size_t count);

typedef struct {
    uint32_t value;
} __attribute__((packed, may_alias)) word;

#define KEEP_LOOP() __asm__ volatile("")

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
    uint8_t *out = to;
    const uint8_t *in = from;
    for (; count >= 4u; count -= 4u, out += 4, in += 4) {
        KEEP_LOOP();
        ((word *)(void *)out)->value = ((const word *)(const void *)in)->value;
    }
    for (; count > 0u; count--) {
        KEEP_LOOP();
        *out++ = *in++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t count) {
    uint8_t *out = to;
    const uint8_t *in = from;
    if ((uintptr_t)out - (uintptr_t)in >= count) {
        for (size_t i = 0; i < count; i++) {
            KEEP_LOOP();
            out[i] = in[i];
        }
    } else {
        for (size_t i = count; i > 0u; i--) {
            KEEP_LOOP();
            out[i - 1u] = in[i - 1u];
        }
    }
    return to;
}

void *memset(void *to, int value, size_t count) {
    uint8_t *out = to;
    uint8_t byte = (uint8_t)value;
    uint32_t pattern = byte * 0x01010101u;
    for (; count >= 4u; count -= 4u, out += 4) {
        KEEP_LOOP();
        ((word *)(void *)out)->value = pattern;
    }
    for (; count > 0u; count--) {
        KEEP_LOOP();
        *out++ = byte;
    }
    return to;
}

int memcmp(const void *left, const void *right, size_t count) {
    const uint8_t *a = left;
    const uint8_t *b = right;
    for (size_t i = 0; i < count; i++) {
        KEEP_LOOP();
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}
