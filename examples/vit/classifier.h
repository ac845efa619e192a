/* A model with its settings, in memory and as a folder: config.json, model.safetensors; and how
 * well it classifies. Knows options, images, and vit.h. */
#ifndef VIT_CLASSIFIER_H
#define VIT_CLASSIFIER_H

#include "images.h"
#include "options.h"

#include <heed/vit.h>

typedef struct settings {
    int64_t width, layers, heads, patch;
    double dropout;
    bool mean;
    int64_t height, image_width, classes; /* of the images it was made for */
    double brightest;                     /* a pixel of it is 1 to the model */
} settings;

#define SETTINGS_OPTIONS 16
/* Fills the table with the options about the model, and returns how many there are. */
size_t settings_table(settings *s, option table[SETTINGS_OPTIONS]);
/* Whether they go together; if not, a sentence. */
bool settings_check(const settings *s, char *error, size_t error_size);

typedef struct classifier {
    settings settings;
    heed_params *parameters;
    heed_vit vit;
} classifier;

/* Builds the model that c->settings say; random NULL leaves zeros. What was built is for
 * classifier_close, also after a failure. */
bool classifier_make(classifier *c, heed_random *random, char *error, size_t error_size);
/* On failure nothing is left. */
bool classifier_open(classifier *c, const char *folder, char *error, size_t error_size);
void classifier_close(classifier *c);
bool classifier_save_settings(classifier *c, const char *folder, char *error,
                              size_t error_size);
bool classifier_save_numbers(const classifier *c, const char *folder, int64_t epoch,
                             char *error, size_t error_size);

/* Logits of images as a file has them, [count, height, width], which must stay as they are. */
heed_tensor *classifier_forward(heed_tape *t, const classifier *c, const float *pixels,
                                int64_t count);

typedef struct judgement {
    double loss, accuracy;
    int64_t *confusion; /* [classes, classes]: of a label, those taken for a class; free() it */
} judgement;
/* False, with nothing to free, and a sentence on failure. */
bool classifier_judge(const classifier *c, heed_tape *t, const image_set *set, judgement *j,
                      char *error, size_t error_size);
/* Up to 20 classes as a table; then what is most often taken for what. */
void judgement_print(const judgement *j, int64_t classes, FILE *to);

#endif
