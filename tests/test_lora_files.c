/* Low-rank adapters: files with and without them, and refusals. */
#define _POSIX_C_SOURCE 200809L
#include <heed/align.h>

#include <math.h>

#include "lora_net.h"

/* ---- files ---- */

START_TEST(files)
{
    net m, other;
    float one[ROWS * OUT], two[ROWS * OUT];
    heed_params *ps = new_net(&m, HEED_F32, 5), *qs = new_net(&other, HEED_F32, 6);
    const char *base = in_folder("base"), *adapters = in_folder("adapters");
    const char *whole = in_folder("whole"), *plain = in_folder("plain");
    ck_assert(heed_params_save(ps, base, NULL));
    attach(ps, "*");
    train(ps);
    values_of(&m, HEED_F32, one);
    ck_assert(heed_params_save_matching(ps, adapters, HEED_LORA_PARAMETERS, NULL));
    ck_assert(heed_params_save(ps, whole, NULL));
    heed_archive *archive = heed_archive_open(adapters, NULL, error, sizeof error);
    ck_assert_msg(archive != NULL, "%s", error);
    ck_assert_ptr_nonnull(heed_archive_find(archive, "in.lora_scale"));
    ck_assert_ptr_null(heed_archive_find(archive, "in.weight"));
    heed_archive_free(archive);

    /* Base and adapters from a file each; the factor comes with the file. */
    ck_assert_int_eq(heed_lora_attach(qs, "*", (heed_lora_options){ .rank = R }), 2);
    ck_assert_msg(heed_params_load_matching(qs, base, "!" HEED_LORA_PARAMETERS), "%s",
                  heed_params_error(qs));
    values_of(&other, HEED_F32, two);
    ck_assert_mem_ne(one, two, sizeof one);
    ck_assert_msg(heed_params_load_matching(qs, adapters, HEED_LORA_PARAMETERS), "%s",
                  heed_params_error(qs));
    values_of(&other, HEED_F32, two);
    ck_assert_mem_eq(one, two, sizeof one);

    /* Adapters out of a file of everything. */
    train(qs);
    heed_init_constant(heed_params_find(qs, "out.lora_a"), 0);
    ck_assert(heed_params_load_matching(qs, whole, HEED_LORA_PARAMETERS));
    values_of(&other, HEED_F32, two);
    ck_assert_mem_eq(one, two, sizeof one);
    heed_params_free(qs);

    /* A merged model is one like any other. */
    ck_assert_int_eq(heed_lora_merge(ps), 2);
    ck_assert(heed_params_save_matching(ps, plain, "!" HEED_LORA_PARAMETERS, NULL));
    qs = new_net(&other, HEED_F32, 7);
    ck_assert_msg(heed_params_load(qs, plain), "%s", heed_params_error(qs));
    values_of(&m, HEED_F32, one);
    values_of(&other, HEED_F32, two);
    ck_assert_mem_eq(one, two, sizeof one);
    heed_params_free(qs);
    heed_params_free(ps);
}
END_TEST

/* Of what matches, set and file must have the same. */
START_TEST(files_that_do_not_fit)
{
    static const struct {
        const char *pattern;
        int64_t rank;
        const char *sentence;
    } cases[] = {
        { "in.*", R, "tensor out.lora_a: the set has no such parameter" },
        { "*", R + 1, "parameter in.lora_a: expected f32 [3,6], found f32 [2,6]" },
        { NULL, R, "no parameter matches *lora_*" },
    };
    net m;
    const char *adapters = in_folder("adapters");
    heed_params *ps = new_net(&m, HEED_F32, 5);
    attach(ps, "*");
    ck_assert(heed_params_save_matching(ps, adapters, HEED_LORA_PARAMETERS, NULL));
    ck_assert(!heed_params_save_matching(ps, adapters, "nothing", NULL));
    ck_assert_ptr_nonnull(strstr(heed_params_error(ps), "no parameter matches nothing"));
    heed_params_free(ps);
    for (int i = 0; i < LENGTH(cases); i++) {
        ps = new_net(&m, HEED_F32, 5);
        if (cases[i].pattern)
            heed_lora_attach(ps, cases[i].pattern,
                             (heed_lora_options){ .rank = cases[i].rank });
        ck_assert(!heed_params_load_matching(ps, adapters, HEED_LORA_PARAMETERS));
        ck_assert_msg(strstr(heed_params_error(ps), cases[i].sentence) != NULL, "%s",
                      heed_params_error(ps));
        heed_params_free(ps);
    }
}
END_TEST

/* ---- refusals ---- */

static const struct {
    const char *pattern;
    heed_lora_options options;
    const char *sentence;
} unsound[] = {
    { NULL, { .rank = 1 }, "lora: the pattern is NULL" },
    { "*", { .rank = 0 }, "lora: the rank is 0 but must be at least 1" },
    { "*", { .rank = -2 }, "lora: the rank is -2 but must be at least 1" },
    { "*", { .rank = 5 }, "lora: rank 5 is larger than an extent of out.weight [4,5]" },
    { "in.*", { .rank = 6 }, "lora: rank 6 is larger than an extent of in.weight [5,6]" },
    { "*", { .rank = 1, .alpha = -1 }, "lora: alpha is negative or not finite: -1" },
    { "*", { .rank = 1, .alpha = INFINITY }, "lora: alpha is negative or not finite: inf" },
    { "*", { .rank = 1, .dropout = 1 }, "lora: dropout is not in [0, 1): 1" },
    { "table.*", { .rank = 1 }, "lora: no weight of a linear layer matches table.*" },
    { "*.bias", { .rank = 1 }, "lora: no weight of a linear layer matches *.bias" },
    { "no such", { .rank = 1 }, "lora: no weight of a linear layer matches no such" },
};

START_TEST(refusals)
{
    net m;
    heed_params *ps = new_net(&m, HEED_F32, 8);
    ck_assert_int_eq(heed_lora_attach(ps, unsound[_i].pattern, unsound[_i].options), 0);
    ck_assert_ptr_nonnull(heed_params_error(ps));
    ck_assert_str_eq(heed_params_error(ps), unsound[_i].sentence);
    heed_params_clear_error(ps);
    ck_assert_int_eq(heed_params_count(ps), 4); /* nothing was made, nothing frozen */
    ck_assert_int_eq(heed_params_trainable(ps), heed_params_size(ps));
    ck_assert_ptr_null(m.in.weight->adapter);
    heed_params_free(ps);
}
END_TEST

START_TEST(refused_by_what_was_done)
{
    net m;
    heed_params *ps = new_net(&m, HEED_F32, 8);
    ck_assert_int_eq(attach(ps, "out.*"), 1);
    ck_assert_int_eq(attach(ps, "*"), 0);
    ck_assert_str_eq(heed_params_error(ps), "lora: out.weight has an adapter already");
    heed_params_clear_error(ps);
    ck_assert_int_eq(attach(ps, "in.*"), 1);
    heed_params_free(ps);

    ps = new_net(&m, HEED_F32, 8);
    heed_params_scope(ps, "open");
    ck_assert_int_eq(attach(ps, "out.*"), 0);
    ck_assert_str_eq(heed_params_error(ps), "lora: a scope is open");
    ck_assert_ptr_null(heed_params_find(ps, "open.out.lora_a"));
    ck_assert_int_eq(heed_lora_merge(ps), 0);
    ck_assert_int_eq(attach(NULL, "*"), 0);
    heed_params_free(ps);
}
END_TEST

typedef struct counter {
    int refuse_at; /* the refuse_at-th call from here on gives NULL; 0: none */
    int64_t held;
} counter;

static void *count_allocate(void *context, size_t bytes)
{
    counter *c = context;
    if (c->refuse_at && --c->refuse_at == 0)
        return NULL;
    c->held += (int64_t)bytes;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void count_release(void *context, void *memory, size_t bytes)
{
    ((counter *)context)->held -= (int64_t)bytes;
    free(memory);
}

/* Without memory no weight has an adapter and none is frozen. */
START_TEST(out_of_memory)
{
    counter c = { 0 };
    heed_allocator allocator = { count_allocate, count_release, &c };
    int attached = 0, n = 1;
    for (; attached == 0; n++) {
        heed_linear_module one, two;
        heed_params *ps = heed_params_new(HEED_F32, &allocator);
        heed_linear_init(&one, ps, "one", IN, OUT, (heed_linear_options){ 0 });
        heed_linear_init(&two, ps, "two", IN, OUT, (heed_linear_options){ 0 });
        c.refuse_at = n;
        attached = attach(ps, "*");
        c.refuse_at = 0;
        if (attached == 0) {
            ck_assert_ptr_nonnull(strstr(heed_params_error(ps), "memory"));
            ck_assert(!one.weight->adapter && !two.weight->adapter);
            ck_assert(!((one.weight->flags | two.weight->flags) & HEED_FROZEN));
        }
        heed_params_free(ps);
        ck_assert_int_eq(c.held, 0);
        ck_assert_int_lt(n, 50);
    }
    ck_assert_int_eq(attached, 2);
    ck_assert_int_gt(n, 6);
}
END_TEST

/* The concat score takes its matrix apart, so an adapter beside it would do nothing. */
START_TEST(matrices_used_in_parts)
{
    heed_align m;
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_align_init(&m, ps, "align", 4, 4, (heed_align_options){ .score = HEED_ALIGN_CONCAT });
    ck_assert_int_eq(
        heed_lora_attach(ps, "align.concat.weight", (heed_lora_options){ .rank = 1 }), 0);
    ck_assert_ptr_nonnull(strstr(heed_params_error(ps), "no weight of a linear layer"));
    heed_params_free(ps);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lora_files");
    TCase *files_tests = tcase_create("files");
    tcase_add_checked_fixture(files_tests, make_folder, remove_folder);
    tcase_add_test(files_tests, files);
    tcase_add_test(files_tests, files_that_do_not_fit);
    suite_add_tcase(suite, files_tests);
    TCase *tests = tcase_create("refusals");
    tcase_add_loop_test(tests, refusals, 0, LENGTH(unsound));
    tcase_add_test(tests, refused_by_what_was_done);
    tcase_add_test(tests, out_of_memory);
    tcase_add_test(tests, matrices_used_in_parts);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
