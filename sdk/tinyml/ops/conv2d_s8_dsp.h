/* int8 convolution for cores with SIMD pairs, by rows: windows are unfolded three at a time into columns, which
 * gemm_tile.h multiplies with the packed stream. Twin of conv2d.py.
 *
 * Rows [first, stop) of the output are computed, y is where they go. Input row r lies at x + (r % in_ring) rows; when
 * the buffer holds less than the whole input, one output row is asked for at a time.
 * scratch: 24 bytes per group of four taps for the columns, and 12 more for three unfolded windows (not used by
 * 1x1 kernels). All of a tile's input is read before its first output is written. */
#ifndef TM_CONV2D_S8_DSP_H
#define TM_CONV2D_S8_DSP_H

#include "attributes.h"
#include "clamp.h"
#include "gemm_expand.h"
#include "gemm_quad.h"
#include "gemm_tile.h"

typedef struct {
    const int32_t *stream;
    int16_t in_h, in_w, in_c, in_ring;
    int16_t out_w, out_c;
    int16_t pad_top, pad_left;
    uint8_t kernel_h, kernel_w, stride_h, stride_w, dilation_h;
    int8_t in_zero_point, low, high;
} tm_conv2d;

static inline const int8_t *tm_conv2d_row(const tm_conv2d *p, const int8_t *x, int32_t row, int32_t wrapped)
{
    const int32_t slot = row - wrapped;
    return x + (slot >= p->in_ring ? slot - p->in_ring : slot) * p->in_w * p->in_c;
}

/* `count` is a constant or at least 4. */
TM_INLINE int8_t *tm_copy_run(int8_t *to, const int8_t *from, int32_t count)
{
    if (count < 4) {
        for (int32_t i = 0; i < count; i++) {
            to[i] = from[i];
        }
        return to + count;
    }
    int32_t done = 0;
    for (; done + 4 <= count; done += 4) {
        tm_store_word(to + done, tm_load_word(from + done));
    }
    if (done < count) { /* the last word ends with the run: nothing behind it is touched */
        tm_store_word(to + count - 4, tm_load_word(from + count - 4));
    }
    return to + count;
}

/* The window whose first cell is (top, left), row by row, with the zero point outside the input. */
static TM_SEPARATE TM_UNUSED void tm_conv2d_unfold_edge(const tm_conv2d *p, const int8_t *x, int32_t top, int32_t left,
                                                        int32_t wrapped, int8_t *to)
{
    const int32_t first = left < 0 ? -left * p->in_c : 0;
    const int32_t room = (p->in_w - left) * p->in_c;
    const int32_t run = p->kernel_w * p->in_c;
    const int32_t inside = (room < run ? room : run) - first;
    const uint32_t zeros = 0x01010101U * (uint8_t)p->in_zero_point;
    for (int32_t i = 0; i < p->kernel_h * run; i += 4) { /* up to a whole group, as the patches are */
        tm_store_word(to + i, zeros);
    }
    for (int32_t ky = 0; ky < p->kernel_h; ky++) {
        if (top >= 0 && top < p->in_h) {
            (void)tm_copy_run(to + first, tm_conv2d_row(p, x, top, wrapped) + left * p->in_c + first, inside);
        }
        to += run;
        top += p->dilation_h;
    }
}

/* Such a window into int8; `run` is the length of a kernel row, a constant for short ones. */
TM_INLINE void tm_conv2d_unfold(const tm_conv2d *p, const int8_t *x, int32_t top, int32_t left, int32_t wrapped,
                                const int32_t run, int8_t *to)
{
    const int32_t reach = (p->kernel_h - 1) * p->dilation_h;
    if (top < 0 || left < 0 || top + reach >= p->in_h || left + p->kernel_w > p->in_w) {
        tm_conv2d_unfold_edge(p, x, top, left, wrapped, to);
        return;
    }
    if (p->in_ring < p->in_h) {
        for (int32_t ky = 0; ky < p->kernel_h; ky++) {
            to = tm_copy_run(to, tm_conv2d_row(p, x, top + ky * p->dilation_h, wrapped) + left * p->in_c, run);
        }
        return;
    }
    const int32_t step = p->dilation_h * p->in_w * p->in_c;
    const int8_t *from = x + (top * p->in_w + left) * p->in_c;
    for (int32_t ky = p->kernel_h; ky > 0; ky--) {
        to = tm_copy_run(to, from, run);
        from += step;
    }
}

/* Three windows of one row, `step` bytes apart, that reach past neither side of the input; whole groups only. */
TM_INLINE void tm_conv2d_unfold3(const tm_conv2d *p, const int8_t *x, int32_t top, int32_t left, int32_t wrapped,
                                 uint32_t *columns)
{
    const int32_t step = p->stride_w * p->in_c;
    const int32_t run = p->kernel_w * p->in_c;
    for (int32_t ky = 0; ky < p->kernel_h; ky++) {
        if (top < 0 || top >= p->in_h) {
            uint32_t low;
            uint32_t both;
            tm_gemm_expand_word(0x01010101U * (uint8_t)p->in_zero_point, &low, &both);
            for (int32_t i = run / 4; i > 0; i--) {
                columns[0] = columns[1] = columns[2] = low;
                columns[3] = columns[4] = columns[5] = both;
                columns += 6;
            }
        } else {
            const int8_t *row = tm_conv2d_row(p, x, top, wrapped) + left * p->in_c;
            columns = tm_gemm_expand3(row, row + step, row + 2 * step, run, columns);
        }
        top += p->dilation_h;
    }
}

TM_INLINE void tm_conv2d_tile(tm_gemm_tile *tile, const tm_conv2d *p, const int32_t taps, const int32_t pixels,
                              const int negative_fix)
{
    tile->second = pixels > 1 ? p->out_c : 0;
    tile->third = pixels > 2 ? 2 * p->out_c : tile->second;
    const int32_t pair_words = 6 + 2 * ((taps + 3) / 4);
    tile->stream = p->stream;
    tile->stream_end = p->stream + (p->out_c / 2) * pair_words;
    for (int part = 0; part < 2; part++) {
        if (negative_fix) {
            tm_gemm_tile3_signed(tile);
        } else {
            tm_gemm_tile3(tile);
        }
        if ((p->out_c & 1) == 0 || part == 1) { /* of an odd number the last two are a pair of their own */
            break;
        }
        tile->y += p->out_c - 2;
        tile->stream = tile->stream_end;
        tile->stream_end += pair_words;
    }
}

/* Constants: `pointwise` for 1x1 at stride 1 without padding, `words` where kernel rows are whole groups,
 * `run_bytes` the length of a kernel row where it is short, else 0, `clamped` where the activation range is not what saturation gives. */
TM_INLINE void tm_conv2d_s8_dsp(const tm_conv2d *p, const int8_t *x, int8_t *y, void *scratch, int32_t first,
                                int32_t stop, const int pointwise, const int words, const int run_bytes,
                              const int negative_fix, const int clamped)
{
    const int32_t taps = pointwise ? p->in_c : p->kernel_h * p->kernel_w * p->in_c;
    const int32_t groups = (taps + 3) / 4;
    const int32_t run = run_bytes != 0 ? run_bytes : p->kernel_w * p->in_c;
    const int32_t pixels = (stop - first) * p->out_w;
    const int32_t rounds = (groups + TM_GEMM_UNROLL - 1) / TM_GEMM_UNROLL;
    uint32_t *columns = (uint32_t *)scratch;
    tm_gemm_tile tile;
    tile.rounds = rounds - 1;
    tile.skipped = rounds * TM_GEMM_UNROLL - groups;
    tile.columns = columns - 6 * tile.skipped;
    int32_t top = first * p->stride_h - p->pad_top;
    int32_t left = -p->pad_left;
    const int32_t start = pointwise ? first : (top < 0 ? 0 : top);
    const int32_t wrapped = start - start % p->in_ring;
    int32_t ox = 0;
    if (pointwise) {
        x = tm_conv2d_row(p, x, first, wrapped);
    }
    for (int32_t done = 0; done < pixels;) {
        const int32_t block = pixels - done >= 3 ? 3 : pixels - done;
        if (pointwise) {
            const int8_t *second = block > 1 ? x + taps : x;
            (void)tm_gemm_expand3(x, second, block > 2 ? second + taps : second, taps, columns);
            x += 3 * taps;
        } else if (words && block == 3 && ox + 3 <= p->out_w && left >= 0 &&
                   left + 2 * p->stride_w + p->kernel_w <= p->in_w) {
            tm_conv2d_unfold3(p, x, top, left, wrapped, columns);
            left += 3 * p->stride_w;
            ox += 3;
        } else {
            int8_t *patches = (int8_t *)(columns + 6 * groups);
            for (int32_t i = 0; i < block; i++) {
                tm_conv2d_unfold(p, x, top, left, wrapped, run, patches + 4 * groups * i);
                left += p->stride_w;
                ox++;
                if (ox == p->out_w) {
                    ox = 0;
                    left = -p->pad_left;
                    top += p->stride_h;
                }
            }
            (void)tm_gemm_expand3(patches, patches + 4 * groups, patches + 8 * groups, 4 * groups, columns);
        }
        if (!pointwise && ox == p->out_w) {
            ox = 0;
            left = -p->pad_left;
            top += p->stride_h;
        }
        tile.y = y;
        tm_conv2d_tile(&tile, p, taps, block, negative_fix);
        y += block * p->out_c;
        done += block;
    }
    if (clamped) {
        tm_clamp_bytes(y - pixels * p->out_c, pixels * p->out_c, p->low, p->high);
    }
}

/* 1x1 at stride 1 without padding, or any kernel with a single output pixel that covers the whole input: each pixel
 * alone, straight from the input. */
TM_INLINE void tm_conv2d_pixels_s8_dsp(const tm_conv2d *p, const int8_t *x, int8_t *y, int32_t first, int32_t stop,
                                       const int negative_fix, const int clamped)
{
    const int32_t taps = p->kernel_h * p->kernel_w * p->in_c;
    const int32_t pixels = (stop - first) * p->out_w;
    tm_gemm_quad quad = tm_gemm_quad_of(p->stream, taps);
    x = tm_conv2d_row(p, x, first, first - first % p->in_ring);
    for (int32_t i = 0; i < pixels; i++) {
        tm_gemm_quad_run(&quad, x + i * taps, y + i * p->out_c, p->out_c, negative_fix, 0);
    }
    if (clamped) {
        tm_clamp_bytes(y, pixels * p->out_c, p->low, p->high);
    }
}

#endif
