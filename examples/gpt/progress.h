/* What a training run shows while it works: one line that is redrawn on a terminal, plain lines
 * elsewhere. Knows time and figures. */
#ifndef GPT_PROGRESS_H
#define GPT_PROGRESS_H

#include "log.h"

typedef enum progress_style { PROGRESS_AUTO, PROGRESS_PLAIN, PROGRESS_NONE } progress_style;

typedef struct gpt_progress {
    bool line, plain; /* a redrawn line, plain lines, or neither */
    bool drawn;
    int64_t first, steps; /* where this start began, where it ends */
    double limit;         /* seconds; 0: none */
    double began, last;
    double loss, tokens_per_s; /* smoothed */
} gpt_progress;

void progress_begin(gpt_progress *p, int style, int64_t step, int64_t steps, double minutes);
void progress_step(gpt_progress *p, const log_line *line);
/* Takes the redrawn line away, for other output. */
void progress_clear(gpt_progress *p);

/* The losses of a whole run as a small drawing in letters. */
void progress_curve(const float *train, const float *held_out, size_t count);

#endif
