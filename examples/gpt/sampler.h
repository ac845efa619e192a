/* Choosing a token from logits: temperature, top-k, top-p. Knows random numbers only. */
#ifndef GPT_SAMPLER_H
#define GPT_SAMPLER_H

#include <heed/heed.h>

typedef struct sampler {
    double temperature; /* 0: always the likeliest */
    int64_t top_k;      /* only the k likeliest; 0: all */
    double top_p;       /* only the likeliest that together have this probability; 1: all */
    heed_random random;
    struct sampler_choice *choices; /* [vocabulary] */
    int64_t vocabulary;
} sampler;

bool sampler_open(sampler *s, int64_t vocabulary, double temperature, int64_t top_k,
                  double top_p, heed_random random);
void sampler_close(sampler *s);

/* The next token, or -1 if the logits hold a NaN. Ties go to the smaller id. */
int32_t sampler_choose(sampler *s, const float *logits);

#endif
