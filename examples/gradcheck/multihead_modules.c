/* Multi-head attention in its variants, each a row of options; all checked by the same few
 * lines. */
#include "modules.h"

#include <heed/nn.h>

enum { B = 2, T = 3, S = 4, C = 4, H = 2 };

/* Bends scores, each by the rest of its row too. */
static heed_tensor *bent(heed_tape *t, heed_tensor *scores, void *user)
{
    const double *by = user;
    heed_tensor *wave = heed_scale(t, heed_sin(t, scores), *by);
    heed_tensor *mean = heed_mean_axes(t, scores, 1, (const int[]){ 3 }, true);
    return heed_sub(t, heed_add(t, scores, wave), heed_square(t, mean));
}
static double bent_by = 0.4;

/* In the order of the list in modules.c. */
static const heed_multihead_attention_options variants[] = {
    { .bias = true },
    { .packed = true, .bias = true, .causality = HEED_CAUSAL_TOP_LEFT },
    { .cross = true, .source_width = 3, .key_width = 3, .value_width = 1, .bias = true },
    { .cross = true, .packed = true, .key_heads = 1 },
    { .key_heads = 1, .causality = HEED_CAUSAL_TOP_LEFT },
    { .gate = HEED_GATE_HEAD, .sinks = true },
    { .gate = HEED_GATE_INPUT, .causality = HEED_CAUSAL_TOP_LEFT },
    { .normalize = true, .rotary = true, .causality = HEED_CAUSAL_TOP_LEFT },
    { .rotary = true,
      .rope = { .pairs = HEED_ROPE_HALVES, .base = 100, .linear = 2, .offset = 3 } },
    { .rotary = true, .key_width = 4, .rope = { .width = 2, .base = 10, .ntk = 4 } },
    { .alibi = true, .causality = HEED_CAUSAL_TOP_LEFT },
    { .buckets = 4, .max_distance = 3 },
    { .buckets = 4, .max_distance = 3, .causality = HEED_CAUSAL_TOP_LEFT, .sinks = true },
    { .cap = 1.5, .scale = 0.9 },
    { .windowed = true, .left = 1, .prefix = 1, .causality = HEED_CAUSAL_TOP_LEFT },
    { .cap = 2,
      .windowed = true,
      .left = 1,
      .right = 1,
      .prefix = 1,
      .buckets = 4,
      .max_distance = 3,
      .alibi = true,
      .sinks = true,
      .composed = true },
    { .attention_dropout = 0.3, .dropout = 0.2, .sinks = true },
    { .linear = true, .key_heads = 1, .causality = HEED_CAUSAL_TOP_LEFT },
    { .linear = true, .cross = true, .source_width = 5 },
    { .score = bent, .user = &bent_by, .bias = true },
};

static heed_tensor *multihead_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    static const int32_t lengths[B] = { S, S - 1 };
    const heed_multihead_attention *m = user;
    const heed_multihead_attention_options *o = &m->options;
    heed_tensor *mask = o->cross ? heed_padding_mask(t, B, S, lengths) : NULL;
    bool training = heed_set_training(t, o->dropout != 0);
    heed_tensor *y =
        heed_multihead_attention_forward(t, m, x[0], o->cross ? x[1] : NULL, mask, NULL);
    heed_set_training(t, training);
    return number_of(t, y);
}

heed_report check_multihead(const module *m, const heed_check_options *options)
{
    heed_multihead_attention s;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 9 };
    heed_multihead_attention_options o = variants[m->variant];
    o.heads = H;
    o.random = &r;
    heed_multihead_attention_init(&s, ps, "attention", C, o);
    spread(ps);
    heed_check_options fine = finer(options);
    const heed_input inputs[2] = { { .shape = HEED_DIMS(B, T, C) },
                                   { .shape = HEED_SHAPE(B, S, s.options.source_width) } };
    return ended(ps, heed_check(multihead_of, &s, ps, o.cross ? 2 : 1, inputs, &fine));
}

/* ---- a mask of blocks ---- */

/* Blocks as large as the kernel's, so that it passes over the hidden ones; the last is partly
 * there. Queries of a block see that block and the first. */
enum { BLOCK = 128, LONG = 2 * BLOCK + 4 };

static heed_tensor *blocks_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    static bool seen[LONG][LONG];
    for (int i = 0; i < LONG; i++)
        for (int j = 0; j < LONG; j++)
            seen[i][j] = j < BLOCK || j / BLOCK == i / BLOCK;
    heed_tensor *mask = heed_copy_in(t, HEED_BOOL, HEED_SHAPE(LONG, LONG), seen);
    return number_of(t, heed_multihead_attention_forward(t, user, x[0], NULL, mask, NULL));
}

heed_report check_multihead_blocks(const module *m, const heed_check_options *options)
{
    heed_multihead_attention s;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 9 };
    (void)m;
    heed_multihead_attention_init(&s, ps, "attention", C,
                                  (heed_multihead_attention_options){
                                      .heads = H, .packed = true, .bias = true, .random = &r });
    spread(ps);
    const heed_input x = { .shape = HEED_DIMS(1, LONG, C) };
    return ended(ps, heed_check(blocks_of, &s, ps, 1, &x, options));
}

/* ---- linear attention ---- */

static heed_tensor *linear_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    const heed_linear_attention_options *o = user;
    return number_of(t, heed_linear_attention(t, x[0], x[1], x[2], NULL, o));
}

heed_report check_linear_attention(const module *m, const heed_check_options *options)
{
    heed_linear_attention_options o = { (heed_feature_map)(m->variant / 2), m->variant % 2 };
    /* More than a piece of keys; both features are smooth where nothing is near 0. */
    heed_input x = { .shape = HEED_DIMS(1, 1, 70, 1), .low = 0.3, .high = 1 };
    heed_input v = { .shape = HEED_DIMS(1, 1, 70, 1) };
    return heed_check(linear_of, &o, NULL, 3, (const heed_input[]){ x, x, v }, options);
}
