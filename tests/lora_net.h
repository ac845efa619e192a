/* The model that the tests of low-rank adapters put them in: a table and two layers. */
#ifndef LORA_NET_H
#define LORA_NET_H

#include <heed/lora.h>
#include <heed/nn.h>

#include "scratch.h"

enum { IN = 6, HIDDEN = 5, OUT = 4, ROWS = 3, R = 2 };

typedef struct net {
    heed_linear_module in, out;
    heed_embedding_module table;
} net;

/* A table of IN columns, two layers. */
static inline heed_params *new_net(net *m, heed_dtype dtype, uint64_t seed)
{
    heed_params *ps = heed_params_new(dtype, NULL);
    heed_random r = { .seed = seed };
    heed_embedding_init(&m->table, ps, "table", 7, IN, 1, &r);
    heed_linear_init(&m->in, ps, "in", IN, HIDDEN,
                     (heed_linear_options){ .bias = true, .random = &r });
    heed_linear_init(&m->out, ps, "out", HIDDEN, OUT, (heed_linear_options){ .random = &r });
    return ps;
}

static inline heed_tensor *forward(heed_tape *t, const net *m)
{
    heed_tensor *ids = heed_ids(t, HEED_SHAPE(ROWS), (int32_t[]){ 3, 1, 5 });
    heed_tensor *x = heed_embedding_forward(t, &m->table, ids);
    return heed_linear_forward(t, &m->out, heed_tanh(t, heed_linear_forward(t, &m->in, x)));
}

static inline heed_tape *new_tape(heed_dtype dtype)
{
    return heed_tape_new(&(heed_tape_options){ .dtype = dtype });
}

static inline void values_of(const net *m, heed_dtype dtype, void *out)
{
    heed_tape *t = new_tape(dtype);
    ck_assert_msg(heed_copy_out(t, forward(t, m), out), "%s", heed_error(t));
    heed_tape_free(t);
}

static inline int attach(heed_params *ps, const char *pattern)
{
    heed_random r = { .seed = 9 };
    return heed_lora_attach(ps, pattern,
                            (heed_lora_options){ .rank = R, .alpha = 3, .random = &r });
}

/* As if training had been there: every B gets values. */
static inline void train(heed_params *ps)
{
    heed_random r = { .seed = 10 };
    for (int i = 0; i < heed_params_count(ps); i++) {
        heed_parameter *p = heed_params_at(ps, i);
        if (strstr(p->name, "lora_b"))
            heed_init_normal(p, 0.5, &r);
    }
}

#endif
