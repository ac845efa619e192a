/* How much memory a batch takes (models.h): what its tape holds at the most. Numbers of a
 * position are counted in hidden widths, by the rows of the table of models, and are those that
 * were measured; tests/test_translate_memory.c compares. */
#include "models.h"

/* The records themselves, in numbers: of a layer that takes all steps at once, by the step; of a
 * step alone, and of attention in it; of a block, and of a step of it. */
enum {
    RECORDS_AT_ONCE = 1000,
    RECORDS_ALONE = 1000,
    RECORDS_OF_ATTENTION = 3000,
    RECORDS_OF_BLOCK = 15000,
    RECORDS_OF_BLOCK_ALONE = 2500
};

/* Steps of which the results are put together at once (nn/seq2seq.c); each time all that are
 * there already are copied, so that of `steps` it is half of steps^2 / GROUP that stays; and as
 * much again for what flows back. */
enum { GROUP = 64 };

/* In numbers, of a batch of one. */
static double of_example(const model_kind *kind, const model_sizes *m, const model_batch *b,
                         bool alone)
{
    const model_costs *c = b->learning ? &kind->learning : &kind->judging;
    double s = (double)b->source, t = (double)b->target, v = (double)m->target_vocabulary;
    double h = (double)m->hidden, layers = m->layers;
    double embedding = kind->heads ? 0 : 3 * (double)m->embedding;
    double logits = b->learning ? 2 : 1.2;
    double numbers = s * ((c->input + c->source * layers) * h + embedding) +
                     t * ((c->target * layers + c->output) * h + embedding + logits * v);
    if (kind->attends && !kind->heads)
        numbers += s * t * ((alone ? c->pairs : c->pairs_at_once) * h + 4);
    if (alone)
        numbers += t * t / GROUP * (v + (kind->attends ? s : 0));
    return numbers;
}

/* In numbers, whatever the size of the batch. */
static double of_records(const model_kind *kind, const model_sizes *m, const model_batch *b,
                         bool alone)
{
    double s = (double)b->source, t = (double)b->target;
    double step = RECORDS_ALONE + (kind->attends ? RECORDS_OF_ATTENTION : 0);
    if (kind->heads)
        return (RECORDS_OF_BLOCK + (b->forced ? 0 : RECORDS_OF_BLOCK_ALONE * t)) * m->layers;
    return (RECORDS_AT_ONCE * (s + t) + (alone ? step * t : 0)) * m->layers;
}

double model_memory(const model_kind *kind, const model_sizes *m, const model_batch *b)
{
    bool alone = !kind->heads && (!b->forced || kind->two_directions || m->input_feeding);
    double size = (double)b->size;
    return sizeof(float) *
           (size * of_example(kind, m, b, alone) + of_records(kind, m, b, alone));
}
