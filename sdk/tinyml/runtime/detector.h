/* From the network's probabilities to detections: smoothing, threshold, refractory time. Twin: detector.py.
 *
 * A probability is an int8 q that stands for (q + 128) / 256. The smoothed score of a class is the mean of its
 * last `windows` probabilities; windows before the first count as 0. Everything is exact in integers: a score is
 * kept as the sum of (q + 128), and `windows * 256` of it are 1.
 *
 * A detection is made when the class with the highest score (the first of equals) is not ignored, its score is at
 * least the threshold, no detection was made in the last `refractory_ms`, and the class was not detected before
 * without having been below the threshold, or not the highest, in between: a word that stays in the window for
 * long is one detection.
 */
#ifndef DETECTOR_H
#define DETECTOR_H

#include <stdbool.h>
#include <stdint.h>

#define TM_DETECTOR_MAX_CLASSES 32u
#define TM_DETECTOR_MAX_WINDOWS 16u
#define TM_NO_CLASS 0xFFFFFFFFu

typedef struct {
    uint32_t classes; /* 1 to TM_DETECTOR_MAX_CLASSES */
    uint32_t windows; /* 1 to TM_DETECTOR_MAX_WINDOWS */
    uint32_t threshold_thousandths; /* 0 to 1000 */
    uint32_t refractory_ms;
    uint32_t ignored; /* bit c: class c is never detected */
} tm_detector_config;

typedef struct {
    const tm_detector_config *config;
    uint32_t next; /* slot of the history that is overwritten next */
    uint32_t last_ms; /* time of the last detection, while `refractory` */
    bool refractory;
    uint32_t held; /* class that was detected and has stayed on top since, or TM_NO_CLASS */
    uint16_t sums[TM_DETECTOR_MAX_CLASSES];
    uint8_t history[TM_DETECTOR_MAX_WINDOWS][TM_DETECTOR_MAX_CLASSES];
} tm_detector;

void tm_detector_reset(tm_detector *detector, const tm_detector_config *config);

/* Takes the probabilities of one inference, `t_ms` (mod 2^32) after the start. Returns the class that is detected
 * now, or TM_NO_CLASS. */
uint32_t tm_detector_push(tm_detector *detector, const int8_t *probabilities, uint32_t t_ms);

/* Smoothed score of a class in units of 1/`scale` (10, 100, 1000 ...), rounded half up. */
uint32_t tm_detector_score(const tm_detector *detector, uint32_t class_index, uint32_t scale);

#endif
