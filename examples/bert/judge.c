/* Hidden words, and verbs (judge.h). */
#include "judge.h"

#include "grammar.h"

#include <math.h>

enum { VERBS = 500 };

heed_tensor *judge_read(heed_tape *t, const reader *r, heed_batches *batches,
                        heed_tensor **targets)
{
    const heed_masking masking = reader_masking(r);
    const int32_t *lengths = heed_batch_lengths(batches, 0);
    heed_tensor *ids = heed_batch_values(t, batches, 0);
    heed_masked masked = heed_mask_tokens(t, ids, lengths, &masking);
    *targets = masked.targets;
    return reader_forward(t, r, masked.inputs, lengths);
}

bool judge_words(heed_tape *t, const reader *r, heed_batches *batches, judgement *j,
                 char *error, size_t error_size)
{
    const heed_cross_entropy_options sum = { .reduction = HEED_SUM,
                                             .ignore = true,
                                             .ignore_index = HEED_NOT_MASKED };
    int64_t hidden = 0, found = 0;
    double loss = 0;
    for (int64_t i = 0; i < heed_batches_count(batches); i++) {
        heed_tensor *targets;
        heed_batches_next(batches);
        heed_tape_reset(t);
        heed_seed(t, 0, (uint64_t)i);
        heed_tensor *logits = judge_read(t, r, batches, &targets);
        const heed_tensor *best = heed_argmax(t, logits, -1, false);
        loss += heed_item(t, heed_cross_entropy(t, logits, targets, &sum));
        if (heed_error(t))
            return heed__say(error, error_size, "%s", heed_error(t));
        for (int64_t k = 0; k < heed_size(best); k++) {
            hidden += heed_at(targets, k) != HEED_NOT_MASKED;
            found += heed_at(targets, k) == heed_at(best, k);
        }
    }
    j->loss = loss / (double)(hidden ? hidden : 1);
    j->found = (double)found / (double)(hidden ? hidden : 1);
    return isfinite(j->loss) ||
           heed__say(
               error, error_size,
               "the loss of what is held out is not finite, so the training stops here; a "
               "smaller --lr often helps");
}

/* The right sentence and then the broken one, which differ in the verb alone. */
static bool make_pair(sentences *pair, const reader *r, heed_random *random, char *error,
                      size_t error_size)
{
    heed_random start = *random;
    bool good = true;
    for (int broken = 0; good && broken < 2; broken++) {
        heed__text text = { 0 };
        *random = start;
        grammar_sentence(&text, broken, random);
        good = text.failed ? heed__say(error, error_size, "not enough memory")
                           : sentences_add(pair, r->words, text.bytes, text.size,
                                           r->settings.longest, broken, error, error_size);
        heed__text_free(&text);
    }
    return good;
}

bool judge_verbs(heed_tape *t, const reader *r, uint64_t seed, judgement *j, char *error,
                 size_t error_size)
{
    heed_random random = { .seed = seed };
    int64_t right = 0, seen = 0;
    for (int i = 0; i < VERBS; i++) {
        sentences pair = { 0 };
        if (!make_pair(&pair, r, &random, error, error_size)) {
            sentences_free(&pair);
            return false;
        }
        int32_t *ids = pair.ids.ids;
        int64_t size = pair.starts[1], at = 0;
        while (at < size && ids[at] == ids[size + at])
            at++;
        if (at < size) { /* it has not been cut off */
            int32_t verb = ids[at], wrong = ids[size + at];
            ids[at] = (int32_t)r->settings.tokens;
            heed_tape_reset(t);
            heed_tensor *x = heed_ids(t, HEED_SHAPE(1, size), ids);
            heed_tensor *logits = heed_select(t, reader_forward(t, r, x, NULL), 1, at);
            right += logits && heed_at(logits, verb) > heed_at(logits, wrong);
            seen++;
        }
        sentences_free(&pair);
        if (heed_error(t))
            return heed__say(error, error_size, "%s", heed_error(t));
    }
    j->agreement = (double)right / (double)(seen ? seen : 1);
    return true;
}
