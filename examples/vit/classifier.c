/* The model and its folder (classifier.h). */
#include "classifier.h"

#include "config_file.h"
#include "folder.h"
#include "machine.h"
#include "text.h"

#include <string.h>

#define FORMAT "heed vit"

size_t settings_table(settings *s, option table[SETTINGS_OPTIONS])
{
    const option options[] = {
        { .name = "Model", .kind = OPTION_HEADING },
        { "patch", OPTION_INTEGER, &s->patch, "pixels a side of a patch", .least = 1,
          .most = IMAGES_LONGEST_SIDE },
        { "width", OPTION_INTEGER, &s->width, "numbers for each patch", .least = 1,
          .most = 4096 },
        { "layers", OPTION_INTEGER, &s->layers, "transformer blocks", .least = 1, .most = 64 },
        { "heads", OPTION_INTEGER, &s->heads, "of attention; must divide the width", .least = 1,
          .most = 256 },
        { "mean", OPTION_FLAG, &s->mean, "classify the mean of the patches, not a class token",
          .argument = "" },
        { "dropout", OPTION_REAL, &s->dropout, "share of values dropped while training",
          .low = 0, .high = 1, .below = true },
    };
    memcpy(table, options, sizeof options);
    return sizeof options / sizeof *options;
}

bool settings_check(const settings *s, char *error, size_t error_size)
{
    return s->width % s->heads == 0 ||
           heed__say(error, error_size, "width %lld is not divisible by heads %lld",
                     (long long)s->width, (long long)s->heads);
}

/* What config.json keeps: those, and what the images are like. */
static size_t stored_table(settings *s, option table[SETTINGS_OPTIONS])
{
    const option more[] = {
        { "height", OPTION_INTEGER, &s->height, .least = 1, .most = IMAGES_LONGEST_SIDE },
        { "image-width", OPTION_INTEGER, &s->image_width, .least = 1,
          .most = IMAGES_LONGEST_SIDE },
        { "classes", OPTION_INTEGER, &s->classes, .least = 1, .most = IMAGES_MOST_CLASSES },
        { "brightest", OPTION_REAL, &s->brightest, .low = 0, .high = 65535, .above = true },
    };
    size_t count = settings_table(s, table);
    memcpy(table + count, more, sizeof more);
    return count + sizeof more / sizeof *more;
}

/* The machine must have memory for the model's numbers, of which these are most; to learn also
 * for their gradients and two moments. */
static bool has_room(const settings *s, bool learns, char *error, size_t error_size)
{
    int64_t w = s->width, blocks = 12 * s->layers * w;
    int64_t numbers = (blocks + s->classes + s->patch * s->patch) * w;
    return machine_has_memory(numbers * (int64_t)sizeof(float) * (learns ? 4 : 1), error,
                              error_size);
}

bool classifier_make(classifier *c, heed_random *random, char *error, size_t error_size)
{
    const settings *s = &c->settings;
    if (!has_room(s, random != NULL, error, error_size))
        return false;
    c->parameters = heed_params_new(HEED_F32, NULL);
    if (!c->parameters)
        return heed__say(error, error_size, "not enough memory for the model");
    heed_vit_init(&c->vit, c->parameters, "vit",
                  (heed_vit_options){ .image_height = s->height,
                                      .image_width = s->image_width,
                                      .patch_height = s->patch,
                                      .patch_width = s->patch,
                                      .classes = s->classes,
                                      .width = s->width,
                                      .layers = (int)s->layers,
                                      .heads = (int)s->heads,
                                      .mean = s->mean,
                                      .bias = true,
                                      .dropout = s->dropout,
                                      .random = random });
    const char *why = heed_params_error(c->parameters);
    return !why || heed__say(error, error_size, "%s", why);
}

void classifier_close(classifier *c)
{
    heed_params_free(c->parameters);
    *c = (classifier){ 0 };
}

bool classifier_open(classifier *c, const char *folder, char *error, size_t error_size)
{
    char path[4096];
    option table[SETTINGS_OPTIONS];
    *c = (classifier){ 0 };
    size_t count = stored_table(&c->settings, table);
    bool good = folder_path(path, sizeof path, folder, "config.json", error, error_size) &&
                config_read(path, FORMAT, table, count, error, error_size) &&
                classifier_make(c, NULL, error, error_size) &&
                folder_path(path, sizeof path, folder, "model.safetensors", error, error_size);
    if (good && !heed_params_load(c->parameters, path))
        good = heed__say(error, error_size, "%s", heed_params_error(c->parameters));
    if (!good)
        classifier_close(c);
    return good;
}

bool classifier_save_settings(classifier *c, const char *folder, char *error, size_t error_size)
{
    char path[4096];
    option table[SETTINGS_OPTIONS];
    size_t count = stored_table(&c->settings, table);
    return folder_path(path, sizeof path, folder, "config.json", error, error_size) &&
           config_write(path, FORMAT, table, count, error, error_size);
}

bool classifier_save_numbers(const classifier *c, const char *folder, int64_t epoch,
                             char *error, size_t error_size)
{
    char path[4096], number[32];
    snprintf(number, sizeof number, "%lld", (long long)epoch);
    const char *const notes[] = { "format", "pt", "epoch", number, NULL };
    if (!folder_path(path, sizeof path, folder, "model.safetensors", error, error_size))
        return false;
    return heed_params_save(c->parameters, path, notes) ||
           heed__say(error, error_size, "%s", heed_params_error(c->parameters));
}

heed_tensor *classifier_forward(heed_tape *t, const classifier *c, const float *pixels,
                                int64_t count)
{
    const settings *s = &c->settings;
    heed_tensor *x =
        heed_borrow(t, HEED_F32, HEED_SHAPE(count, 1, s->height, s->image_width), pixels);
    return heed_vit_forward(t, &c->vit, heed_scale(t, x, 1 / s->brightest));
}
