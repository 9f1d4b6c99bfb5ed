/* Depthwise convolution for cores with SIMD pairs: two channels at a time are expanded to planes of int16, less their
 * zero point and with their padding, and each plane is filtered on its own, in bands of rows.
 *
 * Rows and columns are those of the plane: the tensor's, or the other way round (`x_row` and `x_pixel` say which).
 * scratch, aligned to words: two planes of `plane_bytes`, then what the filter needs for its weights. Where y lies
 * exactly over x, a channel's place in a pixel is written only after it has been read. */
#ifndef TM_DEPTHWISE_H
#define TM_DEPTHWISE_H

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
    uint16_t plane_bytes;  /* (band - 1) * stride_rows + kernel_rows rows of `pitch` bytes */
    uint16_t pitch;
    uint8_t kernel_rows, stride_rows, pad_rows, pad_columns;
    uint8_t band;
    uint8_t stream_words;  /* of one channel */
    uint8_t chunks;        /* depthwise_wide.h; otherwise 1 */
    int8_t in_zero_point, out_zero_point;
    int8_t low, high;
} tm_depthwise;

/* What a filter works on: `rows` rows of one channel, the first of them output row `first`. */
typedef struct {
    tm_depthwise_cells cells;
    const int32_t *stream;
    const int16_t *plane;
    int8_t *y;
    int32_t first, rows;
    uint32_t *room; /* the end of scratch */
    void *set;      /* the filter's own struct */
} tm_depthwise_work;

typedef void tm_depthwise_filter(const tm_depthwise *p, const tm_depthwise_work *work);

/* Input rows [row, stop) of two channels at x to both planes, whose row 0 is a. Rows outside the input become zero if
 * `clear`, or are so. */
TM_INLINE void tm_depthwise_expand(const tm_depthwise *p, tm_depthwise_work *work, const int8_t *x, int32_t row,
                                   int32_t stop, int16_t *a, int clear)
{
    while (row < stop) {
        int32_t rows = 1;
        int16_t *b = a + p->plane_bytes / 2;
        if (row < 0 || row >= p->in_rows) {
            if (clear) {
                tm_depthwise_clear(a, b, p->pitch / 4);
            }
        } else {
            const int32_t slot = row % p->in_ring;
            rows = (stop < p->in_rows ? stop : p->in_rows) - row;
            rows = rows < p->in_ring - slot ? rows : p->in_ring - slot;
            work->cells.x = x + slot * p->x_row;
            work->cells.a = a + p->pad_columns;
            work->cells.b = b + p->pad_columns;
            work->cells.rows = rows;
            tm_depthwise_expand_cells(&work->cells);
        }
        row += rows;
        a += rows * p->pitch / 2;
    }
}

TM_INLINE void tm_depthwise_begin(const tm_depthwise *p, tm_depthwise_work *work)
{
    const uint32_t zero_point = (uint32_t)-p->in_zero_point & 0xFFFFU;
    const int32_t room = p->pitch / 2 - p->pad_columns;
    const int32_t columns = room < p->in_columns ? room : p->in_columns;
    work->cells.pixel = p->x_pixel;
    work->cells.centre = zero_point | (zero_point << 16);
    work->cells.columns = columns;
    work->cells.x_skip = p->x_row - columns * p->x_pixel;
    work->cells.plane_skip = p->pitch - 2 * columns;
    work->stream = p->stream;
}

/* Output rows [first, stop) to y. */
static TM_SEPARATE void tm_depthwise_run(const tm_depthwise *p, const int8_t *x, int8_t *y, void *scratch,
                                         int32_t first, int32_t stop, tm_depthwise_filter *filter, void *set)
{
    int16_t *const a = (int16_t *)scratch;
    const int32_t kept = p->kernel_rows > p->stride_rows ? p->kernel_rows - p->stride_rows : 0;
    tm_depthwise_work work;
    tm_depthwise_begin(p, &work);
    work.room = (uint32_t *)scratch + p->plane_bytes / 2;
    work.set = set;
    tm_depthwise_clear(a, a + p->plane_bytes / 2, p->plane_bytes / 4);
    for (int32_t c = 0; c < p->channels; c++) {
        const int both = (p->channels - c) % 2 == 0; /* an odd channel comes first, beside the one that follows it */
        int8_t *out = y + c;
        for (int32_t row = first, there = 0; row < stop; row += p->band, there = kept) {
            const int32_t rows = stop - row < p->band ? stop - row : p->band;
            const int32_t top = row * p->stride_rows - p->pad_rows;
            const int32_t moved = there * p->pitch;
            if (moved > 0) {
                tm_depthwise_move(a, a + p->plane_bytes / 2, p->band * p->stride_rows * p->pitch, moved / 4);
            }
            tm_depthwise_expand(p, &work, x + c, top + there, top + (rows - 1) * p->stride_rows + p->kernel_rows,
                                a + moved / 2, stop - first > p->band);
            work.plane = a;
            work.y = out;
            work.first = row;
            work.rows = rows;
            filter(p, &work);
            if (both) {
                work.stream += p->stream_words;
                work.plane = a + p->plane_bytes / 2;
                work.y = out + 1;
                filter(p, &work);
                work.stream -= p->stream_words;
            }
            out += rows * p->y_row;
        }
        work.stream += p->stream_words << both;
        c += both;
    }
    if (p->low != -128 || p->high != 127) {
        tm_clamp_bytes(y, (stop - first) * p->out_columns * p->channels, p->low, p->high);
    }
}

#endif
