/* Beam search over a batch, of which greedy decoding and sampling are the case of one beam. Each
 * example keeps `beam` live hypotheses; at every step all their continuations are ranked by
 * probability, ended ones move to the example's list of results, and the search of an example is
 * over when no live one can overtake the worst result that would be given back. */
#include "decode.h"

#include "../core/memory.h"

#include <math.h>
#include <string.h>

typedef struct candidate {
    double log_probability;
    int64_t from; /* the live hypothesis it continues */
    int32_t id;
} candidate;

typedef struct result {
    heed_hypothesis hypothesis;
    int32_t *ids; /* [longest] */
} result;

struct heed_decoded {
    heed_decode_options options;
    heed_allocator own;
    bool custom;
    int64_t batch, live;  /* live: batch beam */
    int64_t vocabulary;   /* 0: not known yet */
    double *log_p;        /* [live]; -inf: nobody */
    int32_t *ids, *moved; /* [live, longest] */
    int32_t *last, *from; /* [live] */
    bool *over;           /* [batch] */
    int *found;           /* [batch] results so far, at most beam */
    result *results;      /* [batch, beam], the best first */
    candidate *ranked;    /* [2 beam] of one example */
    double *row;          /* [vocabulary] */
    void *block;
    size_t bytes, row_bytes;
};

static const heed_allocator *allocator_of(heed_decoded *d)
{
    return d->custom ? &d->own : NULL;
}

/* Room for count things of a size at *at of the block, which moves on. */
static bool take(size_t *at, size_t *offset, int64_t count, size_t size)
{
    size_t bytes;
    *offset = *at;
    return heed__mul_size((size_t)count, size, &bytes) && heed__add_size(*at, bytes, at) &&
           heed__add_size(*at, 63, at) && ((*at &= ~(size_t)63), true);
}

static bool make_room(heed_decoded *d)
{
    size_t at = 0, o[10];
    int64_t longest = d->options.longest, beam = d->options.beam, tokens;
    if (__builtin_mul_overflow(d->live, longest, &tokens) ||
        !take(&at, &o[0], d->live, sizeof *d->log_p) ||
        !take(&at, &o[1], tokens, sizeof *d->ids) ||
        !take(&at, &o[2], tokens, sizeof *d->moved) ||
        !take(&at, &o[3], d->live, sizeof *d->last) ||
        !take(&at, &o[4], d->live, sizeof *d->from) ||
        !take(&at, &o[5], d->batch, sizeof *d->over) ||
        !take(&at, &o[6], d->batch, sizeof *d->found) ||
        !take(&at, &o[7], d->live, sizeof *d->results) ||
        !take(&at, &o[8], 2 * beam, sizeof *d->ranked) ||
        !take(&at, &o[9], tokens, sizeof *d->results->ids))
        return false;
    d->block = heed__allocate(allocator_of(d), at);
    if (!d->block)
        return false;
    d->bytes = at;
    memset(d->block, 0, at);
    char *block = d->block;
    d->log_p = (double *)(void *)(block + o[0]);
    d->ids = (int32_t *)(void *)(block + o[1]);
    d->moved = (int32_t *)(void *)(block + o[2]);
    d->last = (int32_t *)(void *)(block + o[3]);
    d->from = (int32_t *)(void *)(block + o[4]);
    d->over = (bool *)(void *)(block + o[5]);
    d->found = (int *)(void *)(block + o[6]);
    d->results = (result *)(void *)(block + o[7]);
    d->ranked = (candidate *)(void *)(block + o[8]);
    for (int64_t i = 0; i < d->live; i++)
        d->results[i].ids = (int32_t *)(void *)(block + o[9]) + i * longest;
    return true;
}

/* What rows without a hypothesis are given, for the others' sake. */
static int32_t idle(const heed_decoded *d)
{
    return d->options.end >= 0 ? d->options.end : d->options.start;
}

static double penalty(const heed_decoded *d, int64_t length)
{
    return pow((5 + (double)length) / 6, d->options.length_penalty);
}

/* Puts a finished hypothesis in its place among the example's results, if it has one. */
static void finish(heed_decoded *d, int64_t example, const int32_t *ids, int64_t length,
                   double log_probability, bool ended)
{
    int beam = d->options.beam, *found = &d->found[example];
    result *list = d->results + example * beam;
    double score = log_probability / penalty(d, length);
    int place = *found;
    while (place > 0 && score > list[place - 1].hypothesis.score)
        place--;
    if (place == beam)
        return;
    result last = list[*found < beam ? *found : beam - 1];
    *found += *found < beam;
    for (int k = *found - 1; k > place; k--)
        list[k] = list[k - 1];
    memcpy(last.ids, ids, (size_t)length * sizeof *ids);
    last.hypothesis = (heed_hypothesis){ .ids = last.ids,
                                         .length = length,
                                         .ended = ended,
                                         .log_probability = log_probability,
                                         .score = score };
    list[place] = last;
}

/* A better candidate comes first; equal ones in order of hypothesis and token. */
static void rank(heed_decoded *d, int *count, candidate c)
{
    int most = 2 * d->options.beam, place = *count;
    while (place > 0 && c.log_probability > d->ranked[place - 1].log_probability)
        place--;
    if (place == most)
        return;
    *count += *count < most;
    for (int k = *count - 1; k > place; k--)
        d->ranked[k] = d->ranked[k - 1];
    d->ranked[place] = c;
}

/* Log-probabilities of a row of logits, into d->row. Infinite ones are limits: inf shares the
 * probability with its like, -inf has none, and nothing can follow where all have none. */
static bool normalise(heed_tape *t, heed_decoded *d, const heed_tensor *logits, int64_t row,
                      int64_t step)
{
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < d->vocabulary; i++) {
        d->row[i] = heed_at(logits, row * d->vocabulary + i);
        if (isnan(d->row[i]))
            return heed_fail(t, "decode: the logits of example %lld hold NaN at step %lld",
                             (long long)(row / d->options.beam), (long long)step) != NULL;
        largest = fmax(largest, d->row[i]);
    }
    for (int64_t i = 0; i < d->vocabulary; i++) {
        d->row[i] = d->row[i] == largest ? 0 : d->row[i] - largest;
        sum += exp(d->row[i]);
    }
    for (int64_t i = 0; i < d->vocabulary; i++)
        d->row[i] = isinf(largest) && largest < 0 ? largest : d->row[i] - log(sum);
    return true;
}

static bool nothing_follows(const heed_decoded *d)
{
    for (int64_t i = 0; i < d->vocabulary; i++) {
        if (!isinf(d->row[i]))
            return false;
    }
    return true;
}

/* The candidates of an example, ranked: of a sampler the one it draws. */
static bool continuations(heed_tape *t, heed_decoded *d, const heed_tensor *logits,
                          int64_t example, int64_t step, int *count)
{
    int beam = d->options.beam;
    *count = 0;
    for (int64_t h = example * beam; h < (example + 1) * beam; h++) {
        if (isinf(d->log_p[h]))
            continue;
        if (!normalise(t, d, logits, h, step))
            return false;
        if (d->options.sampler) {
            int32_t id = heed_sampler_choose(d->options.sampler, logits, h);
            if (id < 0 && nothing_follows(d))
                continue;
            if (id < 0)
                return heed_fail(t, "decode: the sampler is not one of %lld tokens",
                                 (long long)d->vocabulary) != NULL;
            rank(d, count, (candidate){ d->log_p[h] + d->row[id], h, id });
            continue;
        }
        for (int64_t id = 0; id < d->vocabulary; id++) {
            double log_p = d->log_p[h] + d->row[id];
            if (*count < 2 * beam || log_p > d->ranked[*count - 1].log_probability)
                rank(d, count, (candidate){ log_p, h, (int32_t)id });
        }
    }
    return true;
}

/* No live hypothesis can become better than the worst of the results asked for: probabilities
 * only fall, and the penalty helps most at the longest length. */
static bool decided(const heed_decoded *d, int64_t example, double best_live)
{
    int best = d->options.best;
    if (d->found[example] < best)
        return false;
    double worst = d->results[example * d->options.beam + best - 1].hypothesis.score;
    return best_live / penalty(d, d->options.longest) <= worst;
}

/* Moves an example on by one token. */
static bool advance(heed_tape *t, heed_decoded *d, const heed_tensor *logits, int64_t example,
                    int64_t length)
{
    int beam = d->options.beam, count, kept = 0;
    int64_t longest = d->options.longest, first = example * beam;
    if (!continuations(t, d, logits, example, length, &count))
        return false;
    for (int i = 0; i < count && kept < beam; i++) {
        const candidate *c = &d->ranked[i];
        int32_t *ids = d->moved + (first + kept) * longest;
        if (isinf(c->log_probability))
            continue;
        memcpy(ids, d->ids + c->from * longest, (size_t)length * sizeof *ids);
        ids[length] = c->id;
        if (c->id == d->options.end || length + 1 == longest) {
            /* Candidates below the beam's width would not have lived either. */
            if (i < beam)
                finish(d, example, ids, length + 1, c->log_probability,
                       c->id == d->options.end);
            continue;
        }
        d->from[first + kept] = (int32_t)c->from;
        d->last[first + kept] = c->id;
        d->log_p[first + kept++] = c->log_probability;
    }
    double best_live = kept ? d->log_p[first] : -INFINITY;
    for (int k = kept; k < beam; k++) {
        d->log_p[first + k] = -INFINITY;
        d->from[first + k] = (int32_t)(first + k);
        d->last[first + k] = idle(d);
    }
    d->over[example] = kept == 0 || decided(d, example, best_live);
    for (int k = 0; k < beam && d->over[example]; k++)
        d->log_p[first + k] = -INFINITY;
    return true;
}

static bool first_row(heed_tape *t, heed_decoded *d, const heed_tensor *logits)
{
    if (logits->ndim != 2 || logits->shape[0] != d->live || logits->shape[1] < 1) {
        char text[96];
        heed_shape shape = heed_shape_of(logits);
        heed_fail(t, "decode: a step gave logits %s but must give [%lld,V]",
                  heed_shape_text(&shape, text, sizeof text), (long long)d->live);
        return false;
    }
    if (d->vocabulary && d->vocabulary != logits->shape[1])
        return heed_fail(t, "decode: a step gave %lld classes and the one before %lld",
                         (long long)logits->shape[1], (long long)d->vocabulary) != NULL;
    if (d->options.end >= logits->shape[1])
        return heed_fail(t, "decode: the end %d is none of %lld tokens", (int)d->options.end,
                         (long long)logits->shape[1]) != NULL;
    if (!d->vocabulary) {
        d->vocabulary = logits->shape[1];
        d->row_bytes = (size_t)d->vocabulary * sizeof *d->row;
        d->row = heed__allocate(allocator_of(d), d->row_bytes);
        if (!d->row)
            return heed_fail(t, "decode: out of memory") != NULL;
    }
    return true;
}

static bool search(heed_tape *t, heed_decoded *d, const heed_decoder *decoder)
{
    heed_shape n = HEED_SHAPE(d->live);
    int64_t longest = d->options.longest;
    for (int64_t length = 0; length < longest; length++) {
        bool live = false, still = true;
        heed_tensor *last = heed_ids(t, n, d->last);
        heed_tensor *logits = decoder->step(t, decoder->user, last, length);
        if (!logits || heed_error(t))
            return heed_fail(t, "decode: step %lld gave no logits", (long long)length) != NULL;
        if (!first_row(t, d, logits))
            return false;
        for (int64_t i = 0; i < d->live; i++) {
            d->from[i] = (int32_t)i;
            d->last[i] = idle(d);
        }
        memcpy(d->moved, d->ids, (size_t)(d->live * longest) * sizeof *d->ids);
        for (int64_t example = 0; example < d->batch; example++) {
            if (d->over[example])
                continue;
            if (!advance(t, d, logits, example, length))
                return false;
            live = live || !d->over[example];
        }
        int32_t *swap = d->ids;
        d->ids = d->moved;
        d->moved = swap;
        if (!live)
            break;
        for (int64_t i = 0; i < d->live; i++)
            still = still && d->from[i] == i;
        if (!still && !decoder->reorder(t, decoder->user, heed_ids(t, n, d->from)))
            return heed_fail(t, "decode: the sequences could not be reordered") != NULL;
    }
    return true;
}

static bool sound(heed_tape *t, const heed_decoder *decoder, int64_t batch,
                  const heed_decode_options *o)
{
    const char *wrong = NULL;
    if (!decoder || !decoder->step)
        wrong = "there is no decoder";
    else if (batch < 1 || o->longest < 1 || o->longest > INT32_MAX)
        wrong = "the batch and the longest length must be at least 1";
    else if (o->end < -1)
        wrong = "the end must be a token, or -1 for none";
    else if (o->beam < 1 || o->beam > 4096 || batch > INT32_MAX / o->beam)
        wrong = "the beam must be 1 .. 4096, and the batch of all beams fit an i32";
    else if (o->best < 1 || o->best > o->beam)
        wrong = "the number of results must be 1 .. beam";
    else if (!(o->length_penalty >= 0) || isinf(o->length_penalty))
        wrong = "the length penalty must be 0 or more";
    else if (o->beam > 1 && !decoder->reorder)
        wrong = "a beam needs a decoder that can reorder";
    else if (o->beam > 1 && o->sampler)
        wrong = "a sampler draws one sequence: the beam must be 1";
    return !wrong || heed_fail(t, "decode: %s", wrong) != NULL;
}

heed_decoded *heed_decode(heed_tape *t, const heed_decoder *decoder, int64_t batch,
                          heed_decode_options options)
{
    if (!t || heed_error(t))
        return NULL;
    options.beam = options.beam ? options.beam : 1;
    options.best = options.best ? options.best : 1;
    if (!sound(t, decoder, batch, &options))
        return NULL;
    heed_decoded *d = heed__allocate(options.allocator, sizeof *d);
    if (!d) {
        heed_fail(t, "decode: out of memory");
        return NULL;
    }
    *d = (heed_decoded){ .options = options,
                         .custom = options.allocator != NULL,
                         .batch = batch,
                         .live = batch * options.beam };
    if (options.allocator)
        d->own = *options.allocator;
    bool good = make_room(d);
    if (!good)
        heed_fail(t, "decode: out of memory");
    for (int64_t i = 0; good && i < d->live; i++) {
        d->last[i] = options.start;
        d->log_p[i] = i % options.beam ? -INFINITY : 0; /* at first all would be the same */
    }
    bool recording = heed_set_recording(t, false);
    good = good && search(t, d, decoder);
    heed_set_recording(t, recording);
    if (good)
        return d;
    heed_decoded_free(d);
    return NULL;
}

void heed_decoded_free(heed_decoded *d)
{
    if (!d)
        return;
    heed_allocator own = d->own;
    const heed_allocator *allocator = d->custom ? &own : NULL;
    if (d->block)
        heed__release(allocator, d->block, d->bytes);
    if (d->row)
        heed__release(allocator, d->row, d->row_bytes);
    heed__release(allocator, d, sizeof *d);
}

heed_hypothesis heed_decoded_at(const heed_decoded *d, int64_t example, int rank)
{
    if (!d || example < 0 || example >= d->batch || rank < 0 || rank >= d->found[example])
        return (heed_hypothesis){ 0 };
    return d->results[example * d->options.beam + rank].hypothesis;
}
