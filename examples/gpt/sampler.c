/* Choosing a token (sampler.h). Probabilities are summed in f64 and in a fixed order, so the
 * same logits and the same draw give the same token everywhere. */
#include "sampler.h"

#include <math.h>
#include <stdlib.h>

typedef struct sampler_choice {
    double weight; /* e^((logit - largest)/temperature) */
    int32_t id;
} sampler_choice;

bool sampler_open(sampler *s, int64_t vocabulary, double temperature, int64_t top_k,
                  double top_p, heed_random random)
{
    *s = (sampler){ .temperature = temperature,
                    .top_k = top_k,
                    .top_p = top_p,
                    .random = random,
                    .vocabulary = vocabulary };
    s->choices = calloc((size_t)vocabulary, sizeof *s->choices);
    return s->choices != NULL;
}

void sampler_close(sampler *s)
{
    free(s->choices);
    s->choices = NULL;
}

static int by_weight(const void *a, const void *b)
{
    const sampler_choice *x = a, *y = b;
    if (x->weight > y->weight || x->weight < y->weight)
        return x->weight > y->weight ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

int32_t sampler_choose(sampler *s, const float *logits)
{
    int32_t best = 0;
    int64_t count = s->vocabulary;
    double total = 0;
    for (int64_t i = 0; i < s->vocabulary; i++) {
        if (isnan(logits[i]))
            return -1;
        if (logits[i] > logits[best])
            best = (int32_t)i;
    }
    /* A lone infinity takes all the probability there is. */
    if (s->temperature <= 0 || isinf(logits[best]))
        return best;
    for (int64_t i = 0; i < count; i++) {
        s->choices[i].weight = exp(((double)logits[i] - (double)logits[best]) / s->temperature);
        s->choices[i].id = (int32_t)i;
    }
    if ((s->top_k > 0 && s->top_k < count) || s->top_p < 1) {
        qsort(s->choices, (size_t)count, sizeof *s->choices, by_weight);
        if (s->top_k > 0 && s->top_k < count)
            count = s->top_k;
    }
    for (int64_t i = 0; i < count; i++)
        total += s->choices[i].weight;
    if (s->top_p < 1) {
        double sum = 0;
        int64_t kept = 0;
        while (kept < count && (kept == 0 || sum < s->top_p * total))
            sum += s->choices[kept++].weight;
        count = kept;
        total = sum;
    }
    double draw = heed_random_uniform(&s->random) * total;
    int64_t i = 0;
    while (i + 1 < count && draw >= s->choices[i].weight)
        draw -= s->choices[i++].weight;
    return s->choices[i].id;
}
