/* How good translations are, over all of a test set: BLEU and chrF with the numbers of
 * sacreBLEU (Post 2018), exact matches, and tokens in their places. One reference each.
 *
 *     metrics m = { 0 };
 *     for each pair: metrics_add(&m, hypothesis, reference);
 *     metrics_scores s = metrics_compute(&m);
 *
 * Knows the library's text room and the programs' text rooms. */
#ifndef TRANSLATE_METRICS_H
#define TRANSLATE_METRICS_H

#include "span.h"

#include <stdbool.h>
#include <stdint.h>

#define BLEU_ORDER 4
#define CHRF_ORDER 6

/* What BLEU counts: words and punctuation as mteval-v13a cuts them, for languages written with
 * spaces, or characters. */
typedef enum bleu_unit { BLEU_13A, BLEU_CHARACTERS, BLEU_UNITS } bleu_unit;
const char *bleu_unit_name(bleu_unit unit); /* as sacrebleu --tokenize says it: 13a, char */

/* N-grams of one order: those of the hypotheses, those of the references, and how many of the
 * former the latter have, each counted as often as in both. */
typedef struct ngram_counts {
    int64_t hypothesis, reference, matches;
} ngram_counts;

/* Everything the scores are made of. Start with { 0 }; nothing needs freeing. */
typedef struct metrics {
    int64_t pairs, exact;
    ngram_counts bleu[BLEU_UNITS][BLEU_ORDER];
    ngram_counts chrf[CHRF_ORDER];
    int64_t places, right; /* of tokens */
} metrics;

/* One more translation. False: no memory, and m is as it was. */
bool metrics_add(metrics *m, text_span hypothesis, text_span reference);

/* And its tokens. A place is one that either of the two has; it is right if both have the same
 * token there. */
void metrics_add_tokens(metrics *m, const int32_t *hypothesis, size_t hypothesis_count,
                        const int32_t *reference, size_t reference_count);

/*     BLEU = 100 BP exp(1/4 sum_n ln p_n),  BP = min(1, exp(1 - r / c))
 *
 * p_n are the matches among the n-grams of all hypotheses (the k-th order that has none counts
 * as 1/2^k match), c and r the lengths of hypotheses and references.
 *
 *     chrF = 100 (1 + 4) P R / (4 P + R)
 *
 * P and R are the shares of matching n-grams of characters, blanks left out, in hypotheses and
 * references, each the mean over those orders of 1 to 6 that both have. */
typedef struct metrics_scores {
    double bleu[BLEU_UNITS]; /* 0 to 100 */
    double chrf;             /* 0 to 100 */
    double exact;            /* share of hypotheses that are the reference, byte for byte */
    double tokens;           /* share of places that are right */
} metrics_scores;
metrics_scores metrics_compute(const metrics *m); /* of nothing: 0 */

#endif
