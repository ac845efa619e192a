/* What a model was trained by: the options of translate train, and config.json, in which they
 * are kept. Knows options, tasks, vocabularies' kinds, and the library's text and JSON rooms. */
#ifndef TRANSLATE_SETTINGS_H
#define TRANSLATE_SETTINGS_H

#include "models.h"
#include "options.h"
#include "text.h"
#include "vocabulary.h"

#include <heed/seq2seq.h>

typedef struct settings {
    /* Pairs */
    const char *pairs; /* NULL: those of a task */
    int task;          /* a corpus_task */
    int64_t count;     /* of the task's pairs */
    bool swap;         /* from the second column of the pairs to the first */
    /* Vocabularies: 0 is for the task to say, else a vocabulary_kind plus 1 */
    int vocabulary, source_vocabulary, target_vocabulary;
    int64_t vocabulary_size;
    bool lower; /* of the source */
    /* Model */
    const char *model;
    int64_t embedding, hidden, layers, heads;
    double dropout;
    bool reverse, input_feeding;
    /* Training */
    int64_t epochs;
    double minutes;
    int64_t batch;
    double lr, min_lr;
    int64_t warmup;
    int schedule; /* a heed_schedule_kind up to cosine */
    double clip, smoothing, attention_entropy;
    int64_t patience;
    int forcing; /* a heed_forcing_kind */
    double forcing_first, forcing_least, forcing_k, forcing_threshold;
    int64_t forcing_steps; /* 0: those of all epochs */
    int64_t seed;
    int64_t save_every; /* steps; 0: those of an epoch */
    /* One start of the program */
    const char *out;
    bool resume;
    int64_t threads;

    /* Of a model that has been made; config.json only. */
    int64_t source_tokens, target_tokens; /* the sizes of the vocabularies */
    int64_t source_mark, target_mark;     /* what tells them from others */
    int64_t longest;  /* tokens of a target that was seen, its end included */
    char *strings[2]; /* pairs and model, when they were read */
} settings;

#define SETTINGS_OPTIONS 52

void settings_begin(settings *s); /* the defaults */
void settings_free(settings *s);

/* Fills the table with the options of the command line, and returns how many there are. */
size_t settings_table(settings *s, option table[SETTINGS_OPTIONS]);

/* What options_parse cannot see. Fills in what was left to the task. A run that goes on only
 * needs a folder. */
bool settings_has_folder(const settings *s, char *error, size_t error_size);
bool settings_check(settings *s, char *error, size_t error_size);

/* Of a run that goes on: what the command line may change of what is stored. `s` is the command
 * line, `given` its table after parsing; it becomes what the run is. `stored` has nothing left.
 */
bool settings_resume(settings *s, settings *stored, const option *given, size_t given_size,
                     char *error, size_t error_size);

/* The part of it that is about the model. */
bool settings_model_is_sound(const settings *s, char *error, size_t error_size);

/* config.json: every setting but those of one start of the program. What is read is complete,
 * within limits, and names a model that there is. */
void settings_write(settings *s, heed__text *to);
bool settings_read(settings *s, const char *path, char *error, size_t error_size);
bool settings_parse(settings *s, const void *text, size_t size, char *error, size_t error_size);

model_sizes settings_sizes(const settings *s);
heed_forcing settings_forcing(const settings *s, int64_t steps);

#endif
