#include "text.h"

#define MAX_DIGITS 10u /* of a uint32_t */

static void append(tm_text *text, char character) {
    if (text->length < text->size) {
        text->data[text->length++] = character;
    }
}

/* At least `least` digits, leading zeros included. */
static void append_number(tm_text *text, uint32_t value, uint32_t least) {
    char digits[MAX_DIGITS];
    uint32_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0u || count < least);
    while (count > 0u) {
        append(text, digits[--count]);
    }
}

void tm_text_begin(tm_text *text, char *data, uint32_t size) {
    text->data = data;
    text->size = size;
    text->length = 0;
}

void tm_text_string(tm_text *text, const char *string) {
    while (*string != '\0') {
        append(text, *string++);
    }
}

void tm_text_unsigned(tm_text *text, uint32_t value) { append_number(text, value, 1); }

void tm_text_decimal(tm_text *text, uint32_t value, uint32_t digits) {
    uint32_t one = 1;
    for (uint32_t i = 0; i < digits; i++) {
        one *= 10u;
    }
    append_number(text, value / one, 1);
    append(text, '.');
    append_number(text, value % one, digits);
}
