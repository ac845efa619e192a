/* Tests of the metrics of translations: the numbers of sacreBLEU 2.6.0 for fixed cases, with
 * one reference each and its defaults, but for the characters its option tokenize='char'. */
#include "metrics.h"
#include "mteval.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(table) ((int)(sizeof(table) / sizeof *(table)))

static text_span span(const char *text)
{
    return (text_span){ text, strlen(text) };
}

#define MOST_PAIRS 6

static const struct {
    const char *hypotheses[MOST_PAIRS], *references[MOST_PAIRS];
    double bleu[BLEU_UNITS], chrf;
} cases[] = {
    { /* the same */
      { "the cat sat on the mat." },
      { "the cat sat on the mat." },
      { 100.000000000000, 100.000000000000 },
      100.000000000000 },
    { /* one word off */
      { "the cat sat on a mat." },
      { "the cat sat on the mat." },
      { 48.892302243490, 71.954835362532 },
      65.800343293359 },
    { /* shorter */
      { "the cat sat on" },
      { "the cat sat on the mat." },
      { 47.236655274101, 52.921334150005 },
      59.741568595895 },
    { /* longer */
      { "the cat sat on the mat and on the chair." },
      { "the cat sat on the mat." },
      { 47.987820666907, 53.197742281223 },
      80.785286130152 },
    { /* no 4-gram: smoothed */
      { "the cat on sat the mat" },
      { "the cat sat on the mat" },
      { 25.406637407731, 75.260980301806 },
      59.711538461538 },
    { /* only words: smoothed thrice */
      { "mat the on sat cat the" },
      { "the cat sat on the mat" },
      { 12.703318703865, 30.077958384333 },
      33.680555555556 },
    { /* under four words */
      { "the cat sat" },
      { "the cat sat" },
      { 0.000000000000, 100.000000000000 },
      100.000000000000 },
    { /* nothing right */
      { "xyz" },
      { "the cat sat on the mat." },
      { 0.000000000000, 0.000000000000 },
      0.000000000000 },
    { /* nothing said */
      { "" },
      { "the cat sat on the mat." },
      { 0.000000000000, 0.000000000000 },
      0.000000000000 },
    { /* nothing to say */
      { "the cat" },
      { "" },
      { 0.000000000000, 0.000000000000 },
      0.000000000000 },
    { /* nothing at all */
      { "" },
      { "" },
      { 0.000000000000, 0.000000000000 },
      0.000000000000 },
    { /* repeated words count once */
      { "the the the the the the" },
      { "the cat sat on the mat" },
      { 9.652434877402, 14.879641171245 },
      15.029156787687 },
    { /* punctuation */
      { "It cost $1,000.50 (or \"more\"), didn't it?" },
      { "It cost $1,000.50 - or \"more\", did n't it ?" },
      { 40.016016019225, 84.527851471199 },
      79.801192159896 },
    { /* entities, dashes, symbols */
      { "AT&amp;T 1990-91 &lt;b&gt; a-b x/y <skipped>z" },
      { "AT&T 1990 - 91 <b> a-b x / y z" },
      { 100.000000000000, 32.955660549524 },
      46.267846734637 },
    { /* blanks */
      { " a\u3000b \t c\nd\u00a0e  " },
      { "a b c d e" },
      { 100.000000000000, 100.000000000000 },
      100.000000000000 },
    { /* Korean */
      { "\ub098\ub294 \ud559\uad50\uc5d0 \uac14\ub2e4." },
      { "\ub098\ub294 \uc5b4\uc81c \ud559\uad50\uc5d0 \uac14\uc2b5\ub2c8\ub2e4." },
      { 16.372269667038, 28.333350580831 },
      25.739381912717 },
    { /* Korean numbers */
      { "\uc0bc\uc2ed\uc0ac\ub9cc \uc774\ucc9c\uce60", "\ub9cc \ucc9c\ubc31\uc2ed\uc77c",
        "\uc77c\uc5b5" },
      { "\uc0bc\uc2ed\uc0ac\ub9cc \uc774\ucc9c\uc721", "\ub9cc \ucc9c\ubc31\uc2ed\uc77c",
        "\uc774\uc5b5" },
      { 0.000000000000, 84.563404728889 },
      77.227633477633 },
    { /* a corpus */
      { "the dog runs fast .", "a man is reading a book", "hello world", "it is 3.5 km to go",
        "I do not know" },
      { "the dog runs very fast .", "the man reads a book", "hello, world!",
        "it is 3.5 km away", "I don't know" },
      { 28.859464521446, 62.283538396539 },
      51.525409961998 },
};

static void assert_near(double x, double wanted, const char *what)
{
    ck_assert_msg(fabs(x - wanted) < 1e-9, "case %s: %.12f instead of %.12f", what, x, wanted);
}

START_TEST(scores)
{
    metrics m = { 0 };
    const char *const *hypotheses = cases[_i].hypotheses;
    for (int k = 0; k < MOST_PAIRS && hypotheses[k]; k++)
        ck_assert(metrics_add(&m, span(hypotheses[k]), span(cases[_i].references[k])));
    metrics_scores s = metrics_compute(&m);
    assert_near(s.bleu[BLEU_13A], cases[_i].bleu[BLEU_13A], hypotheses[0]);
    assert_near(s.bleu[BLEU_CHARACTERS], cases[_i].bleu[BLEU_CHARACTERS], hypotheses[0]);
    assert_near(s.chrf, cases[_i].chrf, hypotheses[0]);
}
END_TEST

/* ---- words ---- */

static const struct {
    const char *text, *words;
} cuts[] = {
    { "Hello, world!", "Hello , world !" },
    { "1,000.50 3.", "1,000.50 3 ." },
    { "a.b a,b .5 5.", "a . b a , b . 5 5 ." },
    { "it's don't", "it's don't" },
    { "1990-91 a-b 5-", "1990 - 91 a-b 5 -" },
    { "&quot;x&quot; &amp;lt; &lt;y&gt;", "\" x \" < < y >" },
    { "<skipped>a<skipped>", "a" },
    { "end-\nof line\nnext", "endof line next" },
    { "a..b,,c .,. 1.,2", "a . . b , , c . , . 1 . , 2" },
    { "x{y}[z]~`^_@#$%*+=|\\/:;<>?", "x { y } [ z ] ~ ` ^ _ @ # $ % * + = | \\ / : ; < > ?" },
    { "  a\u3000\u2028b\x1c"
      "c  ",
      "a b c" },
    { "\ud55c\uad6d\uc5b4, \ubb38\uc7a5.", "\ud55c\uad6d\uc5b4 , \ubb38\uc7a5 ." },
    { "\ud55c.\uad6d \u00e9.\u00e9", "\ud55c . \uad6d \u00e9 . \u00e9" },
    { "", "" },
    { " .", "." },
    { ".-.", ". - ." },
    { "5--6", "5 - -6" },
    { "\xc2\x85"
      "a",
      "a" },
};

START_TEST(mteval)
{
    heed__text words = { 0 };
    mteval_cut(span(cuts[_i].text), &words);
    ck_assert(!words.failed);
    ck_assert_uint_eq(words.size, strlen(cuts[_i].words));
    ck_assert(words.size == 0 || strcmp(words.bytes, cuts[_i].words) == 0);
    heed__text_free(&words);
}
END_TEST

/* A hypothesis may be any bytes. */
START_TEST(bytes)
{
    metrics m = { 0 };
    text_span text = { "a\xff b\0\xed\xa0\x80.", 9 };
    ck_assert(metrics_add(&m, text, text));
    metrics_scores s = metrics_compute(&m);
    assert_near(s.bleu[BLEU_CHARACTERS], 100, "bytes");
    assert_near(s.chrf, 100, "bytes");
    assert_near(s.exact, 1, "bytes");
}
END_TEST

/* ---- exact matches, tokens ---- */

START_TEST(exact)
{
    metrics m = { 0 };
    metrics_scores s = metrics_compute(&m);
    ck_assert(!(s.exact > 0) && !(s.tokens > 0) && !(s.bleu[BLEU_13A] > 0) && !(s.chrf > 0));
    ck_assert(metrics_add(&m, span("a b"), span("a b")));
    ck_assert(metrics_add(&m, span("a b "), span("a b")));
    ck_assert(metrics_add(&m, span("A b"), span("a b")));
    ck_assert(metrics_add(&m, span(""), span("")));
    s = metrics_compute(&m);
    assert_near(s.exact, 0.5, "exact");
}
END_TEST

START_TEST(tokens)
{
    metrics m = { 0 };
    const int32_t reference[] = { 5, 6, 7, 8 };
    metrics_add_tokens(&m, (int32_t[]){ 5, 6, 7, 8 }, 4, reference, 4);
    assert_near(metrics_compute(&m).tokens, 1, "all");
    metrics_add_tokens(&m, (int32_t[]){ 5, 9, 7 }, 3, reference, 4); /* 2 of 4 */
    assert_near(metrics_compute(&m).tokens, 6.0 / 8, "shorter");
    metrics_add_tokens(&m, (int32_t[]){ 5, 6, 7, 8, 8, 8 }, 6, reference, 4); /* 4 of 6 */
    assert_near(metrics_compute(&m).tokens, 10.0 / 14, "longer");
    metrics_add_tokens(&m, NULL, 0, reference, 4);
    metrics_add_tokens(&m, NULL, 0, NULL, 0);
    assert_near(metrics_compute(&m).tokens, 10.0 / 18, "none");
}
END_TEST

/* Counts are sums over pairs. */
START_TEST(order)
{
    metrics forwards = { 0 }, backwards = { 0 };
    const char *const *h = cases[LENGTH(cases) - 1].hypotheses;
    const char *const *r = cases[LENGTH(cases) - 1].references;
    for (int k = 0; k < 5; k++) {
        ck_assert(metrics_add(&forwards, span(h[k]), span(r[k])));
        ck_assert(metrics_add(&backwards, span(h[4 - k]), span(r[4 - k])));
    }
    ck_assert_int_eq(memcmp(&forwards, &backwards, sizeof forwards), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tests = tcase_create("metrics");
    tcase_add_loop_test(tests, scores, 0, LENGTH(cases));
    tcase_add_loop_test(tests, mteval, 0, LENGTH(cuts));
    tcase_add_test(tests, bytes);
    tcase_add_test(tests, exact);
    tcase_add_test(tests, tokens);
    tcase_add_test(tests, order);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
