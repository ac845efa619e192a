/* What is frozen: one of the projections of attention, a table of fixed vectors. That no
 * gradient is computed, rather than computed and thrown away, is shown by one that would
 * overflow: the sanitizer looks at every op of a sweep. */
#define _POSIX_C_SOURCE 200809L
#include <heed/nn.h>
#include <heed/optim.h>

#include <math.h>

#include "scratch.h"

enum { B = 2, T = 3, C = 4, V = 6 };

static heed_tape *new_tape(void)
{
    return heed_tape_new(NULL);
}

/* ---- one of W_Q, W_K, W_V ---- */

static const char *const projections[] = { "*.q.weight", "*.k.weight", "*.v.weight" };

/* Separate projections, their weights of the given size. */
static heed_params *new_attention(heed_multihead_attention *m, double size)
{
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_random r = { .seed = 1 };
    heed_multihead_attention_init(
        m, ps, "attention", C, (heed_multihead_attention_options){ .heads = 2, .random = &r });
    heed_init_normal(m->q.weight, size, &r);
    heed_init_normal(m->k.weight, size, &r);
    heed_init_normal(m->v.weight, size, &r);
    ck_assert_int_eq(heed_params_count(ps), 4);
    return ps;
}

/* The sweep from the sum of squares, times `factor`, of attention over inputs of the given
 * size. */
static bool sweep(heed_tape *t, const heed_multihead_attention *m, double size, double factor)
{
    float values[B * T * C];
    heed_random r = { .seed = 2 };
    for (int i = 0; i < B * T * C; i++)
        values[i] = (float)(size * heed_random_normal(&r));
    heed_tensor *x = heed_copy_in(t, HEED_F32, HEED_SHAPE(B, T, C), values);
    heed_tensor *y = heed_multihead_attention_forward(t, m, x, NULL, NULL, NULL);
    return heed_backward(t, heed_scale(t, heed_sum(t, heed_square(t, y)), factor));
}

/* The one has no gradient and does not move; the gradients of the others are what they were. */
START_TEST(one_projection)
{
    heed_multihead_attention m;
    float before[4][C * C], gradient[4][C * C];
    heed_params *ps = new_attention(&m, 0.5);
    heed_tape *t = new_tape();
    ck_assert_msg(sweep(t, &m, 1, 1), "%s", heed_error(t));
    for (int i = 0; i < 4; i++) {
        heed_parameter *p = heed_params_at(ps, i);
        memcpy(before[i], p->data, sizeof before[i]);
        memcpy(gradient[i], heed_gradients_of(heed_params_gradients(ps), p),
               sizeof gradient[i]);
    }
    heed_gradients_zero(heed_params_gradients(ps));
    heed_tape_reset(t);

    ck_assert_int_eq(heed_params_freeze(ps, projections[_i], true), 1);
    ck_assert_int_eq(heed_params_trainable(ps), 3 * C * C);
    ck_assert_msg(sweep(t, &m, 1, 1), "%s", heed_error(t));
    heed_gradients *g = heed_params_gradients(ps);
    int without = 0;
    for (int i = 0; i < 4; i++) {
        heed_parameter *p = heed_params_at(ps, i);
        if (p->flags & HEED_FROZEN) {
            ck_assert_ptr_null(heed_gradients_of(g, p));
            without++;
        } else {
            ck_assert_mem_eq(heed_gradients_of(g, p), gradient[i], sizeof gradient[i]);
        }
    }
    ck_assert_int_eq(without, 1);
    heed_optimizer *o = heed_sgd_new(ps, (heed_sgd_options){ .lr = 0.1, .decay = 0.1 });
    ck_assert(heed_optimizer_step(o, g));
    for (int i = 0; i < 4; i++) {
        heed_parameter *p = heed_params_at(ps, i);
        bool stayed = memcmp(before[i], p->data, sizeof before[i]) == 0;
        ck_assert_int_eq(stayed, (p->flags & HEED_FROZEN) != 0);
    }
    heed_optimizer_free(o);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* Inputs of 1e20 and gradients of some 1e25: the gradient of any projection is infinite in f32,
 * and everything else is finite. */
START_TEST(no_gradient_of_projections)
{
    heed_multihead_attention m;
    heed_params *ps = new_attention(&m, 1e-20);
    heed_tape *t = new_tape();
    heed_set_sanitizing(t, true);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(heed_params_freeze(ps, projections[i], true), 1);
    ck_assert_msg(sweep(t, &m, 1e20, 1e25), "%s", heed_error(t));
    for (int i = 0; i < 3; i++) {
        heed_tape_reset(t);
        heed_params_freeze(ps, projections[i], false);
        ck_assert_msg(!sweep(t, &m, 1e20, 1e25), "%s has no gradient", projections[i]);
        heed_params_freeze(ps, projections[i], true);
    }
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- fixed vectors ---- */

/* A file of word vectors, as another program leaves it, and a model whose table is read from
 * it. */
static heed_params *with_vectors(heed_embedding_module *table, heed_linear_module *layer,
                                 const float *vectors)
{
    make_folder();
    const char *path = in_folder("vectors");
    heed_archive *archive = heed_archive_new(NULL);
    heed_archive_add(archive, "tokens.weight", HEED_F32, HEED_SHAPE(V, C), vectors);
    ck_assert_msg(heed_archive_save(archive, path), "%s", heed_archive_error(archive));
    heed_archive_free(archive);
    archive = heed_archive_open(path, NULL, error, sizeof error);
    ck_assert_msg(archive && heed_archive_find(archive, "tokens.weight"), "%s", error);
    heed_archive_free(archive);

    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_random r = { .seed = 3 };
    heed_embedding_init(table, ps, "tokens", V, C, 1, &r);
    heed_linear_init(layer, ps, "layer", C, 2, (heed_linear_options){ .random = &r });
    ck_assert_msg(heed_params_load_matching(ps, path, "tokens.*"), "%s", heed_params_error(ps));
    ck_assert_int_eq(heed_params_freeze(ps, "tokens.*", true), 1);
    remove_folder();
    return ps;
}

START_TEST(fixed_vectors)
{
    heed_embedding_module table;
    heed_linear_module layer;
    float vectors[V * C], rows[2 * C];
    for (int i = 0; i < V * C; i++)
        vectors[i] = (float)sin(i);
    heed_params *ps = with_vectors(&table, &layer, vectors);
    ck_assert_int_eq(heed_params_trainable(ps), 2 * C);
    heed_optimizer *o = heed_adam_new(ps, (heed_adam_options){ .lr = 0.05, .decay = 0.1 });
    heed_tape *t = new_tape();
    double first = 0, last = 0;
    for (int step = 0; step < 20; step++) {
        heed_tensor *ids = heed_ids(t, HEED_SHAPE(2), (int32_t[]){ 4, 1 });
        heed_tensor *x = heed_embedding_forward(t, &table, ids);
        ck_assert(heed_copy_out(t, x, rows));
        ck_assert_mem_eq(rows, vectors + (ptrdiff_t)4 * C, C * sizeof(float));
        ck_assert_mem_eq(rows + C, vectors + C, C * sizeof(float));
        heed_tensor *y = heed_linear_forward(t, &layer, x);
        heed_tensor *loss = heed_mean(t, heed_square(t, heed_shift(t, y, -1)));
        last = heed_item(t, loss);
        first = step ? first : last;
        ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
        heed_gradients *g = heed_params_gradients(ps);
        ck_assert_ptr_null(heed_gradients_of(g, table.weight));
        ck_assert(heed_optimizer_step(o, g));
        heed_tape_reset(t);
    }
    ck_assert_double_lt(last, 0.5 * first);
    ck_assert_mem_eq(table.weight->data, vectors, sizeof vectors);
    heed_optimizer_free(o);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* A row used twice gets the sum of two gradients of 3e38, which is infinite. */
START_TEST(no_gradient_of_vectors)
{
    static const float vectors[V * C];
    heed_embedding_module table;
    heed_linear_module layer;
    heed_params *ps = with_vectors(&table, &layer, vectors);
    heed_tape *t = new_tape();
    heed_set_sanitizing(t, true);
    for (int frozen = 1; frozen >= 0; frozen--) {
        heed_params_freeze(ps, "tokens.*", frozen == 1);
        heed_tensor *ids = heed_ids(t, HEED_SHAPE(2), (int32_t[]){ 4, 4 });
        heed_tensor *x = heed_embedding_forward(t, &table, ids);
        heed_tensor *sum = heed_sum(t, heed_scale(t, x, 3e38));
        heed_tensor *zero = heed_sum(t, heed_linear_forward(t, &layer, x));
        ck_assert_int_eq(heed_backward(t, heed_add(t, sum, zero)), frozen);
        heed_tape_reset(t);
    }
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("freezing");
    TCase *tests = tcase_create("freezing");
    tcase_add_loop_test(tests, one_projection, 0, LENGTH(projections));
    tcase_add_test(tests, no_gradient_of_projections);
    tcase_add_test(tests, fixed_vectors);
    tcase_add_test(tests, no_gradient_of_vectors);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
