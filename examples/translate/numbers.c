/* Numbers as words (numbers.h). Both languages go by groups of digits: three in English, four
 * in Korean. */
#include "numbers.h"

#include "permutation.h"

/* ---- English ---- */

static void add_word(heed__text *text, const char *word)
{
    if (text->size > 0)
        heed__text_add(text, " ", 1);
    heed__text_add_string(text, word);
}

/* 1 .. 999 */
static void add_group(heed__text *text, int64_t group)
{
    static const char *const small[] = {
        "",         "one",     "two",     "three",     "four",     "five",     "six",
        "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen",
        "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    };
    static const char *const tens[] = { "",      "",      "twenty",  "thirty", "forty",
                                        "fifty", "sixty", "seventy", "eighty", "ninety" };
    int64_t rest = group % 100;
    if (group >= 100) {
        add_word(text, small[group / 100]);
        add_word(text, "hundred");
    }
    if (rest >= 20) {
        add_word(text, tens[rest / 10]);
        if (rest % 10 > 0)
            heed__text_print(text, "-%s", small[rest % 10]);
    } else if (rest > 0) {
        add_word(text, small[rest]);
    }
}

void number_english(int64_t number, heed__text *text)
{
    static const char *const scales[] = { "million", "thousand", NULL };
    heed__text_clear(text);
    int64_t scale = 1000000;
    for (int i = 0; i < 3; i++, scale /= 1000) {
        int64_t group = number / scale % 1000;
        if (group == 0)
            continue;
        add_group(text, group);
        if (scales[i])
            add_word(text, scales[i]);
    }
    if (number == 0)
        add_word(text, "zero");
}

/* ---- Korean ---- */

void number_korean(int64_t number, heed__text *text)
{
    static const char *const digits[] = { "\uc601", "\uc77c", "\uc774", "\uc0bc", "\uc0ac",
                                          "\uc624", "\uc721", "\uce60", "\ud314", "\uad6c" };
    static const char *const places[] = { "\ucc9c", "\ubc31", "\uc2ed", "" };
    static const char *const scales[] = { "\uc5b5", "\ub9cc", "" };
    heed__text_clear(text);
    int64_t scale = 100000000;
    for (int i = 0; i < 3; i++, scale /= 10000) {
        int64_t group = number / scale % 10000, place = 1000;
        if (group == 0)
            continue;
        heed__text_add(text, " ", text->size > 0);
        for (int k = 0; k < 4; k++, place /= 10) {
            int64_t digit = group / place % 10;
            bool silent = digit == 1 && (place > 1 || (group == 1 && scale == 10000));
            if (digit == 0)
                continue;
            heed__text_add_string(text, silent ? "" : digits[digit]);
            heed__text_add_string(text, places[k]);
        }
        heed__text_add_string(text, scales[i]);
    }
    if (number == 0)
        heed__text_add_string(text, digits[0]);
}

/* ---- the order ---- */

/* How many groups of three digits have 0, 1, 2 and 3 words: 0; 1 .. 99; 100, 200, ...; the
 * rest. And the one of each kind by its number there. */
static const int64_t groups_of[] = { 1, 99, 9, 891 };

static int64_t group_at(int words, int64_t k)
{
    const int64_t groups[] = { 0, k + 1, 100 * (k + 1), 100 * (k / 99 + 1) + k % 99 + 1 };
    return groups[words];
}

/* The numbers whose three groups have these words: their length, and how many they are. */
static int length_of(const int words[3])
{
    int length = words[0] + (words[0] > 0) + words[1] + (words[1] > 0) + words[2];
    return length > 0 ? length : 1;
}

static int64_t count_of(const int words[3])
{
    return groups_of[words[0]] * groups_of[words[1]] * groups_of[words[2]];
}

/* Goes through the 64 kinds of three groups. */
static bool next_kind(int words[3])
{
    for (int i = 0; i < 3; i++) {
        if (++words[i] < 4)
            return true;
        words[i] = 0;
    }
    return false;
}

static int64_t count_of_length(int length)
{
    int words[3] = { 0 };
    int64_t count = 0;
    do {
        count += length_of(words) == length ? count_of(words) : 0;
    } while (next_kind(words));
    return count;
}

/* The k-th number of a length, 0 <= k < count_of_length(length). */
static int64_t number_of_length(int length, int64_t k)
{
    int words[3] = { 0 };
    do {
        if (length_of(words) != length)
            continue;
        int64_t count = count_of(words);
        if (k < count)
            break;
        k -= count;
    } while (next_kind(words));
    int64_t number = 0;
    for (int i = 0; i < 3; i++) {
        number = 1000 * number + group_at(words[i], k % groups_of[words[i]]);
        k /= groups_of[words[i]];
    }
    return number;
}

/* Rounds begin at `taken` numbers of each length that is left, and go on in the same way until
 * the rarest of them is used up. */
int64_t number_at(uint64_t seed, int64_t index)
{
    int64_t counts[NUMBERS_WORDS + 1], taken = 0;
    for (int length = 1; length <= NUMBERS_WORDS; length++)
        counts[length] = count_of_length(length);
    for (;;) {
        int left[NUMBERS_WORDS], kinds = 0;
        int64_t fewest = NUMBERS;
        for (int length = 1; length <= NUMBERS_WORDS; length++) {
            if (counts[length] <= taken)
                continue;
            left[kinds++] = length;
            fewest = counts[length] < fewest ? counts[length] : fewest;
        }
        if (index < (fewest - taken) * kinds) {
            int length = left[index % kinds];
            uint64_t k = (uint64_t)(taken + index / kinds);
            uint64_t at = permutation_at(seed, (uint64_t)length, (uint64_t)counts[length], k);
            return number_of_length(length, (int64_t)at);
        }
        index -= (fewest - taken) * kinds;
        taken = fewest;
    }
}
