/* The settings of a run: one table of options gives the command line, --help, what a
 * checkpoint remembers, and what --resume refuses to change. Knows the options and the
 * library's JSON room. */
#ifndef GPT_CONFIG_H
#define GPT_CONFIG_H

#include "options.h"
#include "text.h"

#include <heed/nn.h>

typedef struct gpt_config {
    const char *data; /* NULL: the built-in text */
    const char *tokenizer;
    int64_t layers, heads, key_heads, width, context; /* key_heads 0: heads */
    int positions, norm, activation;                  /* of heed_gpt_options */
    bool gated, bias;
    double dropout;
    int64_t batch, accumulate, steps;
    double minutes;
    double lr, min_lr;
    int64_t warmup;
    double weight_decay, beta1, beta2, clip;
    int64_t seed;
    const char *out;
    bool resume;
    int64_t eval_every, eval_batches, save_every;
    int64_t threads;
    int progress; /* a progress_style */

    char *strings[2]; /* data and tokenizer, when they were read from a checkpoint */
} gpt_config;

#define CONFIG_OPTIONS 40

/* The defaults. */
void config_begin(gpt_config *c);
void config_free(gpt_config *c);

/* Fills the table with options that point into c and returns how many there are. */
size_t config_table(gpt_config *c, option table[CONFIG_OPTIONS]);

/* What options_parse cannot see: sizes that do not divide, rates in the wrong order. */
bool config_check(const gpt_config *c, char *error, size_t error_size);

/* Every setting that belongs to the run rather than to one start of the program, as a JSON
 * object. */
void config_to_json(gpt_config *c, heed__text *to);
/* Reads those back into c. Unknown and missing settings are errors. */
bool config_from_json(gpt_config *c, const char *json, char *error, size_t error_size);

/* Takes the settings of the stored run into c, except those given that may differ. Any other
 * one that was given and differs is refused by name. `given` is the table of c after
 * parsing. */
bool config_resume(gpt_config *c, gpt_config *stored, const option *given, size_t given_size,
                   char *error, size_t error_size);

heed_gpt_options config_model(const gpt_config *c, int64_t vocabulary);

#endif
