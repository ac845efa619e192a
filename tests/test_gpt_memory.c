/* What heed_gpt_memory expects of a training step against what a step then takes: its tape at
 * the most, and weights, gradients and two moments of 4 bytes each. The estimate is meant to be a
 * fifth more, for every variant: never less, so that no program which goes by it is stopped
 * half-way, and not so much more that it refuses what would fit. */
#include "tensors.h"

#include <heed/nn.h>

static double taken(heed_gpt_options o, int64_t batch)
{
    static heed_gpt m;
    heed_random r = { .seed = 1 };
    o.random = &r;
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_gpt_init(&m, ps, o);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    heed_tape *t = heed_tape_new(NULL);
    heed_set_training(t, true);
    heed_tensor *ids = heed_arange(t, 0, (int32_t)(batch * o.context));
    ids = heed_reshape(t, ids, HEED_SHAPE(batch, o.context));
    swept(t, heed_gpt_loss(t, &m, ids, ids));
    double bytes = (double)heed_tape_memory(t).peak + 16 * (double)heed_params_size(ps);
    heed_tape_free(t);
    heed_params_free(ps);
    return bytes;
}

static void estimated(heed_gpt_options o, int64_t batch)
{
    double need = taken(o, batch), estimate = (double)heed_gpt_memory(&o, batch);
    ck_assert_msg(
        estimate >= 1.05 * need && estimate <= 1.35 * need,
        "width %d, context %d, layers %d, heads %d (%d), positions %d, place %d, norm "
        "%d, activation %d, gated %d, bias %d, dropout %g, batch %d: %.0f bytes "
        "expected, %.0f taken (%.3f)",
        (int)o.width, (int)o.context, o.layers, o.heads, o.key_heads, o.positions, o.place,
        o.norm, o.activation, o.gated, o.bias, o.dropout, (int)batch, estimate, need,
        estimate / need);
}

/* All positions, places, gates, shared keys and dropout with one another; norms, activations and
 * biases taking turns. */
START_TEST(variants)
{
    static const int key_heads[] = { 0, 1, 4 };
    int turn = 0;
    for (int i = 0; i < 6 * 3 * 2 * 3 * 2; i++) {
        heed_gpt_options o = { .vocabulary = 128, .context = 64, .width = 32, .layers = 2 };
        o.heads = 4;
        o.positions = (heed_position_kind)(i % 6);
        o.place = (heed_norm_place)(i / 6 % 3);
        o.gated = i / 18 % 2;
        o.key_heads = key_heads[i / 36 % 3];
        o.dropout = i / 108 != 0 ? 0.1 : 0;
        turn += 1 + i / 6 % 2;
        o.norm = turn % 2 ? HEED_RMSNORM : HEED_LAYERNORM;
        o.activation = (heed_activation)(turn % 6);
        o.bias = turn / 2 % 2;
        estimated(o, 2);
    }
}
END_TEST

/* Where one part outweighs the others: logits, maps of the bias, weights; one layer and many; a
 * batch of one. */
START_TEST(proportions)
{
    static const struct {
        int64_t vocabulary, context, width;
        int layers, heads;
        int64_t batch;
    } sizes[] = {
        { 256, 256, 64, 1, 8, 1 }, { 256, 256, 32, 4, 2, 1 }, { 640, 32, 32, 1, 1, 16 },
        { 256, 32, 128, 6, 4, 1 }, { 512, 32, 32, 12, 4, 4 },
    };
    static const heed_position_kind positions[] = { HEED_POSITIONS_LEARNED,
                                                    HEED_POSITIONS_SINUSOIDAL,
                                                    HEED_POSITIONS_RELATIVE };
    for (int i = 0; i < LENGTH(sizes); i++) {
        for (int k = 0; k < 2 * LENGTH(positions); k++) {
            heed_gpt_options o = { .vocabulary = sizes[i].vocabulary,
                                   .context = sizes[i].context,
                                   .width = sizes[i].width,
                                   .layers = sizes[i].layers,
                                   .heads = sizes[i].heads,
                                   .positions = positions[k / 2],
                                   .gated = k % 2 };
            estimated(o, sizes[i].batch);
        }
    }
}
END_TEST

START_TEST(too_large_to_count)
{
    heed_gpt_options o = { .vocabulary = 50257,
                           .context = 1024,
                           .width = 768,
                           .layers = 12,
                           .heads = 12,
                           .positions = HEED_POSITIONS_RELATIVE };
    ck_assert_int_gt(heed_gpt_memory(&o, 8), 2 * heed_gpt_memory(&o, 2));
    ck_assert_int_eq(heed_gpt_memory(&o, INT64_MAX / 1000), -1);
    o.context = INT64_C(1) << 40;
    ck_assert_int_eq(heed_gpt_memory(&o, 1), -1);
    o.context = 1024;
    o.width = INT64_MAX / 2;
    ck_assert_int_eq(heed_gpt_memory(&o, 1), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory of GPT");
    TCase *tests = tcase_create("memory");
    tcase_add_test(tests, variants);
    tcase_add_test(tests, proportions);
    tcase_add_test(tests, too_large_to_count);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
