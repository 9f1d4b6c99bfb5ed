#include "feature_ring.h"

void tm_feature_ring_reset(tm_feature_ring *ring, int8_t *frames, uint32_t count, uint32_t bins, int8_t value) {
    ring->frames = frames;
    ring->count = count;
    ring->bins = bins;
    ring->next = 0;
    for (uint32_t i = 0; i < count * bins; i++) {
        frames[i] = value;
    }
}

int8_t *tm_feature_ring_next(tm_feature_ring *ring) {
    int8_t *frame = &ring->frames[ring->next * ring->bins];
    ring->next = ring->next + 1u == ring->count ? 0u : ring->next + 1u;
    return frame;
}

void tm_feature_ring_copy(const tm_feature_ring *ring, int8_t *window) {
    uint32_t split = ring->next * ring->bins;
    uint32_t total = ring->count * ring->bins;
    __builtin_memcpy(window, &ring->frames[split], total - split);
    __builtin_memcpy(&window[total - split], ring->frames, split);
}
