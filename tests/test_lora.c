/* Low-rank adapters: against PyTorch (tests/reference/make_modules_reference.py), what
 * attaching leaves alone, dropout, whole models, merging. */
#define _POSIX_C_SOURCE 200809L
#include "lora_net.h"
#include "modules_reference.h"

/* ---- what is computed ---- */

START_TEST(torch)
{
    heed_archive *archive = open_reference();
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_linear_module m;
    heed_linear_init(&m, ps, "l", IN, HIDDEN, (heed_linear_options){ .bias = true });
    ck_assert_int_eq(
        heed_lora_attach(ps, "l.weight", (heed_lora_options){ .rank = R, .alpha = 3 }), 1);
    static const char *const parts[] = { "w", "b", "lora_a", "lora_b" };
    static const char *const names[] = { "l.weight", "l.bias", "l.lora_a", "l.lora_b" };
    for (int i = 0; i < LENGTH(parts); i++) {
        const heed_entry *e = entry_of(archive, "lora", parts[i]);
        heed_parameter *p = heed_params_find(ps, names[i]);
        ck_assert_int_eq(p->shape.size[0], e->shape.size[0]);
        memcpy(p->data, e->data, (size_t)p->size * sizeof(double));
    }
    heed_tape *t = new_tape(HEED_F64);
    heed_tensor *x = stored(t, archive, "lora", "x");
    heed_tensor *y = heed_keep(t, heed_linear_forward(t, &m, x));
    heed_tensor *loss = heed_sum(t, heed_mul(t, y, stored(t, archive, "lora", "gy")));
    ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
    same("value", y, entry_of(archive, "lora", "y"), 1e-12);
    same("gradient", heed_gradient(t, x), entry_of(archive, "lora", "gx"), 1e-12);
    heed_gradients *g = heed_params_gradients(ps);
    for (int i = 1; i < LENGTH(parts); i++) {
        char name[16];
        const heed_parameter *p = heed_params_find(ps, names[i]);
        snprintf(name, sizeof name, "g%s", parts[i]);
        same_values("gradient", heed_gradients_of(g, p), entry_of(archive, "lora", name),
                    p->size, 1e-12);
    }
    ck_assert_ptr_null(heed_gradients_of(g, m.weight));
    ck_assert_int_eq(heed_lora_merge(ps), 1);
    same_values("merged", m.weight->data, entry_of(archive, "lora", "merged"), m.weight->size,
                1e-12);
    heed_tape_free(t);
    heed_params_free(ps);
    heed_archive_free(archive);
}
END_TEST

START_TEST(attaching_changes_nothing)
{
    net m;
    float before[ROWS * OUT], after[ROWS * OUT];
    heed_params *ps = new_net(&m, HEED_F32, 1);
    values_of(&m, HEED_F32, before);
    ck_assert_int_eq(attach(ps, "*"), 2);
    values_of(&m, HEED_F32, after);
    ck_assert_mem_eq(before, after, sizeof before);
    train(ps);
    values_of(&m, HEED_F32, after);
    ck_assert_mem_ne(before, after, sizeof before);
    ck_assert_double_ne(((float *)heed_params_find(ps, "in.lora_a")->data)[0], 0);
    heed_params_free(ps);
}
END_TEST

/* r (in + out) numbers a matrix; nothing at all for the matrix itself, neither place nor
 * product: gy and x are so large that the weight's gradient would overflow. */
START_TEST(frozen_weights_cost_nothing)
{
    for (int adapted = 0; adapted < 2; adapted++) {
        heed_params *ps = heed_params_new(HEED_F32, NULL);
        heed_linear_module m;
        heed_linear_init(&m, ps, "l", IN, OUT, (heed_linear_options){ 0 });
        if (adapted) {
            ck_assert_int_eq(heed_lora_attach(ps, "l.*", (heed_lora_options){ .rank = R }), 1);
            ck_assert_int_eq(heed_params_trainable(ps), R * (IN + OUT));
            ck_assert_int_eq(heed_params_size(ps), R * (IN + OUT) + IN * OUT);
        }
        heed_tape *t = new_tape(HEED_F32);
        heed_set_sanitizing(t, true);
        heed_tensor *x = heed_full(t, HEED_SHAPE(ROWS, IN), 1e30);
        heed_tensor *y = heed_scale(t, heed_linear_forward(t, &m, x), 1e30);
        bool swept = heed_backward(t, heed_sum(t, y));
        ck_assert_int_eq(swept, adapted);
        if (adapted)
            ck_assert_ptr_null(heed_gradients_of(heed_params_gradients(ps), m.weight));
        heed_tape_free(t);
        heed_params_free(ps);
    }
}
END_TEST

static heed_tensor *energy(heed_tape *t, heed_tensor *const x[], void *user)
{
    (void)x;
    heed_tensor *y = forward(t, user);
    return heed_sum(t, heed_mul(t, y, heed_sin(t, y)));
}

/* A set of f32 is checked on a copy in f64, which the tape fetches in its place. */
START_TEST(checked_in_f64)
{
    net m;
    heed_params *ps = new_net(&m, HEED_F32, 2);
    heed_params_freeze(ps, "*", true);
    attach(ps, "*.weight");
    train(ps);
    heed_report r = heed_check(energy, &m, ps, 0, NULL, &(heed_check_options){ .order = 2 });
    ck_assert_msg(r.passed, "%s %s", r.where, r.message);
    ck_assert_int_eq(r.compared, 2 * R * (IN + HIDDEN + HIDDEN + OUT));
    heed_params_free(ps);
}
END_TEST

/* Modules are plain structs: a copy has the same adapters. */
START_TEST(copied_modules)
{
    net m, copy;
    double one[ROWS * OUT], other[ROWS * OUT];
    heed_params *ps = new_net(&m, HEED_F64, 3);
    copy = m;
    attach(ps, "in.*");
    train(ps);
    values_of(&m, HEED_F64, one);
    values_of(&copy, HEED_F64, other);
    ck_assert_mem_eq(one, other, sizeof one);
    heed_params_free(ps);
}
END_TEST

/* Dropout acts on what A is given, while training. */
START_TEST(dropout)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_linear_module m;
    heed_linear_init(&m, ps, "l", 1, 1, (heed_linear_options){ 0 });
    ck_assert_int_eq(
        heed_lora_attach(ps, "*", (heed_lora_options){ .rank = 1, .dropout = 0.5 }), 1);
    heed_init_constant(m.weight, 10);
    heed_init_constant(heed_params_find(ps, "l.lora_a"), 1);
    heed_init_constant(heed_params_find(ps, "l.lora_b"), 1);
    heed_tape *t = new_tape(HEED_F64);
    heed_tensor *x = heed_full(t, HEED_SHAPE(1000, 1), 1);
    ck_assert_double_eq(heed_at(heed_linear_forward(t, &m, x), 0), 11);
    heed_set_training(t, true);
    const heed_tensor *y = heed_linear_forward(t, &m, x);
    int kept = 0;
    for (int i = 0; i < 1000; i++) {
        double value = heed_at(y, i);
        ck_assert(value == 10 || value == 12);
        kept += value == 12;
    }
    ck_assert_int_gt(kept, 420);
    ck_assert_int_lt(kept, 580);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* The draws of an adapter do not shift those of the model's own dropout. */
START_TEST(other_masks_stay)
{
    double own[2][100];
    for (int adapted = 0; adapted < 2; adapted++) {
        heed_params *ps = heed_params_new(HEED_F64, NULL);
        heed_linear_module m;
        heed_linear_init(&m, ps, "l", 1, 1, (heed_linear_options){ 0 });
        if (adapted)
            heed_lora_attach(ps, "*", (heed_lora_options){ .rank = 1, .dropout = 0.5 });
        heed_tape *t = new_tape(HEED_F64);
        heed_set_training(t, true);
        heed_tensor *x = heed_full(t, HEED_SHAPE(100, 1), 1);
        ck_assert_ptr_nonnull(heed_linear_forward(t, &m, x));
        ck_assert(heed_copy_out(t, heed_dropout(t, x, 0.5), own[adapted]));
        heed_tape_free(t);
        heed_params_free(ps);
    }
    ck_assert_mem_eq(own[0], own[1], sizeof own[0]);
}
END_TEST

/* A whole model: every matrix of its blocks, none of its tables. */
START_TEST(whole_model)
{
    static heed_gpt gpt;
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_random r = { .seed = 12 };
    heed_gpt_init(&gpt, ps,
                  (heed_gpt_options){ .vocabulary = 7,
                                      .context = 4,
                                      .width = 8,
                                      .layers = 2,
                                      .heads = 2,
                                      .bias = true,
                                      .random = &r });
    heed_tape *t = new_tape(HEED_F32);
    double loss[2];
    for (int adapted = 0; adapted < 2; adapted++) {
        if (adapted) {
            heed_params_freeze(ps, "*", true);
            ck_assert_int_ge(attach(ps, "*"), 2 * 4); /* qkv, output, up, down */
            ck_assert_ptr_null(gpt.tokens.weight->adapter);
            ck_assert_ptr_null(gpt.positions.table.weight->adapter);
        }
        heed_tensor *ids = heed_ids(t, HEED_SHAPE(1, 4), (int32_t[]){ 1, 2, 3, 4 });
        heed_tensor *y = heed_gpt_loss(t, &gpt, ids, ids);
        loss[adapted] = heed_item(t, y);
        ck_assert_msg(heed_backward(t, y), "%s", heed_error(t));
        heed_tape_reset(t);
    }
    ck_assert_double_eq(loss[0], loss[1]);
    const heed_gradients *g = heed_params_gradients(ps);
    for (int i = 0; i < heed_params_count(ps); i++) {
        const heed_parameter *p = heed_params_at(ps, i);
        bool part = strstr(p->name, "lora_a") || strstr(p->name, "lora_b");
        ck_assert_int_eq(heed_gradients_of(g, p) != NULL, part);
        if (strstr(p->name, "lora_b"))
            ck_assert_float_ne(((float *)heed_gradients_of(g, p))[0], 0);
    }
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- merging ---- */

static int count_lines(const net *m)
{
    char text[4096] = { 0 };
    int lines = 0;
    heed_tape *t = new_tape(HEED_F64);
    forward(t, m);
    FILE *file = fmemopen(text, sizeof text, "w");
    ck_assert(heed_tape_print(t, file));
    fclose(file);
    heed_tape_free(t);
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    return lines;
}

START_TEST(merging)
{
    net m;
    double adapted[ROWS * OUT], merged[ROWS * OUT];
    heed_params *ps = new_net(&m, HEED_F64, 4);
    int plain = count_lines(&m);
    attach(ps, "*");
    train(ps);
    ck_assert_int_gt(count_lines(&m), plain);
    values_of(&m, HEED_F64, adapted);
    ck_assert_int_eq(heed_lora_merge(ps), 2);
    ck_assert_int_eq(count_lines(&m), plain);
    values_of(&m, HEED_F64, merged);
    for (int i = 0; i < ROWS * OUT; i++)
        ck_assert_double_eq_tol(adapted[i], merged[i], 1e-14);
    ck_assert_int_eq(heed_lora_merge(ps), 0);
    const heed_parameter *b = heed_params_find(ps, "out.lora_b");
    for (int i = 0; i < b->size; i++)
        ck_assert_double_eq(((double *)b->data)[i], 0);
    ck_assert_int_eq(heed_params_trainable(ps), 7 * IN + HIDDEN); /* the table, a bias */
    heed_params_free(ps);
}
END_TEST

/* One adapter after the other, each merged. */
START_TEST(again)
{
    net m;
    double before[ROWS * OUT], after[ROWS * OUT];
    heed_params *ps = new_net(&m, HEED_F64, 4);
    attach(ps, "*");
    train(ps);
    heed_lora_merge(ps);
    values_of(&m, HEED_F64, before);
    int count = heed_params_count(ps);
    ck_assert_int_eq(attach(ps, "*"), 2);
    ck_assert_int_eq(heed_params_count(ps), count);
    values_of(&m, HEED_F64, after);
    ck_assert_mem_eq(before, after, sizeof before); /* B = 0 */
    const heed_parameter *a = heed_params_find(ps, "in.lora_a"),
                         *b = heed_params_find(ps, "in.lora_b");
    ck_assert(!(a->flags & HEED_FROZEN) && !(b->flags & HEED_FROZEN));
    train(ps);
    values_of(&m, HEED_F64, after);
    ck_assert(memcmp(before, after, sizeof before) != 0);
    ck_assert_int_eq(heed_lora_merge(ps), 2);
    values_of(&m, HEED_F64, before);
    for (int i = 0; i < ROWS * OUT; i++)
        ck_assert_double_eq_tol(before[i], after[i], 1e-14);
    heed_random r = { .seed = 1 };
    ck_assert_int_eq(heed_lora_attach(ps, "*", (heed_lora_options){ .rank = 1, .random = &r }),
                     0);
    ck_assert_str_eq(heed_params_error(ps), "lora: rank 1 is not that of in.lora_a, which is "
                                            "there from an adapter that was merged");
    heed_params_free(ps);
    /* Numbers of an adapter that nobody merged are not lost. */
    ps = new_net(&m, HEED_F64, 4);
    attach(ps, "*");
    heed_lora_merge(ps);
    ((double *)heed_params_find(ps, "out.lora_b")->data)[0] = 3;
    ck_assert_int_eq(attach(ps, "*"), 0);
    ck_assert_str_eq(heed_params_error(ps),
                     "lora: out.lora_b is not 0: it is of an adapter that "
                     "was not merged");
    heed_params_free(ps);
    ps = new_net(&m, HEED_F64, 4);
    attach(ps, "*");
    ck_assert_int_eq(attach(ps, "*"), 0);
    ck_assert_str_eq(heed_params_error(ps), "lora: in.weight has an adapter already");
    heed_params_free(ps);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lora");
    TCase *tests = tcase_create("lora");
    tcase_add_test(tests, torch);
    tcase_add_test(tests, attaching_changes_nothing);
    tcase_add_test(tests, frozen_weights_cost_nothing);
    tcase_add_test(tests, checked_in_f64);
    tcase_add_test(tests, copied_modules);
    tcase_add_test(tests, dropout);
    tcase_add_test(tests, other_masks_stay);
    tcase_add_test(tests, whole_model);
    tcase_add_test(tests, merging);
    tcase_add_test(tests, again);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
