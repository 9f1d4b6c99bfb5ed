/* gemm_quad.h in plain C: the twin of gemm_quad_armv7em.h. */
#ifndef TM_GEMM_QUAD_PORTABLE_H
#define TM_GEMM_QUAD_PORTABLE_H

#include "attributes.h"
#include "gemm_expand.h"
#include "gemm_products_portable.h"
#include "gemm_quad.h"

TM_INLINE void tm_gemm_quads_portable(const tm_gemm_quad *quad, const int unroll, const int32_t *scale,
                                      const int negative_fix)
{
    const int32_t groups = (quad->rounds + 1) * unroll - quad->skipped;
    const int8_t *x = quad->x;
    const int32_t *stream = quad->stream;
    for (int8_t *y = quad->y; y < quad->y_end; y += 4) {
        const int32_t *end = stream + 4 + 4 * groups;
        for (int channel = 0; channel < 4 && y + channel < quad->y_end; channel++) {
            uint32_t acc = (uint32_t)stream[channel];
            for (int32_t g = 0; g < groups; g++) {
                uint32_t low;
                uint32_t both;
                tm_gemm_expand_word(tm_load_word(x + 4 * g), &low, &both);
                acc = tm_gemm_products(low, both, (uint32_t)stream[4 + 4 * g + channel], acc);
            }
            y[channel] = tm_gemm_output((int32_t)acc, scale != 0 ? scale : end + 2 * channel, negative_fix);
        }
        stream = scale != 0 ? end : end + 8;
    }
}

#define TM_GEMM_QUADS(suffix, unroll)                                                                                  \
    static inline void tm_gemm_quads##suffix(const tm_gemm_quad *quad)                                                 \
    {                                                                                                                  \
        tm_gemm_quads_portable(quad, unroll, 0, 0);                                                                    \
    }                                                                                                                  \
                                                                                                                       \
    static inline void tm_gemm_quads_signed##suffix(const tm_gemm_quad *quad)                                          \
    {                                                                                                                  \
        tm_gemm_quads_portable(quad, unroll, 0, 1);                                                                    \
    }                                                                                                                  \
                                                                                                                       \
    static inline void tm_gemm_quads_tensor##suffix(const tm_gemm_quad *quad)                                          \
    {                                                                                                                  \
        tm_gemm_quads_portable(quad, unroll, &quad->multiplier, 0);                                                    \
    }

TM_GEMM_QUADS(, 8)
TM_GEMM_QUADS(_short, 2)

#undef TM_GEMM_QUADS

#endif
