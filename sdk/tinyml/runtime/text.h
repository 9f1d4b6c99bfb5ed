/* Console lines without printf: text, numbers and decimals appended to a buffer of the caller's. */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>

typedef struct {
    char *data;
    uint32_t size; /* of `data`; what does not fit is left out */
    uint32_t length;
} tm_text;

void tm_text_begin(tm_text *text, char *data, uint32_t size);
void tm_text_string(tm_text *text, const char *string);
void tm_text_unsigned(tm_text *text, uint32_t value);

/* `value` / 10^digits with all its digits: (930, 3) is 0.930. At most 9 digits. */
void tm_text_decimal(tm_text *text, uint32_t value, uint32_t digits);

#endif
