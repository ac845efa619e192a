/* The residual block: attention, then feed-forward, each with its norm before or after. */
#include "nn.h"

void heed_block_init(heed_block *m, heed_params *ps, const char *name, int64_t width,
                     heed_block_options options)
{
    m->place = options.place;
    heed_params_scope(ps, name);
    heed_norm_init(&m->norm_1, ps, "norm_1", width, options.norm);
    heed_self_attention_init(&m->attention, ps, "attention", width, options.attention);
    heed_norm_init(&m->norm_2, ps, "norm_2", width, options.norm);
    heed_feedforward_init(&m->feedforward, ps, "feedforward", width, options.feedforward);
    heed_params_scope_end(ps);
}

static heed_tensor *attend(heed_tape *t, const heed_block *m, heed_tensor *x, heed_tensor *mask,
                           heed_cache *cache)
{
    heed_scope(t, "attention");
    heed_tensor *y = heed_self_attention_forward(t, &m->attention, x, mask, cache);
    heed_scope_end(t);
    return y;
}

static heed_tensor *feed(heed_tape *t, const heed_block *m, heed_tensor *x)
{
    heed_scope(t, "feedforward");
    heed_tensor *y = heed_feedforward_forward(t, &m->feedforward, x);
    heed_scope_end(t);
    return y;
}

heed_tensor *heed_block_forward(heed_tape *t, const heed_block *m, heed_tensor *x,
                                heed_tensor *mask, heed_cache *cache)
{
    heed_position start = heed_mark(t);
    if (m->place == HEED_PRE_NORM) {
        heed_tensor *attended = attend(t, m, heed_norm_forward(t, &m->norm_1, x), mask, cache);
        x = heed_add(t, x, attended);
        heed_tensor *fed = feed(t, m, heed_norm_forward(t, &m->norm_2, x));
        x = heed_add(t, x, fed);
    } else {
        heed_tensor *attended = attend(t, m, x, mask, cache);
        x = heed_norm_forward(t, &m->norm_1, heed_add(t, x, attended));
        heed_tensor *fed = feed(t, m, x);
        x = heed_norm_forward(t, &m->norm_2, heed_add(t, x, fed));
    }
    return heed_return(t, start, x);
}
