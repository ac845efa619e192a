/* Drawing a token from logits. */
#include "decode.h"

#include "../core/memory.h"

#include <math.h>

typedef struct choice {
    double weight; /* e^((logit - largest)/temperature) */
    int32_t id;
} choice;

struct heed_sampler {
    heed_sampling_options options;
    int64_t vocabulary;
    heed_allocator own;
    bool custom; /* memory is from `own` */
    choice choices[];
};

static bool fraction(double x)
{
    return x >= 0 && x <= 1;
}

static bool size_of(int64_t vocabulary, size_t *bytes)
{
    return heed__mul_size((size_t)vocabulary, sizeof(choice), bytes) &&
           heed__add_size(*bytes, sizeof(heed_sampler), bytes);
}

heed_sampler *heed_sampler_new(int64_t vocabulary, heed_sampling_options o,
                               const heed_allocator *allocator)
{
    size_t bytes;
    bool sound = vocabulary > 0 && vocabulary <= INT32_MAX && o.temperature >= 0 &&
                 isfinite(o.temperature) && o.top_k >= 0 && fraction(o.top_p) &&
                 fraction(o.min_p);
    if (!sound || !size_of(vocabulary, &bytes))
        return NULL;
    heed_sampler *s = heed__allocate(allocator, bytes);
    if (!s)
        return NULL;
    s->options = o;
    s->vocabulary = vocabulary;
    s->custom = allocator != NULL;
    if (allocator)
        s->own = *allocator;
    return s;
}

void heed_sampler_free(heed_sampler *s)
{
    size_t bytes;
    if (!s || !size_of(s->vocabulary, &bytes))
        return;
    heed_allocator own = s->own;
    heed__release(s->custom ? &own : NULL, s, bytes);
}

heed_random *heed_sampler_random(heed_sampler *s)
{
    return &s->options.random;
}

static int by_weight(const void *a, const void *b)
{
    const choice *x = a, *y = b;
    if (x->weight > y->weight || x->weight < y->weight)
        return x->weight > y->weight ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* How many of the choices, in order of weight, are left by the three limits. */
static int64_t limited(const heed_sampler *s, double total)
{
    const heed_sampling_options *o = &s->options;
    const choice *c = s->choices;
    int64_t count = s->vocabulary, kept = 0;
    double sum = 0;
    if (o->top_k > 0 && o->top_k < count) {
        count = o->top_k;
        total = 0;
        for (int64_t i = 0; i < count; i++)
            total += c[i].weight;
    }
    while (o->min_p > 0 && count > 1 && c[count - 1].weight < o->min_p * c[0].weight)
        total -= c[--count].weight;
    if (o->top_p > 0 && o->top_p < 1) {
        while (kept < count && (kept == 0 || sum < o->top_p * total))
            sum += c[kept++].weight;
        count = kept;
    }
    return count;
}

int32_t heed_sampler_choose(heed_sampler *s, const heed_tensor *logits, int64_t row)
{
    const heed_sampling_options *o = &s->options;
    int64_t n = s->vocabulary, best = 0;
    double largest = -INFINITY, total = 0;
    if (!logits || logits->ndim < 1 || logits->shape[logits->ndim - 1] != n || row < 0 ||
        row >= heed_size(logits) / n)
        return -1;
    for (int64_t i = 0; i < n; i++) {
        double logit = heed_at(logits, row * n + i);
        if (isnan(logit))
            return -1;
        s->choices[i] = (choice){ logit, (int32_t)i };
        if (logit > largest) {
            largest = logit;
            best = i;
        }
    }
    if (isinf(largest) && largest < 0)
        return -1;
    /* A lone infinity takes all the probability there is. */
    if (o->temperature == 0 || isinf(largest))
        return (int32_t)best;
    for (int64_t i = 0; i < n; i++) {
        s->choices[i].weight = exp((s->choices[i].weight - largest) / o->temperature);
        total += s->choices[i].weight;
    }
    if ((o->top_k > 0 && o->top_k < n) || (o->top_p > 0 && o->top_p < 1) || o->min_p > 0) {
        qsort(s->choices, (size_t)n, sizeof *s->choices, by_weight);
        n = limited(s, total);
        total = 0;
        for (int64_t i = 0; i < n; i++)
            total += s->choices[i].weight;
    }
    double draw = heed_random_uniform(&s->options.random) * total;
    int64_t i = 0;
    while (i + 1 < n && draw >= s->choices[i].weight)
        draw -= s->choices[i++].weight;
    return s->choices[i].id;
}
