/* Recurrent networks: a padded batch is its sequences one by one, a cell's steps are the
 * sequence, padding and the future do not leak, memory running out, first values and dropout. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recurrent_kinds.h"

static void draw(double *values, int64_t n, uint64_t seed)
{
    heed_random r = { .seed = seed };
    for (int64_t i = 0; i < n; i++)
        values[i] = heed_random_normal(&r);
}

static void near(const char *what, const heed_tensor *a, int64_t i, const heed_tensor *b,
                 int64_t j)
{
    ck_assert_msg(fabs(heed_at(a, i) - heed_at(b, j)) <= 1e-12, "%s: %.17g and %.17g", what,
                  heed_at(a, i), heed_at(b, j));
}

/* A padded batch, with NaN in the padding, and its sequences each alone and as long as it is. */
START_TEST(padded_is_one_by_one)
{
    static heed_recurrent m;
    const int32_t lengths[B] = { 2, 5, 0 };
    double x[B * T * IN];
    heed_params *ps = random_model(&m, &variants[_i]);
    heed_tape *t = new_tape(HEED_F64);
    draw(x, LENGTH(x), 4);
    for (int b = 0; b < B; b++) {
        for (int i = lengths[b] * IN; i < T * IN; i++)
            x[b * T * IN + i] = NAN;
    }
    heed_tensor *batch = heed_constant(t, HEED_SHAPE(B, T, IN), x);
    heed_recurrent_result all = heed_recurrent_forward(t, &m, batch, lengths, NULL);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    for (int b = 0; b < B; b++) {
        int n = lengths[b];
        for (int i = n * 2 * H; i < T * 2 * H; i++)
            ck_assert(heed_at(all.output, b * T * 2 * H + i) == 0);
        heed_recurrent_result one = { 0 };
        if (n > 0) {
            heed_tensor *alone = heed_constant(t, HEED_SHAPE(1, n, IN), x + b * T * IN);
            one = heed_recurrent_forward(t, &m, alone, NULL, NULL);
        }
        for (int i = 0; i < n * 2 * H; i++) {
            near("output", all.output, b * T * 2 * H + i, one.output, i);
            if (all.cells)
                near("cells", all.cells, b * T * 2 * H + i, one.cells, i);
        }
        for (int k = 0; k < 4; k++) {
            for (int i = 0; i < H; i++) {
                int64_t at = (k * B + b) * H + i;
                if (n == 0)
                    ck_assert(heed_at(all.last.h, at) == 0);
                else
                    near("last h", all.last.h, at, one.last.h, k * H + i);
                if (n > 0 && all.last.c)
                    near("last c", all.last.c, at, one.last.c, k * H + i);
            }
        }
    }
    /* NaN in the padding reaches no gradient of the weights either. */
    heed_tensor *loss = heed_sum(t, heed_square(t, all.output));
    ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
    ck_assert(isfinite(heed_gradients_norm(heed_params_gradients(ps))));
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* A batch of empty sequences has gradients all the same: 0. */
START_TEST(nothing_but_padding)
{
    static heed_recurrent m;
    const int32_t lengths[B] = { 0 };
    heed_params *ps = random_model(&m, &variants[_i]);
    heed_tape *t = new_tape(HEED_F64);
    heed_tensor *x = heed_full(t, HEED_SHAPE(B, T, IN), NAN);
    heed_recurrent_result all = heed_recurrent_forward(t, &m, x, lengths, NULL);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    for (int64_t i = 0; i < heed_size(all.output); i++)
        ck_assert(heed_at(all.output, i) == 0);
    ck_assert_msg(heed_backward(t, heed_sum(t, all.output)), "%s", heed_error(t));
    ck_assert(heed_gradients_norm(heed_params_gradients(ps)) == 0);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* One layer in one direction, and a cell that has the same parameters. */
START_TEST(steps_are_the_sequence)
{
    const variant *v = &variants[_i];
    static heed_recurrent m;
    heed_recurrent_cell cell;
    double x[B * T * IN];
    heed_random r = { .seed = 5 }, same = r;
    heed_recurrent_options o = options_of(v, &r);
    o.layers = 1;
    o.bidirectional = false;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_recurrent_init(&m, ps, "m", IN, o);
    o.random = &same;
    heed_recurrent_cell_init(&cell, ps, "cell", IN, o);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    ck_assert_ptr_nonnull(heed_params_find(ps, "m.weight_ih_l0"));
    ck_assert_ptr_nonnull(heed_params_find(ps, "cell.weight_ih"));
    heed_tape *t = new_tape(HEED_F64);
    draw(x, LENGTH(x), 6);
    heed_tensor *batch = heed_constant(t, HEED_SHAPE(B, T, IN), x);
    heed_recurrent_result all = heed_recurrent_forward(t, &m, batch, NULL, NULL);
    heed_recurrent_state s = { 0 };
    for (int k = 0; k < T; k++) {
        s = heed_recurrent_cell_forward(t, &cell, heed_select(t, batch, 1, k), k ? &s : NULL);
        ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
        for (int b = 0; b < B; b++) {
            for (int i = 0; i < H; i++) {
                near("h", s.h, b * H + i, all.output, (b * T + k) * H + i);
                if (v->kind == HEED_LSTM)
                    near("c", s.c, b * H + i, all.cells, (b * T + k) * H + i);
            }
        }
    }
    for (int i = 0; i < B * H; i++)
        near("last h", s.h, i, all.last.h, i);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* More steps than a record takes operands, against the same in two halves. */
START_TEST(long_sequences)
{
    enum { LONG = 1300, HALF = 700 };
    static heed_recurrent m;
    static double x[LONG * IN];
    heed_random r = { .seed = 7 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_recurrent_init(&m, ps, "m", IN,
                        (heed_recurrent_options){ .hidden = 2, .layers = 1, .random = &r });
    heed_tape *t = new_tape(HEED_F64);
    draw(x, LENGTH(x), 8);
    heed_tensor *whole = heed_constant(t, HEED_SHAPE(1, LONG, IN), x);
    heed_recurrent_result all = heed_recurrent_forward(t, &m, whole, NULL, NULL);
    heed_tensor *head = heed_slice(t, whole, 1, 0, HALF, 1);
    heed_tensor *tail = heed_slice(t, whole, 1, HALF, LONG, 1);
    heed_recurrent_result first = heed_recurrent_forward(t, &m, head, NULL, NULL);
    heed_recurrent_result second = heed_recurrent_forward(t, &m, tail, NULL, &first.last);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    for (int i = 0; i < HALF * 2; i++)
        near("first half", all.output, i, first.output, i);
    for (int i = 0; i < (LONG - HALF) * 2; i++)
        near("second half", all.output, HALF * 2 + i, second.output, i);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- memory ---- */

static void *take(void *left, size_t bytes)
{
    if ((*(int *)left)-- <= 0)
        return NULL;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give_back(void *left, void *memory, size_t bytes)
{
    (void)left, (void)bytes;
    free(memory);
}

/* Whichever request fails, the step ends in a sentence. */
START_TEST(memory_runs_out)
{
    static heed_recurrent m;
    const int32_t lengths[B] = { 2, 5, 3 };
    double x[B * T * IN];
    heed_params *ps = random_model(&m, &variants[_i]);
    heed_gradients *g = heed_params_gradients(ps);
    draw(x, LENGTH(x), 4);
    bool done = false;
    for (int requests = 1; !done; requests++) {
        int left = requests;
        heed_allocator allocator = { take, give_back, &left };
        heed_tape *t = heed_tape_new(
            &(heed_tape_options){ .dtype = HEED_F64, .allocator = &allocator, .chunk = 256 });
        heed_tensor *batch = heed_copy_in(t, HEED_F64, HEED_SHAPE(B, T, IN), x);
        heed_recurrent_result r = heed_recurrent_forward(t, &m, batch, lengths, NULL);
        heed_tensor *loss = heed_sum(t, r.output);
        done = heed_backward(t, loss);
        ck_assert(!t || done == (heed_error(t) == NULL));
        heed_tape_free(t);
        heed_gradients_zero(g);
    }
    heed_params_free(ps);
}
END_TEST

/* ---- leaks ---- */

typedef struct subject {
    const heed_recurrent *m;
    const int32_t *lengths;
} subject;

static heed_tensor *output_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    const subject *s = user;
    return heed_recurrent_forward(t, s->m, x[0], s->lengths, NULL).output;
}

static heed_tensor *last_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    const subject *s = user;
    return heed_recurrent_forward(t, s->m, x[0], s->lengths, NULL).last.h;
}

/* Only the same sequence, from its real steps, to its real steps. */
static bool within(const int64_t *output, const int64_t *input, void *user)
{
    const subject *s = user;
    return output[0] == input[0] && input[1] < s->lengths[input[0]] &&
           output[1] < s->lengths[output[0]];
}

static bool within_last(const int64_t *output, const int64_t *input, void *user)
{
    const subject *s = user;
    return output[1] == input[0] && input[1] < s->lengths[input[0]];
}

static bool past(const int64_t *output, const int64_t *input, void *user)
{
    (void)user;
    return output[0] == input[0] && input[1] <= output[1];
}

static const heed_input input_x = { .shape = HEED_DIMS(B, T, IN) };

static void no_leak(heed_report report)
{
    ck_assert_msg(report.passed, "%s", report.message);
}

START_TEST(padding_does_not_leak)
{
    static heed_recurrent m;
    const int32_t lengths[B] = { 3, 5, 1 };
    heed_params *ps = random_model(&m, &variants[_i]);
    subject s = { &m, lengths };
    no_leak(heed_leak_check(output_of, &s, ps, 1, &input_x,
                            (heed_leak_options){ .may_depend = within, .user = &s }));
    no_leak(heed_leak_check(last_of, &s, ps, 1, &input_x,
                            (heed_leak_options){ .may_depend = within_last, .user = &s }));
    heed_params_free(ps);
}
END_TEST

START_TEST(forward_direction_is_causal)
{
    static heed_recurrent m;
    heed_random r = { .seed = 9 };
    heed_recurrent_options o = options_of(&variants[_i], &r);
    o.bidirectional = false;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_recurrent_init(&m, ps, "m", IN, o);
    subject s = { &m, NULL };
    no_leak(heed_leak_check(output_of, &s, ps, 1, &input_x,
                            (heed_leak_options){ .may_depend = past, .user = &s }));
    heed_params_free(ps);
}
END_TEST

/* ---- first values, dropout ---- */

START_TEST(first_values)
{
    static heed_recurrent m;
    heed_random r = { .seed = 10 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_recurrent_init(
        &m, ps, "m", IN,
        (heed_recurrent_options){
            .hidden = 16, .layers = 1, .bias = true, .forget_bias = 1, .random = &r });
    ck_assert_int_eq(heed_params_size(ps), 64 * (IN + 16 + 2));
    const heed_parameter *p = m.cells[0][0].weight_hh;
    double largest = 0;
    for (int64_t i = 0; i < p->size; i++)
        largest = fmax(largest, fabs(((const double *)p->data)[i]));
    ck_assert(largest <= 0.25 && largest > 0.24);
    for (int i = 0; i < 64; i++) {
        double ih = ((const double *)m.cells[0][0].bias_ih->data)[i];
        double hh = ((const double *)m.cells[0][0].bias_hh->data)[i];
        if (i >= 16 && i < 32)
            ck_assert(ih == 1 && hh == 0);
        else
            ck_assert(fabs(ih) <= 0.25 && fabs(hh) <= 0.25);
    }
    heed_params_free(ps);
}
END_TEST

/* Between layers while training, and nowhere else. */
START_TEST(dropout_between_layers)
{
    static heed_recurrent m;
    double x[B * T * IN];
    draw(x, LENGTH(x), 11);
    for (int layers = 1; layers <= 2; layers++) {
        heed_random r = { .seed = 12 };
        heed_recurrent_options o = options_of(&variants[3], &r);
        o.layers = layers;
        o.dropout = 0.5;
        heed_params *ps = heed_params_new(HEED_F64, NULL);
        heed_recurrent_init(&m, ps, "m", IN, o);
        heed_tape *t = new_tape(HEED_F64);
        heed_tensor *batch = heed_constant(t, HEED_SHAPE(B, T, IN), x);
        heed_tensor *plain = heed_recurrent_forward(t, &m, batch, NULL, NULL).output;
        heed_set_training(t, true);
        heed_tensor *dropped = heed_recurrent_forward(t, &m, batch, NULL, NULL).output;
        heed_tensor *again = heed_recurrent_forward(t, &m, batch, NULL, NULL).output;
        ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
        int differ = 0, differ_again = 0;
        for (int64_t i = 0; i < heed_size(plain); i++) {
            differ += heed_at(plain, i) != heed_at(dropped, i);
            differ_again += heed_at(again, i) != heed_at(dropped, i);
        }
        ck_assert(layers == 1 ? differ == 0 : differ > 0 && differ_again > 0);
        heed_tape_free(t);
        heed_params_free(ps);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recurrent");
    TCase *tests = tcase_create("recurrent");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, padded_is_one_by_one, 0, LENGTH(variants));
    tcase_add_loop_test(tests, nothing_but_padding, 0, LENGTH(variants));
    tcase_add_loop_test(tests, steps_are_the_sequence, 0, LENGTH(variants));
    tcase_add_test(tests, long_sequences);
    tcase_add_loop_test(tests, memory_runs_out, 0, LENGTH(variants));
    tcase_add_loop_test(tests, padding_does_not_leak, 0, LENGTH(variants));
    tcase_add_loop_test(tests, forward_direction_is_causal, 0, LENGTH(variants));
    tcase_add_test(tests, first_values);
    tcase_add_test(tests, dropout_between_layers);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
