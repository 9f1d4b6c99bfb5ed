/* The last frames of features, kept so that every inference sees a whole window.
 *
 * Frames are written in a circle; tm_feature_ring_copy lays them out oldest first. After a reset the window is
 * full of one value, so that inferences can start with the first frame.
 */
#ifndef FEATURE_RING_H
#define FEATURE_RING_H

#include <stdint.h>

typedef struct {
    int8_t *frames; /* [count][bins] */
    uint32_t count;
    uint32_t bins;
    uint32_t next; /* frame that is overwritten next: the oldest */
} tm_feature_ring;

/* Takes the caller's memory of count * bins bytes and fills it with `value` (the quantised 0 of the features). */
void tm_feature_ring_reset(tm_feature_ring *ring, int8_t *frames, uint32_t count, uint32_t bins, int8_t value);

/* Room for the next frame: the oldest one leaves the window. */
int8_t *tm_feature_ring_next(tm_feature_ring *ring);

/* Copies the window, oldest frame first, to count * bins bytes. */
void tm_feature_ring_copy(const tm_feature_ring *ring, int8_t *window);

#endif
