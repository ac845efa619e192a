/* A model with all that translating needs, in memory and as a folder: config.json (settings.h),
 * source.json and target.json (vocabularies), model.safetensors (numbers), test.tsv (the pairs
 * that were held out to judge by). Knows models, settings, vocabularies. */
#ifndef TRANSLATE_TRANSLATOR_H
#define TRANSLATE_TRANSLATOR_H

#include "data.h"
#include "settings.h"

typedef struct translator {
    settings settings;
    const model_kind *kind;
    void *model;
    heed_params *parameters;
    vocabulary *vocabularies[SIDES];
} translator;

/* Builds the model that t->settings and t->vocabularies say; random NULL leaves zeros. The rest
 * of a translator is for translator_close, also after a failure. */
bool translator_make(translator *t, heed_random *random, char *error, size_t error_size);
/* Gives the translator the vocabulary, and the settings its size and mark. */
bool translator_give(translator *t, int side, vocabulary *v, char *error, size_t error_size);
/* From a folder. On failure nothing is left. */
bool translator_open(translator *t, const char *folder, char *error, size_t error_size);
void translator_close(translator *t);

/* Writes all but the numbers and the pairs. Each file is replaced in one go. */
bool translator_save_settings(translator *t, const char *folder, char *error,
                              size_t error_size);
/* And the numbers, with the epoch and its dev loss as notes. */
bool translator_save_numbers(const translator *t, const char *folder, int64_t epoch,
                             double dev_loss, char *error, size_t error_size);

/* The first parameter that holds NaN or infinity, which goes into *value; NULL: none does. */
const heed_parameter *translator_damage(const translator *t, double *value);

/* How many tokens a translation may have. */
int64_t translator_longest(const translator *t);

/* The pairs to judge by: those of a file, or if that is NULL those held out. */
bool translator_test_pairs(const translator *t, const char *folder, const char *file, corpus *c,
                           char *error, size_t error_size);

#endif
