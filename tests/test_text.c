/* Tests of the programs' small text rooms: UTF-8 for showing, splitting into pieces, options.
 */
#define _POSIX_C_SOURCE 200809L

#include "options.h"
#include "scratch.h"
#include "split.h"
#include "utf8.h"

#include <math.h>

/* ---- UTF-8 for showing ---- */

static const struct {
    const char *bytes;
    size_t complete;
} endings[] = {
    { "", 0 },          { "abc", 3 },        { "a\u00e9", 3 },  { "a\xc3", 1 },
    { "\xe2", 0 },      { "\xe2\x82", 0 },   { "\u20ac", 3 },   { "a\xf0\x9f\x98", 1 },
    { "a\xf0\x9f", 1 }, { "\U0001f600", 4 }, { "a\xff", 2 },    /* no character begins so */
    { "a\xc0", 2 },     { "\x80\x80", 2 },   { "\xe0\x80", 2 }, /* overlong whatever follows */
    { "\xe0\xa0", 0 },  { "\xed\xa0", 2 }, /* a surrogate whatever follows */
    { "\xed\x9f", 0 },  { "\xf4\x90", 2 }, /* above 10FFFF */
    { "\xf4\x8f", 0 },  { "\xf0\x8f", 2 },   { "\xf0\x90", 0 }, { "\xe2\x82\xe2", 2 },
    { "\xc3\xc3", 1 },
};

START_TEST(utf8_complete)
{
    const char *bytes = endings[_i].bytes;
    ck_assert_uint_eq(text_utf8_complete(bytes, strlen(bytes)), endings[_i].complete);
}
END_TEST

/* ---- splitting ---- */

static const struct {
    const char *text, *pieces; /* with '|' at the cuts */
} splits[] = {
    { "Hello world", "Hello| world" },
    { "it's we'll they're I'd I'm I've don't",
      "it|'s| we|'ll| they|'re| I|'d| I|'m| I|'ve| don|'t" },
    { "IT'S", "IT|'|S" },
    { "'sure", "'s|ure" },
    { " 's", " '|s" },
    { "a1b22.?", "a|1|b|22|.?" },
    { " 12 !? x", " 12| !?| x" },
    { "a  b", "a| | b" },
    { "a   b", "a|  | b" },
    { "a\nb", "a|\n|b" },
    { "a\n\nb", "a|\n|\n|b" },
    { "a\n b", "a|\n| b" },
    { "a \n", "a| \n" },
    { "   ", "   " },
    { " ", " " },
    { "\t\tx", "\t|\t|x" },
    { "\u00e9t\u00e9 \u00d1and\u00fa", "\u00e9t\u00e9| \u00d1and\u00fa" },
    { "x\u00b2\u2167", "x|\u00b2\u2167" },
    { "e\u0301", "e|\u0301" }, /* a combining mark is no letter */
    { "\u6f22\u5b57\u3002", "\u6f22\u5b57|\u3002" },
    { "\u3000\u3000a", "\u3000|\u3000|a" },
    { "\u00a0a", "\u00a0|a" },
    { "a\x1cz", "a|\x1c|z" }, /* no White_Space, though some engines say so */
    { "a\xff\xc3z", "a|\xff\xc3|z" },
    { "\xe2\x82 a", "\xe2\x82| a" },
};

START_TEST(split)
{
    const char *text = splits[_i].text;
    char pieces[200];
    size_t size = strlen(text), written = 0;
    for (size_t at = 0, end; at < size; at = end) {
        end = text_split(text, size, at);
        ck_assert(end > at && end <= size);
        if (at > 0)
            pieces[written++] = '|';
        memcpy(pieces + written, text + at, end - at);
        written += end - at;
    }
    pieces[written] = '\0';
    ck_assert_str_eq(pieces, splits[_i].pieces);
}
END_TEST

/* ---- options ---- */

typedef struct settings {
    int64_t layers, seed;
    double rate, dropout;
    bool quiet, warm;
    int device;
    const char *data;
} settings;

/* A table over s, which gets its defaults. */
static size_t make_table(settings *s, option table[12])
{
    *s = (settings){ .layers = 4, .seed = -1, .rate = 3e-4, .warm = true };
    const option options[] = {
        { "Model", .kind = OPTION_HEADING },
        { "layers", OPTION_INTEGER, &s->layers, .help = "transformer blocks", .least = 1,
          .most = 200 },
        { "dropout", OPTION_REAL, &s->dropout, .help = "share left out", .high = 1,
          .below = true },
        { "Run", .kind = OPTION_HEADING },
        { "seed", OPTION_INTEGER, &s->seed, .help = "of all random draws" },
        { "learning-rate", OPTION_REAL, &s->rate, .help = "step", .high = INFINITY,
          .above = true },
        { "quiet", OPTION_FLAG, &s->quiet, .help = "say less" },
        { "warm", OPTION_FLAG, &s->warm, .help = "start slowly" },
        { "device", OPTION_CHOICE, &s->device, .help = "where", .choices = "auto|plain|none" },
        { "data", OPTION_STRING, &s->data, .help = "text to learn", .argument = "PATH" },
    };
    memcpy(table, options, sizeof options);
    return sizeof options / sizeof *options;
}

/* Splits a line at blanks and parses it. */
static options_result parse(settings *s, option table[12], const char *line)
{
    static char copy[400];
    char *arguments[20];
    int count = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        arguments[count++] = word;
    size_t size = make_table(s, table);
    return options_parse("gpt train", table, size, count, arguments, error, sizeof error);
}

START_TEST(options_right)
{
    settings s;
    option table[12];
    ck_assert_int_eq(parse(&s, table, ""), OPTIONS_GOOD);
    ck_assert(s.layers == 4 && s.warm && !s.quiet && !s.data);
    ck_assert_int_eq(
        parse(&s, table,
              "--layers 7 --seed=-9223372036854775808 --dropout .5 --learning-rate=1e-3 "
              "--quiet --no-warm --device none --data=a=b --layers 8"),
        OPTIONS_GOOD);
    ck_assert(s.layers == 8 && s.seed == INT64_MIN && s.dropout == 0.5 && s.rate == 1e-3);
    ck_assert(s.quiet && !s.warm && s.device == 2);
    ck_assert_str_eq(s.data, "a=b");
    ck_assert(options_given(table, 10, "layers") && options_given(table, 10, "warm"));
    ck_assert_int_eq(parse(&s, table, "--data x"), OPTIONS_GOOD);
    ck_assert(options_given(table, 10, "data") && !options_given(table, 10, "layers"));
    ck_assert_int_eq(parse(&s, table, "--layers 9 --help --nonsense"), OPTIONS_HELP);
    ck_assert_int_eq(s.layers, 4);
    ck_assert_int_eq(parse(&s, table, "-h"), OPTIONS_HELP);
}
END_TEST

static const struct {
    const char *line, *sentence;
} wrong_lines[] = {
    { "--layrs 3", "gpt train: unknown option --layrs; did you mean --layers?" },
    { "--layesr=3", "gpt train: unknown option --layesr; did you mean --layers?" },
    { "--lay 3", "gpt train: unknown option --lay; did you mean --layers?" },
    { "--learning_rate 3",
      "gpt train: unknown option --learning_rate; did you mean --learning-rate?" },
    { "--elephant", "gpt train: unknown option --elephant" },
    { "--Model", "gpt train: unknown option --Model" },
    { "-- word", "gpt train: unexpected argument '--'" },
    { "--layers --", "gpt train: --layers needs a value" },
    { "x", "gpt train: unexpected argument 'x'" },
    { "-l 3", "gpt train: unexpected argument '-l'" },
    { "--layers", "gpt train: --layers needs a value" },
    { "--layers --quiet", "gpt train: --layers needs a value" },
    { "--layers=", "gpt train: --layers: '' is not a whole number" },
    { "--layers 3x", "gpt train: --layers: '3x' is not a whole number" },
    { "--layers 3.0", "gpt train: --layers: '3.0' is not a whole number" },
    { "--layers 0", "gpt train: --layers must be from 1 to 200, not 0" },
    { "--layers 201", "gpt train: --layers must be from 1 to 200, not 201" },
    { "--layers 99999999999999999999",
      "gpt train: --layers must be from 1 to 200, not 99999999999999999999" },
    { "--seed 9223372036854775808", "gpt train: --seed must be from -9223372036854775808 to "
                                    "9223372036854775807, not 9223372036854775808" },
    { "--dropout 1", "gpt train: --dropout must be below 1, not 1" },
    { "--dropout -0.1", "gpt train: --dropout must be at least 0, not -0.1" },
    { "--dropout nan", "gpt train: --dropout: 'nan' is not a number" },
    { "--dropout 1e999", "gpt train: --dropout: '1e999' is not a number" },
    { "--dropout 0.1x", "gpt train: --dropout: '0.1x' is not a number" },
    { "--dropout=", "gpt train: --dropout: '' is not a number" },
    { "--learning-rate 0", "gpt train: --learning-rate must be above 0, not 0" },
    { "--quiet=1", "gpt train: --quiet takes no value" },
    { "--device auto|plain",
      "gpt train: --device must be one of auto|plain|none, not 'auto|plain'" },
    { "--device plai",
      "gpt train: --device must be one of auto|plain|none, not 'plai'; did you mean plain?" },
    { "--device xyz", "gpt train: --device must be one of auto|plain|none, not 'xyz'" },
    { "--hlep", "gpt train: unknown option --hlep; did you mean --help?" },
    { "--device=", "gpt train: --device must be one of auto|plain|none, not ''" },
};

START_TEST(options_and_words)
{
    settings s = { 0 };
    option table[12];
    size_t size = make_table(&s, table);
    char line[] = "one --layers 3 two --layers=4 --warm three -h --data --layers 5 -";
    char *arguments[12];
    int count = 0;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        arguments[count++] = word;
    const char *const sorted[] = { "--layers", "3", "--layers=4", "--warm", "-h",    "--data",
                                   "--layers", "5", "one",        "two",    "three", "-" };
    ck_assert_int_eq(options_before_words(table, size, count, arguments), 8);
    for (int i = 0; i < count; i++)
        ck_assert_str_eq(arguments[i], sorted[i]);
}
END_TEST

/* What follows -- is a word; -- itself belongs to the options, which end there. */
START_TEST(options_ended)
{
    settings s = { 0 };
    option table[12];
    size_t size = make_table(&s, table);
    char line[] = "one --layers 3 -- --warm -- -h --layers";
    char *arguments[12];
    int count = 0;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        arguments[count++] = word;
    const char *const sorted[] = { "--layers", "3",  "--", "one",
                                   "--warm",   "--", "-h", "--layers" };
    ck_assert_int_eq(options_before_words(table, size, count, arguments), 3);
    for (int i = 0; i < count; i++)
        ck_assert_str_eq(arguments[i], sorted[i]);
    ck_assert_int_eq(options_parse("gpt train", table, size, 3, arguments, error, sizeof error),
                     OPTIONS_GOOD);
    ck_assert_int_eq(s.layers, 3);
}
END_TEST

START_TEST(options_wrong)
{
    settings s;
    option table[12];
    char line[400];
    snprintf(line, sizeof line, "--seed 5 %s", wrong_lines[_i].line);
    ck_assert_int_eq(parse(&s, table, line), OPTIONS_BAD);
    ck_assert_str_eq(error, wrong_lines[_i].sentence);
    ck_assert_int_eq(s.seed, -1);
}
END_TEST

START_TEST(options_of_one_kind)
{
    int64_t numbers[2] = { 3, 4 };
    double reals[2] = { 0.5, 0.25 };
    bool flags[2] = { true, false };
    int choices[2] = { 0, 1 };
    char same[] = "word";
    const char *strings[2] = { "word", NULL };
    option a[] = { { .kind = OPTION_INTEGER, .value = &numbers[0] },
                   { .kind = OPTION_REAL, .value = &reals[0] },
                   { .kind = OPTION_FLAG, .value = &flags[0] },
                   { .kind = OPTION_CHOICE, .value = &choices[0] },
                   { .kind = OPTION_STRING, .value = &strings[0] } };
    option b[] = { { .kind = OPTION_INTEGER, .value = &numbers[1] },
                   { .kind = OPTION_REAL, .value = &reals[1] },
                   { .kind = OPTION_FLAG, .value = &flags[1] },
                   { .kind = OPTION_CHOICE, .value = &choices[1] },
                   { .kind = OPTION_STRING, .value = &strings[1] } };
    for (int i = 0; i < LENGTH(a); i++) {
        ck_assert(option_equal(&a[i], &a[i]));
        ck_assert(!option_equal(&a[i], &b[i]));
        ck_assert(!option_equal(&b[i], &a[i]));
        option_copy(&b[i], &a[i]);
        ck_assert(option_equal(&a[i], &b[i]));
    }
    ck_assert_int_eq(numbers[1], 3);
    ck_assert_ptr_eq(strings[1], strings[0]);
    strings[1] = same;
    ck_assert(option_equal(&a[4], &b[4]));
}
END_TEST

START_TEST(options_help_text)
{
    settings s;
    option table[12];
    char text[3000];
    size_t size = make_table(&s, table);
    FILE *f = tmpfile();
    ck_assert_ptr_nonnull(f);
    options_help(f, "gpt train", "Trains a model.", table, size);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    ck_assert_str_eq(text, "Usage: gpt train [options]\n"
                           "Trains a model.\n"
                           "\nModel\n"
                           "  --layers N                transformer blocks (default 4)\n"
                           "  --dropout X               share left out (default 0)\n"
                           "\nRun\n"
                           "  --seed N                  of all random draws (default -1)\n"
                           "  --learning-rate X         step (default 0.0003)\n"
                           "  --quiet                   say less (default off)\n"
                           "  --no-warm                 start slowly (default off)\n"
                           "  --device auto|plain|none  where (default auto)\n"
                           "  --data PATH               text to learn\n"
                           "\nOther\n"
                           "  --help                    this text\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tests = tcase_create("text");
    tcase_add_loop_test(tests, utf8_complete, 0, LENGTH(endings));
    tcase_add_loop_test(tests, split, 0, LENGTH(splits));
    tcase_add_test(tests, options_right);
    tcase_add_test(tests, options_and_words);
    tcase_add_test(tests, options_ended);
    tcase_add_loop_test(tests, options_wrong, 0, LENGTH(wrong_lines));
    tcase_add_test(tests, options_of_one_kind);
    tcase_add_test(tests, options_help_text);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
