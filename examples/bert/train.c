/* bert train: learns to fill in hidden words of sentences; then shows what that is good for, by
 * a task of which few examples are known. */
#include "commands.h"
#include "figures.h"
#include "fill.h"
#include "finetune.h"
#include "folder.h"
#include "judge.h"
#include "label.h"
#include "machine.h"
#include "program.h"

#include <heed/optim.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "bert train"

static const char summary[] =
    "Learns to fill in hidden words (15 % of them) of the sentences of --data, one a line,\n"
    "without it of sentences that are made, in which verbs agree with their subjects. A tenth\n"
    "is held out to be judged by. Then a classifier learns from a few labelled sentences: is "
    "a\n"
    "sentence right, or is its verb of the wrong number (with --data: are two neighbouring\n"
    "words exchanged)? It starts at random, from the trained model frozen, and from the "
    "trained\n"
    "model. With --out the folder gets all that bert fill needs.";

/* What random draws are for. */
enum { DRAW_MADE, DRAW_WEIGHTS, DRAW_BATCHES, DRAW_TASK, DRAW_TEST, DRAW_PROBE, DRAWS };
enum { JUDGED = 1000, JUDGED_BATCH = 128, EXAMPLE_TOKENS = 9 };

typedef struct trainer {
    reader r;
    const char *data, *out;
    int64_t count, words, steps, batch, warmup, every, labelled, seed, threads;
    double lr, clip;

    lines lines;
    sentences learned, judged;
    heed_batches *batches, *judged_batches;
    heed_optimizer *optimizer;
    heed_tape *tape;
    double began;
    bool opened, made_folder; /* the folder is this training's to write to; was not there */
    char error[1000];
} trainer;

static bool fail(trainer *w, const char *sentence)
{
    return heed__say(w->error, sizeof w->error, "%s",
                     sentence ? sentence : "not enough memory");
}

static uint64_t seed_of(const trainer *w, int draw)
{
    return (uint64_t)w->seed * DRAWS + (uint64_t)draw;
}

/* ---- preparing ---- */

/* All sentences but the last tenth are learned from. */
static int64_t learned_count(const trainer *w)
{
    return w->lines.count - w->lines.count / 10;
}

static bool open_sentences(trainer *w)
{
    char *error = w->error;
    size_t size = sizeof w->error;
    settings *s = &w->r.settings;
    heed_random random = { .seed = seed_of(w, DRAW_MADE) };
    bool good = w->data ? lines_read(&w->lines, w->data, error, size)
                        : lines_make(&w->lines, w->count, &random, error, size);
    if (!good)
        return false;
    const vocabulary_options options = { .kind = VOCABULARY_WORDS, .limit = w->words };
    w->r.words =
        vocabulary_learn(w->lines.line, (size_t)learned_count(w), options, error, size);
    if (!w->r.words)
        return false;
    s->tokens = vocabulary_size(w->r.words);
    for (int64_t i = 0; good && i < w->lines.count; i++) {
        sentences *to = i < learned_count(w) ? &w->learned : &w->judged;
        text_span line = w->lines.line[i];
        if (to == &w->judged && to->count == JUDGED)
            break;
        good = sentences_add(to, w->r.words, line.bytes, line.size, s->longest, 0, error, size);
    }
    return good;
}

static bool open_model(trainer *w)
{
    heed_random random = { .seed = seed_of(w, DRAW_WEIGHTS) };
    if (!reader_make(&w->r, &random, w->error, sizeof w->error))
        return false;
    w->optimizer = heed_adamw_new(
        w->r.parameters, (heed_adam_options){ .lr = w->lr, .beta2 = 0.98, .decay = 0.01 });
    w->tape = heed_tape_new(NULL);
    if (!w->optimizer || !w->tape || !heed_params_gradients(w->r.parameters))
        return fail(w, NULL);
    const heed_batches_options learning = { .size = w->batch,
                                            .shuffle = true,
                                            .bucket = 20,
                                            .seed = seed_of(w, DRAW_BATCHES) },
                               judging = { .size = JUDGED_BATCH };
    w->batches = sentences_batches(&w->learned, learning, w->error, sizeof w->error);
    w->judged_batches =
        w->batches ? sentences_batches(&w->judged, judging, w->error, sizeof w->error) : NULL;
    return w->judged_batches != NULL;
}

/* ---- filling in ---- */

static bool take_step(trainer *w, const heed_schedule *schedule, int64_t step, double *loss)
{
    heed_tape *t = w->tape;
    const heed_cross_entropy_options ignoring = { .ignore = true,
                                                  .ignore_index = HEED_NOT_MASKED };
    heed_gradients *g = heed_params_gradients(w->r.parameters);
    heed_tensor *targets;
    heed_batches_next(w->batches);
    heed_tape_reset(t);
    heed_seed(t, (uint64_t)w->seed, (uint64_t)step);
    heed_tensor *logits = judge_read(t, &w->r, w->batches, &targets);
    heed_tensor *mean = heed_cross_entropy(t, logits, targets, &ignoring);
    *loss = heed_item(t, mean);
    if (!heed_backward(t, mean))
        return fail(w, heed_error(t));
    double norm = heed_clip_norm(g, w->clip);
    if (!isfinite(*loss) || !isfinite(norm))
        return heed__say(w->error, sizeof w->error,
                         "step %lld: the loss or its gradient is not finite, so the training "
                         "stops here; a smaller --lr often helps",
                         (long long)step + 1);
    heed_optimizer_set_rate(w->optimizer, heed_schedule_rate(schedule, step));
    return heed_optimizer_step(w->optimizer, g) || fail(w, heed_optimizer_error(w->optimizer));
}

static bool look(trainer *w, int64_t step, double loss)
{
    judgement j = { 0 };
    heed_set_training(w->tape, false);
    heed_set_recording(w->tape, false);
    bool good = judge_words(w->tape, &w->r, w->judged_batches, &j, w->error, sizeof w->error) &&
                (w->data || judge_verbs(w->tape, &w->r, seed_of(w, DRAW_PROBE), &j, w->error,
                                        sizeof w->error));
    heed_set_training(w->tape, true);
    heed_set_recording(w->tape, true);
    if (!good)
        return false;
    printf("step %5lld/%lld  loss %.4f  held out %.4f  found %.3f", (long long)step,
           (long long)w->steps, loss, j.loss, j.found);
    if (!w->data)
        printf("  verbs agree %.3f", j.agreement);
    printf("  %s\n", figure_time(machine_seconds() - w->began).text);
    fflush(stdout);
    return true;
}

static bool learn(trainer *w)
{
    const heed_schedule schedule = { .kind = HEED_LINEAR,
                                     .lr = w->lr,
                                     .min_lr = w->lr / 100,
                                     .warmup = w->warmup,
                                     .steps = w->steps };
    double sum = 0, one;
    int64_t since = 0;
    w->began = machine_seconds();
    heed_set_training(w->tape, true);
    for (int64_t step = 0; step < w->steps && !machine_interrupted(); step++) {
        if (!take_step(w, &schedule, step, &one))
            return false;
        sum += one;
        since++;
        if ((step + 1) % w->every == 0 || step + 1 == w->steps) {
            if (!look(w, step + 1, sum / (double)since))
                return false;
            sum = 0;
            since = 0;
        }
    }
    return true;
}

/* ---- classifying ---- */

static bool classify(trainer *w)
{
    static const struct {
        finetune_start start;
        const char *name;
        double lr;
    } starts[] = {
        { FINETUNE_SCRATCH, "from scratch", 1e-3 },
        { FINETUNE_FROZEN, "trained before, frozen", 3e-3 },
        { FINETUNE_PRETRAINED, "trained before", 1e-3 },
    };
    const int64_t learned = learned_count(w);
    const label_options labels = { .words = w->r.words,
                                   .longest = w->r.settings.longest,
                                   .grammar = !w->data,
                                   .seed = seed_of(w, DRAW_TASK) };
    label_options others = labels;
    others.seed = seed_of(w, DRAW_TEST);
    finetune_task task = { .epochs = 20, .seed = seed_of(w, DRAW_TASK) };
    int64_t held = w->lines.count - learned, judged = held < JUDGED ? held : JUDGED;
    bool good = label_sentences(&task.learned, &labels, w->lines.line, learned, w->labelled,
                                w->error, sizeof w->error) &&
                label_sentences(&task.judged, &others, w->lines.line + learned, held,
                                w->data ? judged : JUDGED, w->error, sizeof w->error);
    if (good)
        printf("\n%s, by %s; right of %s:\n",
               w->data ? "Are two neighbours exchanged" : "Is the verb's number right",
               figure_of(task.learned.count, "labelled sentence").text,
               figure_of(task.judged.count, "other").text);
    for (int i = 0; good && i < 3 && !machine_interrupted(); i++) {
        double accuracy;
        task.lr = starts[i].lr;
        good = finetune(&w->r, &task, starts[i].start, &accuracy, w->error, sizeof w->error);
        if (good)
            printf("  %-24s %.3f\n", starts[i].name, accuracy);
        fflush(stdout);
    }
    sentences_free(&task.learned);
    sentences_free(&task.judged);
    return good;
}

/* ---- the command ---- */

static const char *const examples[] = { "the cats near the dog [MASK] happy",
                                        "the king that the birds [MASK] sleeps alone" };

static bool show(trainer *w)
{
    printf("\n");
    heed_set_training(w->tape, false);
    for (int i = 0; i < 2 && !w->data && w->r.settings.longest >= EXAMPLE_TOKENS; i++) {
        if (!fill(w->tape, &w->r, examples[i], 3, w->error, sizeof w->error))
            return false;
    }
    return true;
}

static void print_next(const trainer *w)
{
    printf("Next:\n");
    program_print("fill --model");
    figure_quote(stdout, w->out);
    printf(" \"%s\"\n", w->data ? "some words and [MASK]" : examples[0]);
}

/* The folder is made before anything is learned that it could not keep. */
static bool open_folder(trainer *w)
{
    w->opened = w->out && folder_make_own(w->out, &w->made_folder, w->error, sizeof w->error);
    return w->opened || !w->out;
}

static bool train(trainer *w)
{
    if (w->threads > 0)
        heed_set_threads((int)w->threads);
    if ((w->out && !folder_is_free(w->out, w->error, sizeof w->error)) || !open_sentences(w) ||
        !open_model(w) || !open_folder(w))
        return false;
    printf("sentences  %s: %s to learn from, %s held out, %s\n", w->data ? w->data : "made",
           figure_count(w->learned.count).text, figure_count(w->judged.count).text,
           figure_of(w->r.settings.tokens - VOCABULARY_SPECIALS, "word").text);
    printf("model      %s of %lld: %s parameters\n\n",
           figure_of(w->r.settings.layers, "block").text, (long long)w->r.settings.width,
           figure_count(heed_params_size(w->r.parameters)).text);
    fflush(stdout);
    if (!learn(w) || (w->out && !reader_save(&w->r, w->out, w->error, sizeof w->error))) {
        /* A part of a model is of no use, and would be in the way of another try. */
        if (w->opened)
            folder_undo_model(w->out, w->made_folder);
        return false;
    }
    bool good = machine_interrupted() || ((w->labelled == 0 || classify(w)) && show(w));
    if (good && w->out)
        print_next(w);
    return good;
}

static size_t options_table(trainer *w, option table[])
{
    const option options[] = {
        { .name = "Sentences", .kind = OPTION_HEADING },
        { "data", OPTION_STRING, &w->data, "sentences, one a line, UTF-8; without it made ones",
          .argument = "FILE" },
        { "count", OPTION_INTEGER, &w->count, "made sentences", .least = 10, .most = 10000000 },
        { "words", OPTION_INTEGER, &w->words, "tokens of the vocabulary at most",
          .least = VOCABULARY_SPECIALS + 1, .most = VOCABULARY_MOST },
        { .name = "Training", .kind = OPTION_HEADING },
        { "steps", OPTION_INTEGER, &w->steps, "of filling in", .least = 1, .most = 1000000000 },
        { "batch", OPTION_INTEGER, &w->batch, "sentences per step", .least = 1, .most = 65536 },
        { "lr", OPTION_REAL, &w->lr, "highest learning rate of AdamW", .low = 0,
          .high = INFINITY, .above = true },
        { "warmup", OPTION_INTEGER, &w->warmup, "steps over which the rate rises", .least = 0,
          .most = 1000000000 },
        { "clip", OPTION_REAL, &w->clip, "largest norm of the gradient; 0: any", .low = 0,
          .high = INFINITY },
        { "every", OPTION_INTEGER, &w->every, "steps between two lines", .least = 1,
          .most = 1000000000 },
        { "labelled", OPTION_INTEGER, &w->labelled,
          "sentences to learn classifying from; 0: leave it out", .least = 0, .most = 1000000 },
        { "seed", OPTION_INTEGER, &w->seed, "of sentences, weights, batches and masks",
          .least = 0, .most = INT64_MAX / DRAWS },
        { .name = "Run", .kind = OPTION_HEADING },
        { "out", OPTION_STRING, &w->out, "folder for the model", .argument = "DIR" },
        { "threads", OPTION_INTEGER, &w->threads,
          "threads; 0: OMP_NUM_THREADS, else all processors", .least = 0, .most = 1024 },
    };
    size_t count = settings_table(&w->r.settings, table);
    memcpy(table + count, options, sizeof options);
    return count + sizeof options / sizeof *options;
}

static void close_trainer(trainer *w)
{
    heed_optimizer_free(w->optimizer);
    heed_tape_free(w->tape);
    heed_batches_free(w->batches);
    heed_batches_free(w->judged_batches);
    sentences_free(&w->learned);
    sentences_free(&w->judged);
    lines_free(&w->lines);
    reader_close(&w->r);
}

int train_command(int count, char **arguments)
{
    static trainer w = {
        .r = { .settings = { .width = 64, .layers = 2, .heads = 4, .longest = 32 } },
        .count = 20000,
        .words = 8000,
        .steps = 3000,
        .batch = 64,
        .warmup = 100,
        .every = 300,
        .lr = 1e-3,
        .clip = 1,
        .labelled = 200,
        .seed = 1
    };
    option table[SETTINGS_OPTIONS + 20];
    size_t size = options_table(&w, table);
    int code = options_begin(PROGRAM, summary, table, size, count, arguments);
    if (code >= 0)
        return code;
    if (!settings_check(&w.r.settings, w.error, sizeof w.error)) {
        fprintf(stderr, PROGRAM ": %s\n", w.error);
        return 2;
    }
    machine_catch_interrupts("\nstopping; Ctrl-C again quits at once\n");
    bool good = train(&w);
    if (!good)
        fprintf(stderr, PROGRAM ": %s\n", w.error);
    close_trainer(&w);
    return !good ? 1 : machine_interrupted() ? 130 : 0;
}
