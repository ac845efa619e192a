/* Counting n-grams and what is made of the counts (metrics.h). */
#include "metrics.h"

#include "id_list.h"
#include "mteval.h"
#include "string_set.h"

#include <math.h>
#include <string.h>

/* Appends the characters of a text that are no blanks. */
static bool add_characters(text_span text, id_list *ids)
{
    bool blank;
    for (size_t at = 0, length; at < text.size; at += length) {
        int32_t c = mteval_character(text, at, &length, &blank);
        if (!blank && !id_list_add(ids, c))
            return false;
    }
    return true;
}

/* Appends the words of a text by their numbers in `names`. */
static bool add_words(text_span text, string_set *names, id_list *ids)
{
    heed__text words = { 0 };
    mteval_cut(text, &words);
    bool good = !words.failed;
    for (size_t at = 0, end; good && at < words.size; at = end + 1) {
        const char *space = memchr(words.bytes + at, ' ', words.size - at);
        end = space ? (size_t)(space - words.bytes) : words.size;
        int32_t name = string_set_add(names, words.bytes + at, end - at);
        good = name >= 0 && id_list_add(ids, name);
    }
    heed__text_free(&words);
    return good;
}

static size_t ngrams(const id_list *ids, size_t order)
{
    return ids->count >= order ? ids->count - order + 1 : 0;
}

/* Counts n-grams of one order. `seen` is to work in. */
static bool count_order(const id_list *hypothesis, const id_list *reference, size_t order,
                        string_set *seen, ngram_counts *counts)
{
    size_t bytes = order * sizeof(int32_t), reference_count = ngrams(reference, order);
    int64_t *left = calloc(reference_count + 1, sizeof *left);
    if (!left)
        return false;
    bool good = true;
    *counts = (ngram_counts){ .hypothesis = (int64_t)ngrams(hypothesis, order),
                              .reference = (int64_t)reference_count };
    string_set_clear(seen);
    for (size_t at = 0; good && at < reference_count; at++) {
        int32_t number = string_set_add(seen, reference->ids + at, bytes);
        good = number >= 0;
        if (good)
            left[number]++;
    }
    for (size_t at = 0; good && at < ngrams(hypothesis, order); at++) {
        int32_t number = string_set_find(seen, hypothesis->ids + at, bytes);
        if (number >= 0 && left[number] > 0) {
            left[number]--;
            counts->matches++;
        }
    }
    free(left);
    return good;
}

static bool count_orders(const id_list *hypothesis, const id_list *reference, size_t orders,
                         ngram_counts *counts)
{
    string_set seen = { 0 };
    bool good = true;
    for (size_t n = 0; good && n < orders; n++)
        good = count_order(hypothesis, reference, n + 1, &seen, &counts[n]);
    string_set_free(&seen);
    return good;
}

static void add_counts(ngram_counts *sum, const ngram_counts *counts, size_t orders)
{
    for (size_t n = 0; n < orders; n++) {
        sum[n].hypothesis += counts[n].hypothesis;
        sum[n].reference += counts[n].reference;
        sum[n].matches += counts[n].matches;
    }
}

/* Characters and words of the two texts, and what one reference counts for. */
typedef struct counting {
    string_set names;
    id_list words[2], characters[2];
    ngram_counts bleu[BLEU_ORDER], chrf[CHRF_ORDER];
} counting;

static bool count_pair(counting *c, text_span hypothesis, text_span reference)
{
    const text_span texts[] = { hypothesis, reference };
    for (int i = 0; i < 2; i++) {
        if (!add_words(texts[i], &c->names, &c->words[i]) ||
            !add_characters(texts[i], &c->characters[i]))
            return false;
    }
    return count_orders(&c->words[0], &c->words[1], BLEU_ORDER, c->bleu) &&
           count_orders(&c->characters[0], &c->characters[1], CHRF_ORDER, c->chrf);
}

bool metrics_add(metrics *m, text_span hypothesis, text_span reference)
{
    counting c = { 0 };
    bool good = count_pair(&c, hypothesis, reference);
    if (good) {
        add_counts(m->bleu[BLEU_13A], c.bleu, BLEU_ORDER);
        add_counts(m->bleu[BLEU_CHARACTERS], c.chrf, BLEU_ORDER);
        /* What no n-gram of the reference can match does not count against the hypothesis. */
        for (size_t n = 0; n < CHRF_ORDER; n++)
            c.chrf[n].hypothesis = c.chrf[n].reference > 0 ? c.chrf[n].hypothesis : 0;
        add_counts(m->chrf, c.chrf, CHRF_ORDER);
        m->pairs++;
        m->exact += hypothesis.size == reference.size &&
                    (reference.size == 0 ||
                     memcmp(hypothesis.bytes, reference.bytes, reference.size) == 0);
    }
    string_set_free(&c.names);
    for (int i = 0; i < 2; i++) {
        id_list_free(&c.words[i]);
        id_list_free(&c.characters[i]);
    }
    return good;
}

void metrics_add_tokens(metrics *m, const int32_t *hypothesis, size_t hypothesis_count,
                        const int32_t *reference, size_t reference_count)
{
    size_t shorter = hypothesis_count < reference_count ? hypothesis_count : reference_count;
    size_t longer = hypothesis_count > reference_count ? hypothesis_count : reference_count;
    m->places += (int64_t)longer;
    for (size_t i = 0; i < shorter; i++)
        m->right += hypothesis[i] == reference[i];
}

static double bleu_score(const ngram_counts *counts)
{
    double log_precisions = 0, smoothing = 1;
    int64_t matches = 0;
    for (size_t n = 0; n < BLEU_ORDER; n++)
        matches += counts[n].matches;
    if (matches == 0)
        return 0;
    for (size_t n = 0; n < BLEU_ORDER; n++) {
        double total = (double)counts[n].hypothesis, matched = (double)counts[n].matches;
        if (counts[n].hypothesis == 0)
            return 0;
        if (counts[n].matches == 0) {
            smoothing *= 2;
            matched = 1 / smoothing;
        }
        log_precisions += log(matched / total);
    }
    double c = (double)counts[0].hypothesis, r = (double)counts[0].reference;
    return 100 * (c < r ? exp(1 - r / c) : 1) * exp(log_precisions / BLEU_ORDER);
}

static double chrf_score(const ngram_counts *counts)
{
    double precision = 0, recall = 0, beta_squared = 4;
    int orders = 0;
    for (size_t n = 0; n < CHRF_ORDER; n++) {
        if (counts[n].hypothesis == 0 || counts[n].reference == 0)
            continue;
        precision += (double)counts[n].matches / (double)counts[n].hypothesis;
        recall += (double)counts[n].matches / (double)counts[n].reference;
        orders++;
    }
    if (!(precision + recall > 0))
        return 0;
    precision /= orders;
    recall /= orders;
    return 100 * (1 + beta_squared) * precision * recall / (beta_squared * precision + recall);
}

static double share(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

metrics_scores metrics_compute(const metrics *m)
{
    return (metrics_scores){
        .bleu = { bleu_score(m->bleu[BLEU_13A]), bleu_score(m->bleu[BLEU_CHARACTERS]) },
        .chrf = chrf_score(m->chrf),
        .exact = share(m->exact, m->pairs),
        .tokens = share(m->right, m->places),
    };
}

const char *bleu_unit_name(bleu_unit unit)
{
    return unit == BLEU_CHARACTERS ? "char" : "13a";
}
