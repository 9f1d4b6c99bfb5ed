/* int8 max pooling for cores with SIMD: four channels at a time by SSUB8 and SEL. Twin of max_pool2d.py; up to four
 * channels of a pixel are written after their windows have been read. */
#ifndef TM_MAX_POOL2D_S8_DSP_H
#define TM_MAX_POOL2D_S8_DSP_H

#include "attributes.h"
#include "max_pool2d_s8.h"
#include "simd.h"

/* `clamped` is a constant wherever this is inlined. */
TM_INLINE void tm_max_pool2d_s8_dsp(const int8_t *x, int8_t *y, const tm_window *w, const tm_output *out, int clamped)
{
    for (int32_t oy = 0; oy < w->out_h; oy++) {
        for (int32_t ox = 0; ox < w->out_w; ox++) {
            const tm_pool_cells cells = tm_pool_cells_at(x, w, oy, ox);
            int32_t c = 0;
            for (; c + 4 <= w->in_c; c += 4) {
                uint32_t largest = 0x80808080U;
                const int8_t *row = cells.corner + c;
                for (int32_t iy = cells.rows; iy > 0; iy--) {
                    const int8_t *cell = row;
                    for (int32_t ix = cells.columns; ix > 0; ix--) {
                        largest = tm_max_bytes(tm_load_word(cell), largest);
                        cell += cells.channels;
                    }
                    row += cells.pitch;
                }
                tm_store_word(y, largest);
                for (int i = 0; clamped && i < 4; i++) {
                    y[i] = tm_clamp_s8(y[i], out->low, out->high);
                }
                y += 4;
            }
            for (; c < w->in_c; c++) {
                *y++ = tm_clamp_s8(tm_max_of(&cells, c), out->low, out->high);
            }
        }
    }
}

#endif
