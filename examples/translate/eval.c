/* translate eval: how well a model translates pairs that it was not trained on. */
#include "commands.h"
#include "figures.h"
#include "json.h"
#include "judge.h"
#include "machine.h"
#include "room.h"

#include <math.h>
#include <stdio.h>

#define PROGRAM "translate eval"

static const char summary[] =
    "Judges a model by pairs, without --pairs by those that its training held out. "
    "Perplexities\n"
    "are of the references: given their own tokens before (forced), or the model's (free). Of\n"
    "what the model writes: the share of tokens in their places, of exact matches, BLEU and\n"
    "chrF with the numbers of sacreBLEU. BLEU counts characters (sacrebleu --tokenize char) "
    "if\n"
    "the references hold Korean, Chinese or Japanese ones, else words (--tokenize 13a).";

typedef struct eval_options {
    const char *folder, *pairs;
    int64_t beam, threads;
    double length_penalty;
    bool json;
} eval_options;

static void put_json(heed__text *to, const judgement *j)
{
    const metrics_scores *s = &j->scores;
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        { "ppl_forced", exp(j->loss_forced) }, { "ppl_free", exp(j->loss_free) },
        { "token_accuracy", s->tokens },       { "exact_match", s->exact },
        { "bleu", s->bleu[j->unit] },          { "chrf", s->chrf },
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        heed__text_print(to, "%s\"%s\":", i ? "," : "{", numbers[i].key);
        heed__json_put_double(to, numbers[i].value);
    }
    heed__text_print(to, ",\"bleu_tokenize\":\"%s\"}\n", bleu_unit_name(j->unit));
}

static void put_lines(heed__text *to, const judgement *j, size_t pairs)
{
    const metrics_scores *s = &j->scores;
    heed__text_print(to,
                     "pairs           %zu\n"
                     "ppl_forced      %s\n"
                     "ppl_free        %s\n"
                     "token_accuracy  %.4f\n"
                     "exact_match     %.4f\n"
                     "bleu            %.2f (%s, as sacrebleu --tokenize %s)\n"
                     "chrf            %.2f\n",
                     pairs, figure_perplexity(j->loss_forced).text,
                     figure_perplexity(j->loss_free).text, s->tokens, s->exact,
                     s->bleu[j->unit], j->unit == BLEU_CHARACTERS ? "characters" : "words",
                     bleu_unit_name(j->unit), s->chrf);
}

static bool print_result(const judgement *j, size_t pairs, bool json, char *error,
                         size_t error_size)
{
    heed__text text = { 0 };
    if (json)
        put_json(&text, j);
    else
        put_lines(&text, j, pairs);
    bool good = !text.failed || heed__say(error, error_size, "not enough memory");
    if (good && (fwrite(text.bytes, 1, text.size, stdout) < text.size || fflush(stdout) != 0))
        good = heed__say(error, error_size, "cannot write the result");
    heed__text_free(&text);
    return good;
}

static bool evaluate(const translator *m, const corpus *c, const eval_options *o, char *error,
                     size_t error_size)
{
    const judge_options options = { .batch = 64,
                                    .beam = (int)o->beam,
                                    .length_penalty = o->length_penalty };
    judgement j;
    if (!room_to_judge(m, c, CORPUS_TEST, &options, error, error_size))
        return false;
    heed_tape *t = heed_tape_new(NULL);
    if (!t)
        return heed__say(error, error_size, "not enough memory");
    bool good = judge(m, t, c, CORPUS_TEST, &options, &j, error, error_size);
    heed_tape_free(t);
    if (!good || machine_interrupted())
        return good;
    if (!isfinite(j.loss_forced))
        return heed__say(error, error_size,
                         "the loss is not finite: the numbers of the model are damaged");
    return print_result(&j, c->count, o->json, error, error_size);
}

int eval_command(int count, char **arguments)
{
    char error[1000] = "";
    eval_options o = { .beam = 1 };
    option table[] = {
        { "model", OPTION_STRING, &o.folder, "folder of a model; must be given",
          .argument = "DIR" },
        { "pairs", OPTION_STRING, &o.pairs,
          "lines of source, tab, target; without it those held out", .argument = "FILE.tsv" },
        { "beam", OPTION_INTEGER, &o.beam, "hypotheses that a search keeps; 1: greedy",
          .least = 1, .most = 1000 },
        { "length-penalty", OPTION_REAL, &o.length_penalty,
          "alpha of Wu et al. 2016: above 0 favours long translations", .argument = "A",
          .low = 0, .high = INFINITY },
        { "json", OPTION_FLAG, &o.json, "print one JSON object", .argument = "" },
        { "threads", OPTION_INTEGER, &o.threads,
          "threads; 0: OMP_NUM_THREADS, else all processors", .least = 0, .most = 1024 },
    };
    size_t size = sizeof table / sizeof *table;
    int code = options_begin(PROGRAM, summary, table, size, count, arguments);
    if (code >= 0)
        return code;
    if (!o.folder) {
        fputs(PROGRAM ": --model DIR must say which model\n", stderr);
        return 2;
    }
    if (o.threads > 0)
        heed_set_threads((int)o.threads);
    machine_catch_interrupts(NULL);
    translator m = { 0 };
    corpus c = { 0 };
    bool good = translator_open(&m, o.folder, error, sizeof error) &&
                translator_test_pairs(&m, o.folder, o.pairs, &c, error, sizeof error) &&
                evaluate(&m, &c, &o, error, sizeof error);
    corpus_free(&c);
    translator_close(&m);
    if (!good) {
        fprintf(stderr, PROGRAM ": %s\n", error);
        return 1;
    }
    return machine_interrupted() ? 130 : 0;
}
