/* WAV: "Multimedia Programming Interface and Data Specifications 1.0", IBM and Microsoft, 1991. */
#include "wav_input.h"

#include <stdio.h>
#include <string.h>
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

#define MAX_CHUNKS 1000u

static FILE *input;
static uint8_t peeked[4];
static uint32_t peeked_left; /* bytes of `peeked` that belong to raw data and are not yet read */
static uint64_t bytes_left = UINT64_MAX;

static uint32_t little_endian(const uint8_t *bytes, uint32_t count) {
    uint32_t value = 0;
    for (uint32_t i = count; i > 0u; i--) {
        value = (value << 8) | bytes[i - 1u];
    }
    return value;
}

static bool read_bytes(uint8_t *to, uint32_t count) { return fread(to, 1, count, input) == count; }

static bool skip(uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (fgetc(input) == EOF) {
            return false;
        }
    }
    return true;
}

static const char *check_format(const uint8_t *format, uint32_t rate_hz) {
    uint32_t tag = little_endian(format, 2);
    if ((tag != 1u && tag != 0xFFFEu) || little_endian(format + 14, 2) != 16u) {
        return "the WAV file is not 16-bit PCM";
    }
    if (little_endian(format + 2, 2) != 1u) {
        return "the WAV file is not mono";
    }
    return little_endian(format + 4, 4) == rate_hz ? NULL : "the WAV file has another sample rate than the microphone";
}

/* Walks the chunks of a RIFF file up to its samples. */
static const char *open_wav(uint32_t rate_hz) {
    uint8_t head[8];
    uint8_t format[16];
    bool have_format = false;
    if (!read_bytes(head, 4) || !read_bytes(head, 4) || memcmp(head, "WAVE", 4) != 0) {
        return "the file is RIFF but not WAV";
    }
    for (uint32_t chunk = 0; chunk < MAX_CHUNKS && read_bytes(head, 8); chunk++) {
        uint32_t size = little_endian(head + 4, 4);
        if (memcmp(head, "data", 4) == 0) {
            bytes_left = size;
            return have_format ? check_format(format, rate_hz) : "the WAV file has no format before its samples";
        }
        uint32_t used = 0;
        if (memcmp(head, "fmt ", 4) == 0 && size >= sizeof format) {
            have_format = read_bytes(format, sizeof format);
            used = sizeof format;
        }
        if (!skip(size - used + (size & 1u))) {
            break;
        }
    }
    return "the WAV file has no samples";
}

const char *wav_input_open(const char *path, uint32_t rate_hz) {
    if (path == NULL || strcmp(path, "-") == 0) {
        input = stdin;
#ifdef _WIN32
        (void)_setmode(_fileno(stdin), _O_BINARY);
#endif
    } else {
        input = fopen(path, "rb");
    }
    if (input == NULL) {
        return "the file cannot be opened";
    }
    peeked_left = (uint32_t)fread(peeked, 1, sizeof peeked, input);
    if (peeked_left == sizeof peeked && memcmp(peeked, "RIFF", 4) == 0) {
        peeked_left = 0;
        return open_wav(rate_hz);
    }
    return NULL;
}

static int next_byte(void) {
    static uint32_t position;
    if (bytes_left == 0u) {
        return EOF;
    }
    bytes_left--;
    if (position < peeked_left) {
        return peeked[position++];
    }
    return fgetc(input);
}

bool wav_input_read(int16_t *samples, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        int low = next_byte();
        int high = next_byte();
        if (low == EOF || high == EOF) {
            return false;
        }
        int32_t value = high * 256 + low;
        samples[i] = (int16_t)(value < 32768 ? value : value - 65536);
    }
    return true;
}
