/* A model on disk: config.json says its sizes, tokenizer.json its tokens, model.safetensors
 * holds its numbers. Training writes the three; sample and eval read them. Knows nn and
 * tokenizers. */
#ifndef GPT_MODEL_H
#define GPT_MODEL_H

#include "tokenizer.h"

#include <heed/nn.h>

typedef struct gpt_model {
    heed_gpt *gpt;
    heed_params *parameters;
    tokenizer *tokenizer;
} gpt_model;

/* Builds a model of those sizes: random NULL leaves its numbers 0. On failure nothing is
 * left. */
bool model_make(gpt_model *m, heed_gpt_options options, char *error, size_t error_size);
bool model_open(gpt_model *m, const char *folder, char *error, size_t error_size);
void model_close(gpt_model *m);

/* Writes the three files of a model that has taken `step` steps, each replaced in one go. */
bool model_export(const gpt_model *m, const char *folder, int64_t step, char *error,
                  size_t error_size);

/* "4 layers, 4 heads, width 128, context 64, no bias" */
void model_describe(const heed_gpt_options *options, char *text, size_t size);

#endif
