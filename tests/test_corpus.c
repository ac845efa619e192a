/* Tests of the corpora that translate makes and reads: words to numbers and back, dates, files,
 * and parts that share nothing. */
#define _POSIX_C_SOURCE 200809L

#include "corpus.h"
#include "dates.h"
#include "numbers.h"
#include "permutation.h"
#include "scratch.h"

/* ---- parsers, written apart from the writers ---- */

/* The number that English words say, by the rule of thumb: add what is small, multiply at
 * hundred, close a group at thousand and million. -1: a word that is none. */
static int64_t parse_english(const char *text)
{
    static const struct {
        const char *word;
        int64_t value;
    } known[] = {
        { "zero", 0 },      { "one", 1 },         { "two", 2 },           { "three", 3 },
        { "four", 4 },      { "five", 5 },        { "six", 6 },           { "seven", 7 },
        { "eight", 8 },     { "nine", 9 },        { "ten", 10 },          { "eleven", 11 },
        { "twelve", 12 },   { "thirteen", 13 },   { "fourteen", 14 },     { "fifteen", 15 },
        { "sixteen", 16 },  { "seventeen", 17 },  { "eighteen", 18 },     { "nineteen", 19 },
        { "twenty", 20 },   { "thirty", 30 },     { "forty", 40 },        { "fifty", 50 },
        { "sixty", 60 },    { "seventy", 70 },    { "eighty", 80 },       { "ninety", 90 },
        { "hundred", 100 }, { "thousand", 1000 }, { "million", 1000000 },
    };
    int64_t number = 0, group = 0;
    char copy[200];
    strcpy(copy, text);
    for (char *word = strtok(copy, " -"); word; word = strtok(NULL, " -")) {
        int i = 0;
        while (i < LENGTH(known) && strcmp(word, known[i].word) != 0)
            i++;
        if (i == LENGTH(known))
            return -1;
        if (known[i].value == 100) {
            group *= 100;
        } else if (known[i].value > 100) {
            number += group * known[i].value;
            group = 0;
        } else {
            group += known[i].value;
        }
    }
    return number + group;
}

/* The same of Korean: a digit waits for its place, a place without one is one of it. */
static int64_t parse_korean(const char *text)
{
    static const char digits[] = "\uc601\uc77c\uc774\uc0bc\uc0ac\uc624\uc721\uce60\ud314\uad6c";
    static const char places[] = "\uc2ed\ubc31\ucc9c", scales[] = "\ub9cc\uc5b5";
    int64_t number = 0, group = 0, digit = -1;
    for (const char *c = text; *c; c += 3) {
        char one[4] = { 0 };
        if (*c == ' ')
            c++;
        memcpy(one, c, 3);
        const char *at = strstr(digits, one);
        if (at) {
            digit = (at - digits) / 3;
            continue;
        }
        if ((at = strstr(places, one)) != NULL) {
            int64_t place = at == places ? 10 : at == places + 3 ? 100 : 1000;
            group += place * (digit < 0 ? 1 : digit);
        } else if ((at = strstr(scales, one)) != NULL) {
            group += digit < 0 ? 0 : digit;
            number += (group > 0 ? group : 1) * (at == scales ? 10000 : 100000000);
            group = 0;
        } else {
            return -1;
        }
        digit = -1;
    }
    return number + group + (digit < 0 ? 0 : digit);
}

static int count_words(const char *text)
{
    int words = 1;
    for (const char *c = text; *c; c++)
        words += *c == ' ';
    return words;
}

/* ---- numbers ---- */

static const struct {
    int64_t number;
    const char *english, *korean;
} spoken[] = {
    { 0, "zero", "\uc601" },
    { 1, "one", "\uc77c" },
    { 10, "ten", "\uc2ed" },
    { 11, "eleven", "\uc2ed\uc77c" },
    { 20, "twenty", "\uc774\uc2ed" },
    { 42, "forty-two", "\uc0ac\uc2ed\uc774" },
    { 100, "one hundred", "\ubc31" },
    { 111, "one hundred eleven", "\ubc31\uc2ed\uc77c" },
    { 1000, "one thousand", "\ucc9c" },
    { 1001, "one thousand one", "\ucc9c\uc77c" },
    { 10000, "ten thousand", "\ub9cc" },
    { 10001, "ten thousand one", "\ub9cc \uc77c" },
    { 11111, "eleven thousand one hundred eleven", "\ub9cc \ucc9c\ubc31\uc2ed\uc77c" },
    { 110000, "one hundred ten thousand", "\uc2ed\uc77c\ub9cc" },
    { 342007, "three hundred forty-two thousand seven",
      "\uc0bc\uc2ed\uc0ac\ub9cc \uc774\ucc9c\uce60" },
    { 1000000, "one million", "\ubc31\ub9cc" },
    { 10010000, "ten million ten thousand", "\ucc9c\uc77c\ub9cc" },
    { 100000000, "one hundred million", "\uc77c\uc5b5" },
    { 100010001, "one hundred million ten thousand one", "\uc77c\uc5b5 \ub9cc \uc77c" },
    { 999999999,
      "nine hundred ninety-nine million nine hundred ninety-nine thousand nine hundred "
      "ninety-nine",
      "\uad6c\uc5b5 \uad6c\ucc9c\uad6c\ubc31\uad6c\uc2ed\uad6c\ub9cc "
      "\uad6c\ucc9c\uad6c\ubc31\uad6c\uc2ed\uad6c" },
};

START_TEST(numbers_spoken)
{
    heed__text text = { 0 };
    number_english(spoken[_i].number, &text);
    ck_assert_str_eq(text.bytes, spoken[_i].english);
    ck_assert_int_eq(parse_english(text.bytes), spoken[_i].number);
    number_korean(spoken[_i].number, &text);
    ck_assert_str_eq(text.bytes, spoken[_i].korean);
    ck_assert_int_eq(parse_korean(text.bytes), spoken[_i].number);
    heed__text_free(&text);
}
END_TEST

START_TEST(numbers_round_trip)
{
    heed__text text = { 0 };
    int64_t wrong = 0;
    for (int64_t i = 0; i < 60000; i++) {
        /* The small ones, and some of every size. */
        int64_t number = i < 30000 ? i : number_at(7, i);
        number_english(number, &text);
        wrong += parse_english(text.bytes) != number;
        wrong += count_words(text.bytes) > NUMBERS_WORDS;
        number_korean(number, &text);
        wrong += parse_korean(text.bytes) != number;
        wrong += strstr(text.bytes, "\uc77c\uc2ed") || strstr(text.bytes, "\uc77c\ubc31") ||
                 strstr(text.bytes, "\uc77c\ucc9c"); /* one ten, one hundred, one thousand */
    }
    ck_assert_int_eq(wrong, 0);
    heed__text_free(&text);
}
END_TEST

static int compare_numbers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

START_TEST(numbers_in_turns)
{
    static int64_t numbers[CORPUS_PAIRS];
    int lengths[NUMBERS_WORDS + 1] = { 0 };
    heed__text text = { 0 };
    for (int i = 0; i < CORPUS_PAIRS; i++) {
        numbers[i] = number_at(3, i);
        number_english(numbers[i], &text);
        lengths[count_words(text.bytes)]++;
    }
    heed__text_free(&text);
    ck_assert_int_eq(lengths[1], 100);
    ck_assert_int_eq(lengths[2], 207);
    for (int length = 3; length <= NUMBERS_WORDS; length++)
        ck_assert_int_ge(lengths[length], 2188);
    ck_assert_int_ne(number_at(3, 5), number_at(4, 5));
    qsort(numbers, CORPUS_PAIRS, sizeof *numbers, compare_numbers);
    int same = 0;
    for (int i = 0; i + 1 < CORPUS_PAIRS; i++)
        same += numbers[i] == numbers[i + 1];
    ck_assert_int_eq(same, 0);
    /* The last ones are there too. */
    for (int64_t i = NUMBERS - 100; i < NUMBERS; i++) {
        int64_t number = number_at(3, i);
        ck_assert(number >= 0 && number < NUMBERS);
    }
}
END_TEST

START_TEST(permutations)
{
    static const uint64_t counts[] = { 1, 2, 3, 4, 5, 16, 17, 99, 1000, 4097 };
    int differ = 0;
    for (int i = 0; i < LENGTH(counts); i++) {
        for (uint64_t seed = 0; seed < 3; seed++) {
            static bool seen[5000];
            memset(seen, 0, sizeof seen);
            bool good = true;
            for (uint64_t k = 0; good && k < counts[i]; k++) {
                uint64_t at = permutation_at(seed, 9, counts[i], k);
                good = at < counts[i] && !seen[at];
                if (good)
                    seen[at] = true;
                differ += good && at != permutation_at(seed, 10, counts[i], k);
            }
            ck_assert(good);
        }
    }
    ck_assert_int_gt(differ, 10000);
}
END_TEST

/* ---- dates ---- */

START_TEST(dates)
{
    static const struct {
        int64_t number;
        const char *forms[DATE_FORMS];
    } days[] = {
        { 0,
          { "January 1, 1900", "1 Jan 1900", "the first of January 1900",
            "1900\ub144 1\uc6d4 1\uc77c", "1900-01-01" } },
        { 44258,
          { "March 5, 2021", "5 Mar 2021", "the fifth of March 2021",
            "2021\ub144 3\uc6d4 5\uc77c", "2021-03-05" } },
        { 36583,
          { "February 29, 2000", "29 Feb 2000", "the twenty-ninth of February 2000",
            "2000\ub144 2\uc6d4 29\uc77c", "2000-02-29" } },
        { DATES - 1,
          { "December 31, 2099", "31 Dec 2099", "the thirty-first of December 2099",
            "2099\ub144 12\uc6d4 31\uc77c", "2099-12-31" } },
    };
    heed__text text = { 0 };
    for (int i = 0; i < LENGTH(days); i++) {
        for (int form = 0; form < DATE_FORMS; form++) {
            date_write(date_of(days[i].number), (date_form)form, &text);
            ck_assert_str_eq(text.bytes, days[i].forms[form]);
        }
    }
    /* Each day is later than the one before, and 1900 is no leap year. */
    char last[11] = "";
    int wrong = 0, leap_days = 0;
    for (int64_t n = 0; n < DATES; n++) {
        date_write(date_of(n), DATE_ISO, &text);
        wrong += text.size != 10 || strcmp(text.bytes, last) <= 0;
        leap_days += strcmp(text.bytes + 4, "-02-29") == 0;
        memcpy(last, text.bytes, sizeof last);
    }
    ck_assert_int_eq(wrong, 0);
    ck_assert_int_eq(leap_days, 49);
    heed__text_free(&text);
}
END_TEST

/* ---- tasks ---- */

static bool says(text_span span, const char *text)
{
    return span.size == strlen(text) && memcmp(span.bytes, text, span.size) == 0;
}

static int compare_sources(const void *a, const void *b)
{
    const text_span *x = a, *y = b;
    size_t shared = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->bytes, y->bytes, shared);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* How many texts are there more than once. */
static int count_repeated(const corpus *c, bool targets)
{
    text_span *spans = malloc(c->count * sizeof *spans);
    int repeated = 0;
    for (size_t i = 0; i < c->count; i++)
        spans[i] = targets ? c->pairs[i].target : c->pairs[i].source;
    qsort(spans, c->count, sizeof *spans, compare_sources);
    for (size_t i = 0; i + 1 < c->count; i++)
        repeated += compare_sources(&spans[i], &spans[i + 1]) == 0;
    free(spans);
    return repeated;
}

START_TEST(tasks)
{
    corpus c, again;
    corpus_task task = (corpus_task)_i;
    ck_assert_msg(corpus_generate(&c, task, CORPUS_PAIRS, 11, error, sizeof error), "%s",
                  error);
    ck_assert_uint_eq(c.count, CORPUS_PAIRS);
    ck_assert_uint_eq(c.starts[CORPUS_TRAIN], 0);
    ck_assert_uint_eq(c.starts[CORPUS_DEV], 18000);
    ck_assert_uint_eq(c.starts[CORPUS_TEST], 19000);
    ck_assert_uint_eq(c.starts[CORPUS_PARTS], 20000);
    ck_assert_int_eq(count_repeated(&c, false), 0);
    ck_assert_int_eq(count_repeated(&c, true), 0);

    /* A function of seed and index, whatever else is asked for. */
    heed__text source = { 0 }, target = { 0 };
    ck_assert(corpus_generate(&again, task, CORPUS_PAIRS, 11, error, sizeof error));
    bool same = true;
    for (size_t i = 0; i < c.count; i++)
        same = same && compare_sources(&c.pairs[i].source, &again.pairs[i].source) == 0 &&
               compare_sources(&c.pairs[i].target, &again.pairs[i].target) == 0;
    ck_assert(same);
    corpus_example(task, 11, 12345, &source, &target);
    int found = 0;
    for (size_t i = 0; i < c.count; i++)
        found += says(c.pairs[i].source, source.bytes) && says(c.pairs[i].target, target.bytes);
    ck_assert_int_eq(found, 1);
    heed__text_free(&source);
    heed__text_free(&target);
    corpus_free(&again);
    corpus_free(&c);

    ck_assert(!corpus_generate(&c, task, 2, 11, error, sizeof error));
    ck_assert(!corpus_generate(&c, task, corpus_task_size(task) + 1, 11, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, corpus_task_name(task)));
}
END_TEST

START_TEST(answers)
{
    heed__text source = { 0 }, target = { 0 };
    int wrong = 0;
    for (int64_t i = 0; i < 2000; i++) {
        corpus_example(CORPUS_NUMBERS, 5, i, &source, &target);
        wrong += parse_english(source.bytes) != parse_korean(target.bytes);
        corpus_example(CORPUS_NUMBERS_BACK, 5, i, &source, &target);
        wrong += parse_korean(source.bytes) != parse_english(target.bytes);
        int year, month, day, other[3];
        corpus_example(CORPUS_DATES, 5, 4 * i + 3, &source, &target);
        wrong += sscanf(target.bytes, "%d-%d-%d", &year, &month, &day) != 3;
        wrong += sscanf(source.bytes, "%d\ub144 %d\uc6d4 %d\uc77c", &other[0], &other[1],
                        &other[2]) != 3;
        wrong += year != other[0] || month != other[1] || day != other[2];
        corpus_example(CORPUS_DATES_KOREAN, 5, 4 * i + 3, &source, &target);
        wrong += sscanf(source.bytes, "%d-%d-%d", &year, &month, &day) != 3;
        wrong += sscanf(target.bytes, "%d\ub144 %d\uc6d4 %d\uc77c", &other[0], &other[1],
                        &other[2]) != 3;
        wrong += year != other[0] || month != other[1] || day != other[2];
    }
    ck_assert_int_eq(wrong, 0);
    heed__text_free(&source);
    heed__text_free(&target);
}
END_TEST

/* ---- files ---- */

static const char *put_file(const char *bytes, size_t size)
{
    const char *path = in_folder("pairs.tsv");
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    fclose(f);
    return path;
}

START_TEST(files)
{
    static const char text[] = "\xef\xbb\xbf# a comment, of no use\n"
                               "Go.\t\uac00.\tCC-BY\tmore\r\n"
                               "\n   \n"
                               "  Hi.  \t \uc548\ub155. \r\n"
                               "Run!\t\ub6f0\uc5b4!"; /* no newline */
    corpus c;
    const char *path = put_file(text, sizeof text - 1);
    ck_assert_msg(corpus_read(&c, path, false, error, sizeof error), "%s", error);
    ck_assert_uint_eq(c.count, 3);
    for (int p = 0; p <= CORPUS_PARTS; p++)
        ck_assert_uint_eq(c.starts[p], (size_t)p);
    int found = 0;
    for (size_t i = 0; i < 3; i++) {
        found += says(c.pairs[i].source, "Go.") && says(c.pairs[i].target, "\uac00.");
        found += says(c.pairs[i].source, "Hi.") && says(c.pairs[i].target, "\uc548\ub155.");
        found += says(c.pairs[i].source, "Run!") && says(c.pairs[i].target, "\ub6f0\uc5b4!");
    }
    ck_assert_int_eq(found, 3);
    corpus_free(&c);
    ck_assert(corpus_read(&c, path, true, error, sizeof error));
    found = 0;
    for (size_t i = 0; i < 3; i++)
        found += says(c.pairs[i].target, "Go.") && says(c.pairs[i].source, "\uac00.");
    ck_assert_int_eq(found, 1);
    corpus_free(&c);
}
END_TEST

/* With a tab it is a pair, whatever it begins with. What is written is read as it was. */
START_TEST(number_signs)
{
    static const char text[] = "#1\tone\n"
                               "# nothing\n"
                               "#\t#\n"
                               " # 2\ttwo\n";
    static const char *const sources[] = { "#1", "#", "# 2" };
    static const char *const targets[] = { "one", "#", "two" };
    corpus c, again;
    const char *path = put_file(text, sizeof text - 1);
    ck_assert_msg(corpus_read_whole(&c, path, false, error, sizeof error), "%s", error);
    ck_assert_msg(corpus_write(&c, CORPUS_TEST, in_folder("again.tsv"), error, sizeof error),
                  "%s", error);
    ck_assert(corpus_read_whole(&again, in_folder("again.tsv"), false, error, sizeof error));
    ck_assert_uint_eq(c.count, 3);
    ck_assert_uint_eq(again.count, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert(says(c.pairs[i].source, sources[i]) && says(c.pairs[i].target, targets[i]));
        ck_assert(says(again.pairs[i].source, sources[i]));
        ck_assert(says(again.pairs[i].target, targets[i]));
    }
    corpus_free(&c);
    corpus_free(&again);
}
END_TEST

/* Pairs of one source are in one part. */
START_TEST(parts)
{
    heed__text text = { 0 };
    for (int i = 0; i < 1000; i++)
        heed__text_print(&text, "source %d\ttarget %d\n", i % 400, i);
    corpus c;
    const char *path = put_file(text.bytes, text.size);
    heed__text_free(&text);
    ck_assert_msg(corpus_read(&c, path, false, error, sizeof error), "%s", error);
    ck_assert_uint_eq(c.count, 1000);
    int part_of[400], counts[CORPUS_PARTS] = { 0 }, split = 0;
    memset(part_of, -1, sizeof part_of);
    for (int p = 0; p < CORPUS_PARTS; p++) {
        for (size_t i = c.starts[p]; i < c.starts[p + 1]; i++) {
            int source = atoi(c.pairs[i].source.bytes + 7);
            counts[p] += part_of[source] < 0;
            split += part_of[source] >= 0 && part_of[source] != p;
            part_of[source] = p;
        }
    }
    ck_assert_int_eq(split, 0);
    ck_assert_int_eq(counts[CORPUS_TRAIN], 360);
    ck_assert_int_eq(counts[CORPUS_DEV], 20);
    ck_assert_int_eq(counts[CORPUS_TEST], 20);
    corpus_free(&c);
}
END_TEST

#define BAD(text, why)              \
    {                               \
        text, sizeof(text) - 1, why \
    }

static const struct {
    const char *file;
    size_t size;
    const char *reason;
} bad_files[] = {
    BAD("", "pairs.tsv holds no pair"),
    BAD("# nothing\n\n", "pairs.tsv holds no pair"),
    BAD("a\tb\na\tc\nb\tc\n", "pairs.tsv: 3 different sources are needed at least, to train "
                              "on, to choose by and to judge by, and there are only 2"),
    BAD("a\tb\nno tab\n", "pairs.tsv:2: expected source, tab, target, found no tab in "
                          "'no tab'"),
    BAD("\ta\n", "pairs.tsv:1: the first column is empty"),
    BAD("a\tb\n\nc\t \tx\n", "pairs.tsv:3: the second column is empty"),
    BAD("a\tb\nb\t\xffx\n", "pairs.tsv:2: byte 0xFF in column 3 is not UTF-8"),
    BAD("a\tb\nb\t\xed\xa0\x80x\n", "pairs.tsv:2: byte 0xED in column 3 is not UTF-8"),
    BAD("a\tb\0\n", "pairs.tsv:1: a byte 0, which is no text"),
};

START_TEST(file_refused)
{
    corpus c;
    const char *path = put_file(bad_files[_i].file, bad_files[_i].size);
    ck_assert(!corpus_read(&c, path, false, error, sizeof error));
    ck_assert_msg(strstr(error, bad_files[_i].reason) != NULL, "%s", error);
    ck_assert_ptr_null(c.pairs);
    ck_assert(!corpus_read(&c, in_folder("none"), false, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "none: No such file"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("corpus");
    TCase *tests = tcase_create("corpus");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, numbers_spoken, 0, LENGTH(spoken));
    tcase_add_test(tests, numbers_round_trip);
    tcase_add_test(tests, numbers_in_turns);
    tcase_add_test(tests, permutations);
    tcase_add_test(tests, dates);
    tcase_add_loop_test(tests, tasks, 0, CORPUS_TASKS);
    tcase_add_test(tests, answers);
    tcase_add_test(tests, files);
    tcase_add_test(tests, number_signs);
    tcase_add_test(tests, parts);
    tcase_add_loop_test(tests, file_refused, 0, LENGTH(bad_files));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
