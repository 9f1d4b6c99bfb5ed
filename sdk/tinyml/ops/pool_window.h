/* Walking a pooling window over the input: the part of each window that lies inside. */
#ifndef TM_POOL_WINDOW_H
#define TM_POOL_WINDOW_H

#include "attributes.h"
#include "window.h"

/* The cells of one window: `rows` by `columns` pixels from `corner` on, whose rows are `pitch` bytes apart. */
typedef struct {
    const int8_t *corner;
    int32_t rows, columns, channels, pitch;
} tm_pool_cells;

static inline tm_pool_cells tm_pool_cells_at(const int8_t *x, const tm_window *w, int32_t oy, int32_t ox)
{
    const int32_t top = oy * w->stride_h - w->pad_top;
    const int32_t left = ox * w->stride_w - w->pad_left;
    const int32_t y0 = top < 0 ? 0 : top;
    const int32_t x0 = left < 0 ? 0 : left;
    const int32_t y1 = top + w->kernel_h > w->in_h ? w->in_h : top + w->kernel_h;
    const int32_t x1 = left + w->kernel_w > w->in_w ? w->in_w : left + w->kernel_w;
    const tm_pool_cells cells = {
        x + (y0 * w->in_w + x0) * w->in_c, y1 - y0, x1 - x0, w->in_c, w->in_w * w->in_c};
    return cells;
}

#endif
