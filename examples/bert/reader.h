/* A BERT with its vocabulary and settings, in memory and as a folder: config.json,
 * vocabulary.json, model.safetensors. Knows options, vocabularies and bert.h. */
#ifndef BERT_READER_H
#define BERT_READER_H

#include "options.h"
#include "vocabulary.h"

#include <heed/bert.h>

typedef struct settings {
    int64_t width, layers, heads, longest;
    int positions; /* a heed_position_kind */
    bool post_norm;
    double dropout;
    int64_t tokens; /* of the vocabulary; the id after them is the mask's */
} settings;

#define SETTINGS_OPTIONS 16
/* Fills the table with the options about the model, and returns how many there are. */
size_t settings_table(settings *s, option table[SETTINGS_OPTIONS]);
/* Whether they go together; if not, a sentence. */
bool settings_check(const settings *s, char *error, size_t error_size);
heed_bert_options settings_model(const settings *s, heed_random *random);

typedef struct reader {
    settings settings;
    vocabulary *words;
    heed_params *parameters;
    heed_bert bert;
    heed_bert_words head;
} reader;

/* Builds the model that r->settings say; random NULL leaves zeros. What was built is for
 * reader_close, also after a failure. */
bool reader_make(reader *r, heed_random *random, char *error, size_t error_size);
/* On failure nothing is left. */
bool reader_open(reader *r, const char *folder, char *error, size_t error_size);
void reader_close(reader *r);
/* Makes the folder, too. */
bool reader_save(reader *r, const char *folder, char *error, size_t error_size);

/* Logits of the words at every place. */
heed_tensor *reader_forward(heed_tape *t, const reader *r, heed_tensor *ids,
                            const int32_t *lengths);
/* How words are hidden from this model. */
heed_masking reader_masking(const reader *r);

#endif
