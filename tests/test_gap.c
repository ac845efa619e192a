/* Tests of what compare says about attention and long sentences. */
#include "gap.h"

#include <check.h>
#include <stdlib.h>

#define LENGTH(array) ((int)(sizeof(array) / sizeof *(array)))

/* The lowest with attention, the highest without, whatever the order, and nothing of others. */
START_TEST(extremes)
{
    static const gap_model models[] = {
        { 32, false, 500, 78 },  { 32, true, 500, 500 }, { 32, true, 500, 498 },
        { 128, false, 500, 10 }, { 32, false, 500, 2 },  { 64, true, 500, 0 },
        { 32, true, 0, 0 },
    };
    gap g;
    ck_assert(gap_find(models, LENGTH(models), 32, &g));
    ck_assert_int_eq(g.hidden, 32);
    ck_assert_double_eq_tol(g.with, 0.996, 1e-12);
    ck_assert_double_eq_tol(g.without, 0.156, 1e-12);
    ck_assert(!gap_find(models, LENGTH(models), 128, &g)); /* none with attention */
    ck_assert(!gap_find(models, LENGTH(models), 64, &g));  /* none without */
    ck_assert(!gap_find(models, LENGTH(models), 16, &g));
}
END_TEST

#define START "on seven words and more, "

static const struct {
    double with, without;
    const char *sentence;
} sentences[] = {
    { 0.996, 0.156,
      "hidden 32: " START
      "99.6 % with attention (lowest), 15.6 % without (highest): 84.0 points "
      "apart." },
    { 1, 0.981,
      "hidden 32: " START
      "100.0 % with attention (lowest), 98.1 % without (highest): the gap has "
      "closed." },
    { 0.98, 0.99,
      "hidden 32: " START
      "98.0 % with attention (lowest), 99.0 % without (highest): the gap has "
      "closed." },
    { 1, 0.975,
      "hidden 32: " START
      "100.0 % with attention (lowest), 97.5 % without (highest): 2.5 points "
      "apart." },
    { 0, 0,
      "hidden 32: " START "0.0 % with attention (lowest), 0.0 % without (highest): 0.0 points "
      "apart." },
    { 0.25, 0.5,
      "hidden 32: " START
      "25.0 % with attention (lowest), 50.0 % without (highest): attention is "
      "25.0 points below." },
};

START_TEST(said)
{
    heed__text text = { 0 };
    const gap g = { 32, sentences[_i].with, sentences[_i].without };
    gap_say(&g, &text);
    ck_assert(!text.failed);
    ck_assert_str_eq(text.bytes, sentences[_i].sentence);
    heed__text_free(&text);
}
END_TEST

START_TEST(each_width_once)
{
    static const gap_model models[] = {
        { 128, true, 10, 10 }, { 32, false, 10, 1 }, { 128, false, 10, 10 },
        { 32, true, 10, 10 },  { 16, true, 10, 10 }, { 128, true, 10, 10 },
    };
    heed__text text = { 0 };
    gap_say_all(models, LENGTH(models), &text);
    ck_assert_str_eq(text.bytes,
                     "hidden 128: " START
                     "100.0 % with attention (lowest), 100.0 % without (highest): the gap "
                     "has closed.\n"
                     "hidden 32: " START
                     "100.0 % with attention (lowest), 10.0 % without (highest): 90.0 points "
                     "apart.\n");
    heed__text_free(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gap");
    TCase *tests = tcase_create("gap");
    tcase_add_test(tests, extremes);
    tcase_add_loop_test(tests, said, 0, LENGTH(sentences));
    tcase_add_test(tests, each_width_once);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
