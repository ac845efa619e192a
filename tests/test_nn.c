/* Modules: known values, exact structural zeros, caches against the full forward, masks against
 * unpadded runs, initialisers, parameter counts, and every module through the public gradient
 * check. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <heed/heed.h>
#include <heed/nn.h>
#include <heed/optim.h>

static heed_tape *new_tape(heed_dtype dtype)
{
    return heed_tape_new(&(heed_tape_options){ .dtype = dtype });
}

static void expect(const heed_tensor *x, int64_t n, const double *values, double tolerance)
{
    ck_assert_ptr_nonnull(x);
    ck_assert_int_eq(heed_size(x), n);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs(heed_at(x, i) - values[i]) <= tolerance,
                      "element %d: %.12f, expected %.12f", (int)i, heed_at(x, i), values[i]);
}

/* ---- known values ---- */

START_TEST(sinusoidal_positions)
{
    heed_tape *t = new_tape(HEED_F64);
    heed_tensor *x = heed_sinusoidal_positions(t, 0, 3, 4);
    expect(heed_select(t, x, 0, 0), 4, (double[]){ 0, 1, 0, 1 }, 0);
    expect(heed_select(t, x, 0, 1), 4,
           (double[]){ 0.8414709848, 0.5403023059, 0.0099998333, 0.9999500004 }, 1e-10);
    heed_tensor *banana =
        heed_constant(t, HEED_SHAPE(4), (double[]){ 0.12, -0.87, 0.33, 0.55 });
    expect(heed_add(t, banana, heed_select(t, x, 0, 1)), 4,
           (double[]){ 0.9614709848, -0.3296976941, 0.3399998333, 1.5499500004 }, 1e-10);
    /* |PE|^2 = d/2, and any start gives the same rows. */
    heed_tensor *later = heed_sinusoidal_positions(t, 2, 1, 4);
    ck_assert_double_eq_tol(heed_item(t, heed_sum(t, heed_square(t, later))), 2, 1e-12);
    expect(later, 4, (double[]){ heed_at(x, 8), heed_at(x, 9), heed_at(x, 10), heed_at(x, 11) },
           0);
    heed_tape_free(t);
}
END_TEST

START_TEST(layernorm_value)
{
    heed_tape *t = new_tape(HEED_F64);
    heed_tensor *banana =
        heed_constant(t, HEED_SHAPE(4), (double[]){ 0.12, -0.87, 0.33, 0.55 });
    expect(heed_layernorm(t, banana, NULL, NULL, 1e-5), 4,
           (double[]){ 0.1612020244, -1.6626837373, 0.5480868829, 0.9533948300 }, 1e-9);
    heed_tape_free(t);
}
END_TEST

/* The asymmetric attention example: values computed independently in f64. */
static const double Q[] = { .2, -.4, .7, 1.1, .3, -.5 };
static const double K[] = { .5, .1, -.3, -.2, .8, .4, .9, -.6, .2, 0, .3, 1 };
static const double VALUES[] = { 1, -1, .5, 2, -.7, .3, .2, .9 };
static const double GO[] = { 1, -2, .5, .25 };

static void attention_example(bool composed, const bool *keep, const double *o,
                              const double *gq, const double *gk, const double *gv)
{
    heed_tape *t = new_tape(HEED_F64);
    heed_tensor *q = heed_watch(t, heed_constant(t, HEED_SHAPE(1, 1, 2, 3), Q));
    heed_tensor *k = heed_watch(t, heed_constant(t, HEED_SHAPE(1, 1, 4, 3), K));
    heed_tensor *v = heed_watch(t, heed_constant(t, HEED_SHAPE(1, 1, 4, 2), VALUES));
    heed_tensor *mask = keep ? heed_mask(t, HEED_SHAPE(2, 4), keep) : NULL;
    heed_tensor *y = heed_keep(
        t, heed_attention(t, q, k, v, mask, &(heed_attention_options){ .composed = composed }));
    heed_tensor *go = heed_constant(t, HEED_SHAPE(1, 1, 2, 2), GO);
    ck_assert_msg(heed_backward(t, heed_sum(t, heed_mul(t, y, go))), "%s", heed_error(t));
    expect(y, 4, o, 2e-10);
    expect(heed_gradient(t, q), 6, gq, 2e-10);
    expect(heed_gradient(t, k), 12, gk, 2e-10);
    expect(heed_gradient(t, v), 8, gv, 2e-10);
    heed_tape_free(t);
}

START_TEST(asymmetric_attention)
{
    const double o[] = { .1519623938, .5729874540, .2283216330, .3051423658 };
    const double gq[] = { .2394879921,  -.1922036729, -.3708273184,
                          -.0839644002, .1057954798,  .0171726063 };
    const double gk[] = { .1031358641, -.1785221319, .3126912267,  .0084343074,
                          .1373074525, -.2387462812, -.1048270137, -.0047355116,
                          .0061432500, -.0067431578, .0459501910,  -.0800881955 };
    const double gv[] = { .3585690773, -.3136048909, .3007347238, -.3628499610,
                          .4566138541, -.5143272463, .3840823448, -.5592179018 };
    attention_example(_i != 0, NULL, o, gq, gk, gv);
}
END_TEST

START_TEST(asymmetric_attention_masked)
{
    const bool keep[] = { true, false, true, true, true, true, false, false };
    const double o[] = { .0620587870, .2043675908, .8142034847, .1147790921 };
    const double gq[] = { .0545148858,  .0892899490, -.4585677608,
                          -.0471863049, .0471863049, .0471863049 };
    const double gk[] = { .0217199821,  -.2119624819, .3692491181,  .0741499078,
                          .0202227021,  -.0337045035, -.0411466309, .0822932617,
                          -.1440132080, -.0547232590, .1094465180,  -.1915314066 };
    const double gv[] = { .5622877040, -.3390666965, .1857965153, .0928982577,
                          .3737873205, -.7475746411, .3781284601, -.7562569202 };
    attention_example(_i != 0, keep, o, gq, gk, gv);
}
END_TEST

START_TEST(cross_entropy_value)
{
    heed_tape *t = new_tape(HEED_F64);
    heed_tensor *logits =
        heed_log(t, heed_constant(t, HEED_SHAPE(1, 2), (double[]){ 0.2, 0.8 }));
    heed_tensor *loss =
        heed_cross_entropy(t, logits, heed_ids(t, HEED_SHAPE(1), (int32_t[]){ 0 }), NULL);
    ck_assert_double_eq_tol(heed_item(t, loss), 1.6094379124, 1e-10);
    heed_tape_free(t);
}
END_TEST

START_TEST(parameter_counts)
{
    heed_gpt_options gpt2 = { .vocabulary = 50257,
                              .context = 1024,
                              .width = 768,
                              .layers = 12,
                              .heads = 12,
                              .bias = true };
    ck_assert_int_eq(heed_gpt_count(&gpt2), 124439808);
    ck_assert_int_gt(heed_gpt_memory(&gpt2, 4), 16 * heed_gpt_count(&gpt2));
    gpt2.width = INT64_MAX / 2;
    ck_assert_int_eq(heed_gpt_count(&gpt2), -1);
    /* Attention's count does not depend on the number of heads: 4 d^2 + 4 d. */
    for (int heads = 1; heads <= 8; heads *= 2) {
        heed_params *ps = heed_params_new(HEED_F32, NULL);
        heed_multihead_attention m;
        heed_multihead_attention_init(
            &m, ps, "a", 512,
            (heed_multihead_attention_options){ .packed = true, .heads = heads, .bias = true });
        ck_assert_int_eq(heed_params_size(ps), 1050624);
        heed_params_free(ps);
    }
}
END_TEST

START_TEST(sizes_refused)
{
    static heed_gpt m;
    struct {
        heed_gpt_options options;
        const char *sentence;
    } cases[] = {
        { { .vocabulary = 5, .context = 4, .width = 130, .layers = 1, .heads = 4 },
          "width 130 is not divisible by heads 4" },
        { { .vocabulary = 0, .context = 4, .width = 8, .layers = 1, .heads = 4 },
          "vocabulary 0 is not in 1 .. 2147483647" },
        { { .vocabulary = 5, .context = 4, .width = 8, .layers = 300, .heads = 4 },
          "layers 300 is not in 1 .. 256" },
        { { .vocabulary = 5, .context = 4, .width = 8, .layers = 1, .heads = 4, .dropout = 1 },
          "dropout 1 is not in [0, 1)" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        heed_params *ps = heed_params_new(HEED_F32, NULL);
        heed_gpt_init(&m, ps, cases[i].options);
        ck_assert_str_eq(heed_params_error(ps), cases[i].sentence);
        /* A failed set fails the tape that uses it. */
        heed_params_free(ps);
    }
}
END_TEST

START_TEST(parts_refused)
{
    static const struct {
        heed_feedforward_options feedforward;
        heed_norm_options norm;
        const char *sentence;
    } cases[] = {
        { { .hidden = -5 }, { 0 }, "feedforward: hidden -5 of width 8 is no size" },
        { { .activation = (heed_activation)9 },
          { 0 },
          "feedforward: there is no activation 9" },
        { { .hidden_dropout = 2 }, { 0 }, "feedforward: dropout 2 is not in [0, 1)" },
        { { .dropout = -1 }, { 0 }, "feedforward: dropout -1 is not in [0, 1)" },
        { { 0 }, { .kind = (heed_norm_kind)4 }, "norm n: there is no kind 4" },
        { { 0 }, { .epsilon = -1 }, "norm n: epsilon is not 0 or more: -1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        heed_params *ps = heed_params_new(HEED_F32, NULL);
        heed_feedforward feedforward;
        heed_norm_module norm;
        heed_feedforward_init(&feedforward, ps, "f", 8, cases[i].feedforward);
        heed_norm_init(&norm, ps, "n", 8, cases[i].norm);
        ck_assert_str_eq(heed_params_error(ps), cases[i].sentence);
        heed_params_free(ps);
    }
}
END_TEST

/* Mean and variance of the initialisers, within four standard errors of the estimates: that of
 * the mean is sqrt(var/n), that of the variance var sqrt((kurtosis - 1)/n), with kurtosis 9/5
 * for the uniform distribution and 3 for the normal one. The two fans differ, so that neither
 * can stand for the other. */
START_TEST(initial_variance)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 5 };
    heed_linear_module xavier, he, gpt2;
    heed_linear_init(&xavier, ps, "xavier", 300, 200, (heed_linear_options){ .random = &r });
    heed_linear_init(&he, ps, "he", 300, 200,
                     (heed_linear_options){ .init = HEED_INIT_HE, .random = &r });
    heed_linear_init(
        &gpt2, ps, "gpt2", 300, 200,
        (heed_linear_options){ .init = HEED_INIT_GPT2_RESIDUAL, .layers = 8, .random = &r });
    const heed_parameter *weights[] = { xavier.weight, he.weight, gpt2.weight };
    const double expected[] = { 2.0 / 500, 2.0 / 300, 0.02 * 0.02 / 16 };
    const double kurtosis[] = { 1.8, 3, 3 };
    for (int k = 0; k < 3; k++) {
        const double *w = weights[k]->data;
        double mean = 0, square = 0, n = (double)weights[k]->size;
        for (int64_t i = 0; i < weights[k]->size; i++) {
            mean += w[i] / n;
            square += w[i] * w[i] / n;
        }
        double variance = square - mean * mean;
        double error = expected[k] * sqrt((kurtosis[k] - 1) / n);
        ck_assert_double_le(fabs(mean), 4 * sqrt(expected[k] / n));
        ck_assert_msg(fabs(variance - expected[k]) <= 4 * error,
                      "variance %g, expected %g +- %g", variance, expected[k], error);
    }
    heed_params_free(ps);
}
END_TEST

/* ---- structure ---- */

static heed_gpt model;

static heed_params *small_gpt(heed_dtype dtype, heed_norm_kind norm, bool sinusoidal)
{
    heed_params *ps = heed_params_new(dtype, NULL);
    heed_random r = { .seed = 3 };
    heed_gpt_init(&model, ps,
                  (heed_gpt_options){ .vocabulary = 11,
                                      .context = 6,
                                      .width = 8,
                                      .layers = 2,
                                      .heads = 2,
                                      .bias = true,
                                      .norm = norm,
                                      .positions = sinusoidal ? HEED_POSITIONS_SINUSOIDAL
                                                              : HEED_POSITIONS_LEARNED,
                                      .random = &r });
    /* Larger weights than a fresh GPT's, so that attention is not uniform. */
    for (int i = 0; i < heed_params_count(ps); i++) {
        if (heed_params_at(ps, i)->shape.ndim == 2)
            heed_init_normal(heed_params_at(ps, i), 0.4, &r);
    }
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    return ps;
}

/* No output depends on a later token: gradients are exactly 0, and the past keeps its bits. */
START_TEST(causality)
{
    heed_params *ps = small_gpt(HEED_F64, HEED_LAYERNORM, false);
    heed_tape *t = new_tape(HEED_F64);
    for (int at = 0; at < 6; at++) {
        heed_tensor *x = heed_watch(
            t, heed_constant(t, HEED_SHAPE(1, 6, 8), (double[48]){ 0.3, -0.2, 0.9, 0.4 }));
        heed_tensor *y = heed_block_forward(t, &model.stack.blocks[0], x, NULL);
        y = heed_block_forward(t, &model.stack.blocks[1], y, NULL);
        heed_tensor *loss = heed_sum(t, heed_square(t, heed_select(t, y, 1, at)));
        ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
        const heed_tensor *g = heed_gradient(t, x);
        double seen = 0;
        for (int s = 0; s < 6; s++) {
            for (int c = 0; c < 8; c++) {
                if (s > at)
                    ck_assert_double_eq(heed_at(g, s * 8 + c), 0);
                else
                    seen += fabs(heed_at(g, s * 8 + c));
            }
        }
        ck_assert_double_gt(seen, 0);
        heed_tape_reset(t);
    }
    int32_t ids[] = { 1, 2, 3, 4, 5, 6 };
    double before[3 * 11], after[3 * 11];
    for (int round = 0; round < 2; round++) {
        heed_tensor *y = heed_gpt_forward(t, &model, heed_ids(t, HEED_SHAPE(1, 6), ids), NULL);
        ck_assert(heed_copy_out(t, heed_slice(t, y, 1, 0, 3, 1), round ? after : before));
        ids[3] = 9;
        ids[5] = 0;
        heed_tape_reset(t);
    }
    ck_assert_mem_eq(before, after, sizeof before);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* Cached decoding, token by token and in pieces, equals the full forward. */
START_TEST(cache)
{
    heed_params *ps = small_gpt(_i & 1 ? HEED_F32 : HEED_F64, HEED_LAYERNORM, _i >= 2);
    heed_tape *t = new_tape(heed_params_dtype(ps));
    const int32_t ids[] = { 4, 0, 7, 7, 2, 10 };
    double tolerance = heed_params_dtype(ps) == HEED_F64 ? 1e-13 : 1e-5;
    const int pieces[] = { 1, 2, 1, 2 };
    heed_set_recording(t, false);
    heed_tensor *full = heed_gpt_forward(t, &model, heed_ids(t, HEED_SHAPE(1, 6), ids), NULL);
    heed_cache caches[2];
    for (int i = 0; i < 2; i++)
        ck_assert(heed_cache_init(&caches[i], 6, NULL));
    for (int round = 0; round < 2; round++) {
        int at = 0;
        for (int piece = 0; piece < 4; piece++) {
            heed_tensor *y = heed_gpt_forward(
                t, &model, heed_ids(t, HEED_SHAPE(1, pieces[piece]), ids + at), caches);
            ck_assert_msg(y != NULL, "%s", heed_error(t));
            for (int i = 0; i < pieces[piece] * 11; i++)
                ck_assert_double_eq_tol(heed_at(y, i), heed_at(full, at * 11 + i), tolerance);
            at += pieces[piece];
        }
        ck_assert_int_eq(heed_cache_length(&caches[0]), 6);
        for (int i = 0; i < 2; i++)
            heed_cache_clear(&caches[i]);
    }
    /* A seventh position does not fit. */
    for (int i = 0; i < 2; i++)
        heed_cache_clear(&caches[i]);
    heed_gpt_forward(t, &model, heed_ids(t, HEED_SHAPE(1, 6), ids), caches);
    ck_assert_ptr_null(heed_gpt_forward(t, &model, heed_ids(t, HEED_SHAPE(1, 1), ids), caches));
    ck_assert_str_eq(heed_error(t), "gpt: 1 positions after 6 do not fit the context of 6");
    for (int i = 0; i < 2; i++)
        heed_cache_free(&caches[i]);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* Inference leaves nothing behind but its result. */
START_TEST(inference_memory)
{
    heed_params *ps = small_gpt(HEED_F32, HEED_LAYERNORM, false);
    heed_tape *t = new_tape(HEED_F32);
    heed_set_recording(t, false);
    heed_tensor *ids = heed_ids(t, HEED_SHAPE(1, 6), (int32_t[]){ 1, 2, 3, 4, 5, 6 });
    size_t before = heed_tape_memory(t).used;
    heed_tensor *y = heed_gpt_forward(t, &model, ids, NULL);
    ck_assert_ptr_nonnull(y);
    ck_assert_uint_le(heed_tape_memory(t).used - before, 6 * 11 * sizeof(float) + 4096);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* A padded batch gives each row what the row alone gives. */
START_TEST(padding)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 8 };
    heed_multihead_attention m;
    heed_multihead_attention_init(&m, ps, "a", 4,
                                  (heed_multihead_attention_options){
                                      .packed = true, .heads = 2, .bias = true, .random = &r });
    heed_tape *t = new_tape(HEED_F64);
    double x[2 * 3 * 4];
    for (int i = 0; i < 24; i++)
        x[i] = sin(i + 1.0);
    for (int i = 20; i < 24; i++)
        x[i] = NAN; /* the padded position of row 1 */
    const int32_t lengths[] = { 3, 2 };
    heed_tensor *batch = heed_constant(t, HEED_SHAPE(2, 3, 4), x);
    heed_tensor *padded = heed_multihead_attention_forward(
        t, &m, batch, NULL, heed_padding_mask(t, 2, 3, lengths), NULL);
    for (int row = 0; row < 2; row++) {
        heed_tensor *alone = heed_multihead_attention_forward(
            t, &m, heed_constant(t, HEED_SHAPE(1, lengths[row], 4), x + row * 12), NULL, NULL,
            NULL);
        ck_assert_msg(alone != NULL, "%s", heed_error(t));
        for (int i = 0; i < lengths[row] * 4; i++)
            ck_assert_double_eq_tol(heed_at(padded, row * 12 + i), heed_at(alone, i), 1e-14);
    }
    ck_assert_ptr_null(heed_padding_mask(t, 1, 3, (int32_t[]){ 4 }));
    ck_assert_str_eq(heed_error(t), "padding_mask: length 4 of row 0 is outside 0 .. 3");
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* Dropout acts while training only, the mask is drawn anew each step, and expectation is kept.
 */
START_TEST(dropout)
{
    heed_tape *t = new_tape(HEED_F32);
    heed_seed(t, 7, 0);
    heed_tensor *x = heed_full(t, HEED_SHAPE(10000), 1);
    ck_assert_ptr_eq(heed_dropout(t, x, 0.25), x);
    heed_set_training(t, true);
    heed_tensor *a = heed_dropout(t, x, 0.25), *b = heed_dropout(t, x, 0.25);
    double kept = 0, same = 0;
    for (int i = 0; i < 10000; i++) {
        ck_assert(heed_at(a, i) == 0 || fabs(heed_at(a, i) - 4.0 / 3) < 1e-6);
        kept += heed_at(a, i) != 0;
        same += heed_at(a, i) == heed_at(b, i);
    }
    ck_assert_double_eq_tol(kept / 10000, 0.75, 5 * sqrt(0.75 * 0.25 / 10000));
    ck_assert_double_eq_tol(same / 10000, 0.625, 5 * sqrt(0.625 * 0.375 / 10000));
    ck_assert_ptr_null(heed_dropout(t, x, 1));
    heed_tape_free(t);
}
END_TEST

/* A tied table gathers gradient from both uses; a frozen parameter gets none and is not
 * computed. */
START_TEST(tying_and_freezing)
{
    heed_params *ps = small_gpt(HEED_F64, HEED_RMSNORM, false);
    heed_tape *t = new_tape(HEED_F64);
    heed_tensor *ids = heed_ids(t, HEED_SHAPE(1, 3), (int32_t[]){ 1, 2, 3 });
    ck_assert(heed_backward(t, heed_gpt_loss(t, &model, ids, ids)));
    const double *g = heed_gradients_of(heed_params_gradients(ps), model.tokens.weight);
    for (int id = 0; id < 11; id++) /* as output rows, all take part */
        ck_assert_double_ne(g[id * 8], 0);
    heed_tape_reset(t);
    ck_assert_int_gt(heed_params_freeze(ps, "blocks.0.*", true), 0);
    heed_gradients_zero(heed_params_gradients(ps));
    ids = heed_ids(t, HEED_SHAPE(1, 3), (int32_t[]){ 1, 2, 3 });
    ck_assert(heed_backward(t, heed_gpt_loss(t, &model, ids, ids)));
    ck_assert_ptr_null(
        heed_gradients_of(heed_params_gradients(ps), model.stack.blocks[0].attention.q.weight));
    ck_assert_ptr_nonnull(
        heed_gradients_of(heed_params_gradients(ps), model.stack.blocks[1].attention.q.weight));
    ck_assert_int_lt(heed_params_trainable(ps), heed_params_size(ps));
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- every module through the public check ---- */

static heed_tensor *scalar_of(heed_tape *t, heed_tensor *y)
{
    return heed_sum(t, heed_mul(t, y, heed_sin(t, y)));
}

static heed_tensor *linear_energy(heed_tape *t, heed_tensor *const x[], void *m)
{
    return scalar_of(t, heed_linear_forward(t, m, x[0]));
}

static heed_tensor *norm_energy(heed_tape *t, heed_tensor *const x[], void *m)
{
    return scalar_of(t, heed_norm_forward(t, m, x[0]));
}

static heed_tensor *feedforward_energy(heed_tape *t, heed_tensor *const x[], void *m)
{
    return scalar_of(t, heed_feedforward_forward(t, m, x[0]));
}

static heed_tensor *attention_energy(heed_tape *t, heed_tensor *const x[], void *m)
{
    return scalar_of(t, heed_multihead_attention_forward(t, m, x[0], NULL, NULL, NULL));
}

static heed_tensor *block_energy(heed_tape *t, heed_tensor *const x[], void *m)
{
    return scalar_of(t, heed_block_forward(t, m, x[0], NULL));
}

static heed_tensor *embedding_energy(heed_tape *t, heed_tensor *const x[], void *m)
{
    return scalar_of(t, heed_embedding_logits(t, m, heed_embedding_forward(t, m, x[0])));
}

static heed_tensor *gpt_energy(heed_tape *t, heed_tensor *const x[], void *m)
{
    return heed_gpt_loss(t, m, x[0], x[1]);
}

static void pass(heed_tensor *(*f)(heed_tape *, heed_tensor *const[], void *), void *m,
                 heed_params *ps, int n, const heed_input inputs[], int order)
{
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
    heed_report r = heed_check(f, m, ps, n, inputs, &(heed_check_options){ .order = order });
    ck_assert_msg(r.passed, "%s: %s (%.12g by the tape, %.12g by differences)", r.message,
                  r.where, r.analytic, r.numeric);
    ck_assert_int_gt(r.compared, 0);
    heed_params_free(ps);
}

#define ROWS                        \
    {                               \
        .shape = HEED_DIMS(2, 3, 4) \
    }

START_TEST(check_linear)
{
    heed_random r = { .seed = 1 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_linear_module m;
    heed_linear_init(&m, ps, "m", 4, 3, (heed_linear_options){ .bias = true, .random = &r });
    pass(linear_energy, &m, ps, 1, (heed_input[]){ ROWS }, 2);
}
END_TEST

START_TEST(check_norm)
{
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_norm_module m;
    heed_norm_init(
        &m, ps, "m", 4,
        (heed_norm_options){ .kind = _i ? HEED_RMSNORM : HEED_LAYERNORM, .bias = true });
    pass(norm_energy, &m, ps, 1, (heed_input[]){ ROWS }, 2);
}
END_TEST

START_TEST(check_feedforward)
{
    static const heed_activation smooth[] = { HEED_GELU, HEED_GELU_TANH, HEED_SILU, HEED_TANH,
                                              HEED_SIGMOID };
    heed_random r = { .seed = 2 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_feedforward m;
    heed_feedforward_init(
        &m, ps, "m", 4,
        (heed_feedforward_options){
            .hidden = 5, .bias = true, .activation = smooth[_i], .random = &r });
    pass(feedforward_energy, &m, ps, 1, (heed_input[]){ ROWS }, 2);
}
END_TEST

START_TEST(check_attention)
{
    heed_random r = { .seed = 3 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_multihead_attention m;
    heed_multihead_attention_init(
        &m, ps, "m", 4,
        (heed_multihead_attention_options){ .packed = true,
                                            .heads = 2,
                                            .bias = true,
                                            .composed = _i & 1,
                                            .random = &r,
                                            .causality = _i & 2 ? HEED_CAUSAL_TOP_LEFT
                                                                : HEED_NOT_CAUSAL });
    pass(attention_energy, &m, ps, 1, (heed_input[]){ ROWS }, 2);
}
END_TEST

START_TEST(check_block)
{
    heed_random r = { .seed = 4 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_block m;
    heed_block_init(
        &m, ps, "m", 4,
        (heed_block_options){ .place = _i ? HEED_POST_NORM : HEED_PRE_NORM,
                              .norm = { .bias = true },
                              .attention = { .packed = true,
                                             .heads = 2,
                                             .causality = HEED_CAUSAL_TOP_LEFT,
                                             .random = &r },
                              .feedforward = { .hidden = 6, .bias = true, .random = &r } });
    pass(block_energy, &m, ps, 1, (heed_input[]){ ROWS }, 1);
}
END_TEST

START_TEST(check_embedding)
{
    heed_random r = { .seed = 5 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_embedding_module m;
    heed_embedding_init(&m, ps, "m", 5, 3, 1, &r);
    pass(embedding_energy, &m, ps, 1,
         (heed_input[]){ { .dtype = HEED_I32, .shape = HEED_DIMS(4), .high = 5 } }, 2);
}
END_TEST

START_TEST(check_gpt)
{
    heed_params *ps = small_gpt(HEED_F32, _i ? HEED_RMSNORM : HEED_LAYERNORM, _i == 1);
    heed_input ids = { .dtype = HEED_I32, .shape = HEED_DIMS(2, 4), .high = 11 };
    pass(gpt_energy, &model, ps, 2, (heed_input[]){ ids, ids }, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nn");
    TCase *values = tcase_create("values");
    tcase_add_test(values, sinusoidal_positions);
    tcase_add_test(values, layernorm_value);
    tcase_add_loop_test(values, asymmetric_attention, 0, 2);
    tcase_add_loop_test(values, asymmetric_attention_masked, 0, 2);
    tcase_add_test(values, cross_entropy_value);
    tcase_add_test(values, parameter_counts);
    tcase_add_test(values, sizes_refused);
    tcase_add_test(values, parts_refused);
    tcase_add_test(values, initial_variance);
    suite_add_tcase(suite, values);
    TCase *structure = tcase_create("structure");
    tcase_add_test(structure, causality);
    tcase_add_loop_test(structure, cache, 0, 4);
    tcase_add_test(structure, inference_memory);
    tcase_add_test(structure, padding);
    tcase_add_test(structure, dropout);
    tcase_add_test(structure, tying_and_freezing);
    suite_add_tcase(suite, structure);
    TCase *checks = tcase_create("gradients");
    tcase_set_timeout(checks, 60);
    tcase_add_test(checks, check_linear);
    tcase_add_loop_test(checks, check_norm, 0, 2);
    tcase_add_loop_test(checks, check_feedforward, 0, 5);
    tcase_add_loop_test(checks, check_attention, 0, 4);
    tcase_add_loop_test(checks, check_block, 0, 2);
    tcase_add_test(checks, check_embedding);
    tcase_add_loop_test(checks, check_gpt, 0, 2);
    suite_add_tcase(suite, checks);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
