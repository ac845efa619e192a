/* Self-attention and its heads, taken apart: three paths to the input, heads as a sum over rows
 * of the output projection, counts of parameters, one head as plain attention bit for bit,
 * blindness to order, and gates that say what a head is worth. */
#include "tensors.h"

#include <heed/nn.h>

enum { B = 2, T = 6, C = 12, H = 3, D = C / H };

static heed_params *make(heed_multihead_attention *m, heed_multihead_attention_options options)
{
    heed_random r = { .seed = 4 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    options.random = &r;
    heed_multihead_attention_init(m, ps, "m", C, options);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    return ps;
}

/* ---- one head: three paths ---- */

/* X W^T; weights are stored as [out, in]. */
static heed_tensor *projected(heed_tape *t, heed_tensor *x, heed_tensor *weight)
{
    return heed_matmul(t, x, heed_swap(t, weight, 0, 1));
}

/* GX = GQ W_Q + GK W_K + GV W_V, and GW_Q = GQ^T X (of weights [out, in]), with the gradients
 * of Q, K and V from an attention that is given them as leaves. */
START_TEST(three_paths)
{
    heed_multihead_attention m;
    heed_params *ps = make(&m, (heed_multihead_attention_options){ .heads = 1 });
    heed_tape *t = tape64();
    heed_tensor *x = heed_watch(t, drawn(t, HEED_SHAPE(1, T, C), 1));
    heed_tensor *go = drawn(t, HEED_SHAPE(1, T, C), 2);
    heed_tensor *y = heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
    swept(t, heed_sum(t, heed_mul(t, y, go)));
    heed_tensor *gx = heed_gradient(t, x), *rows = heed_reshape(t, x, HEED_SHAPE(T, C));

    heed_parameter *weight[3] = { m.q.weight, m.k.weight, m.v.weight };
    heed_tensor *part[3], *w[3];
    for (int i = 0; i < 3; i++) {
        w[i] = heed_detach(t, heed_use(t, weight[i]));
        heed_tensor *one = heed_detach(t, projected(t, rows, w[i]));
        part[i] = heed_watch(t, heed_reshape(t, one, HEED_SHAPE(1, 1, T, C)));
    }
    heed_tensor *read = heed_attention(t, part[0], part[1], part[2], NULL, NULL);
    heed_tensor *out = heed_detach(t, heed_use(t, m.output.weight));
    heed_tensor *again = projected(t, heed_reshape(t, read, HEED_SHAPE(T, C)), out);
    swept(t, heed_sum(t, heed_mul(t, again, heed_reshape(t, go, HEED_SHAPE(T, C)))));
    heed_tensor *sum = NULL;
    for (int i = 0; i < 3; i++) {
        heed_tensor *g = heed_reshape(t, heed_gradient(t, part[i]), HEED_SHAPE(T, C));
        heed_tensor *path = heed_matmul(t, g, w[i]);
        ck_assert_double_gt(length_of(path), 1e-3);
        sum = sum ? heed_add(t, sum, path) : path;
        near_values("weight", heed_matmul(t, heed_swap(t, g, 0, 1), rows),
                    heed_gradients_of(heed_params_gradients(ps), weight[i]), 1e-13);
    }
    near("x", gx, sum, 1e-13);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* One head is projections, attention and the output projection, bit for bit. */
START_TEST(one_head)
{
    heed_multihead_attention m;
    heed_params *ps = make(&m, (heed_multihead_attention_options){ .heads = 1 });
    heed_tape *t = tape64();
    heed_tensor *x = drawn(t, HEED_SHAPE(B, T, C), 1), *part[3];
    const heed_linear_module *linear[3] = { &m.q, &m.k, &m.v };
    for (int i = 0; i < 3; i++)
        part[i] = heed_unsqueeze(t, heed_linear_forward(t, linear[i], x), 1);
    heed_tensor *read = heed_attention(t, part[0], part[1], part[2], NULL, NULL);
    heed_tensor *y = heed_linear_forward(t, &m.output, heed_squeeze(t, read, 1));
    ck_assert(same_bits(heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL), y));
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- several heads ---- */

/* concat(heads) W_O is the sum over heads of head_h by its columns of the weight [out, in]; and
 * the heads are attentions of their own. */
START_TEST(a_sum_over_heads)
{
    heed_multihead_attention m;
    heed_params *ps = make(&m, (heed_multihead_attention_options){ .heads = H });
    heed_tape *t = tape64();
    heed_tensor *x = drawn(t, HEED_SHAPE(1, T, C), 1), *sum = NULL, *part[3];
    const heed_linear_module *linear[3] = { &m.q, &m.k, &m.v };
    for (int h = 0; h < H; h++) {
        for (int i = 0; i < 3; i++) {
            heed_tensor *all = heed_linear_forward(t, linear[i], x);
            part[i] = heed_unsqueeze(t, heed_slice(t, all, 2, h * D, (h + 1) * D, 1), 1);
        }
        heed_tensor *head =
            heed_squeeze(t, heed_attention(t, part[0], part[1], part[2], NULL, NULL), 1);
        heed_tensor *w = heed_use(t, m.output.weight);
        heed_tensor *term = projected(t, head, heed_slice(t, w, 1, h * D, (h + 1) * D, 1));
        sum = sum ? heed_add(t, sum, term) : term;
    }
    near("y", heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL), sum, 1e-13);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* [B, T, H D] as heads and back, without a copy; and a batch is its positions one by one. */
START_TEST(views)
{
    heed_tape *t = tape64();
    heed_tensor *x = drawn(t, HEED_SHAPE(B, T, C), 1);
    heed_tensor *heads = heed_split_heads(t, x, H);
    ck_assert_ptr_eq(heads->data, x->data);
    ck_assert_int_eq(heads->shape[1], H);
    ck_assert_int_eq(heads->shape[3], D);
    heed_tensor *joined = heed_join_heads(t, heads);
    ck_assert_ptr_eq(joined->data, x->data);
    ck_assert(same_bits(joined, x));
    /* Attention takes either layout: [B, H, T, D] in memory, or a view of [B, T, H D]. */
    heed_tensor *copy =
        heed_copy_in(t, HEED_F64, heed_shape_of(heads), heed_contiguous(t, heads)->data);
    ck_assert(heed_is_contiguous(copy) && !heed_is_contiguous(heads));
    ck_assert(same_bits(heed_attention(t, heads, heads, heads, NULL, NULL),
                        heed_attention(t, copy, copy, copy, NULL, NULL)));
    heed_tape_free(t);
}
END_TEST

/* At width 512: W_Q, W_K and W_V of one of 8 heads of 64 have 3 x 512 x 64 = 98,304 numbers, of
 * all eight 786,432, and with W_O it is 4 x 512^2 however many heads there are. */
START_TEST(counts)
{
    for (int heads = 1; heads <= 16; heads *= 2) {
        heed_params *ps = heed_params_new(HEED_F32, NULL);
        heed_multihead_attention m;
        heed_multihead_attention_init(&m, ps, "m", 512,
                                      (heed_multihead_attention_options){ .heads = heads });
        int64_t three = m.q.weight->size + m.k.weight->size + m.v.weight->size;
        ck_assert_int_eq(m.options.key_width, 512 / heads);
        ck_assert_int_eq(three, 786432);
        ck_assert_int_eq(three / 8, 98304);
        ck_assert_int_eq(heed_params_size(ps), 1048576);
        heed_params_free(ps);
    }
    /* Only heads of a fixed width make the count grow with their number. */
    for (int heads = 1; heads <= 4; heads++) {
        heed_params *ps = heed_params_new(HEED_F32, NULL);
        heed_multihead_attention m;
        heed_multihead_attention_init(&m, ps, "m", 512,
                                      (heed_multihead_attention_options){
                                          .heads = heads, .key_width = 64, .value_width = 64 });
        ck_assert_int_eq(heed_params_size(ps), heads * 4 * 512 * 64);
        heed_params_free(ps);
    }
    /* Three matrices of their own: scores are not symmetric. */
    heed_multihead_attention m;
    heed_params *ps = make(&m, (heed_multihead_attention_options){ .heads = 1 });
    heed_tape *t = tape64();
    heed_tensor *x = drawn(t, HEED_SHAPE(T, C), 1);
    heed_tensor *q = heed_linear_forward(t, &m.q, x), *k = heed_linear_forward(t, &m.k, x);
    heed_tensor *s = heed_matmul(t, q, heed_swap(t, k, 0, 1));
    ck_assert_double_gt(length_of(heed_sub(t, s, heed_swap(t, s, 0, 1))), 0.1);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- order ---- */

/* Without positions, permuting the tokens permutes the result and nothing else; with positions
 * of any kind, or causality, it does not. */
START_TEST(blind_to_order)
{
    const int32_t order[T] = { 3, 0, 5, 1, 4, 2 };
    for (int kind = HEED_POSITIONS_LEARNED; kind <= HEED_POSITIONS_NONE + 1; kind++) {
        heed_random r = { .seed = 8 };
        heed_multihead_attention_options o = { .heads = H };
        heed_multihead_attention m;
        heed_position_module places = { .kind = HEED_POSITIONS_NONE };
        if (kind > HEED_POSITIONS_NONE)
            o.causality = HEED_CAUSAL_TOP_LEFT;
        else
            heed_position_attend((heed_position_kind)kind, &o);
        heed_params *ps = make(&m, o);
        if (m.relative)
            heed_init_normal(m.relative, 1, &r);
        if (kind <= HEED_POSITIONS_NONE)
            heed_position_init(&places, ps, "places", (heed_position_kind)kind, T, C, 1, &r);
        heed_tape *t = tape64();
        heed_tensor *at = heed_ids(t, HEED_SHAPE(T), order);
        heed_tensor *x = drawn(t, HEED_SHAPE(1, T, C), 1), *y[2];
        for (int permuted = 0; permuted < 2; permuted++) {
            heed_tensor *in = permuted ? heed_index_select(t, x, at, 1) : x;
            in = heed_position_forward(t, &places, in, 0);
            y[permuted] = heed_multihead_attention_forward(t, &m, in, NULL, NULL, NULL);
        }
        double apart = length_of(heed_sub(t, heed_index_select(t, y[0], at, 1), y[1]));
        ck_assert_msg(kind == HEED_POSITIONS_NONE ? apart < 1e-12 : apart > 1e-3, "kind %d: %g",
                      kind, apart);
        heed_tape_free(t);
        heed_params_free(ps);
    }
}
END_TEST

/* ---- gates ---- */

/* A head's gate g multiplies what it reads by sigmoid(g): the loss's derivative by g is
 * (1 - sigmoid(g)) times that along the head's contribution, and a gate that is shut takes the
 * head away. */
START_TEST(gates_tell_importance)
{
    heed_multihead_attention m;
    heed_params *ps =
        make(&m, (heed_multihead_attention_options){ .heads = H, .gate = HEED_GATE_HEAD });
    double *gate = m.head_gate->data, g[H], expected[H];
    heed_tape *t = tape64();
    for (int h = 0; h < H; h++)
        gate[h] = g[h] = 0.5 - 0.4 * h;
    heed_tensor *x = drawn(t, HEED_SHAPE(1, T, C), 1), *go = drawn(t, HEED_SHAPE(1, T, C), 2);
    heed_tensor *whole = heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
    double loss = heed_item(t, heed_sum(t, heed_mul(t, whole, go)));
    for (int h = 0; h < H; h++) { /* without the head, by a gate of e^-700 */
        heed_tape_reset(t);
        gate[h] = -700;
        x = drawn(t, HEED_SHAPE(1, T, C), 1), go = drawn(t, HEED_SHAPE(1, T, C), 2);
        heed_tensor *y = heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
        double contribution = loss - heed_item(t, heed_sum(t, heed_mul(t, y, go)));
        expected[h] = contribution / (1 + exp(g[h]));
        gate[h] = g[h];
    }
    heed_tape_reset(t);
    x = drawn(t, HEED_SHAPE(1, T, C), 1), go = drawn(t, HEED_SHAPE(1, T, C), 2);
    heed_tensor *y = heed_multihead_attention_forward(t, &m, x, NULL, NULL, NULL);
    swept(t, heed_sum(t, heed_mul(t, y, go)));
    const double *by = heed_gradients_of(heed_params_gradients(ps), m.head_gate);
    for (int h = 0; h < H; h++)
        ck_assert_msg(fabs(by[h] - expected[h]) < 1e-12, "head %d: %.17g, expected %.17g", h,
                      by[h], expected[h]);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heads");
    TCase *tests = tcase_create("heads");
    tcase_add_test(tests, three_paths);
    tcase_add_test(tests, one_head);
    tcase_add_test(tests, a_sum_over_heads);
    tcase_add_test(tests, views);
    tcase_add_test(tests, counts);
    tcase_add_test(tests, blind_to_order);
    tcase_add_test(tests, gates_tell_importance);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
