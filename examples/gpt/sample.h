/* gpt sample: writes text with a trained model. */
#ifndef GPT_SAMPLE_H
#define GPT_SAMPLE_H

#include "model.h"

#include <stdio.h>

typedef struct sample_options {
    const char *prompt; /* NULL or empty: the model begins */
    int64_t tokens;
    double temperature;
    int64_t top_k;
    double top_p, min_p;
    int64_t seed;
    bool cache;
} sample_options;

/* Writes the prompt and what follows it, as whole UTF-8 characters as they come. *written
 * (may be NULL) is the number of new tokens. An interrupt ends it early and is no failure. */
bool sample_write(const gpt_model *m, const sample_options *options, FILE *to, int64_t *written,
                  char *error, size_t error_size);

int sample_command(int count, char **arguments);

#endif
