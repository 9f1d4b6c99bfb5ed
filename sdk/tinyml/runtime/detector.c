#include "detector.h"

#define PROBABILITY_ONE 256u

void tm_detector_reset(tm_detector *detector, const tm_detector_config *config) {
    detector->config = config;
    detector->next = 0;
    detector->last_ms = 0;
    detector->refractory = false;
    detector->held = TM_NO_CLASS;
    for (uint32_t c = 0; c < TM_DETECTOR_MAX_CLASSES; c++) {
        detector->sums[c] = 0;
        for (uint32_t w = 0; w < TM_DETECTOR_MAX_WINDOWS; w++) {
            detector->history[w][c] = 0;
        }
    }
}

static void smooth(tm_detector *detector, const int8_t *probabilities) {
    uint8_t *oldest = detector->history[detector->next];
    for (uint32_t c = 0; c < detector->config->classes; c++) {
        uint8_t value = (uint8_t)(probabilities[c] + 128);
        detector->sums[c] = (uint16_t)(detector->sums[c] - oldest[c] + value);
        oldest[c] = value;
    }
    detector->next = detector->next + 1u == detector->config->windows ? 0u : detector->next + 1u;
}

static uint32_t highest(const tm_detector *detector) {
    uint32_t best = 0;
    for (uint32_t c = 1; c < detector->config->classes; c++) {
        if (detector->sums[c] > detector->sums[best]) {
            best = c;
        }
    }
    return best;
}

uint32_t tm_detector_push(tm_detector *detector, const int8_t *probabilities, uint32_t t_ms) {
    const tm_detector_config *config = detector->config;
    smooth(detector, probabilities);
    if (detector->refractory && t_ms - detector->last_ms >= config->refractory_ms) {
        detector->refractory = false;
    }
    uint32_t top = highest(detector);
    uint32_t one = PROBABILITY_ONE * config->windows;
    bool heard = (config->ignored >> top & 1u) == 0u &&
                 detector->sums[top] * 1000u >= config->threshold_thousandths * one;
    if (!heard || detector->held != top) {
        detector->held = TM_NO_CLASS;
    }
    if (!heard || detector->held == top || detector->refractory) {
        return TM_NO_CLASS;
    }
    detector->held = top;
    detector->refractory = true;
    detector->last_ms = t_ms;
    return top;
}

uint32_t tm_detector_score(const tm_detector *detector, uint32_t class_index, uint32_t scale) {
    uint32_t one = PROBABILITY_ONE * detector->config->windows;
    return (detector->sums[class_index] * scale + one / 2u) / one;
}
