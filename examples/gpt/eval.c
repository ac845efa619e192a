/* gpt eval (eval.h). The text goes through the model in consecutive windows of its context,
 * so each token but the first is predicted exactly once, from the tokens before it in its
 * window. */
#include "eval.h"

#include "data.h"
#include "figures.h"
#include "json.h"
#include "machine.h"
#include "model.h"
#include "options.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "gpt eval"

static const char summary[] =
    "Measures how well a model predicts a text, in consecutive windows of its context: each\n"
    "token but the first is predicted once. Loss is in nats per token; bits_per_byte is over\n"
    "the bytes of the tokens predicted.";

enum { PART_ALL, PART_TRAIN, PART_HELD_OUT };

/* Sums the losses of the tokens after `at`: `batch` windows of `length` targets. */
static bool add_windows(heed_tape *t, const gpt_model *m, const gpt_part *part, int64_t at,
                        int64_t batch, int64_t length, double *sum)
{
    heed_shape shape = HEED_SHAPE(batch, length);
    heed_tape_reset(t);
    heed_tensor *ids = heed_ids(t, shape, part->ids + at);
    heed_tensor *targets = heed_ids(t, shape, part->ids + at + 1);
    heed_tensor *loss = heed_gpt_loss(t, m->gpt, ids, targets);
    *sum += heed_item(t, loss) * (double)(batch * length);
    return !heed_error(t);
}

/* The sum over all tokens of the part but the first. */
static bool measure(const gpt_model *m, const gpt_part *part, double *sum, char *error,
                    size_t error_size)
{
    int64_t context = m->gpt->options.context, left;
    /* Some thousand tokens at a time keep all threads busy in little memory. */
    int64_t batch = context < 2048 ? 2048 / context : 1;
    heed_tape *t = heed_tape_new(NULL);
    if (!t)
        return heed__say(error, error_size, "not enough memory");
    heed_set_recording(t, false);
    bool good = true;
    *sum = 0;
    for (int64_t at = 0; good && (left = part->count - 1 - at) > 0 && !machine_interrupted();) {
        int64_t windows = left / context < batch ? left / context : batch;
        int64_t length = windows > 0 ? context : left;
        windows = windows > 0 ? windows : 1;
        good = add_windows(t, m, part, at, windows, length, sum);
        at += windows * length;
    }
    if (!good)
        heed__say(error, error_size, "%s", heed_error(t));
    heed_tape_free(t);
    return good;
}

static bool open_part(gpt_part *part, const gpt_model *m, const gpt_text *text, int which,
                      char *error, size_t error_size)
{
    size_t middle = text_split_at(text, m->tokenizer);
    size_t start = which == PART_HELD_OUT ? middle : 0;
    size_t end = which == PART_TRAIN ? middle : text->size;
    if (!part_open(part, text, m->tokenizer, start, end, error, error_size))
        return false;
    if (part->count >= 2)
        return true;
    return heed__say(error, error_size,
                     "%s is too short: an evaluation takes at least 2 tokens, not %lld",
                     text->name, (long long)part->count);
}

static bool print_result(const gpt_model *m, const gpt_part *part, double sum, bool json)
{
    const char *first;
    size_t first_size = 0;
    int64_t predicted = part->count - 1;
    tokenizer_decode_one(m->tokenizer, part->ids[0], &first, &first_size);
    double loss = sum / (double)predicted;
    double bits = sum / log(2) / (double)(part->bytes - first_size);
    if (!json) {
        printf("loss %.4f nats per token, perplexity %s, %.4f bits per byte, %s\n", loss,
               figure_perplexity(loss).text, bits, figure_of(predicted, "token").text);
        return true;
    }
    heed__text text = { 0 };
    heed__text_add_string(&text, "{\"loss\":");
    heed__json_put_double(&text, loss);
    heed__text_add_string(&text, ",\"perplexity\":");
    heed__json_put_double(&text, exp(loss)); /* null where it overflows */
    heed__text_add_string(&text, ",\"bits_per_byte\":");
    heed__json_put_double(&text, bits);
    heed__text_print(&text, ",\"tokens\":%lld}\n", (long long)predicted);
    bool good = !text.failed;
    if (good)
        fwrite(text.bytes, 1, text.size, stdout);
    heed__text_free(&text);
    return good;
}

static int evaluate(const char *folder, const char *data, int which, bool json)
{
    char error[800] = "";
    gpt_model model = { 0 };
    gpt_text text = { 0 };
    gpt_part part = { 0 };
    double sum = 0;
    bool good = model_open(&model, folder, error, sizeof error) &&
                text_open(&text, data, text_is_exact(tokenizer_kind(model.tokenizer)), error,
                          sizeof error) &&
                open_part(&part, &model, &text, which, error, sizeof error) &&
                measure(&model, &part, &sum, error, sizeof error);
    if (good && !machine_interrupted() && !isfinite(sum))
        good = heed__say(error, sizeof error,
                         "the loss is not finite: the numbers of the model are damaged");
    if (good)
        text_report(&text, PROGRAM);
    if (good && !machine_interrupted())
        good = print_result(&model, &part, sum, json) ||
               heed__say(error, sizeof error, "not enough memory");
    part_close(&part);
    text_close(&text);
    model_close(&model);
    if (good && fflush(stdout) != 0)
        good = heed__say(error, sizeof error, "cannot write the result");
    if (!good) {
        fprintf(stderr, PROGRAM ": %s\n", error);
        return 1;
    }
    return machine_interrupted() ? 130 : 0;
}

int eval_command(int count, char **arguments)
{
    const char *folder = "gpt-run", *data = NULL;
    int part = PART_ALL;
    int64_t threads = 0;
    bool json = false;
    option table[] = {
        { "model", OPTION_STRING, &folder, "folder of a run, or one with its three exports",
          .argument = "DIR" },
        { "data", OPTION_STRING, &data, "the text; must be given", .argument = "FILE" },
        { "part", OPTION_CHOICE, &part, "of the text: as gpt train divides it",
          .choices = "all|train|held-out" },
        { "json", OPTION_FLAG, &json, "print one JSON object", .argument = "" },
        { "threads", OPTION_INTEGER, &threads,
          "threads; 0: OMP_NUM_THREADS, else all processors", .least = 0, .most = 1024 },
    };
    size_t size = sizeof table / sizeof *table;
    int code = options_begin(PROGRAM, summary, table, size, count, arguments);
    if (code >= 0)
        return code;
    if (!data) {
        fputs(PROGRAM ": --data FILE must say which text\n", stderr);
        return 2;
    }
    if (threads > 0)
        heed_set_threads((int)threads);
    machine_catch_interrupts(NULL);
    return evaluate(folder, data, part, json);
}
