/* int8 convolution for cores with SIMD pairs, by rows: windows are expanded three at a time for gemm_tile.h, which
 * multiplies them with the packed stream. Twin of conv2d.py.
 *
 * Rows [first, stop) of the output are computed, y is where they go. Input row r lies at x + (r % in_ring) rows; when
 * the buffer holds less than the whole input, one output row is asked for at a time. All of a tile's input is read
 * before its first output is written.
 * scratch: 24 bytes per group of four taps for three windows; where channels do not come in fours their second half
 * holds the windows as int8 first, which expansion uses up before it gets there. 1x1 kernels of few channels take
 * several tiles together. */
#ifndef TM_CONV2D_S8_DSP_H
#define TM_CONV2D_S8_DSP_H

#include "attributes.h"
#include "clamp.h"
#include "gemm_expand.h"
#include "gemm_quad.h"
#include "gemm_tile.h"
#include "simd.h"

#define TM_CONV2D_MOST_ROWS 16
#define TM_CONV2D_STRIP_GROUPS 16
#define TM_CONV2D_STRIP_TILES 3

typedef struct {
    const int32_t *stream;
    int16_t in_h, in_w, in_c, in_ring;
    int16_t out_w, out_c;
    int16_t pad_top, pad_left;
    uint8_t kernel_h, kernel_w, stride_h, stride_w, dilation_h;
    int8_t in_zero_point, low, high;
} tm_conv2d;

/* Where the input rows of an output row are: null outside the input. */
static TM_SEPARATE TM_UNUSED void tm_conv2d_rows(const tm_conv2d *p, const int8_t *x, int32_t oy, const int8_t **rows)
{
    const int32_t top = oy * p->stride_h - p->pad_top;
    for (int32_t ky = 0; ky < p->kernel_h; ky++) {
        const int32_t row = top + ky * p->dilation_h;
        rows[ky] = row < 0 || row >= p->in_h ? (const int8_t *)0 : x + (row % p->in_ring) * p->in_w * p->in_c;
    }
}

/* `words` words to groups; returns the end of what was written. */
TM_INLINE uint32_t *tm_conv2d_expand(const int8_t *x, int32_t words, uint32_t *groups)
{
    tm_gemm_columns c;
    c.rows = &x;
    c.rows_end = &x + 1;
    c.offset = 0;
    c.limit = 1;
    c.step = 0;
    c.words = words;
    c.groups = groups;
    c.fill = 0;
    c.columns = 1;
    tm_gemm_expand_columns(&c);
    return c.groups;
}

/* `count` is a constant or at least 4. */
TM_INLINE void tm_copy_run(int8_t *to, const int8_t *from, int32_t count)
{
    int32_t done = 0;
    if (count >= 4) {
        for (; done + 4 <= count; done += 4) {
            tm_store_word(to + done, tm_load_word(from + done));
        }
        if (done < count) { /* the last word ends with the run: nothing behind it is touched */
            tm_store_word(to + count - 4, tm_load_word(from + count - 4));
        }
        return;
    }
    for (; done < count; done++) {
        to[done] = from[done];
    }
}

/* One window of int8, row by row, of any number of channels. `run` is the length of a kernel row, a
 * constant where it is short. */
TM_INLINE void tm_conv2d_window(const tm_conv2d *p, const int8_t *const *rows, int32_t left, const int32_t run,
                                const int32_t rows_inside, int8_t *patch)
{
    const int32_t taps = p->kernel_h * run;
    const int32_t first = left < 0 ? -left * p->in_c : 0;
    const int32_t room = (p->in_w - left) * p->in_c;
    const int32_t inside = (room < run ? room : run) - first;
    const int32_t offset = left * p->in_c + first;
    int8_t *to = patch + first;
    if (rows_inside && inside == run) {
        for (int32_t ky = 0; ky < p->kernel_h; ky++) {
            tm_copy_run(to, rows[ky] + offset, run);
            to += run;
        }
    } else {
        const uint32_t zeros = 0x01010101U * (uint8_t)p->in_zero_point;
        for (int32_t i = 0; i < taps; i += 4) { /* up to a whole group: the patch has room for it */
            tm_store_word(patch + i, zeros);
        }
        for (int32_t ky = 0; ky < p->kernel_h; ky++) {
            if (rows[ky] != (const int8_t *)0) {
                tm_copy_run(to, rows[ky] + offset, inside);
            }
            to += run;
        }
    }
}

/* Three such windows of one row that lie inside the input, `step` bytes apart there and `pitch` bytes in `patches`. */
TM_INLINE void tm_conv2d_windows3(const tm_conv2d *p, const int8_t *const *rows, int32_t offset, int32_t step,
                                  const int32_t run, int8_t *patches, int32_t pitch)
{
    const int8_t *const *end = rows + p->kernel_h;
    for (; rows != end; rows++) {
        const int8_t *from = *rows + offset;
        tm_copy_run(patches, from, run);
        tm_copy_run(patches + pitch, from + step, run);
        tm_copy_run(patches + 2 * pitch, from + 2 * step, run);
        patches += run;
    }
}

/* All output channels of up to three pixels. */
TM_INLINE void tm_conv2d_tile(tm_gemm_tile *tile, const tm_conv2d *p, const int32_t pixels, const int negative_fix)
{
    const int32_t pair_words = 6 + (int32_t)(tile->windows_end - tile->windows);
    tile->second = pixels > 1 ? p->out_c : 0;
    tile->third = pixels > 2 ? 2 * p->out_c : tile->second;
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

static TM_SEPARATE TM_UNUSED void tm_conv2d_tile_of(tm_gemm_tile *tile, int32_t groups, void *scratch)
{
    tile->windows = (const uint32_t *)scratch;
    tile->windows_end = tile->windows + 2 * groups;
    tile->pitch = 8 * groups;
    tile->skipped = -groups & (TM_GEMM_UNROLL - 1);
}

/* 1x1 at stride 1 without padding. Pixels of few channels are expanded several tiles at a time. */
TM_INLINE void tm_conv2d_1x1_s8_dsp(const tm_conv2d *p, const int8_t *x, int8_t *y, void *scratch, int32_t first,
                                    int32_t stop, const int negative_fix, const int clamped)
{
    const int32_t taps = p->in_c;
    const int32_t groups = (taps + 3) / 4;
    const int32_t pixels = (stop - first) * p->out_w;
    const int32_t together = groups < TM_CONV2D_STRIP_GROUPS ? 3 * (TM_CONV2D_STRIP_GROUPS / groups) : 3;
    tm_gemm_tile tile;
    tm_conv2d_tile_of(&tile, groups, scratch);
    x += (first % p->in_ring) * p->in_w * taps;
    for (int32_t left = pixels; left > 0; left -= together) {
        const int32_t block = left < together ? left : together;
        if ((taps & 3) == 0) {
            (void)tm_conv2d_expand(x, block * groups, (uint32_t *)scratch);
        } else {
            int8_t *patches = (int8_t *)scratch + 4 * groups * together;
            for (int32_t i = 0; i < block; i++) {
                tm_copy_run(patches + 4 * groups * i, x + i * taps, taps);
            }
            (void)tm_conv2d_expand(patches, block * groups, (uint32_t *)scratch);
        }
        for (int32_t i = 0; i < block; i += 3) {
            tile.windows = (const uint32_t *)scratch + 2 * groups * i;
            tile.windows_end = tile.windows + 2 * groups;
            tile.y = y + i * p->out_c;
            tm_conv2d_tile(&tile, p, block - i, negative_fix);
        }
        x += block * taps;
        y += block * p->out_c;
    }
    if (clamped) {
        tm_clamp_bytes(y - pixels * p->out_c, pixels * p->out_c, p->low, p->high);
    }
}

/* Constants: `columns` where channels come in fours, `run_bytes` the length of a kernel row where it is short, else 0,
 * `clamped` where the activation range is not what saturation gives. */
TM_INLINE void tm_conv2d_s8_dsp(const tm_conv2d *p, const int8_t *x, int8_t *y, void *scratch, int32_t first,
                                int32_t stop, const int columns, const int run_bytes, const int negative_fix,
                                const int clamped)
{
    const int32_t run = run_bytes != 0 ? run_bytes : p->kernel_w * p->in_c;
    const int32_t groups = (p->kernel_h * run + 3) / 4;
    const int32_t pixels = (stop - first) * p->out_w;
    const int8_t *rows[TM_CONV2D_MOST_ROWS];
    tm_gemm_tile tile;
    tm_gemm_columns strip;
    tm_conv2d_tile_of(&tile, groups, scratch);
    strip.rows = rows;
    strip.rows_end = rows + p->kernel_h;
    strip.limit = (uint32_t)(p->in_w * p->in_c);
    strip.step = p->in_c;
    strip.words = p->in_c / 4;
    strip.fill = 0x01010101U * (uint8_t)p->in_zero_point;
    int8_t *patches = (int8_t *)scratch + 12 * groups;
    int32_t ox = 0;
    int32_t rows_inside = 0;
    for (int32_t done = 0; done < pixels;) {
        int32_t block = pixels - done >= 3 ? 3 : pixels - done;
        strip.groups = (uint32_t *)scratch;
        tile.windows = strip.groups;
        tile.pitch = 8 * groups;
        for (int32_t i = 0; i < block; i++) {
            if (ox == 0) {
                const int32_t top = first * p->stride_h - p->pad_top;
                rows_inside = top >= 0 && top + (p->kernel_h - 1) * p->dilation_h < p->in_h;
                tm_conv2d_rows(p, x, first, rows);
                first++;
            }
            const int32_t left = ox * p->stride_w - p->pad_left;
            const int32_t offset = left * p->in_c;
            const int whole = i == 0 && block == 3 && ox + 3 <= p->out_w; /* a tile of one row */
            ox++;
            if (columns) {
                strip.offset = offset;
                strip.columns = p->kernel_w;
                if (whole && p->stride_w < p->kernel_w) { /* neighbours share columns: up to three tiles of them */
                    const int32_t tiles = (p->out_w - ox + 1) / 3;
                    block = tiles > TM_CONV2D_STRIP_TILES ? 3 * TM_CONV2D_STRIP_TILES : 3 * tiles;
                    strip.columns += (block - 1) * p->stride_w;
                    tile.pitch = 2 * p->stride_w * p->kernel_h * p->in_c;
                    ox += block - 1;
                    i = block;
                }
                tm_gemm_expand_columns(&strip);
            } else if (whole && rows_inside && left >= 0 && left + 2 * p->stride_w + p->kernel_w <= p->in_w) {
                tm_conv2d_windows3(p, rows, offset, p->stride_w * p->in_c, run, patches, 4 * groups);
                ox += 2;
                i = 2;
            } else {
                tm_conv2d_window(p, rows, left, run, rows_inside, patches + 4 * groups * i);
            }
            ox = ox == p->out_w ? 0 : ox;
        }
        if (!columns) {
            (void)tm_conv2d_expand(patches, block * groups, (uint32_t *)scratch);
        }
        for (int32_t i = 0; i < block; i += 3) {
            tile.windows_end = tile.windows + 2 * groups;
            tile.y = y + i * p->out_c;
            tm_conv2d_tile(&tile, p, block - i, negative_fix);
            tile.windows += 3 * tile.pitch / 4;
        }
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
                                       const int is_short, const int negative_fix, const int clamped)
{
    const int32_t taps = p->kernel_h * p->kernel_w * p->in_c;
    const int32_t pixels = (stop - first) * p->out_w;
    tm_gemm_quad quad = tm_gemm_quad_of(p->stream, taps, is_short);
    x += (first % p->in_ring) * p->in_w * p->in_c;
    for (int32_t i = 0; i < pixels; i++) {
        tm_gemm_quad_run(&quad, x + i * taps, y + i * p->out_c, p->out_c, negative_fix, 0, is_short);
    }
    if (clamped) {
        tm_clamp_bytes(y, pixels * p->out_c, p->low, p->high);
    }
}

#endif
