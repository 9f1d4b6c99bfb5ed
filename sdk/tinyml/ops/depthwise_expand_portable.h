/* depthwise_expand.h in plain C: the twin of depthwise_expand_armv7em.h. */
#ifndef TM_DEPTHWISE_EXPAND_PORTABLE_H
#define TM_DEPTHWISE_EXPAND_PORTABLE_H

TM_INLINE void tm_depthwise_expand_cells(const tm_depthwise_cells *cells)
{
    const int8_t *x = cells->x;
    int16_t *a = cells->a;
    int16_t *b = cells->b;
    for (int32_t row = 0; row < cells->rows; row++) {
        for (int32_t i = 0; i < cells->columns; i++, x += cells->pixel) {
            const uint32_t both = tm_load_half(x);
            *a++ = (int16_t)tm_sxtab16(cells->centre, both);
            *b++ = (int16_t)tm_sxtab16_ror8(cells->centre, both);
        }
        x += cells->x_skip;
        a += cells->plane_skip / 2;
        b += cells->plane_skip / 2;
    }
}

TM_INLINE void tm_depthwise_clear(int16_t *a, int16_t *b, int32_t words)
{
    for (int32_t i = 0; i < 2 * words; i++) {
        a[i] = 0;
        b[i] = 0;
    }
}

TM_INLINE void tm_depthwise_move(int16_t *a, int16_t *b, int32_t from_bytes, int32_t words)
{
    for (int32_t i = 0; i < 2 * words; i++) {
        a[i] = a[i + from_bytes / 2];
        b[i] = b[i + from_bytes / 2];
    }
}

#endif
