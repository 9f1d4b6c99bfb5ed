/* Keyword spotting: microphone -> log-mel features -> network -> detections on the console.
 *
 * The same file runs on every board, and on the host as a native program; what it prints depends on the samples
 * alone. `t_ms` is audio time: the end of the window that was judged, counted in hops since the start.
 */
#include "app_config.h"
#include "detector.h"
#include "feature_ring.h"
#include "hal.h"
#include "log_mel.h"
#include "m.h"
#include "text.h"

#include <stddef.h>

#define HOP_MS (TM_LOG_MEL_HOP_SAMPLES * 1000u / TM_LOG_MEL_SAMPLE_RATE_HZ)
#define LED_HOPS 10u

_Static_assert(M_INPUT_BYTES == TM_APP_WINDOW_FRAMES * TM_LOG_MEL_BINS, "the network reads one window of features");
_Static_assert(M_OUTPUT_BYTES == TM_APP_CLASSES, "the network has one output per label");

static const char *const labels[TM_APP_CLASSES] = {TM_APP_LABELS};
static const tm_detector_config detection = {
    .classes = TM_APP_CLASSES,
    .windows = TM_APP_SMOOTH_WINDOWS,
    .threshold_thousandths = TM_APP_THRESHOLD_THOUSANDTHS,
    .refractory_ms = TM_APP_REFRACTORY_MS,
    .ignored = TM_APP_IGNORED_CLASSES,
};

static uint8_t arena[M_ARENA_BYTES] PLACE_ARENA __attribute__((aligned(M_ARENA_ALIGN)));
static int8_t frames[M_INPUT_BYTES];
static tm_log_mel front_end;
static tm_feature_ring window;
static tm_detector detector;

static void print_line(tm_text *line) {
    tm_text_string(line, "\n");
    hal_console_write(line->data, line->length);
}

static void print_scores(uint32_t t_ms) {
    char data[TM_APP_LINE_BYTES];
    tm_text line;
    tm_text_begin(&line, data, sizeof data);
    tm_text_string(&line, "scores t_ms=");
    tm_text_unsigned(&line, t_ms);
    for (uint32_t c = 0; c < TM_APP_CLASSES; c++) {
        tm_text_string(&line, " ");
        tm_text_string(&line, labels[c]);
        tm_text_string(&line, "=");
        tm_text_decimal(&line, tm_detector_score(&detector, c, 1000), 3);
    }
    print_line(&line);
}

static void print_detection(uint32_t found, uint32_t t_ms) {
    char data[TM_APP_LINE_BYTES];
    tm_text line;
    tm_text_begin(&line, data, sizeof data);
    tm_text_string(&line, "detect label=");
    tm_text_string(&line, labels[found]);
    tm_text_string(&line, " score=");
    tm_text_decimal(&line, tm_detector_score(&detector, found, 100), 2);
    tm_text_string(&line, " t_ms=");
    tm_text_unsigned(&line, t_ms);
    print_line(&line);
}

/* Says so when the processor did not keep up with the microphone: from there on `t_ms` lags behind. */
static void report_lost(uint32_t t_ms) {
    static uint32_t reported;
    uint32_t lost = hal_mic_lost_samples();
    if (lost == reported) {
        return;
    }
    reported = lost;
    char data[TM_APP_LINE_BYTES];
    tm_text line;
    tm_text_begin(&line, data, sizeof data);
    tm_text_string(&line, "lost samples=");
    tm_text_unsigned(&line, lost);
    tm_text_string(&line, " t_ms=");
    tm_text_unsigned(&line, t_ms);
    print_line(&line);
}

/* One inference over the window that ends at `t_ms`. Returns true for a detection. */
static bool judge(uint32_t t_ms) {
    tm_feature_ring_copy(&window, m_input(arena));
    m_invoke(arena);
    uint32_t found = tm_detector_push(&detector, m_output(arena), t_ms);
    if (TM_APP_TRACE) {
        print_scores(t_ms);
    }
    if (found == TM_NO_CLASS) {
        return false;
    }
    print_detection(found, t_ms);
    return true;
}

int main(void) {
    uint32_t hops = 0;
    uint32_t led_hops = 0;
    hal_init();
    tm_log_mel_reset(&front_end);
    /* Before the first second is over, the window is filled up with features of 0 dB: the mean they are taken from. */
    tm_feature_ring_reset(&window, frames, TM_APP_WINDOW_FRAMES, TM_LOG_MEL_BINS, M_INPUT_ZERO_POINT);
    tm_detector_reset(&detector, &detection);
    hal_console_write(TM_APP_BOOT_LINE, sizeof TM_APP_BOOT_LINE - 1u);
    hal_mic_start();
    while (hal_running()) {
        const int16_t *hop = hal_mic_take();
        if (hop == NULL) {
            hal_sleep();
            continue;
        }
        tm_log_mel_push(&front_end, hop, tm_feature_ring_next(&window));
        hal_mic_release();
        hops++;
        report_lost(hops * HOP_MS);
        if (led_hops > 0u && --led_hops == 0u) {
            hal_led_set(false);
        }
        if (hops % TM_APP_HOPS_PER_INFERENCE == 0u && judge(hops * HOP_MS)) {
            hal_led_set(true);
            led_hops = LED_HOPS;
        }
    }
    return 0;
}
