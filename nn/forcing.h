/* What a decoder is given while it learns: the true tokens, moved by one; and how the teacher is
 * withdrawn. */
#ifndef HEED_FORCING_H
#define HEED_FORCING_H

#include <heed/heed.h>

#ifdef __cplusplus
extern "C" {
#endif

/* i32 [B, T]: `start`, then all but the last of each row: what the decoder is given when it is
 * to say ids. */
HEED_API heed_tensor *heed_shift_right(heed_tape *t, heed_tensor *ids, int32_t start);

/* i32 [B]: each id of `given` with probability p, by a draw of its own, otherwise the likeliest
 * token of that row of logits [B, V]. p outside [0, 1] is refused. */
HEED_API heed_tensor *heed_forced_ids(heed_tape *t, heed_tensor *given, heed_tensor *logits,
                                      double p);

typedef enum heed_forcing_kind {
    HEED_FORCING_CONSTANT,
    HEED_FORCING_LINEAR,          /* from `first` down to `least` over `steps` */
    HEED_FORCING_EXPONENTIAL,     /* first k^(s/steps) */
    HEED_FORCING_INVERSE_SIGMOID, /* first k/(k + e^(10 s/steps)) (k + 1)/k */
    /* `first` until the metric given first reaches `threshold`, `least` from then on. */
    HEED_FORCING_METRIC,
    HEED_FORCING_NEVER /* `least`: if that is 0 the decoder hears only itself */
} heed_forcing_kind;
/* The probability of the true token as training goes on: Bengio et al. 2015, section 2.4. */
typedef struct heed_forcing {
    heed_forcing_kind kind;
    /* Probabilities: beyond [0, 1] the nearest one counts, and 0 for NaN. first 0: 1. No
     * schedule gives less than least. */
    double first, least;
    int64_t steps;
    double k;         /* exponential: in (0, 1), 0: 0.1; inverse sigmoid: above 0, 0: 20 */
    double threshold; /* of a metric that grows; a loss goes in with its sign changed */
    bool reached;     /* filled in: the metric has been there */
} heed_forcing;
/* In [0, 1]. metric is looked at by HEED_FORCING_METRIC only; NaN: not known yet. A kind that is
 * none of these is HEED_FORCING_CONSTANT; f NULL gives 0. */
HEED_API double heed_forcing_rate(heed_forcing *f, int64_t step, double metric);

#ifdef __cplusplus
}
#endif

#endif
