/* The largest batch and the memory that is left (room.h). */
#include "room.h"

#include "figures.h"
#include "machine.h"

/* Batches are drawn anew each epoch. In one of them the longest pair may be in a smaller batch
 * than the others, the last; hardly so in two. */
enum { EPOCHS = 2 };

static int64_t longest(const heed_batches *b, int side)
{
    const int32_t *lengths = heed_batch_lengths(b, side);
    int64_t most = 0;
    for (int64_t i = 0; i < heed_batch_size(b); i++)
        most = lengths[i] > most ? lengths[i] : most;
    return most;
}

static model_batch at_hand(const heed_batches *b)
{
    return (model_batch){ .size = heed_batch_size(b),
                          .source = longest(b, SIDE_SOURCE),
                          .target = longest(b, SIDE_TARGET) };
}

static bool fits(double bytes, const model_batch *b, const char *doing, const char *advice,
                 char *error, size_t error_size)
{
    double left = (double)machine_memory();
    return left < 0 || bytes <= left ||
           heed__say(error, error_size,
                     "%s a batch of %s, which are padded to %s of source and %s of target, "
                     "takes about %s of memory, and %s are available: %s",
                     doing, figure_of(b->size, "pair").text, figure_of(b->source, "token").text,
                     figure_of(b->target, "token").text, figure_bytes(bytes).text,
                     figure_bytes(left).text, advice);
}

/* ---- learning ---- */

/* With the teacher, and without where the training may come to that. */
static double to_learn(const translator *m, const model_sizes *sizes, model_batch b)
{
    const settings *s = &m->settings;
    bool always = s->forcing == HEED_FORCING_CONSTANT && s->forcing_first >= 1;
    b.learning = true;
    b.forced = true;
    double forced = model_memory(m->kind, sizes, &b);
    b.forced = false;
    double unforced = always ? 0 : model_memory(m->kind, sizes, &b);
    return forced > unforced ? forced : unforced;
}

bool room_to_learn(const translator *m, heed_batches *b, char *error, size_t error_size)
{
    model_sizes sizes = settings_sizes(&m->settings);
    model_batch largest = { 0 };
    double most = 0;
    /* Gradients and two moments are yet to come. */
    double numbers = 3 * sizeof(float) * (double)heed_params_size(m->parameters);
    for (int64_t i = EPOCHS * heed_batches_count(b); i > 0 && heed_batches_next(b); i--) {
        model_batch one = at_hand(b);
        double bytes = to_learn(m, &sizes, one);
        if (bytes > most) {
            most = bytes;
            largest = one;
        }
    }
    heed_batches_seek(b, 0, 0);
    return fits(most + numbers, &largest, "learning from",
                "leave out the longest pairs, or choose a smaller --batch or --hidden", error,
                error_size);
}

/* ---- judging ---- */

/* The three ways of judge_batch, none of which gives back what the one before took. */
static double to_judge(const translator *m, const model_sizes *sizes, model_batch b,
                       int64_t beam)
{
    double bytes = 0;
    for (int forced = 0; forced < 2; forced++) {
        b.forced = forced;
        bytes += model_memory(m->kind, sizes, &b);
    }
    b.size *= beam > 1 ? beam : 1;
    b.target = translator_longest(m);
    b.forced = true; /* results of steps are not put together */
    return bytes + model_memory(m->kind, sizes, &b);
}

bool room_to_judge(const translator *m, const corpus *c, corpus_part part,
                   const judge_options *options, char *error, size_t error_size)
{
    const vocabulary *const vocabularies[] = { m->vocabularies[0], m->vocabularies[1] };
    model_sizes sizes = settings_sizes(&m->settings);
    model_batch largest = { 0 };
    double most = 0;
    pair_ids ids;
    if (!pair_ids_make(&ids, c, part, vocabularies, error, error_size))
        return false;
    heed_batches *b = judge_batches(&ids, options, error, error_size);
    for (int64_t i = heed_batches_count(b); i > 0 && heed_batches_next(b); i--) {
        model_batch one = at_hand(b);
        double bytes = to_judge(m, &sizes, one, options->beam);
        if (bytes > most) {
            most = bytes;
            largest = one;
        }
    }
    bool good = b && fits(most, &largest, "judging by", "leave out the longest pairs", error,
                          error_size);
    heed_batches_free(b);
    pair_ids_free(&ids);
    return good;
}
