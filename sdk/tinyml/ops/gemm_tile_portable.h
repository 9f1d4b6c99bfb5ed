/* gemm_tile.h in plain C: the twin of gemm_tile_armv7em.h. */
#ifndef TM_GEMM_TILE_PORTABLE_H
#define TM_GEMM_TILE_PORTABLE_H

#include "attributes.h"
#include "gemm_tile.h"
#include "simd.h"

static TM_SEPARATE void tm_gemm_tile3(const tm_gemm_tile *tile)
{
    int8_t *y = tile->y;
    for (const int32_t *stream = tile->stream; stream != tile->stream_end; y += 2) {
        int32_t acc[3][2];
        for (int pixel = 0; pixel < 3; pixel++) {
            acc[pixel][0] = stream[0];
            acc[pixel][1] = stream[1];
        }
        stream += 2;
        for (const uint32_t *column = tile->columns; column != tile->columns_end; column += 6) {
            for (int channel = 0; channel < 2; channel++) {
                const uint32_t weights = (uint32_t)*stream++;
                for (int pixel = 0; pixel < 3; pixel++) {
                    acc[pixel][channel] = tm_smlad(column[pixel], tm_sxtb16(weights), acc[pixel][channel]);
                    acc[pixel][channel] = tm_smlad(column[3 + pixel], tm_sxtb16_ror8(weights), acc[pixel][channel]);
                }
            }
        }
        for (int pixel = 0; pixel < 3; pixel++) {
            int8_t *cell = y + pixel * tile->y_stride;
            cell[0] = tm_saturate_s8(tm_smmlar(acc[pixel][0], stream[0], tile->zero_point));
            cell[1] = tm_saturate_s8(tm_smmlar(acc[pixel][1], stream[1], tile->zero_point));
        }
        stream += 2;
    }
}

#endif
