/* Judging by pairs (judge.h): by batches of like length, each of which goes through the model
 * with the teacher, without, and in a search. */
#include "judge.h"

#include "classes.h"
#include "machine.h"

#include <math.h>
#include <stdlib.h>

/* What is summed over the batches. */
typedef struct tally {
    double forced, unforced;
    int64_t tokens;
    metrics all;
} tally;

static heed_decoded *search(const translator *m, heed_tape *t, const model_source *source,
                            int64_t batch, const search_options *options)
{
    return m->kind->decode(t, m->model, source, batch,
                           (heed_decode_options){ .start = VOCABULARY_SOS,
                                                  .end = VOCABULARY_EOS,
                                                  .longest = translator_longest(m),
                                                  .beam = options->beam,
                                                  .best = options->best,
                                                  .length_penalty = options->length_penalty });
}

/* Says why the model failed: most likely its numbers are damaged, if it has such. */
static bool say_why(const translator *m, heed_tape *t, char *error, size_t error_size)
{
    double value;
    const heed_parameter *p = heed_error(t) ? translator_damage(m, &value) : NULL;
    if (p)
        return heed__say(error, error_size,
                         "the model gives NaN instead of probabilities: its numbers are "
                         "damaged (%s holds %s)",
                         p->name, isnan(value) ? "NaN" : "infinity");
    return heed__say(error, error_size, "%s",
                     heed_error(t) ? heed_error(t) : "not enough memory");
}

/* ---- how probable the references are ---- */

static double loss_of(const translator *m, heed_tape *t, const model_source *source,
                      heed_tensor *targets, double forcing)
{
    const heed_cross_entropy_options sum = { .reduction = HEED_SUM,
                                             .ignore = true,
                                             .ignore_index = VOCABULARY_PAD };
    heed_tensor *inputs = heed_shift_right(t, targets, VOCABULARY_SOS);
    model_output o = m->kind->forward(t, m->model, source, inputs, forcing);
    heed_tensor *loss = heed_cross_entropy(t, o.logits, targets, &sum);
    return heed_item(t, loss);
}

/* ---- what is written ---- */

/* As vocabularies make texts plain: runs of blanks are one space. */
static void add_plain(heed__text *to, text_span text)
{
    size_t length;
    for (size_t at = 0; at < text.size; at += length) {
        if (text_class_at(text.bytes, text.size, at, &length) != TEXT_BLANK)
            heed__text_add(to, text.bytes + at, length);
        else if (to->size > 0 && to->bytes[to->size - 1] != ' ')
            heed__text_add(to, " ", 1);
    }
}

static size_t words_of(text_span text)
{
    size_t words = 0;
    for (size_t i = 0; i < text.size; i++)
        words += text.bytes[i] != ' ' && (i == 0 || text.bytes[i - 1] == ' ');
    return words;
}

static size_t without_end(const int32_t *ids, int64_t length)
{
    return (size_t)length - (length > 0 && ids[length - 1] == VOCABULARY_EOS);
}

static bool count_pair(const translator *m, const corpus_pair *pair, heed_hypothesis h,
                       const int32_t *reference, int64_t reference_length,
                       const judge_options *options, tally *sum)
{
    heed__text plain = { 0 };
    size_t size, bucket = words_of(pair->source);
    char *text =
        vocabulary_decode(m->vocabularies[SIDE_TARGET], h.ids, (size_t)h.length, &size);
    add_plain(&plain, pair->target);
    metrics *into[2] = { &sum->all, NULL };
    if (options->by_words)
        into[1] =
            &options->by_words[bucket < options->by_words_count ? bucket
                                                                : options->by_words_count - 1];
    bool good = text && !plain.failed;
    for (int i = 0; good && i < 2 && into[i]; i++) {
        good = metrics_add(into[i], (text_span){ text, size },
                           (text_span){ plain.bytes, plain.size });
        metrics_add_tokens(into[i], h.ids, without_end(h.ids, h.length), reference,
                           without_end(reference, reference_length));
    }
    heed__text_free(&plain);
    free(text);
    return good;
}

/* ---- a batch ---- */

static bool judge_batch(const translator *m, heed_tape *t, heed_batches *b, const pair_ids *ids,
                        const corpus_pair *pairs, const judge_options *options, tally *sum)
{
    const int32_t *lengths = heed_batch_lengths(b, SIDE_TARGET);
    int64_t size = heed_batch_size(b);
    heed_tape_reset(t);
    heed_tensor *source_ids = heed_batch_values(t, b, SIDE_SOURCE);
    heed_tensor *targets = heed_batch_values(t, b, SIDE_TARGET);
    model_source source = { source_ids, heed_batch_lengths(b, SIDE_SOURCE) };
    sum->forced += loss_of(m, t, &source, targets, 1);
    sum->unforced += loss_of(m, t, &source, targets, 0);
    const search_options one = { .beam = options->beam,
                                 .best = 1,
                                 .length_penalty = options->length_penalty };
    heed_decoded *d = search(m, t, &source, size, &one);
    bool good = d != NULL;
    for (int64_t i = 0; good && i < size; i++) {
        int64_t pair = heed_batch_examples(b)[i];
        const int32_t *reference = ids->ids[SIDE_TARGET].ids + ids->starts[SIDE_TARGET][pair];
        sum->tokens += lengths[i];
        good = count_pair(m, &pairs[pair], heed_decoded_at(d, i, 0), reference, lengths[i],
                          options, sum);
    }
    heed_decoded_free(d);
    return good;
}

/* CJK and Hangul, whole or in its letters: of languages that are written without spaces, or
 * whose words are long. */
static bool is_dense_character(int32_t x)
{
    return (x >= 0x1100 && x <= 0x11ff) || (x >= 0x3040 && x <= 0x9fff) ||
           (x >= 0xac00 && x <= 0xd7a3) || (x >= 0xf900 && x <= 0xfaff) ||
           (x >= 0x20000 && x <= 0x3ffff);
}

/* Whether a reference has such a character. */
static bool is_dense(const corpus *c, corpus_part part)
{
    size_t length;
    for (size_t i = c->starts[part]; i < c->starts[part + 1]; i++) {
        text_span text = c->pairs[i].target;
        for (size_t at = 0; at < text.size; at += length) {
            int32_t x = heed__utf8_decode(text.bytes + at, text.size - at, &length);
            if (is_dense_character(x))
                return true;
        }
    }
    return false;
}

heed_batches *judge_batches(const pair_ids *ids, const judge_options *options, char *error,
                            size_t error_size)
{
    return pair_ids_batches(ids,
                            (heed_batches_options){ .size = options->batch, .bucket = 1000 },
                            error, error_size);
}

bool judge(const translator *m, heed_tape *t, const corpus *c, corpus_part part,
           const judge_options *options, judgement *result, char *error, size_t error_size)
{
    const vocabulary *const vocabularies[] = { m->vocabularies[0], m->vocabularies[1] };
    pair_ids ids;
    tally sum = { 0 };
    if (!pair_ids_make(&ids, c, part, vocabularies, error, error_size))
        return false;
    heed_batches *b = judge_batches(&ids, options, error, error_size);
    bool recording = heed_set_recording(t, false), training = heed_set_training(t, false);
    bool good = b != NULL;
    for (int64_t i = b ? heed_batches_count(b) : 0; good && i > 0 && !machine_interrupted();
         i--) {
        good = heed_batches_next(b) &&
               judge_batch(m, t, b, &ids, c->pairs + c->starts[part], options, &sum);
        if (!good)
            say_why(m, t, error, error_size);
    }
    heed_tape_reset(t);
    heed_set_recording(t, recording);
    heed_set_training(t, training);
    heed_batches_free(b);
    pair_ids_free(&ids);
    *result = (judgement){ .loss_forced = sum.forced / (double)sum.tokens,
                           .loss_free = sum.unforced / (double)sum.tokens,
                           .scores = metrics_compute(&sum.all),
                           .unit = is_dense(c, part) ? BLEU_CHARACTERS : BLEU_13A };
    return good;
}

/* ---- a sentence ---- */

static bool add_translation(const translator *m, heed_hypothesis h, written *w)
{
    translation *own = &w->translations[w->count];
    own->text =
        vocabulary_decode(m->vocabularies[SIDE_TARGET], h.ids, (size_t)h.length, &own->size);
    own->score = h.score;
    w->count += own->text != NULL;
    return own->text != NULL;
}

bool judge_translate(const translator *m, heed_tape *t, text_span sentence,
                     const search_options *options, written *w, char *error, size_t error_size)
{
    *w = (written){ 0 };
    if (!encode_sentence(m->vocabularies[SIDE_SOURCE], sentence, &w->source, error, error_size))
        return false;
    heed_shape shape = HEED_SHAPE(1, (int64_t)w->source.count);
    model_source source = { heed_ids(t, shape, w->source.ids), NULL };
    heed_decoded *d = search(m, t, &source, 1, options);
    if (!d)
        return say_why(m, t, error, error_size);
    w->translations = calloc((size_t)options->best, sizeof *w->translations);
    bool good = w->translations != NULL;
    heed_hypothesis h = heed_decoded_at(d, 0, 0);
    for (int64_t i = 0; good && i < h.length; i++)
        good = id_list_add(&w->target, h.ids[i]);
    for (int rank = 0; good && rank < options->best; rank++) {
        h = heed_decoded_at(d, 0, rank);
        if (!h.ids)
            break;
        good = add_translation(m, h, w);
    }
    heed_decoded_free(d);
    return good || heed__say(error, error_size, "not enough memory");
}

void written_free(written *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->translations[i].text);
    free(w->translations);
    id_list_free(&w->source);
    id_list_free(&w->target);
    *w = (written){ 0 };
}
