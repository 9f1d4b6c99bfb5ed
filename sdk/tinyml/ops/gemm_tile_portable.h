/* gemm_tile.h in plain C: the twin of gemm_tile_armv7em.h. */
#ifndef TM_GEMM_TILE_PORTABLE_H
#define TM_GEMM_TILE_PORTABLE_H

#include "attributes.h"
#include "gemm_products_portable.h"
#include "gemm_tile.h"
#include "simd.h"

TM_INLINE void tm_gemm_tile_portable(const tm_gemm_tile *tile, const int negative_fix)
{
    const int32_t groups = (int32_t)(tile->windows_end - tile->windows) / 2;
    const int32_t place[3] = {0, tile->second, tile->third};
    int8_t *y = tile->y;
    for (const int32_t *stream = tile->stream; stream != tile->stream_end; y += 2) {
        const int32_t *end = stream + 2 + 2 * groups;
        for (int pixel = 2; pixel >= 0; pixel--) {
            for (int channel = 0; channel < 2; channel++) {
                const uint32_t *window = tile->windows + pixel * tile->pitch / 4;
                uint32_t acc = (uint32_t)stream[channel];
                for (int32_t g = 0; g < groups; g++) {
                    const uint32_t weights = (uint32_t)stream[2 + 2 * g + channel];
                    acc = tm_gemm_products(window[2 * g], window[2 * g + 1], weights, acc);
                }
                y[place[pixel] + channel] = tm_gemm_output((int32_t)acc, end + 2 * channel, negative_fix);
            }
        }
        stream = end + 4;
    }
}

static inline void tm_gemm_tile3(const tm_gemm_tile *tile)
{
    tm_gemm_tile_portable(tile, 0);
}

static inline void tm_gemm_tile3_signed(const tm_gemm_tile *tile)
{
    tm_gemm_tile_portable(tile, 1);
}

#endif
