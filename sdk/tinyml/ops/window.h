/* Geometry of a sliding window over an NHWC tensor with N = 1: the C twin of window.py. */
#ifndef TM_WINDOW_H
#define TM_WINDOW_H

#include <stdint.h>

typedef struct {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t kernel_h, kernel_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
} tm_window;

/* Which taps of a kernel lie inside the input, along one axis: [begin, end), empty where end <= begin. */
typedef struct {
    int32_t begin, end;
} tm_taps;

/* `start` is where the first tap lies, taps are `dilation` apart, the axis has `size` places. */
static inline tm_taps tm_taps_inside(int32_t start, int32_t taps, int32_t dilation, int32_t size)
{
    tm_taps inside = {0, taps};
    for (; start < 0; start += dilation) {
        inside.begin++;
    }
    for (start += (taps - 1 - inside.begin) * dilation; start >= size; start -= dilation) {
        inside.end--;
    }
    return inside;
}

/* What an int8 result is brought to: zero point, then clamp to [low, high]. */
typedef struct {
    int32_t zero_point;
    int32_t low, high;
} tm_output;

#endif
