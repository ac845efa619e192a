/* The embedding module: rows of a table, and logits against the same table. */
#include "nn.h"

void heed_embedding_init(heed_embedding_module *m, heed_params *ps, const char *name,
                         int64_t vocabulary, int64_t width, double deviation, heed_random *r)
{
    heed_params_scope(ps, name);
    m->weight = heed_parameter_new(ps, "weight", HEED_SHAPE(vocabulary, width), HEED_DECAY);
    heed_params_scope_end(ps);
    heed_init_normal(m->weight, deviation, r);
}

heed_tensor *heed_embedding_forward(heed_tape *t, const heed_embedding_module *m,
                                    heed_tensor *ids)
{
    return heed_embedding(t, heed_use(t, m->weight), ids);
}

heed_tensor *heed_embedding_logits(heed_tape *t, const heed_embedding_module *m, heed_tensor *x)
{
    return heed_linear(t, x, heed_use(t, m->weight), NULL);
}
