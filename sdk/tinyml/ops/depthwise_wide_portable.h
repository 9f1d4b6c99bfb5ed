/* depthwise_wide.h in plain C: the twin of depthwise_wide_armv7em.h. */
#ifndef TM_DEPTHWISE_WIDE_PORTABLE_H
#define TM_DEPTHWISE_WIDE_PORTABLE_H

/* One output: `x` is the first input of its window. */
TM_INLINE int32_t tm_depthwise_wide_sum(const tm_depthwise_row *set, const int8_t *x, const int columns,
                                        const int stride)
{
    const int32_t words = stride == 1 ? columns - 1 : (columns + 1) / 2;
    int32_t sum = set->bias;
    for (const uint32_t *w = set->weights; w != set->weights_end; w += words, x += set->step) {
        for (int32_t i = 0; i < columns / 2; i++) {
            const uint32_t inputs = tm_load_half(x + 4 * i) | (tm_load_half(x + 4 * i + 2) << 16);
            sum = tm_smlad(inputs, w[i], sum);
        }
        const uint32_t last = stride == 1 ? w[words - 1] >> 16 : w[words - 1];
        sum = tm_smlabb(tm_load_half(x + 2 * (columns - 1)), last, sum);
    }
    return sum;
}

TM_INLINE void tm_depthwise_wide_row(const tm_depthwise_row *set, const int columns, const int stride,
                                     const int is_signed)
{
    for (int32_t i = 0; i < set->outputs; i++) {
        const int32_t sum = tm_depthwise_wide_sum(set, set->x + 2 * stride * i, columns, stride) * 4;
        int32_t value = tm_smmla(sum, set->multiplier, set->offset);
        if (is_signed && sum < 0) {
            value -= 2;
        }
        set->y[i * set->y_pixel] = tm_saturate_s8(value >> set->right);
    }
}

#endif
