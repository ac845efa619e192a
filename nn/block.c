/* The residual block: attention to itself, perhaps to a source, then feed-forward, each with its
 * norm before or after; and stacks of blocks. */
#include "nn.h"
#include "training.h"

#include <stdio.h>

void heed_block_init(heed_block *m, heed_params *ps, const char *name, int64_t width,
                     heed_block_options options)
{
    *m = (heed_block){ .place = options.place, .cross = options.cross };
    if (options.place < HEED_PRE_NORM || options.place > HEED_PARALLEL) {
        heed_params_fail(ps, "block: there is no norm place %d", (int)options.place);
        return;
    }
    if (options.place == HEED_PARALLEL && options.cross) {
        heed_params_fail(ps, "block: a parallel block has no cross-attention");
        return;
    }
    heed_params_scope(ps, name);
    heed_norm_init(&m->norm_1, ps, "norm_1", width, options.norm);
    options.attention.cross = false;
    heed_multihead_attention_init(&m->attention, ps, "attention", width, options.attention);
    if (options.cross) {
        heed_norm_init(&m->norm_cross, ps, "norm_cross", width, options.norm);
        options.cross_attention.cross = true;
        heed_multihead_attention_init(&m->cross_attention, ps, "cross_attention", width,
                                      options.cross_attention);
    }
    if (options.place != HEED_PARALLEL)
        heed_norm_init(&m->norm_2, ps, "norm_2", width, options.norm);
    heed_feedforward_init(&m->feedforward, ps, "feedforward", width, options.feedforward);
    heed_params_scope_end(ps);
}

/* ---- the branches F of x + F(x) ---- */

typedef heed_tensor *branch(heed_tape *t, const heed_block *m, heed_tensor *x,
                            const heed_block_inputs *in);

static heed_tensor *attend(heed_tape *t, const heed_block *m, heed_tensor *x,
                           const heed_block_inputs *in)
{
    heed_scope(t, "attention");
    heed_tensor *y =
        heed_multihead_attention_forward(t, &m->attention, x, NULL, in->mask, in->cache);
    heed_scope_end(t);
    return y;
}

static heed_tensor *attend_source(heed_tape *t, const heed_block *m, heed_tensor *x,
                                  const heed_block_inputs *in)
{
    heed_scope(t, "cross_attention");
    heed_tensor *y = heed_multihead_attention_forward(t, &m->cross_attention, x, in->source,
                                                      in->source_mask, in->source_cache);
    heed_scope_end(t);
    return y;
}

static heed_tensor *feed(heed_tape *t, const heed_block *m, heed_tensor *x,
                         const heed_block_inputs *in)
{
    (void)in;
    heed_scope(t, "feedforward");
    heed_tensor *y = heed_feedforward_forward(t, &m->feedforward, x);
    heed_scope_end(t);
    return y;
}

/* ---- the block ---- */

static heed_tensor *residual(heed_tape *t, const heed_block *m, const heed_norm_module *norm,
                             branch *f, heed_tensor *x, const heed_block_inputs *in)
{
    if (m->place == HEED_POST_NORM) {
        heed_tensor *y = f(t, m, x, in);
        return heed_norm_forward(t, norm, heed_add(t, x, y));
    }
    heed_tensor *y = f(t, m, heed_norm_forward(t, norm, x), in);
    return heed_add(t, x, y);
}

static heed_tensor *parallel(heed_tape *t, const heed_block *m, heed_tensor *x,
                             const heed_block_inputs *in)
{
    heed_tensor *normed = heed_norm_forward(t, &m->norm_1, x);
    heed_tensor *attended = attend(t, m, normed, in);
    heed_tensor *fed = feed(t, m, normed, in);
    return heed_add(t, x, heed_add(t, attended, fed));
}

heed_tensor *heed_block_forward(heed_tape *t, const heed_block *m, heed_tensor *x,
                                const heed_block_inputs *inputs)
{
    const heed_block_inputs none = { 0 }, *in = inputs ? inputs : &none;
    heed_position start = heed_mark(t);
    if (!m->cross && (in->source || in->source_cache))
        return heed_fail(t, "block: without cross-attention it takes no source");
    if (m->place == HEED_PARALLEL)
        return heed_return(t, start, parallel(t, m, x, in));
    x = residual(t, m, &m->norm_1, attend, x, in);
    if (m->cross)
        x = residual(t, m, &m->norm_cross, attend_source, x, in);
    x = residual(t, m, &m->norm_2, feed, x, in);
    return heed_return(t, start, x);
}

/* ---- the stack ---- */

void heed_block_stack_init(heed_block_stack *m, heed_params *ps, int64_t width, int layers,
                           heed_block_options options)
{
    *m = (heed_block_stack){ .layers = layers };
    if (layers < 1 || layers > HEED_STACK_MAX_LAYERS) {
        heed_params_fail(ps, "layers %d is not in 1 .. %d", layers, HEED_STACK_MAX_LAYERS);
        return;
    }
    m->blocks = heed_params_keep(ps, layers, sizeof *m->blocks);
    heed_params_scope(ps, "blocks");
    for (int i = 0; m->blocks && i < layers; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        heed_block_init(&m->blocks[i], ps, name, width, options);
    }
    heed_params_scope_end(ps);
    if (options.place != HEED_POST_NORM)
        heed_norm_init(&m->norm, ps, "norm", width, options.norm);
}

/* Caches after an error may have been left unequal. */
static bool check_caches(heed_tape *t, const heed_block_stack *m, const heed_cache *caches)
{
    for (int i = 1; caches && i < m->layers; i++) {
        int64_t first = heed_cache_length(&caches[0]), other = heed_cache_length(&caches[i]);
        if (first != other) {
            heed_fail(
                t, "stack: the caches hold %lld and %lld positions; clear them after an error",
                (long long)first, (long long)other);
            return false;
        }
    }
    return true;
}

heed_tensor *heed_block_stack_forward(heed_tape *t, const heed_block_stack *m, heed_tensor *x,
                                      const heed_block_inputs *inputs)
{
    heed_block_inputs in = inputs ? *inputs : (heed_block_inputs){ 0 };
    if (!t || heed_error(t))
        return NULL;
    if (!m->blocks)
        return heed_fail(t, "stack: it has no blocks, its init was refused");
    if (!check_caches(t, m, in.cache) || !check_caches(t, m, in.source_cache))
        return NULL;
    heed_scope(t, "blocks");
    for (int i = 0; i < m->layers; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        heed_scope(t, name);
        x = heed_block_forward(t, &m->blocks[i], x, &in);
        x = heed_observe(m->statistics, t, x, "blocks.%d", i);
        heed_scope_end(t);
        in.cache = in.cache ? in.cache + 1 : NULL;
        in.source_cache = in.source_cache ? in.source_cache + 1 : NULL;
    }
    heed_scope_end(t);
    return m->norm.weight
               ? heed_observe(m->statistics, t, heed_norm_forward(t, &m->norm, x), "norm")
               : x;
}
