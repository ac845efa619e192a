/* Blocks and the models made of them among the modules: GPT, and the encoder-decoder
 * Transformer from ids to the cross-entropy of a target. */
#include "modules.h"

#include <heed/transformer.h>

enum { B = 2, T = 3, S = 4, WIDE = 8, H = 2, V = 5 };

static const heed_input input_wide = { .shape = HEED_DIMS(B, T, WIDE) };
static const heed_input input_source = { .shape = HEED_DIMS(B, S, WIDE) };
static const heed_input input_ids = { .dtype = HEED_I32, .shape = HEED_DIMS(B, T), .high = V };
static const heed_input input_source_ids = { .dtype = HEED_I32,
                                             .shape = HEED_DIMS(B, S),
                                             .high = V };
static const int32_t lengths[B] = { S, S - 1 };

/* ---- blocks ---- */

static heed_tensor *block_of(heed_tape *t, heed_tensor *const x[], void *m)
{
    const heed_block *block = m;
    heed_block_inputs in = { 0 };
    if (block->cross) {
        in.source = x[1];
        in.source_mask = heed_padding_mask(t, B, S, lengths);
    }
    return number_of(t, heed_block_forward(t, block, x[0], &in));
}

heed_report check_block(const module *m, const heed_check_options *o)
{
    heed_block block;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 6 };
    heed_block_options options = {
        .place = (heed_norm_place)(m->variant & ~BLOCK_CROSS),
        .norm = { .bias = true },
        .attention = { .packed = true,
                       .heads = H,
                       .causality = HEED_CAUSAL_TOP_LEFT,
                       .random = &r },
        .cross = (m->variant & BLOCK_CROSS) != 0,
        .cross_attention = { .packed = true, .heads = H, .random = &r },
        .feedforward = { .hidden = 5, .random = &r }
    };
    heed_block_init(&block, ps, "block", WIDE, options);
    spread(ps);
    heed_check_options fine = finer(o);
    return ended(ps, heed_check(block_of, &block, ps, options.cross ? 2 : 1,
                                (const heed_input[]){ input_wide, input_source }, &fine));
}

/* ---- GPT ---- */

static const heed_gpt_options gpts[] = {
    { .bias = true },
    { .positions = HEED_POSITIONS_SINUSOIDAL, .norm = HEED_RMSNORM },
    { .positions = HEED_POSITIONS_ROTARY,
      .norm = HEED_RMSNORM,
      .activation = HEED_SILU,
      .gated = true,
      .key_heads = 1 },
    { .positions = HEED_POSITIONS_ALIBI, .place = HEED_PARALLEL, .bias = true },
};

static heed_tensor *gpt_of(heed_tape *t, heed_tensor *const x[], void *m)
{
    return heed_gpt_loss(t, m, x[0], x[1]);
}

heed_report check_gpt(const module *m, const heed_check_options *o)
{
    heed_gpt gpt;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 7 };
    heed_gpt_options options = gpts[m->variant];
    options.vocabulary = V;
    options.context = T;
    options.width = WIDE;
    options.layers = 2;
    options.heads = H;
    options.random = &r;
    heed_gpt_init(&gpt, ps, options);
    spread(ps);
    heed_check_options fine = finer(o);
    return ended(ps, heed_check(gpt_of, &gpt, ps, 2,
                                (const heed_input[]){ input_ids, input_ids }, &fine));
}

/* ---- the encoder-decoder ---- */

static const heed_transformer_options transformers[] = {
    { .place = HEED_POST_NORM,
      .positions = HEED_POSITIONS_SINUSOIDAL,
      .activation = HEED_TANH, /* relu, which the paper has, is no function for differences */
      .bias = true,
      .tied = true,
      .shared = true },
    { .longest = S, .bias = true },
    { .positions = HEED_POSITIONS_ROTARY,
      .norm = HEED_RMSNORM,
      .activation = HEED_SILU,
      .gated = true,
      .key_heads = 1 },
    { .positions = HEED_POSITIONS_RELATIVE, .gated = true },
};

static heed_tensor *transformer_of(heed_tape *t, heed_tensor *const x[], void *m)
{
    heed_transformer_source source = heed_transformer_encode(t, m, x[0], lengths);
    heed_tensor *inputs = heed_shift_right(t, x[1], 0);
    heed_tensor *logits = heed_transformer_forward(t, m, &source, inputs, 1);
    return heed_cross_entropy(t, logits, x[1], NULL);
}

heed_report check_transformer(const module *m, const heed_check_options *o)
{
    heed_transformer transformer;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 8 };
    heed_transformer_options options = transformers[m->variant];
    options.source_vocabulary = options.target_vocabulary = V;
    options.width = WIDE;
    options.hidden = 5;
    options.layers = 1;
    options.heads = H;
    options.random = &r;
    heed_transformer_init(&transformer, ps, "model", options);
    spread(ps);
    heed_check_options fine = finer(o);
    return ended(ps, heed_check(transformer_of, &transformer, ps, 2,
                                (const heed_input[]){ input_source_ids, input_ids }, &fine));
}
