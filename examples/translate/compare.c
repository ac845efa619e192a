/* translate compare: models side by side, by the length of the source. */
#include "chart.h"
#include "commands.h"
#include "figures.h"
#include "folder.h"
#include "gap.h"
#include "judge.h"
#include "machine.h"
#include "room.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "translate compare"

static const char summary[] =
    "Exact matches and tokens in their places of several models, by the number of words of "
    "the\n"
    "source, as a table and, with --picture, as lines of exact matches. Without --pairs each "
    "is\n"
    "judged by the pairs that its training held out. Where models with and without attention\n"
    "are of the same --hidden, a sentence says how far apart they are on long sources.\n"
    "\n"
    "  translate compare DIR...";

/* The rows of the table are lengths, from 0 on, or groups of them if there are too many. */
enum { MOST_LENGTHS = 256, MOST_ROWS = 12, MOST_MODELS = CHART_MOST_LINES };

typedef struct compare_options {
    const char *pairs, *picture;
    int64_t beam, threads;
    double length_penalty;
} compare_options;

typedef struct compared {
    const char *folder;
    const model_kind *kind;
    int64_t hidden, parameters;
    metrics by_words[MOST_LENGTHS];
    corpus pairs;
} compared;

static bool judge_model(compared *to, const compare_options *o, char *error, size_t error_size)
{
    translator m = { 0 };
    judgement j;
    const judge_options options = { .batch = 64,
                                    .beam = (int)o->beam,
                                    .length_penalty = o->length_penalty,
                                    .by_words = to->by_words,
                                    .by_words_count = MOST_LENGTHS };
    if (!translator_open(&m, to->folder, error, error_size))
        return false;
    to->kind = m.kind;
    to->hidden = m.settings.hidden;
    to->parameters = heed_params_size(m.parameters);
    heed_tape *t = heed_tape_new(NULL);
    bool good = t || heed__say(error, error_size, "not enough memory");
    good = good &&
           translator_test_pairs(&m, to->folder, o->pairs, &to->pairs, error, error_size) &&
           room_to_judge(&m, &to->pairs, CORPUS_TEST, &options, error, error_size) &&
           judge(&m, t, &to->pairs, CORPUS_TEST, &options, &j, error, error_size);
    heed_tape_free(t);
    translator_close(&m);
    return good;
}

/* ---- the table ---- */

static bool same_pairs(const corpus *a, const corpus *b)
{
    return a->text.size == b->text.size &&
           memcmp(a->text.bytes, b->text.bytes, a->text.size) == 0;
}

/* All of lengths first .. first + count - 1. */
static metrics together(const compared *m, int first, int count)
{
    metrics sum = { 0 };
    for (int i = first; i < first + count && i < MOST_LENGTHS; i++) {
        sum.pairs += m->by_words[i].pairs;
        sum.exact += m->by_words[i].exact;
        sum.places += m->by_words[i].places;
        sum.right += m->by_words[i].right;
    }
    return sum;
}

/* Lengths first .. first + wide - 1, of which there are pairs. */
typedef struct row {
    int first, wide;
    char name[CHART_LABEL];
} row;

/* How many there are, at most MOST_ROWS. */
static int make_rows(const compared *models, int count, row rows[MOST_ROWS])
{
    int most = 1, made = 0;
    for (int i = 0; i < count; i++) {
        for (int k = most; k < MOST_LENGTHS; k++)
            most = models[i].by_words[k].pairs > 0 ? k : most;
    }
    int wide = (most + MOST_ROWS) / MOST_ROWS;
    for (int first = 0; first <= most; first += wide) {
        int64_t pairs = 0;
        for (int i = 0; i < count; i++)
            pairs += together(&models[i], first, wide).pairs;
        if (pairs == 0)
            continue;
        row *r = &rows[made++];
        *r = (row){ .first = first, .wide = wide };
        if (wide == 1)
            snprintf(r->name, sizeof r->name, "%d", first);
        else
            snprintf(r->name, sizeof r->name, "%d-%d", first, first + wide - 1);
    }
    return made;
}

static void print_row(const row *r, const compared *models, int count)
{
    printf("%-12s", r->name);
    for (int i = 0; i < count; i++) {
        metrics sum = together(&models[i], r->first, r->wide);
        printf("  %7lld", (long long)sum.pairs);
        if (sum.pairs > 0)
            printf("  %6.4f  %6.4f", (double)sum.exact / (double)sum.pairs,
                   sum.places ? (double)sum.right / (double)sum.places : 1);
        else
            printf("       -       -");
    }
    printf("\n");
}

/* Between what was judged by the same pairs. */
static bool print_gaps(const compared *models, int count, char *error, size_t error_size)
{
    gap_model long_ones[MOST_MODELS];
    heed__text text = { 0 };
    for (int i = 0; i < count; i++) {
        metrics sum = together(&models[i], GAP_WORDS, MOST_LENGTHS);
        if (!same_pairs(&models[0].pairs, &models[i].pairs))
            return true;
        long_ones[i] =
            (gap_model){ models[i].hidden, models[i].kind->attends, sum.pairs, sum.exact };
    }
    gap_say_all(long_ones, count, &text);
    bool good = !text.failed || heed__say(error, error_size, "not enough memory");
    if (good && text.size > 0)
        printf("\n%s", text.bytes);
    heed__text_free(&text);
    return good;
}

static void print_table(const compared *models, int count)
{
    bool same = true;
    row rows[MOST_ROWS];
    for (int i = 0; i < count; i++) {
        const compared *m = &models[i];
        printf("%c  %s (%s, hidden %lld, %s parameters)\n", 'A' + i, m->folder, m->kind->name,
               (long long)m->hidden, figure_count(m->parameters).text);
        same = same && same_pairs(&models[0].pairs, &m->pairs);
    }
    if (!same)
        printf("The pairs are not the same for all: each model's were held out by its own "
               "training.\n");
    printf("\n%-12s", "source words");
    for (int i = 0; i < count; i++)
        printf("  %c pairs   exact  tokens", 'A' + i);
    printf("\n");
    int made = make_rows(models, count, rows);
    for (int i = 0; i < made; i++)
        print_row(&rows[i], models, count);
    print_row(&(row){ 0, MOST_LENGTHS, "all" }, models, count);
}

static bool draw(const compared *models, int count, const char *path, char *error,
                 size_t error_size)
{
    row rows[MOST_ROWS];
    chart c = { .title = "Exact matches by the length of the source",
                .x = "words of the source",
                .y = "exact matches",
                .lines = count };
    bool widths_differ = false;
    for (int i = 0; i < count; i++)
        widths_differ = widths_differ || models[i].hidden != models[0].hidden;
    c.columns = make_rows(models, count, rows);
    for (int k = 0; k < c.columns; k++)
        memcpy(c.column_names[k], rows[k].name, sizeof rows[k].name);
    for (int i = 0; i < count; i++) {
        char width[24] = "";
        if (widths_differ)
            snprintf(width, sizeof width, ", hidden %lld", (long long)models[i].hidden);
        snprintf(c.line_names[i], sizeof c.line_names[i], "%c  %s%s", 'A' + i,
                 models[i].kind->name, width);
        for (int k = 0; k < c.columns; k++) {
            metrics sum = together(&models[i], rows[k].first, rows[k].wide);
            c.values[i][k] = sum.pairs ? (double)sum.exact / (double)sum.pairs : NAN;
        }
    }
    return chart_write(&c, path, error, error_size);
}

/* ---- the command ---- */

static int compare(const compare_options *o, int count, char *const *folders)
{
    char error[1000] = "";
    compared *models = calloc((size_t)count, sizeof *models);
    bool good = models || heed__say(error, sizeof error, "not enough memory");
    good = good && (!o->picture || file_can_be_written(o->picture, error, sizeof error));
    for (int i = 0; good && i < count && !machine_interrupted(); i++) {
        models[i].folder = folders[i];
        good = judge_model(&models[i], o, error, sizeof error);
    }
    if (good && !machine_interrupted()) {
        print_table(models, count);
        good = print_gaps(models, count, error, sizeof error);
        if (good && fflush(stdout) != 0)
            good = heed__say(error, sizeof error, "cannot write the table");
        if (good && o->picture)
            good = draw(models, count, o->picture, error, sizeof error);
    }
    for (int i = 0; models && i < count; i++)
        corpus_free(&models[i].pairs);
    free(models);
    if (!good) {
        fprintf(stderr, PROGRAM ": %s\n", error);
        return 1;
    }
    return machine_interrupted() ? 130 : 0;
}

int compare_command(int count, char **arguments)
{
    compare_options o = { .beam = 1 };
    option table[] = {
        { "pairs", OPTION_STRING, &o.pairs,
          "lines of source, tab, target; without it those held out", .argument = "FILE.tsv" },
        { "picture", OPTION_STRING, &o.picture, "draws exact matches by length",
          .argument = "FILE.svg" },
        { "beam", OPTION_INTEGER, &o.beam, "hypotheses that a search keeps; 1: greedy",
          .least = 1, .most = 1000 },
        { "length-penalty", OPTION_REAL, &o.length_penalty,
          "alpha of Wu et al. 2016: above 0 favours long translations", .argument = "A",
          .low = 0, .high = INFINITY },
        { "threads", OPTION_INTEGER, &o.threads,
          "threads; 0: OMP_NUM_THREADS, else all processors", .least = 0, .most = 1024 },
    };
    size_t size = sizeof table / sizeof *table;
    int options = options_before_words(table, size, count, arguments);
    int code = options_begin(PROGRAM, summary, table, size, options, arguments);
    if (code >= 0)
        return code;
    if (count - options < 1 || count - options > MOST_MODELS) {
        fprintf(stderr, PROGRAM ": expected 1 to %d folders of models, found %d\n", MOST_MODELS,
                count - options);
        return 2;
    }
    char error[1000];
    if (o.picture && !file_is_picture(o.picture, "picture", error, sizeof error)) {
        fprintf(stderr, PROGRAM ": %s\n", error);
        return 2;
    }
    if (o.threads > 0)
        heed_set_threads((int)o.threads);
    machine_catch_interrupts(NULL);
    return compare(&o, count - options, arguments + options);
}
