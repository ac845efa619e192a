/* translate run: translates sentences, and shows what each token of a translation attended to. */
#include "classes.h"
#include "commands.h"
#include "judge.h"
#include "maps.h"
#include "unknown.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "translate run"

static const char summary[] =
    "Translates a sentence, or without one those of the standard input, line by line.\n"
    "\n"
    "  translate run --model DIR \"a sentence\"\n"
    "  translate run --model DIR <sentences >translations\n"
    "\n"
    "With --best a translation is a line of its score (its log-probability, divided by what\n"
    "--length-penalty says), a tab and its text, the best first; of several sentences, the\n"
    "number of the sentence and a tab come before. Words that the model does not know are\n"
    "named on the standard error. After -- a word may begin with dashes.";

typedef struct run_options {
    const char *folder, *attention;
    int64_t beam, best, threads; /* best 0: one, without its score */
    double length_penalty;
} run_options;

typedef struct runner {
    translator m;
    run_options options;
    heed_tape *tape;
    heed_maps *maps; /* NULL: nobody looks */
    int sentences;   /* so far */
    bool numbered;   /* there may be several */
} runner;

/* ---- attention ---- */

static void add_labels(token_labels *l, const vocabulary *v, const int32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        text_span token = { "", 0 };
        vocabulary_token(v, ids[i], &token);
        token_labels_add(l, token.bytes, token.size);
    }
}

static bool label(runner *r, const char *name, token_labels *queries, token_labels *keys,
                  char *error, size_t error_size)
{
    const char *const *rows = token_labels_of(queries), *const *columns = token_labels_of(keys);
    if (!rows || !columns)
        return heed__say(error, error_size, "not enough memory");
    return heed_maps_label(r->maps, name, (int64_t)queries->count, rows, (int64_t)keys->count,
                           columns, error, error_size);
}

/* What reads the source is labelled by the tokens that it is about to write; what the decoder
 * looks back at by those it has been given. */
static bool label_all(runner *r, const char *name, const written *w, char *error,
                      size_t error_size)
{
    token_labels source = { 0 }, target = { 0 }, given = { 0 };
    const vocabulary *v = r->m.vocabularies[SIDE_TARGET];
    int32_t start = VOCABULARY_SOS;
    add_labels(&source, r->m.vocabularies[SIDE_SOURCE], w->source.ids, w->source.count);
    add_labels(&target, v, w->target.ids, w->target.count);
    add_labels(&given, v, &start, 1);
    add_labels(&given, v, w->target.ids, w->target.count - 1);
    char encoder[80], cross[80], decoder[80];
    snprintf(encoder, sizeof encoder, "%s.encoder.*", name);
    snprintf(cross, sizeof cross, "%s.decoder.*.cross_attention", name);
    snprintf(decoder, sizeof decoder, "%s.decoder.*.attention", name);
    bool good = r->m.kind->watched ? label(r, encoder, &source, &source, error, error_size) &&
                                         label(r, cross, &target, &source, error, error_size) &&
                                         label(r, decoder, &given, &given, error, error_size)
                                   : label(r, name, &target, &source, error, error_size);
    token_labels_free(&source);
    token_labels_free(&target);
    token_labels_free(&given);
    return good;
}

/* Given its own translation as the teacher, the model goes through the same steps as in the
 * search and attends to the same. */
static bool record(runner *r, const written *w, char *error, size_t error_size)
{
    heed_tape *t = r->tape;
    char name[40];
    snprintf(name, sizeof name, "sentence %d", r->sentences);
    model_source source = { NULL, NULL };
    source.ids = heed_ids(t, HEED_SHAPE(1, (int64_t)w->source.count), w->source.ids);
    heed_tensor *target = heed_ids(t, HEED_SHAPE(1, (int64_t)w->target.count), w->target.ids);
    heed_tensor *inputs = heed_shift_right(t, target, VOCABULARY_SOS);
    heed_scope(t, name);
    heed_maps_watch(r->m.kind->watched ? r->maps : NULL, t);
    model_output o = r->m.kind->forward(t, r->m.model, &source, inputs, 1);
    heed_maps_watch(NULL, t);
    heed_scope_end(t);
    if (!r->m.kind->watched)
        heed_maps_record(r->maps, t, o.weights, "%s", name);
    if (heed_error(t))
        return heed__say(error, error_size, "%s", heed_error(t));
    return label_all(r, name, w, error, error_size);
}

/* ---- sentences ---- */

static bool is_blank(text_span text)
{
    size_t length, at = 0;
    while (at < text.size && text_class_at(text.bytes, text.size, at, &length) == TEXT_BLANK)
        at += length;
    return at == text.size;
}

/* Says which words of a sentence the model cannot read. */
static bool report_unknown(const runner *r, text_span sentence, char *error, size_t error_size)
{
    const vocabulary *v = r->m.vocabularies[SIDE_SOURCE];
    string_set unknown = { 0 };
    bool good = unknown_find(v, sentence.bytes, sentence.size, &unknown, error, error_size);
    if (good && unknown.count > 0) {
        fputs(PROGRAM ": ", stderr);
        if (r->numbered)
            fprintf(stderr, "line %d: ", r->sentences);
        fputs("the model does not know ", stderr);
        unknown_print(stderr, v, &unknown);
        fputs("\n", stderr);
    }
    string_set_free(&unknown);
    return good;
}

static void print(const runner *r, const written *w)
{
    if (r->options.best == 0) {
        if (w->count > 0)
            fwrite(w->translations[0].text, 1, w->translations[0].size, stdout);
        putchar('\n');
        return;
    }
    for (size_t i = 0; i < w->count; i++) {
        if (r->numbered)
            printf("%d\t", r->sentences);
        printf("%.4f\t", w->translations[i].score);
        fwrite(w->translations[i].text, 1, w->translations[i].size, stdout);
        putchar('\n');
    }
}

static bool translate(runner *r, text_span sentence, char *error, size_t error_size)
{
    written w = { 0 };
    const search_options search = { .beam = (int)r->options.beam,
                                    .best = r->options.best ? (int)r->options.best : 1,
                                    .length_penalty = r->options.length_penalty };
    heed_tape_reset(r->tape);
    r->sentences++;
    /* No model has learned what nothing means. */
    bool good = is_blank(sentence) ||
                (judge_translate(&r->m, r->tape, sentence, &search, &w, error, error_size) &&
                 report_unknown(r, sentence, error, error_size) &&
                 (!r->maps || record(r, &w, error, error_size)));
    if (good) {
        print(r, &w);
        if (fflush(stdout) != 0)
            good = heed__say(error, error_size, "cannot write the translation");
    }
    written_free(&w);
    return good;
}

static bool translate_lines(runner *r, char *error, size_t error_size)
{
    char *line = NULL, why[800];
    size_t capacity = 0;
    ssize_t size;
    bool good = true;
    while (good && (size = getline(&line, &capacity, stdin)) >= 0) {
        while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r'))
            size--;
        /* Some editors begin a file with U+FEFF. */
        bool marked = r->sentences == 0 && size >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0;
        text_span sentence = { line + (marked ? 3 : 0), (size_t)size - (marked ? 3 : 0) };
        good = translate(r, sentence, why, sizeof why);
        if (!good)
            heed__say(error, error_size, "line %d: %s", r->sentences, why);
    }
    free(line);
    if (good && ferror(stdin))
        return heed__say(error, error_size, "cannot read the standard input");
    if (good && r->sentences == 0)
        return heed__say(error, error_size, "the standard input holds no sentence");
    return good;
}

/* The words of the command line are one sentence. */
static bool translate_words(runner *r, int count, char *const *words, char *error,
                            size_t error_size)
{
    heed__text sentence = { 0 };
    for (int i = 0; i < count; i++)
        heed__text_print(&sentence, "%s%s", i ? " " : "", words[i]);
    bool good = sentence.failed ? heed__say(error, error_size, "not enough memory")
                                : translate(r, (text_span){ sentence.bytes, sentence.size },
                                            error, error_size);
    heed__text_free(&sentence);
    return good;
}

/* ---- the command ---- */

static int run(runner *r, int count, char *const *words, char *error, size_t error_size)
{
    const char *attention = r->options.attention;
    if (attention && !maps_file_known(attention, error, error_size))
        return 2;
    if (!translator_open(&r->m, r->options.folder, error, error_size))
        return 1;
    if (attention && !r->m.kind->attends) {
        heed__say(error, error_size, "--attention: %s has none to show", r->m.kind->name);
        return 2;
    }
    r->tape = heed_tape_new(NULL);
    if (attention)
        r->maps = heed_maps_new((heed_maps_options){ .title = r->m.kind->name });
    if (!r->tape || (attention && !r->maps)) {
        heed__say(error, error_size, "not enough memory");
        return 1;
    }
    heed_set_recording(r->tape, false);
    r->numbered = count == 0;
    bool good = count > 0 ? translate_words(r, count, words, error, error_size)
                          : translate_lines(r, error, error_size);
    if (good && attention && heed_maps_count(r->maps) == 0)
        good = heed__say(error, error_size, "--attention: no sentence has a word to look at");
    if (good && attention)
        good = maps_file_write(r->maps, attention, error, error_size);
    return good ? 0 : 1;
}

int run_command(int count, char **arguments)
{
    char error[1000] = "";
    runner r = { .options = { .beam = 1 } };
    run_options *o = &r.options;
    option table[] = {
        { "model", OPTION_STRING, &o->folder, "folder of a model; must be given",
          .argument = "DIR" },
        { "beam", OPTION_INTEGER, &o->beam, "hypotheses that a search keeps; 1: greedy",
          .least = 1, .most = 1000 },
        { "best", OPTION_INTEGER, &o->best,
          "translations to print, with scores, at most --beam; 0: one, without", .least = 0,
          .most = 1000 },
        { "length-penalty", OPTION_REAL, &o->length_penalty,
          "alpha of Wu et al. 2016: above 0 favours long translations", .argument = "A",
          .low = 0, .high = INFINITY },
        { "attention", OPTION_STRING, &o->attention,
          "maps of what each token attended to, of all sentences", .argument = MAPS_FILE },
        { "threads", OPTION_INTEGER, &o->threads,
          "threads; 0: OMP_NUM_THREADS, else all processors", .least = 0, .most = 1024 },
    };
    size_t size = sizeof table / sizeof *table;
    int options = options_before_words(table, size, count, arguments);
    int code = options_begin(PROGRAM, summary, table, size, options, arguments);
    if (code >= 0)
        return code;
    if (!o->folder) {
        fputs(PROGRAM ": --model DIR must say which model\n", stderr);
        return 2;
    }
    if (o->best > o->beam) {
        fprintf(stderr,
                PROGRAM ": --best %lld needs a --beam of at least as many, and it is %lld\n",
                (long long)o->best, (long long)o->beam);
        return 2;
    }
    if (o->threads > 0)
        heed_set_threads((int)o->threads);
    code = run(&r, count - options, arguments + options, error, sizeof error);
    if (code != 0 && error[0])
        fprintf(stderr, PROGRAM ": %s\n", error);
    heed_maps_free(r.maps);
    heed_tape_free(r.tape);
    translator_close(&r.m);
    return code;
}
