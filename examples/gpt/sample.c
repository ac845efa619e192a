/* gpt sample (sample.h). Only the text goes to stdout; what is to be said about it goes to
 * stderr. */
#include "sample.h"

#include "data.h"
#include "figures.h"
#include "machine.h"
#include "options.h"
#include "text.h"
#include "utf8.h"
#include "window.h"

#include <heed/decode.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROGRAM "gpt sample"

static const char summary[] =
    "Writes text with a model that gpt train made. The model sees at most --context tokens of\n"
    "training; when they are full, the oldest half is dropped. The same seed gives the same\n"
    "text at any number of threads.";

/* Bytes on their way out: a character may be spread over several tokens. */
typedef struct stream {
    FILE *to;
    heed__text held;
} stream;

/* Writes the first `size` bytes that are held, each byte that belongs to no character as
 * U+FFFD. */
static void put(stream *s, size_t size)
{
    size_t at = 0, length;
    while (at < size) {
        if (heed__utf8_decode(s->held.bytes + at, size - at, &length) < 0)
            fputs("\xEF\xBF\xBD", s->to);
        else
            fwrite(s->held.bytes + at, 1, length, s->to);
        at += length;
    }
    memmove(s->held.bytes, s->held.bytes + size, s->held.size - size);
    s->held.size -= size;
}

static bool stream_token(stream *s, const tokenizer *tok, int32_t id, char *error,
                         size_t error_size)
{
    const char *bytes;
    size_t size;
    if (!tokenizer_decode_one(tok, id, &bytes, &size))
        return heed__say(error, error_size, "the tokenizer has no token %d", (int)id);
    heed__text_add(&s->held, bytes, size);
    if (s->held.failed)
        return heed__say(error, error_size, "not enough memory to write text");
    if (size > 0)
        put(s, text_utf8_complete(s->held.bytes, s->held.size));
    if (fflush(s->to) != 0)
        return heed__say(error, error_size, "cannot write the text: %s", strerror(errno));
    return true;
}

/* The token a text without prompt begins after: the end of another text, or of a line, or
 * any. */
static int32_t first_token(const tokenizer *tok)
{
    int32_t *ids, id = tokenizer_end_of_text(tok);
    size_t count;
    if (id >= 0)
        return id;
    if (!tokenizer_encode(tok, "\n", 1, &ids, &count, NULL, 0))
        return 0;
    id = count > 0 ? ids[0] : 0;
    free(ids);
    return id;
}

/* Puts the prompt into the window and out to the stream. */
static bool begin(const gpt_model *m, const char *prompt, gpt_window *window, stream *s,
                  char *error, size_t error_size)
{
    int32_t *ids = NULL;
    size_t count;
    bool good = true;
    char why[400];
    if (!prompt || !prompt[0]) {
        window_push(window, first_token(m->tokenizer));
        return true;
    }
    if (!tokenizer_encode(m->tokenizer, prompt, strlen(prompt), &ids, &count, why, sizeof why))
        return heed__say(error, error_size, "the prompt: %s", why);
    for (size_t i = 0; i < count && good; i++) {
        window_push(window, ids[i]);
        good = stream_token(s, m->tokenizer, ids[i], error, error_size);
    }
    free(ids);
    return good;
}

bool sample_write(const gpt_model *m, const sample_options *o, FILE *to, int64_t *written,
                  char *error, size_t error_size)
{
    gpt_window window;
    stream out = { .to = to };
    int64_t done = 0, vocabulary = m->gpt->options.vocabulary;
    heed_random random = data_random((uint64_t)o->seed, DRAW_SAMPLE, 0);
    heed_sampling_options how = { .temperature = o->temperature,
                                  .top_k = o->top_k,
                                  .top_p = o->top_p,
                                  .min_p = o->min_p,
                                  .random = random };
    heed_sampler *sampler = heed_sampler_new(vocabulary, how, NULL);
    bool good = sampler != NULL;
    if (!good)
        heed__say(error, error_size, "not enough memory to write text");
    good = window_open(&window, m->gpt, o->cache, error, error_size) && good &&
           begin(m, o->prompt, &window, &out, error, error_size);
    while (good && done < o->tokens && !machine_interrupted()) {
        good = window_predict(&window, error, error_size);
        int32_t id = good ? heed_sampler_choose(sampler, window.logits, 0) : 0;
        if (id < 0)
            good = heed__say(error, error_size,
                             "the model gives NaN instead of probabilities: its numbers are "
                             "damaged");
        if (!good || !stream_token(&out, m->tokenizer, id, error, error_size)) {
            good = false;
            break;
        }
        window_push(&window, id);
        done++;
    }
    if (out.held.size > 0)
        put(&out, out.held.size);
    if (fflush(to) != 0 && good)
        good = heed__say(error, error_size, "cannot write the text: %s", strerror(errno));
    heed__text_free(&out.held);
    heed_sampler_free(sampler);
    window_close(&window);
    if (written)
        *written = done;
    return good;
}

static int sample(const char *folder, const sample_options *o)
{
    char error[800];
    gpt_model model;
    int64_t written;
    if (!model_open(&model, folder, error, sizeof error)) {
        fprintf(stderr, PROGRAM ": %s\n", error);
        return 1;
    }
    double began = machine_seconds();
    bool good = sample_write(&model, o, stdout, &written, error, sizeof error);
    double seconds = machine_seconds() - began;
    model_close(&model);
    if (!good) {
        fprintf(stderr, PROGRAM ": %s\n", error);
        return 1;
    }
    /* The text ends with a line end of its own, for the shell's prompt. */
    if (putchar('\n') == EOF || fflush(stdout) != 0) {
        fprintf(stderr, PROGRAM ": cannot write the text: %s\n", strerror(errno));
        return 1;
    }
    fprintf(stderr, "%s, %s tokens/s, --seed %lld\n", figure_of(written, "token").text,
            figure_count((int64_t)((double)written / fmax(seconds, 1e-9))).text,
            (long long)o->seed);
    return machine_interrupted() ? 130 : 0;
}

int sample_command(int count, char **arguments)
{
    const char *folder = "gpt-run";
    int64_t threads = 0;
    sample_options o = { .tokens = 500, .temperature = 0.8, .top_p = 1, .cache = true };
    o.seed = (int64_t)(time(NULL) & 0x7FFFFFFF);
    const char *prompt = NULL, *seed = NULL;
    option table[] = {
        { "model", OPTION_STRING, &folder, "folder of a run, or one with its three exports",
          .argument = "DIR" },
        { "prompt", OPTION_STRING, &prompt, "what the text begins with", .argument = "TEXT" },
        { "tokens", OPTION_INTEGER, &o.tokens, "how many to write", .least = 0,
          .most = 1000000000000 },
        { "temperature", OPTION_REAL, &o.temperature, "0: always the likeliest token", .low = 0,
          .high = INFINITY },
        { "top-k", OPTION_INTEGER, &o.top_k, "only the N likeliest tokens; 0: all", .least = 0,
          .most = INT32_MAX },
        { "top-p", OPTION_REAL, &o.top_p, "only the likeliest tokens of that joint probability",
          .low = 0, .high = 1, .above = true },
        { "min-p", OPTION_REAL, &o.min_p,
          "only tokens at least that probable, relative to the likeliest; 0: all", .low = 0,
          .high = 1 },
        { "seed", OPTION_STRING, &seed, "of the draws; without it another one each time",
          .argument = "N" },
        { "cache", OPTION_FLAG, &o.cache, "recompute the whole window for every token",
          .argument = "" },
        { "threads", OPTION_INTEGER, &threads,
          "threads; 0: OMP_NUM_THREADS, else all processors", .least = 0, .most = 1024 },
    };
    size_t size = sizeof table / sizeof *table;
    int code = options_begin(PROGRAM, summary, table, size, count, arguments);
    if (code >= 0)
        return code;
    if (seed) {
        char *end;
        errno = 0;
        long long number = strtoll(seed, &end, 10);
        if (seed[0] < '0' || seed[0] > '9' || *end != '\0' || errno != 0) {
            fprintf(stderr, PROGRAM ": --seed: '%s' is not a whole number from 0 on\n", seed);
            return 2;
        }
        o.seed = number;
    }
    o.prompt = prompt;
    if (threads > 0)
        heed_set_threads((int)threads);
    machine_catch_interrupts(NULL);
    return sample(folder, &o);
}
