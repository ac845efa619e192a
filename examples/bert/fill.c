/* bert fill: the words of a sentence that are hidden, as a model would have them. */
#include "fill.h"
#include "commands.h"
#include "figures.h"
#include "unknown.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PROGRAM "bert fill"
#define MASK    "[MASK]"

static const char summary[] =
    "Fills in each [MASK] of a sentence, with the likeliest words and their probabilities.\n"
    "\n"
    "  bert fill --model DIR \"the dogs near the cat [MASK] small\"";

/* The text between marks as ids, a mark as the mask's. */
static bool encode(const reader *r, const char *text, id_list *ids, char *error,
                   size_t error_size)
{
    bool good = id_list_add(ids, VOCABULARY_SOS);
    while (good) {
        const char *mark = strstr(text, MASK);
        size_t size = mark ? (size_t)(mark - text) : strlen(text);
        if (!vocabulary_encode(r->words, text, size, ids, error, error_size))
            return false;
        if (!mark)
            break;
        good = id_list_add(ids, (int32_t)r->settings.tokens);
        text = mark + strlen(MASK);
    }
    return good || heed__say(error, error_size, "not enough memory");
}

/* Says which words around the marks the model cannot read. */
static bool report_unknown(const reader *r, const char *text, char *error, size_t error_size)
{
    string_set unknown = { 0 };
    bool good = true;
    for (const char *mark = text; good && mark; text = mark + strlen(MASK)) {
        mark = strstr(text, MASK);
        size_t size = mark ? (size_t)(mark - text) : strlen(text);
        good = unknown_find(r->words, text, size, &unknown, error, error_size);
        if (!mark)
            break;
    }
    if (good && unknown.count > 0) {
        fputs(PROGRAM ": the model does not know ", stderr);
        unknown_print(stderr, r->words, &unknown);
        fputs("\n", stderr);
    }
    string_set_free(&unknown);
    return good;
}

/* The word without the space it begins with. */
static text_span word_of(const reader *r, int32_t id)
{
    text_span word = { "?", 1 };
    if (vocabulary_token(r->words, id, &word) && word.size > 1 && word.bytes[0] == ' ')
        word = (text_span){ word.bytes + 1, word.size - 1 };
    return word;
}

/* The likeliest words at one place, from its probabilities [V]. */
static int32_t print_words(heed_tape *t, const reader *r, heed_tensor *p, int64_t best)
{
    heed_tensor *words = heed_slice(t, p, 0, VOCABULARY_SPECIALS, r->settings.tokens, 1);
    heed_tensor *ids = NULL, *shares = NULL;
    if (words)
        shares = heed_top_k(t, words, best < words->shape[0] ? best : words->shape[0], 0, true,
                            &ids);
    if (!shares)
        return -1;
    printf(" ");
    for (int64_t k = 0; k < shares->shape[0]; k++) {
        text_span word = word_of(r, (int32_t)heed_at(ids, k) + VOCABULARY_SPECIALS);
        printf(" %.*s %.1f %%%s", (int)word.size, word.bytes, 100 * heed_at(shares, k),
               k + 1 < shares->shape[0] ? "," : "\n");
    }
    return (int32_t)heed_at(ids, 0) + VOCABULARY_SPECIALS;
}

bool fill(heed_tape *t, const reader *r, const char *text, int64_t best, char *error,
          size_t error_size)
{
    id_list ids = { 0 };
    bool good = encode(r, text, &ids, error, error_size);
    int64_t count = (int64_t)ids.count;
    if (good && count > r->settings.longest)
        good = heed__say(error, error_size, "the sentence has %s, and %lld fit",
                         figure_of(count, "token").text, (long long)r->settings.longest);
    heed_tape_reset(t);
    heed_tensor *p = NULL; /* [T, V] */
    if (good) {
        heed_tensor *x = heed_ids(t, HEED_SHAPE(1, count), ids.ids);
        p = heed_softmax(t, heed_select(t, reader_forward(t, r, x, NULL), 0, 0), -1);
        if (!heed_error(t) && !isfinite(heed_item(t, heed_sum(t, p))))
            good = heed__say(error, error_size,
                             "the model gives NaN instead of probabilities: its numbers are "
                             "damaged");
    }
    if (good)
        printf("%s\n", text);
    for (int64_t i = 0; good && p && i < count; i++) {
        if (ids.ids[i] == r->settings.tokens)
            ids.ids[i] = print_words(t, r, heed_select(t, p, 0, i), best);
    }
    if (good && heed_error(t))
        good = heed__say(error, error_size, "%s", heed_error(t));
    for (int64_t i = 1; good && i < count; i++) {
        text_span word = word_of(r, ids.ids[i]);
        printf("%s%.*s%s", i == 1 ? "  " : " ", (int)word.size, word.bytes,
               i + 1 == count ? "\n" : "");
    }
    id_list_free(&ids);
    return good;
}

int fill_command(int count, char **arguments)
{
    char error[1000] = "";
    const char *folder = NULL;
    int64_t best = 5;
    option table[] = {
        { "model", OPTION_STRING, &folder, "folder of a model; must be given",
          .argument = "DIR" },
        { "best", OPTION_INTEGER, &best, "words to show", .least = 1, .most = 1000 },
    };
    size_t size = sizeof table / sizeof *table;
    int options = options_before_words(table, size, count, arguments);
    int code = options_begin(PROGRAM, summary, table, size, options, arguments);
    if (code >= 0)
        return code;
    heed__text text = { 0 };
    for (int i = options; i < count; i++)
        heed__text_print(&text, "%s%s", i > options ? " " : "", arguments[i]);
    const char *usage = !folder ? "--model DIR must say which model"
                        : !text.bytes || !strstr(text.bytes, MASK) ? "there is no " MASK
                                                                     " to fill in"
                                                                   : NULL;
    reader r = { 0 };
    heed_tape *t = heed_tape_new(NULL);
    bool good = !usage && t && reader_open(&r, folder, error, sizeof error) &&
                fill(t, &r, text.bytes, best, error, sizeof error) &&
                report_unknown(&r, text.bytes, error, sizeof error);
    if (good && fflush(stdout) != 0)
        good = heed__say(error, sizeof error, "cannot write the words");
    heed_tape_free(t);
    reader_close(&r);
    heed__text_free(&text);
    if (!good)
        fprintf(stderr, PROGRAM ": %s\n", usage ? usage : t ? error : "not enough memory");
    return usage ? 2 : good ? 0 : 1;
}
