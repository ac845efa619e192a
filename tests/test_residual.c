/* Residual branches of zeros leave the stream alone, forward and backward, and the feed-forward
 * knows no positions. */
#include "tensors.h"

#include <heed/nn.h>

enum { T = 5, C = 6 };

static heed_params *make(heed_block *m)
{
    heed_random r = { .seed = 4 };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_block_init(m, ps, "m", C,
                    (heed_block_options){ .attention = { .heads = 2, .random = &r },
                                          .feedforward = { .bias = true, .random = &r } });
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    return ps;
}

static void clear(heed_params *ps, const char *name)
{
    heed_parameter *p = heed_params_find(ps, name);
    ck_assert_msg(p != NULL, "there is no %s", name);
    heed_init_constant(p, 0);
}

/* Branches that end in zeros: the block is the identity, and so is its derivative; any other
 * branch adds to the 1 that is always there. */
START_TEST(branches_of_zeros)
{
    heed_block m;
    heed_params *ps = make(&m);
    heed_tape *t = tape64();
    for (int zeros = 0; zeros < 2; zeros++) {
        if (zeros) {
            clear(ps, "m.attention.output.weight");
            clear(ps, "m.feedforward.down.weight");
            clear(ps, "m.feedforward.down.bias");
        }
        heed_tensor *x = heed_watch(t, drawn(t, HEED_SHAPE(1, T, C), 1));
        heed_tensor *go = drawn(t, HEED_SHAPE(1, T, C), 2);
        heed_tensor *y = heed_keep(t, heed_block_forward(t, &m, x, NULL));
        swept(t, heed_sum(t, heed_mul(t, y, go)));
        ck_assert(same_bits(y, x) == (zeros == 1));
        ck_assert(same_bits(heed_gradient(t, x), go) == (zeros == 1));
        heed_tape_reset(t);
    }
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* A token alone gets what it gets among others, from the same weights, however many. */
START_TEST(position_by_position)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_tape *t = tape64();
    heed_feedforward m;
    heed_random r = { .seed = 4 };
    heed_feedforward_init(
        &m, ps, "m", C,
        (heed_feedforward_options){ .activation = HEED_RELU, .bias = true, .random = &r });
    ck_assert_int_eq(heed_params_size(ps), 2 * 4 * C * C + 4 * C + C);
    heed_tensor *x = drawn(t, HEED_SHAPE(1, 20, C), 1);
    heed_tensor *all = heed_feedforward_forward(t, &m, x);
    heed_tensor *ten = heed_feedforward_forward(t, &m, heed_slice(t, x, 1, 0, 10, 1));
    near("ten", ten, heed_slice(t, all, 1, 0, 10, 1), 1e-14);
    for (int i = 0; i < 20; i++) {
        heed_tensor *one = heed_feedforward_forward(t, &m, heed_slice(t, x, 1, i, i + 1, 1));
        near("one", one, heed_slice(t, all, 1, i, i + 1, 1), 1e-14);
    }
    /* max(0, x W1 + b1) W2 + b2 */
    heed_tensor *inner = heed_relu(t, heed_linear_forward(t, &m.up, x));
    near("formula", heed_linear_forward(t, &m.down, inner), all, 0);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("residual");
    TCase *tests = tcase_create("residual");
    tcase_add_test(tests, branches_of_zeros);
    tcase_add_test(tests, position_by_position);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
