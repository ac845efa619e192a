/* vit eval: how well a model classifies images that it was not trained on. */
#include "classifier.h"
#include "commands.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>

#define PROGRAM "vit eval"

static const char summary[] =
    "Judges a model by a file of images and labels: the share classified rightly, the mean\n"
    "cross-entropy, and which classes are taken for which.\n\n" IMAGES_FORMATS;

typedef struct eval_options {
    const char *folder, *test;
    int64_t threads;
    bool json;
} eval_options;

static bool open_images(const classifier *c, const char *path, image_set *set, char *error,
                        size_t error_size)
{
    const settings *s = &c->settings;
    const image_limits limits = { s->height, s->image_width, s->classes };
    return images_read(set, path, limits, error, error_size);
}

static bool evaluate(const classifier *c, const image_set *set, bool json, char *error,
                     size_t error_size)
{
    judgement j;
    heed_tape *t = heed_tape_new(NULL);
    if (!t)
        return heed__say(error, error_size, "not enough memory");
    bool good = classifier_judge(c, t, set, &j, error, error_size);
    heed_tape_free(t);
    if (!good)
        return false;
    if (json) {
        printf("{\"images\":%lld,\"accuracy\":%.9g,\"loss\":%.9g}\n", (long long)set->count,
               j.accuracy, j.loss);
    } else {
        printf("images    %lld\naccuracy  %.4f\nloss      %.4f\n\n", (long long)set->count,
               j.accuracy, j.loss);
        judgement_print(&j, c->settings.classes, stdout);
    }
    free(j.confusion);
    return fflush(stdout) == 0 || heed__say(error, error_size, "cannot write the result");
}

int eval_command(int count, char **arguments)
{
    char error[1000] = "";
    eval_options o = { 0 };
    option table[] = {
        { "model", OPTION_STRING, &o.folder, "folder of a model; must be given",
          .argument = "DIR" },
        { "test", OPTION_STRING, &o.test, "images and labels, CSV or IDX; must be given",
          .argument = "FILE" },
        { "json", OPTION_FLAG, &o.json, "print one JSON object", .argument = "" },
        { "threads", OPTION_INTEGER, &o.threads,
          "threads; 0: OMP_NUM_THREADS, else all processors", .least = 0, .most = 1024 },
    };
    size_t size = sizeof table / sizeof *table;
    int code = options_begin(PROGRAM, summary, table, size, count, arguments);
    if (code >= 0)
        return code;
    if (!o.folder || !o.test) {
        fprintf(stderr, PROGRAM ": %s\n",
                o.folder ? "--test FILE must say which images"
                         : "--model DIR must say which model");
        return 2;
    }
    if (o.threads > 0)
        heed_set_threads((int)o.threads);
    classifier c = { 0 };
    image_set set = { 0 };
    bool good = classifier_open(&c, o.folder, error, sizeof error) &&
                open_images(&c, o.test, &set, error, sizeof error) &&
                evaluate(&c, &set, o.json, error, sizeof error);
    images_free(&set);
    classifier_close(&c);
    if (!good)
        fprintf(stderr, PROGRAM ": %s\n", error);
    return good ? 0 : 1;
}
