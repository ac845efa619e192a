/* gpt attend (attend.h). The text goes through the model as in writing, first whole and then
 * token by token, while a watch records the attention of every layer. */
#include "attend.h"

#include "figures.h"
#include "machine.h"
#include "maps.h"
#include "model.h"
#include "options.h"
#include "window.h"

#include <heed/decode.h>
#include <heed/inspect.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "gpt attend"

static const char summary[] =
    "Shows what each token of a text attends to: a table of all heads, one head as a heat "
    "map,\n"
    "and with --attention all of them in a file. With --tokens the model goes on writing, and\n"
    "what it attends to then is shown as well.\n"
    "\n"
    "  gpt attend --model DIR \"a text\" --attention map.html";

typedef struct attend_options {
    const char *folder, *file;
    int64_t tokens, layer, head, threads;
    bool ascii;
} attend_options;

typedef struct attender {
    gpt_model m;
    gpt_window window;
    heed_maps *maps;
    token_labels labels;
} attender;

static bool add_token(attender *a, int32_t id, char *error, size_t error_size)
{
    const char *bytes;
    size_t size;
    if (!tokenizer_decode_one(a->m.tokenizer, id, &bytes, &size))
        return heed__say(error, error_size, "the tokenizer has no token %d", (int)id);
    window_push(&a->window, id);
    token_labels_add(&a->labels, bytes, size);
    return true;
}

static bool add_text(attender *a, const char *text, int64_t more, char *error,
                     size_t error_size)
{
    int32_t *ids = NULL;
    size_t count;
    int64_t context = a->m.gpt->options.context;
    char why[400];
    if (!tokenizer_encode(a->m.tokenizer, text, strlen(text), &ids, &count, why, sizeof why))
        return heed__say(error, error_size, "the text: %s", why);
    bool good = count > 0 || heed__say(error, error_size, "the text has no tokens");
    if (good && (int64_t)count > context - more)
        good = heed__say(error, error_size,
                         "%s of text and %lld more are not within the %lld that the "
                         "model sees",
                         figure_of((int64_t)count, "token").text, (long long)more,
                         (long long)context);
    for (size_t i = 0; good && i < count; i++)
        good = add_token(a, ids[i], error, error_size);
    free(ids);
    return good;
}

/* Each prediction attends from the tokens that are new to all so far; the last token is only
 * seen once it is predicted from. The one after it is not written, but chosen all the same:
 * numbers that choose none have no maps to show. */
static bool run_model(attender *a, int64_t more, char *error, size_t error_size)
{
    heed_sampler *sampler =
        heed_sampler_new(a->m.gpt->options.vocabulary, (heed_sampling_options){ 0 }, NULL);
    bool good = sampler || heed__say(error, error_size, "not enough memory");
    heed_maps_watch(a->maps, a->window.tape);
    for (int64_t written = 0; good; written++) {
        good = window_predict(&a->window, error, error_size);
        int32_t id = good ? heed_sampler_choose(sampler, a->window.logits, 0) : 0;
        if (id < 0)
            good = heed__say(error, error_size,
                             "the model gives NaN instead of probabilities: its numbers are "
                             "damaged");
        if (written == more || machine_interrupted())
            break;
        good = good && add_token(a, id, error, error_size);
    }
    heed_maps_watch(NULL, a->window.tape);
    heed_sampler_free(sampler);
    return good;
}

static bool label(attender *a, char *error, size_t error_size)
{
    const char *const *labels = token_labels_of(&a->labels);
    int64_t count = (int64_t)a->labels.count;
    if (!labels)
        return heed__say(error, error_size, "not enough memory");
    return heed_maps_label(a->maps, "*", count, labels, count, labels, error, error_size);
}

static bool show(const attender *a, const attend_options *o, char *error, size_t error_size)
{
    const heed_map *map = heed_maps_at(a->maps, (int)o->layer);
    heed_maps_print(a->maps, stdout);
    putchar('\n');
    heed_map_draw(map, o->head, o->ascii, stdout);
    return fflush(stdout) == 0 || heed__say(error, error_size, "cannot write the maps");
}

static bool attend(attender *a, const attend_options *o, const char *text, char *error,
                   size_t error_size)
{
    if (!model_open(&a->m, o->folder, error, error_size))
        return false;
    const heed_gpt_options *gpt = &a->m.gpt->options;
    if (o->layer >= gpt->layers || o->head >= gpt->heads)
        return heed__say(error, error_size, "the model has %s of %s, counted from 0",
                         figure_of(gpt->layers, "layer").text,
                         figure_of(gpt->heads, "head").text);
    a->maps = heed_maps_new((heed_maps_options){ .title = text, .append = true });
    if (!a->maps)
        return heed__say(error, error_size, "not enough memory");
    return window_open(&a->window, a->m.gpt, true, error, error_size) &&
           add_text(a, text, o->tokens, error, error_size) &&
           run_model(a, o->tokens, error, error_size) && label(a, error, error_size) &&
           show(a, o, error, error_size) &&
           (!o->file || maps_file_write(a->maps, o->file, error, error_size));
}

int attend_command(int count, char **arguments)
{
    char error[800] = "";
    attend_options o = { .folder = "gpt-run" };
    option table[] = {
        { "model", OPTION_STRING, &o.folder, "folder of a run, or one with its three exports",
          .argument = "DIR" },
        { "attention", OPTION_STRING, &o.file, "where to put the maps of all heads",
          .argument = MAPS_FILE },
        { "tokens", OPTION_INTEGER, &o.tokens,
          "how many likeliest tokens to write after the text", .least = 0, .most = INT32_MAX },
        { "layer", OPTION_INTEGER, &o.layer, "of the heat map, from 0", .least = 0,
          .most = INT32_MAX },
        { "head", OPTION_INTEGER, &o.head, "of the heat map, from 0", .least = 0,
          .most = INT32_MAX },
        { "ascii", OPTION_FLAG, &o.ascii, "a heat map without block characters",
          .argument = "" },
        { "threads", OPTION_INTEGER, &o.threads,
          "threads; 0: OMP_NUM_THREADS, else all processors", .least = 0, .most = 1024 },
    };
    size_t size = sizeof table / sizeof *table;
    int options = options_before_words(table, size, count, arguments);
    int code = options_begin(PROGRAM, summary, table, size, options, arguments);
    if (code >= 0)
        return code;
    if (options == count) {
        fputs(PROGRAM ": there is no text to show the attention of\n", stderr);
        return 2;
    }
    if (o.file && !maps_file_known(o.file, error, sizeof error)) {
        fprintf(stderr, PROGRAM ": %s\n", error);
        return 2;
    }
    if (o.threads > 0)
        heed_set_threads((int)o.threads);
    machine_catch_interrupts(NULL);
    attender a = { 0 };
    heed__text text = { 0 }; /* the words of the command line are one */
    for (int i = options; i < count; i++)
        heed__text_print(&text, "%s%s", i > options ? " " : "", arguments[i]);
    heed__text_add(&text, "", 1);
    bool good = !text.failed ? attend(&a, &o, text.bytes, error, sizeof error)
                             : heed__say(error, sizeof error, "not enough memory");
    if (!good)
        fprintf(stderr, PROGRAM ": %s\n", error);
    heed_maps_free(a.maps);
    token_labels_free(&a.labels);
    window_close(&a.window);
    model_close(&a.m);
    heed__text_free(&text);
    return !good ? 1 : machine_interrupted() ? 130 : 0;
}
