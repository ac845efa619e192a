/* The settings of a model (settings.h): what there is, and what is sound. */
#include "settings.h"

#include "corpus.h"

#include <heed/optim.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void settings_begin(settings *s)
{
    *s = (settings){
        .count = CORPUS_PAIRS,
        .vocabulary_size = 8000,
        .embedding = 64,
        .hidden = 128,
        .layers = 1,
        .heads = 4,
        .epochs = 20,
        .batch = 64,
        .lr = 3e-3,
        .min_lr = 1e-4,
        .warmup = 50,
        .schedule = HEED_COSINE,
        .clip = 1,
        .patience = 5,
        .forcing_first = 1,
        .forcing_threshold = 0.9,
        .seed = 1,
    };
}

void settings_free(settings *s)
{
    free(s->strings[0]);
    free(s->strings[1]);
    *s = (settings){ 0 };
}

static const char *const vocabularies = "auto|words|characters|bpe";

size_t settings_table(settings *s, option table[SETTINGS_OPTIONS])
{
    const option options[] = {
        { .name = "Pairs", .kind = OPTION_HEADING },
        { "pairs", OPTION_STRING, &s->pairs,
          "lines of source, tab, target, UTF-8; without it those of --task",
          .argument = "FILE.tsv" },
        { "task", OPTION_CHOICE, &s->task, "pairs that are made",
          .choices = "numbers|numbers-back|dates|dates-korean" },
        { "count", OPTION_INTEGER, &s->count, "pairs of the task", .least = CORPUS_PARTS,
          .most = 10000000 },
        { "swap", OPTION_FLAG, &s->swap, "from the second column to the first",
          .argument = "" },
        { .name = "Tokens", .kind = OPTION_HEADING },
        { "vocabulary", OPTION_CHOICE, &s->vocabulary,
          "of both sides; auto: as the task needs, bpe for --pairs", .choices = vocabularies },
        { "source-vocabulary", OPTION_CHOICE, &s->source_vocabulary, "auto: as --vocabulary",
          .choices = vocabularies },
        { "target-vocabulary", OPTION_CHOICE, &s->target_vocabulary, "auto: as --vocabulary",
          .choices = vocabularies },
        { "vocabulary-size", OPTION_INTEGER, &s->vocabulary_size, "tokens of a side at most",
          .least = VOCABULARY_SPECIALS + 1, .most = VOCABULARY_MOST },
        { "lower", OPTION_FLAG, &s->lower, "small letters in the source", .argument = "" },
        { .name = "Model", .kind = OPTION_HEADING },
        { "model", OPTION_STRING, &s->model, "its kind (see below); must be given",
          .argument = "NAME" },
        { "embedding", OPTION_INTEGER, &s->embedding, "numbers per token (recurrent models)",
          .least = 1, .most = 1000000 },
        { "hidden", OPTION_INTEGER, &s->hidden, "numbers per state", .least = 1,
          .most = 1000000 },
        { "heads", OPTION_INTEGER, &s->heads, "attention heads (transformer)", .least = 1,
          .most = 4096 },
        { "layers", OPTION_INTEGER, &s->layers, "layers of each side", .least = 1,
          .most = HEED_RECURRENT_MAX_LAYERS },
        { "dropout", OPTION_REAL, &s->dropout, "share of values dropped while training",
          .low = 0, .high = 1, .below = true },
        { "reverse", OPTION_FLAG, &s->reverse, "the encoder reads from the end",
          .argument = "" },
        { "input-feeding", OPTION_FLAG, &s->input_feeding,
          "the decoder is told what it attended to (luong-...)", .argument = "" },
        { .name = "Training", .kind = OPTION_HEADING },
        { "epochs", OPTION_INTEGER, &s->epochs, "times through the pairs at most", .least = 1,
          .most = 1000000 },
        { "minutes", OPTION_REAL, &s->minutes, "stop after that time; 0: no limit",
          .argument = "M", .low = 0, .high = INFINITY },
        { "batch", OPTION_INTEGER, &s->batch, "pairs per step", .least = 1, .most = 1000000 },
        { "lr", OPTION_REAL, &s->lr, "highest learning rate of Adam", .low = 0,
          .high = INFINITY, .above = true },
        { "min-lr", OPTION_REAL, &s->min_lr, "learning rate at the end", .low = 0,
          .high = INFINITY },
        { "warmup", OPTION_INTEGER, &s->warmup, "steps over which the rate rises", .least = 0,
          .most = 1000000000 },
        { "schedule", OPTION_CHOICE, &s->schedule, "how the rate falls",
          .choices = "constant|linear|cosine" },
        { "clip", OPTION_REAL, &s->clip, "largest norm of the gradient; 0: any", .low = 0,
          .high = INFINITY },
        { "smoothing", OPTION_REAL, &s->smoothing, "of labels", .low = 0, .high = 1,
          .below = true },
        { "attention-entropy", OPTION_REAL, &s->attention_entropy,
          "times the mean entropy of attention's rows joins the loss; below 0 it spreads them",
          .low = -INFINITY, .high = INFINITY, .late = true },
        { "patience", OPTION_INTEGER, &s->patience,
          "stop after so many epochs without a better dev loss; 0: never", .least = 0,
          .most = 1000000 },
        { "seed", OPTION_INTEGER, &s->seed, "of pairs, weights, batches and dropout",
          .least = 0, .most = INT64_MAX },
        { .name = "Teacher forcing", .kind = OPTION_HEADING },
        { "forcing", OPTION_CHOICE, &s->forcing,
          "how often the decoder is given the true token before, as training goes on",
          .choices = "constant|linear|exponential|inverse-sigmoid|metric|never" },
        { "forcing-first", OPTION_REAL, &s->forcing_first, "at first", .low = 0, .high = 1,
          .above = true },
        { "forcing-least", OPTION_REAL, &s->forcing_least, "never less", .low = 0, .high = 1 },
        { "forcing-steps", OPTION_INTEGER, &s->forcing_steps,
          "steps over which it falls; 0: those of all epochs", .least = 0, .most = INT64_MAX },
        { "forcing-k", OPTION_REAL, &s->forcing_k,
          "constant of exponential (0: 0.1) and inverse-sigmoid (0: 20)", .low = 0,
          .high = INFINITY },
        { "forcing-threshold", OPTION_REAL, &s->forcing_threshold,
          "metric: token accuracy of the dev part from which on it is least", .low = 0,
          .high = 1 },
        { .name = "Run", .kind = OPTION_HEADING },
        { "out", OPTION_STRING, &s->out, "folder of the model; must be given",
          .argument = "DIR" },
        { "resume", OPTION_FLAG, &s->resume, "go on with the training in --out",
          .argument = "" },
        { "save-every", OPTION_INTEGER, &s->save_every,
          "steps between checkpoints; 0: those of an epoch", .least = 0, .most = INT64_MAX },
        { "threads", OPTION_INTEGER, &s->threads,
          "threads; 0: OMP_NUM_THREADS, else all processors", .least = 0, .most = 1024 },
    };
    memcpy(table, options, sizeof options);
    return sizeof options / sizeof *options;
}

/* ---- what is sound ---- */

bool settings_model_is_sound(const settings *s, char *error, size_t error_size)
{
    const model_kind *kind = model_find(s->model);
    const char *near = model_nearest(s->model);
    if (!kind)
        return heed__say(error, error_size, "there is no model %s%s%s%s",
                         heed__quote(s->model, strlen(s->model)).text,
                         near ? "; did you mean " : ": --help lists them", near ? near : "",
                         near ? "?" : "");
    if (kind->two_directions && s->hidden % 2)
        return heed__say(error, error_size,
                         "--hidden %lld is odd, but %s has two directions of half that width",
                         (long long)s->hidden, s->model);
    if (s->reverse && kind->heads)
        return heed__say(error, error_size, "--reverse is for recurrent encoders, not for %s",
                         s->model);
    if (kind->heads && s->hidden % s->heads)
        return heed__say(error, error_size, "--hidden %lld is not divisible by --heads %lld",
                         (long long)s->hidden, (long long)s->heads);
    if ((s->attention_entropy > 0 || s->attention_entropy < 0) && !kind->attends)
        return heed__say(error, error_size, "--attention-entropy: %s has no attention",
                         s->model);
    if (s->input_feeding && !kind->feeds)
        return heed__say(error, error_size, "--input-feeding is for luong-..., not for %s",
                         s->model);
    return true;
}

/* Where an option was not given it is `otherwise`. */
static void choose(int *chosen, int both, vocabulary_kind otherwise)
{
    if (*chosen == 0)
        *chosen = both ? both : (int)otherwise + 1;
}

bool settings_has_folder(const settings *s, char *error, size_t error_size)
{
    return (s->out && s->out[0] != '\0') ||
           heed__say(error, error_size, "--out DIR must say where the model %s",
                     s->resume ? "is" : "goes");
}

bool settings_check(settings *s, char *error, size_t error_size)
{
    if (!s->model)
        return heed__say(error, error_size, "--model NAME must say which; --help lists them");
    if (!settings_has_folder(s, error, error_size) ||
        !settings_model_is_sound(s, error, error_size))
        return false;
    if (s->swap && !s->pairs)
        return heed__say(error, error_size, "--swap is for --pairs; there is --task %s",
                         "numbers-back");
    if (!s->pairs && s->count > corpus_task_size((corpus_task)s->task))
        return heed__say(error, error_size, "--count %lld: there are %lld pairs of %s",
                         (long long)s->count, (long long)corpus_task_size((corpus_task)s->task),
                         corpus_task_name((corpus_task)s->task));
    if (s->min_lr > s->lr)
        return heed__say(error, error_size, "--min-lr %g is above --lr %g", s->min_lr, s->lr);
    if (s->forcing_least > s->forcing_first)
        return heed__say(error, error_size, "--forcing-least %g is above --forcing-first %g",
                         s->forcing_least, s->forcing_first);
    if (s->forcing == HEED_FORCING_NEVER && s->forcing_least > 0)
        return heed__say(error, error_size, "--forcing never is not for --forcing-least %g",
                         s->forcing_least);
    if (s->forcing == HEED_FORCING_EXPONENTIAL && s->forcing_k >= 1)
        return heed__say(error, error_size,
                         "--forcing-k must be below 1 for exponential, not %g", s->forcing_k);

    bool words_in = s->task == CORPUS_NUMBERS, words_out = s->task == CORPUS_NUMBERS_BACK;
    vocabulary_kind in = words_in ? VOCABULARY_WORDS : VOCABULARY_CHARACTERS;
    vocabulary_kind out = words_out ? VOCABULARY_WORDS : VOCABULARY_CHARACTERS;
    choose(&s->source_vocabulary, s->vocabulary, s->pairs ? VOCABULARY_BPE : in);
    choose(&s->target_vocabulary, s->vocabulary, s->pairs ? VOCABULARY_BPE : out);
    return true;
}

/* ---- what they say ---- */

model_sizes settings_sizes(const settings *s)
{
    return (model_sizes){ .source_vocabulary = s->source_tokens,
                          .target_vocabulary = s->target_tokens,
                          .embedding = s->embedding,
                          .hidden = s->hidden,
                          .layers = (int)s->layers,
                          .heads = (int)s->heads,
                          .dropout = s->dropout,
                          .reverse = s->reverse,
                          .input_feeding = s->input_feeding };
}

heed_forcing settings_forcing(const settings *s, int64_t steps)
{
    return (heed_forcing){ .kind = (heed_forcing_kind)s->forcing,
                           .first = s->forcing_first,
                           .least = s->forcing_least,
                           .steps = s->forcing_steps ? s->forcing_steps : steps,
                           .k = s->forcing_k,
                           .threshold = s->forcing_threshold };
}
