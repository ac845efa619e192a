/* vit train: learns from images and labels, by epochs. A part of them is held out to choose the
 * best epoch by, whose numbers the folder keeps; the test file is looked at once, at the end.
 */
#include "classifier.h"
#include "commands.h"
#include "figures.h"
#include "folder.h"
#include "machine.h"
#include "program.h"
#include "text.h"

#include <heed/optim.h>
#include <heed/training.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "vit train"

static const char summary[] =
    "Trains a Vision Transformer on the images of --train, without it on digits that are\n"
    "made. A tenth is held out to choose the best epoch by (dev); --test is judged once, at\n"
    "the end. The folder --out gets model.safetensors and config.json. Ctrl-C stops and keeps\n"
    "the best epoch.\n\n" IMAGES_FORMATS;

/* What random draws are for. */
enum { DRAW_WEIGHTS, DRAW_BATCHES, DRAW_WARPS, DRAW_DEV, DRAW_MADE, DRAW_MADE_TEST, DRAWS };
enum { MADE = 2000, MADE_TEST = 500 };

typedef struct trainer {
    classifier c;
    const char *train, *test, *out;
    int64_t epochs, batch, warmup, seed, threads;
    double lr, decay, clip, smoothing, warp, hold_out;

    image_set images, dev, judged; /* judged: what --test is, or made ones, or the dev part */
    heed_batches *batches;
    heed_optimizer *optimizer;
    heed_tape *tape;
    heed_random warps;
    float *pixels; /* of a batch, deformed */
    int64_t step, epoch, best_epoch;
    bool made_folder, kept; /* the folder was not there; it has numbers */
    double best_accuracy, best_loss;
    double began;
    char error[1000];
} trainer;

static bool say_no_memory(trainer *w)
{
    return heed__say(w->error, sizeof w->error, "not enough memory");
}

/* ---- preparing ---- */

static uint64_t seed_of(const trainer *w, int draw)
{
    return (uint64_t)w->seed * DRAWS + (uint64_t)draw;
}

/* Says so if labels may not be what was taken for them. */
static void warn_of_gaps(const trainer *w)
{
    static bool seen[IMAGES_MOST_CLASSES];
    const image_set *set = &w->images;
    int64_t missing = set->classes;
    for (int64_t i = 0; i < set->count; i++) {
        missing -= !seen[set->labels[i]];
        seen[set->labels[i]] = true;
    }
    if (missing > 0 && w->train)
        fprintf(stderr,
                PROGRAM
                ": %s: the largest label is %lld, but %lld of the labels below it occur "
                "nowhere: is the last column the label?\n",
                w->train, (long long)set->classes - 1, (long long)missing);
}

static bool open_images(trainer *w)
{
    char *error = w->error;
    size_t size = sizeof w->error;
    const image_limits any = { 0 };
    bool good = w->train ? images_read(&w->images, w->train, any, error, size)
                         : images_make(&w->images, MADE, seed_of(w, DRAW_MADE), error, size);
    if (!good)
        return false;
    const image_set *set = &w->images;
    const image_limits limits = { set->height, set->width, set->classes };
    int64_t held = (int64_t)((double)set->count * w->hold_out);
    if (held < 1 || held == set->count)
        return heed__say(error, size, "--hold-out %g of %s leaves one part empty", w->hold_out,
                         figure_of(set->count, "image").text);
    if (set->classes < 2)
        return heed__say(error, size,
                         "%s: every label is 0, which leaves nothing to tell apart; labels "
                         "are the last column of a CSV",
                         w->train);
    if (!(set->brightest > 0))
        return heed__say(error, size, "%s: every pixel of every image is 0", w->train);
    warn_of_gaps(w);
    if (w->test)
        good = images_read(&w->judged, w->test, limits, error, size);
    else if (!w->train)
        good = images_make(&w->judged, MADE_TEST, seed_of(w, DRAW_MADE_TEST), error, size);
    return good &&
           images_hold_out(&w->images, held, seed_of(w, DRAW_DEV), &w->dev, error, size);
}

static bool open_batches(trainer *w)
{
    const image_set *set = &w->images;
    const heed_field fields[] = {
        { .data = set->pixels, .dtype = HEED_F32, .shape = HEED_DIMS(set->height, set->width) },
        { .data = set->labels, .dtype = HEED_I32, .shape = HEED_SCALAR },
    };
    const heed_batches_options options = { .size = w->batch,
                                           .shuffle = true,
                                           .seed = seed_of(w, DRAW_BATCHES) };
    w->batches = heed_batches_new(2, fields, set->count, options, w->error, sizeof w->error);
    return w->batches != NULL;
}

static bool open_model(trainer *w)
{
    settings *s = &w->c.settings;
    heed_random random = { .seed = seed_of(w, DRAW_WEIGHTS) };
    s->height = w->images.height;
    s->image_width = w->images.width;
    s->classes = w->images.classes;
    s->brightest = (double)w->images.brightest;
    if (!classifier_make(&w->c, &random, w->error, sizeof w->error))
        return false;
    w->optimizer = heed_adamw_new(
        w->c.parameters, (heed_adam_options){ .lr = w->lr, .beta2 = 0.98, .decay = w->decay });
    w->tape = heed_tape_new(NULL);
    w->pixels = malloc((size_t)(w->batch * s->height * s->image_width) * sizeof *w->pixels);
    if (!w->optimizer || !w->tape || !w->pixels || !heed_params_gradients(w->c.parameters))
        return say_no_memory(w);
    w->warps = (heed_random){ .seed = seed_of(w, DRAW_WARPS) };
    heed_set_training(w->tape, true);
    return true;
}

static void report_start(const trainer *w)
{
    const settings *s = &w->c.settings;
    printf("images   %s: %s to learn from, %s dev, %lld x %lld pixels, %s\n",
           w->train ? w->train : "made digits", figure_count(w->images.count).text,
           figure_count(w->dev.count).text, (long long)s->height, (long long)s->image_width,
           figure_of(s->classes, "class").text);
    printf("model    %s of %lld, patches of %lld x %lld: %s parameters\n\n",
           figure_of(s->layers, "block").text, (long long)s->width, (long long)s->patch,
           (long long)s->patch, figure_count(heed_params_size(w->c.parameters)).text);
    fflush(stdout);
}

/* ---- an epoch ---- */

/* The batch at hand, each image deformed anew. */
static const float *deformed(trainer *w)
{
    const image_set *set = &w->images;
    const int64_t *examples = heed_batch_examples(w->batches);
    int64_t size = set->height * set->width;
    for (int64_t i = 0; i < heed_batch_size(w->batches); i++) {
        warp how = warp_draw(w->warp, &w->warps);
        image_warp(set->pixels + examples[i] * size, set->height, set->width, &how,
                   w->pixels + i * size, set->height, set->width);
    }
    return w->pixels;
}

static bool take_step(trainer *w, const heed_schedule *schedule, double *loss)
{
    heed_tape *t = w->tape;
    heed_gradients *g = heed_params_gradients(w->c.parameters);
    const heed_cross_entropy_options smoothed = { .smoothing = w->smoothing };
    heed_tape_reset(t);
    heed_seed(t, (uint64_t)w->seed, (uint64_t)w->step);
    heed_tensor *logits =
        classifier_forward(t, &w->c, deformed(w), heed_batch_size(w->batches));
    heed_tensor *labels = heed_batch_values(t, w->batches, 1);
    heed_tensor *mean = heed_cross_entropy(t, logits, labels, &smoothed);
    *loss = heed_item(t, mean);
    if (!heed_backward(t, mean))
        return heed__say(w->error, sizeof w->error, "%s", heed_error(t));
    double norm = heed_clip_norm(g, w->clip);
    if (!isfinite(*loss) || !isfinite(norm))
        return heed__say(w->error, sizeof w->error,
                         "epoch %lld: the loss or its gradient is not finite, so the training "
                         "stops here; a smaller --lr often helps",
                         (long long)w->epoch);
    heed_optimizer_set_rate(w->optimizer, heed_schedule_rate(schedule, w->step++));
    return heed_optimizer_step(w->optimizer, g) ||
           heed__say(w->error, sizeof w->error, "%s", heed_optimizer_error(w->optimizer));
}

static bool keep(trainer *w)
{
    bool good =
        classifier_save_numbers(&w->c, w->out, w->best_epoch, w->error, sizeof w->error);
    w->kept = w->kept || good;
    return good;
}

/* Judges the dev part, and keeps the numbers if they are the best. */
static bool look(trainer *w, double train_loss)
{
    judgement j;
    if (!classifier_judge(&w->c, w->tape, &w->dev, &j, w->error, sizeof w->error))
        return false;
    free(j.confusion);
    bool best = w->best_epoch == 0 || j.accuracy > w->best_accuracy ||
                (j.accuracy == w->best_accuracy && j.loss < w->best_loss);
    printf("epoch %lld/%lld  loss %.4f  dev loss %.4f  accuracy %.4f  %s%s\n",
           (long long)w->epoch, (long long)w->epochs, train_loss, j.loss, j.accuracy,
           figure_time(machine_seconds() - w->began).text, best ? "  best" : "");
    fflush(stdout);
    if (!best)
        return true;
    w->best_epoch = w->epoch;
    w->best_accuracy = j.accuracy;
    w->best_loss = j.loss;
    return keep(w);
}

static bool loop(trainer *w)
{
    int64_t each = heed_batches_count(w->batches);
    const heed_schedule schedule = { .kind = HEED_COSINE,
                                     .lr = w->lr,
                                     .min_lr = w->lr / 100,
                                     .warmup = w->warmup,
                                     .steps = w->epochs * each };
    w->began = machine_seconds();
    for (w->epoch = 1; w->epoch <= w->epochs; w->epoch++) {
        double sum = 0, one;
        for (int64_t i = 0; i < each && !machine_interrupted(); i++) {
            heed_batches_next(w->batches);
            if (!take_step(w, &schedule, &one))
                return false;
            sum += one;
        }
        if (machine_interrupted()) /* something is better than nothing */
            return w->kept || keep(w);
        if (!look(w, sum / (double)each))
            return false;
    }
    return true;
}

/* ---- the command ---- */

static void print_next(const trainer *w)
{
    printf("\nNext:\n");
    program_print("eval --model");
    figure_quote(stdout, w->out);
    printf(" --test ");
    figure_quote(stdout, w->test ? w->test : "FILE");
    printf("\n");
}

/* What the folder has now, by images that chose nothing. */
static bool report_end(trainer *w)
{
    judgement j;
    classifier kept;
    if (w->best_epoch)
        printf("\nKept: epoch %lld, dev accuracy %.4f.\n", (long long)w->best_epoch,
               w->best_accuracy);
    else
        printf("\nKept: the numbers as they were, before the first look at the dev part.\n");
    if (machine_interrupted() || w->judged.count == 0)
        return true;
    if (!classifier_open(&kept, w->out, w->error, sizeof w->error))
        return false;
    bool good = classifier_judge(&kept, w->tape, &w->judged, &j, w->error, sizeof w->error);
    if (good) {
        printf("\ntest: %s, accuracy %.4f, loss %.4f\n\n",
               figure_of(w->judged.count, "image").text, j.accuracy, j.loss);
        judgement_print(&j, kept.settings.classes, stdout);
        free(j.confusion);
    }
    classifier_close(&kept);
    return good;
}

static bool train(trainer *w)
{
    if (w->threads > 0)
        heed_set_threads((int)w->threads);
    if (!folder_is_free(w->out, w->error, sizeof w->error) || !open_images(w) ||
        !open_batches(w) || !open_model(w) ||
        !folder_make_own(w->out, &w->made_folder, w->error, sizeof w->error))
        return false;
    bool good = classifier_save_settings(&w->c, w->out, w->error, sizeof w->error);
    if (good) {
        report_start(w);
        good = loop(w);
    }
    /* Settings without numbers are of no use, and would be in the way of another try. */
    if (!good && !w->kept)
        folder_undo_model(w->out, w->made_folder);
    good = good && report_end(w);
    if (good)
        print_next(w);
    return good;
}

static size_t options_table(trainer *w, option table[])
{
    const option options[] = {
        { .name = "Images", .kind = OPTION_HEADING },
        { "train", OPTION_STRING, &w->train, "to learn from; without it digits that are made",
          .argument = "FILE" },
        { "test", OPTION_STRING, &w->test, "to be judged by at the end", .argument = "FILE" },
        { "hold-out", OPTION_REAL, &w->hold_out, "share of --train to choose the epoch by",
          .low = 0, .high = 1, .above = true, .below = true },
        { "warp", OPTION_REAL, &w->warp,
          "how far images are turned, stretched and moved anew each epoch; 1: by a pixel",
          .low = 0, .high = 4 },
        { .name = "Training", .kind = OPTION_HEADING },
        { "epochs", OPTION_INTEGER, &w->epochs, "times through the images", .least = 1,
          .most = 1000000 },
        { "batch", OPTION_INTEGER, &w->batch, "images per step", .least = 1, .most = 65536 },
        { "lr", OPTION_REAL, &w->lr, "highest learning rate of AdamW", .low = 0,
          .high = INFINITY, .above = true },
        { "warmup", OPTION_INTEGER, &w->warmup, "steps over which the rate rises", .least = 0,
          .most = 1000000000 },
        { "decay", OPTION_REAL, &w->decay, "of weights", .low = 0, .high = INFINITY },
        { "clip", OPTION_REAL, &w->clip, "largest norm of the gradient; 0: any", .low = 0,
          .high = INFINITY },
        { "smoothing", OPTION_REAL, &w->smoothing, "of labels", .low = 0, .high = 1,
          .below = true },
        { "seed", OPTION_INTEGER, &w->seed, "of weights, batches and all that is made",
          .least = 0, .most = INT64_MAX / DRAWS },
        { .name = "Run", .kind = OPTION_HEADING },
        { "out", OPTION_STRING, &w->out, "folder of the model; must be given",
          .argument = "DIR" },
        { "threads", OPTION_INTEGER, &w->threads,
          "threads; 0: OMP_NUM_THREADS, else all processors", .least = 0, .most = 1024 },
    };
    size_t count = settings_table(&w->c.settings, table);
    memcpy(table + count, options, sizeof options);
    return count + sizeof options / sizeof *options;
}

static void close_trainer(trainer *w)
{
    heed_optimizer_free(w->optimizer);
    heed_tape_free(w->tape);
    heed_batches_free(w->batches);
    images_free(&w->images);
    images_free(&w->dev);
    images_free(&w->judged);
    free(w->pixels);
    classifier_close(&w->c);
}

int train_command(int count, char **arguments)
{
    static trainer w = { .c = { .settings = { .width = 64,
                                              .layers = 4,
                                              .heads = 4,
                                              .patch = 2,
                                              .dropout = 0.1 } },
                         .epochs = 40,
                         .batch = 64,
                         .warmup = 100,
                         .lr = 2e-3,
                         .decay = 0.05,
                         .clip = 1,
                         .smoothing = 0.1,
                         .warp = 0.7,
                         .hold_out = 0.1,
                         .seed = 1 };
    option table[SETTINGS_OPTIONS + 20];
    size_t size = options_table(&w, table);
    int code = options_begin(PROGRAM, summary, table, size, count, arguments);
    if (code >= 0)
        return code;
    if (!w.out || w.out[0] == '\0') {
        fputs(PROGRAM ": --out DIR must say where the model goes\n", stderr);
        return 2;
    }
    if (!settings_check(&w.c.settings, w.error, sizeof w.error)) {
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
