/* Looking inside attention by one switch: a GPT while it learns and while it writes, and an
 * alignment of a sentence with its translation. What was recorded is measured, drawn and written
 * as CSV, JSON, SVG and a page for a browser.
 *
 *     attention_maps FOLDER
 *
 * The GPT reads some words in random order and then the same once more. From then on a word is
 * known only to who looks back at where it stood the first time, and the heads of the first layer
 * learn to: their maps have a stripe. No module has a line that is there for the maps. */
#include <heed/align.h>
#include <heed/heed.h>
#include <heed/inspect.h>
#include <heed/nn.h>
#include <heed/optim.h>

#include "folder.h"
#include "options.h"

#include <stdio.h>

enum { WORDS = 12, HALF = 6, LENGTH = 2 * HALF, BATCH = 32, STEPS = 300, WIDTH = 32 };

static const char *const english[WORDS] = { "The", "animal", "didn't",  "cross",
                                            "the", "street", "because", "it",
                                            "was", "too",    "tired",   "." };

/* ---- what all three share ---- */

/* Prints the maps and writes FOLDER/NAME.csv, .json, .svg and .html. */
static bool show(const heed_maps *m, const char *folder, const char *name)
{
    typedef bool writer(const heed_maps *m, const char *path, char *error, size_t size);
    static const struct {
        const char *ending;
        writer *write;
    } formats[] = { { "csv", heed_maps_write_csv },
                    { "json", heed_maps_write_json },
                    { "svg", heed_maps_write_svg },
                    { "html", heed_maps_write_html } };
    char path[1024], error[512];
    heed_maps_print(m, stdout);
    heed_map_draw(heed_maps_at(m, 0), 0, false, stdout);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s.%s", folder, name, formats[i].ending);
        if (!formats[i].write(m, path, error, sizeof error)) {
            fprintf(stderr, "attention_maps: %s\n", error);
            return false;
        }
        printf("%s\n", path);
    }
    return true;
}

static bool label(heed_maps *m, heed_tape *t, const int32_t *ids, int count)
{
    char error[512];
    const char *labels[LENGTH];
    for (int i = 0; i < count; i++)
        labels[i] = english[ids[i]];
    if (!heed_error(t) &&
        heed_maps_label(m, "*", count, labels, count, labels, error, sizeof error))
        return true;
    fprintf(stderr, "attention_maps: %s\n", heed_error(t) ? heed_error(t) : error);
    return false;
}

/* ---- a GPT ---- */

static void draw(int32_t *ids, heed_random *r)
{
    int32_t deck[WORDS];
    for (int32_t i = 0; i < WORDS; i++)
        deck[i] = i;
    for (int i = 0; i < HALF; i++) {
        int other = i + (int)heed_random_below(r, (uint64_t)(WORDS - i));
        int32_t word = deck[other];
        deck[other] = deck[i];
        deck[i] = word;
        ids[i] = ids[HALF + i] = word;
    }
}

/* The maps are those of the last step of training, of the first text of its batch. */
static bool learn(const heed_gpt *m, heed_params *ps, heed_tape *t, const char *folder)
{
    int32_t ids[BATCH * LENGTH], targets[BATCH * LENGTH];
    heed_random r = { .seed = 3 };
    heed_cross_entropy_options second_half = { .ignore = true, .ignore_index = -1 };
    heed_maps *maps = heed_maps_new((heed_maps_options){ .title = "Words read twice" });
    heed_optimizer *o = heed_adamw_new(ps, (heed_adam_options){ .lr = 1e-2 });
    bool good = maps && o;
    heed_set_training(t, true);
    heed_maps_watch(maps, t);
    for (int step = 0; good && step < STEPS; step++) {
        heed_tape_reset(t);
        for (int i = 0; i < BATCH; i++)
            draw(ids + i * LENGTH, &r);
        for (int i = 0; i < BATCH * LENGTH; i++)
            targets[i] = i % LENGTH < HALF || i % LENGTH == LENGTH - 1 ? -1 : ids[i + 1];
        heed_tensor *logits =
            heed_gpt_forward(t, m, heed_ids(t, HEED_SHAPE(BATCH, LENGTH), ids), NULL);
        heed_tensor *labels = heed_ids(t, HEED_SHAPE(BATCH, LENGTH), targets);
        heed_tensor *loss = heed_cross_entropy(t, logits, labels, &second_half);
        if (step % 100 == 0 || step == STEPS - 1)
            printf("step %3d  loss %.4f\n", step, heed_item(t, loss));
        good = heed_backward(t, loss) && heed_optimizer_step(o, heed_params_gradients(ps));
    }
    heed_maps_watch(NULL, t);
    heed_set_training(t, false);
    good = label(maps, t, ids, LENGTH) && good && show(maps, folder, "training");
    heed_optimizer_free(o);
    heed_maps_free(maps);
    return good;
}

/* The first half and one word more are given, and the rest is written word by word with a cache; each step adds the
 * row of its word to every map. */
static bool write_on(const heed_gpt *m, heed_tape *t, const char *folder)
{
    heed_cache caches[2] = { { 0 }, { 0 } };
    int32_t ids[LENGTH];
    heed_random r = { .seed = 5 };
    heed_maps *maps =
        heed_maps_new((heed_maps_options){ .title = "Words written", .append = true });
    bool good = maps && heed_cache_init(&caches[0], LENGTH, NULL) &&
                heed_cache_init(&caches[1], LENGTH, NULL);
    draw(ids, &r);
    heed_set_recording(t, false);
    heed_maps_watch(maps, t);
    for (int at = 0, count = HALF + 1; good && at < LENGTH; at += count, count = 1) {
        heed_tape_reset(t);
        heed_tensor *given = heed_ids(t, HEED_SHAPE(1, count), ids + at);
        heed_tensor *logits = heed_gpt_forward(t, m, given, caches);
        heed_tensor *best = heed_argmax(t, logits, -1, false); /* [1, count] */
        good = best != NULL;
        if (good && at + count < LENGTH)
            ids[at + count] = (int32_t)heed_at(best, count - 1);
    }
    heed_maps_watch(NULL, t);
    good = label(maps, t, ids, LENGTH) && good && show(maps, folder, "writing");
    for (int i = 0; i < LENGTH && good; i++)
        printf("%s%s", english[ids[i]], i == LENGTH - 1 ? "\n" : " ");
    heed_cache_free(&caches[0]);
    heed_cache_free(&caches[1]);
    heed_maps_free(maps);
    heed_set_recording(t, true);
    return good;
}

static bool look_at_gpt(heed_tape *t, const char *folder)
{
    heed_gpt m;
    heed_random r = { .seed = 7 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    bool good = ps != NULL;
    if (good) {
        heed_gpt_init(&m, ps,
                      (heed_gpt_options){ .vocabulary = WORDS,
                                          .context = LENGTH,
                                          .width = WIDTH,
                                          .layers = 2,
                                          .heads = 2,
                                          .random = &r });
        good = learn(&m, ps, t, folder) && write_on(&m, t, folder);
    }
    if (ps && heed_params_error(ps))
        fprintf(stderr, "attention_maps: %s\n", heed_params_error(ps));
    heed_params_free(ps);
    return good;
}

/* ---- an alignment ---- */

/* Nothing is learned here: a Korean word has the vector of the English one that it stands for,
 * and some noise. One query at a time, as a recurrent decoder asks. */
static bool look_at_alignment(heed_tape *t, const char *folder)
{
    enum { KOREAN = 8 };
    static const char *const korean[KOREAN] = { "그",   "동물은", "너무",   "지쳐서",
                                                "길을", "건너지", "않았다", "." };
    static const int meaning[KOREAN] = { 0, 1, 9, 10, 5, 3, 2, 11 };
    double keys[WORDS * WIDTH], queries[KOREAN * WIDTH];
    char error[512] = "out of memory";
    heed_random r = { .seed = 11 };
    for (int i = 0; i < WORDS * WIDTH; i++)
        keys[i] = heed_random_normal(&r);
    for (int i = 0; i < KOREAN * WIDTH; i++)
        queries[i] =
            keys[meaning[i / WIDTH] * WIDTH + i % WIDTH] + 1.5 * heed_random_normal(&r);
    heed_align m;
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_maps *maps = heed_maps_new((heed_maps_options){ .title = "A translation" });
    bool good = ps && maps;
    if (good) {
        heed_align_init(&m, ps, "align", WIDTH, WIDTH,
                        (heed_align_options){ .score = HEED_ALIGN_SCALED_DOT });
        heed_tape_reset(t);
        heed_maps_watch(maps, t);
        heed_tensor *source = heed_constant(t, HEED_SHAPE(1, WORDS, WIDTH), keys);
        heed_align_memory memory = heed_align_prepare(t, &m, source, NULL, NULL);
        heed_align_history history = { 0 };
        for (int i = 0; i < KOREAN; i++) {
            heed_tensor *query = heed_constant(t, HEED_SHAPE(1, WIDTH), queries + i * WIDTH);
            heed_align_step(t, &m, query, &memory, &history);
        }
        heed_maps_watch(NULL, t);
        good = !heed_error(t) &&
               heed_maps_label(maps, "*", KOREAN, korean, WORDS, english, error, sizeof error);
    }
    if (!good)
        fprintf(stderr, "attention_maps: %s\n", heed_error(t) ? heed_error(t) : error);
    good = good && show(maps, folder, "alignment");
    heed_maps_free(maps);
    heed_params_free(ps);
    return good;
}

static const char summary[] =
    "Looks inside the attention of a GPT while it learns and while it writes, and of a "
    "sentence\n"
    "and its translation: prints measures and writes CSV, JSON, SVG and HTML into a folder.\n"
    "\n"
    "  attention_maps FOLDER";

int main(int count, char **arguments)
{
    int named = count > 1 && arguments[1][0] != '-';
    int code = options_begin("attention_maps", summary, NULL, 0, count - 1 - named,
                             arguments + 1 + named);
    if (code >= 0)
        return code;
    if (!named) {
        fputs("attention_maps: FOLDER must say where its files go\n", stderr);
        return 2;
    }
    char error[512];
    if (!folder_make(arguments[1], error, sizeof error)) {
        fprintf(stderr, "attention_maps: %s\n", error);
        return 1;
    }
    heed_tape *t = heed_tape_new(NULL);
    bool good = t && look_at_gpt(t, arguments[1]) && look_at_alignment(t, arguments[1]);
    heed_tape_free(t);
    return options_end("attention_maps", good ? 0 : 1);
}
