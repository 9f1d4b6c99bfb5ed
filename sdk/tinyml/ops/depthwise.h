/* Depthwise convolution for cores with SIMD pairs: two channels at a time are expanded to planes of int16, less their
 * zero point and with their padding, and each plane is filtered on its own, in bands of rows.
 *
 * Rows and columns are those of the plane: the tensor's, or the other way round (`x_row` and `x_pixel` say which).
 * scratch, aligned to words: two planes of `pitch` bytes a row and (band - 1) * stride_rows + kernel_rows rows, then
 * what the kernel needs for its weights. Where y lies exactly over x, a channel's place in a pixel is written only after it has been read. */
#ifndef TM_DEPTHWISE_H
#define TM_DEPTHWISE_H

#include <stdbool.h>
#include <stdint.h>

#include "attributes.h"
#include "clamp.h"
#include "depthwise_expand.h"
#include "simd.h"

typedef struct {
    const int32_t *stream; /* per channel: bias, multiplier, then int8: weights row by row, shift, filled up to words */
    uint16_t channels;     /* at least 2 */
    uint16_t in_rows, in_columns, out_columns;
    uint16_t x_pixel, x_row, y_pixel, y_row; /* bytes between neighbours */
    uint16_t in_ring;      /* rows in x's buffer: row r lies at row r % in_ring of it */
    uint16_t pitch;
    uint8_t kernel_rows, stride_rows, pad_rows, pad_columns;
    uint8_t band;
    uint8_t stream_words;  /* of one channel */
    uint8_t chunks;        /* depthwise_wide.h; otherwise 1 */
    int8_t in_zero_point, out_zero_point;
    int8_t low, high;
} tm_depthwise;

/* Filters `rows` rows of one channel, the first of them output row `first`; `room` is the end of scratch. */
typedef void tm_depthwise_filter(const tm_depthwise *p, const int32_t *stream, const int16_t *plane, int8_t *y,
                                 int32_t first, int32_t rows, uint32_t *room);

/* Input rows [row, stop) of two channels to two planes. Rows outside the input become zero if `clear`, or are so. */
static TM_SEPARATE void tm_depthwise_expand(const tm_depthwise *p, const int8_t *x, int32_t row, int32_t stop,
                                            int16_t *a, int16_t *b, bool clear)
{
    const uint32_t zero_point = (uint32_t)-p->in_zero_point & 0xFFFFU;
    const int32_t row_elements = p->pitch / 2;
    int32_t columns = row_elements - p->pad_columns;
    if (columns > p->in_columns) {
        columns = p->in_columns;
    }
    while (row < stop) {
        int32_t rows = 1;
        if (row < 0 || row >= p->in_rows) {
            if (clear) {
                tm_depthwise_clear(a, b, row_elements / 2);
            }
        } else {
            const int32_t slot = row % p->in_ring;
            rows = (stop < p->in_rows ? stop : p->in_rows) - row;
            rows = rows < p->in_ring - slot ? rows : p->in_ring - slot;
            const tm_depthwise_cells cells = {
                x + slot * p->x_row, a + p->pad_columns, b + p->pad_columns, p->x_pixel,
                zero_point | (zero_point << 16), columns, rows, p->x_row - columns * p->x_pixel, p->pitch - 2 * columns};
            tm_depthwise_expand_cells(&cells);
        }
        row += rows;
        a += rows * row_elements;
        b += rows * row_elements;
    }
}

/* Output rows [first, stop) to y. */
static TM_SEPARATE void tm_depthwise_run(const tm_depthwise *p, const int8_t *x, int8_t *y, void *scratch,
                                         int32_t first, int32_t stop, tm_depthwise_filter *filter)
{
    const int32_t row_elements = p->pitch / 2;
    const int32_t plane_elements = row_elements * ((p->band - 1) * p->stride_rows + p->kernel_rows);
    const int32_t kept = p->kernel_rows > p->stride_rows ? p->kernel_rows - p->stride_rows : 0;
    int16_t *a = (int16_t *)scratch;
    int16_t *b = a + plane_elements;
    uint32_t *room = (uint32_t *)scratch + plane_elements;
    tm_depthwise_clear(a, b, plane_elements / 2);
    const int32_t *stream = p->stream;
    for (int32_t c = 0; c < p->channels;) {
        const int32_t count = 2 - ((p->channels - c) & 1);
        int8_t *out = y + c;
        for (int32_t row = first, there = 0; row < stop; row += p->band, there = kept) {
            const int32_t rows = stop - row < p->band ? stop - row : p->band;
            const int32_t top = row * p->stride_rows - p->pad_rows;
            const int32_t moved = there * row_elements;
            if (there > 0) {
                tm_depthwise_move(a, b, p->band * p->stride_rows * p->pitch, moved / 2);
            }
            tm_depthwise_expand(p, x + c, top + there, top + (rows - 1) * p->stride_rows + p->kernel_rows, a + moved,
                                b + moved, p->band < stop - first);
            filter(p, stream, a, out, row, rows, room);
            if (count == 2) {
                filter(p, stream + p->stream_words, b, out + 1, row, rows, room);
            }
            out += rows * p->y_row;
        }
        stream += count * p->stream_words;
        c += count;
    }
    if (p->low != -128 || p->high != 127) {
        tm_clamp_bytes(y, (stop - first) * p->out_columns * p->channels, p->low, p->high);
    }
}

#endif
