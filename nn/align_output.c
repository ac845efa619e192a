/* What stands around an alignment: the attentional vector, input feeding, the coverage loss. */
#include "align.h"

heed_tensor *heed_align_coverage_loss(heed_tape *t, heed_tensor *weights, heed_tensor *coverage)
{
    if (!t || heed_error(t))
        return NULL;
    if (!weights || weights->ndim != 2)
        return heed_fail(t, "coverage_loss: the weights need shape [B, S]");
    if (coverage && (coverage->ndim != 2 || coverage->shape[0] != weights->shape[0] ||
                     coverage->shape[1] != weights->shape[1]))
        return heed_fail(t,
                         "coverage_loss: the coverage needs shape [%lld, %lld], as the weights",
                         (long long)weights->shape[0], (long long)weights->shape[1]);
    if (!coverage)
        coverage = heed_full(t, HEED_SCALAR, 0);
    heed_tensor *twice = heed_minimum(t, weights, coverage);
    return heed_sum_axes(t, twice, 1, (int[]){ -1 }, false);
}

void heed_attentional_init(heed_attentional *m, heed_params *ps, const char *name,
                           int64_t context_width, int64_t query_width, int64_t out,
                           heed_linear_options options)
{
    *m = (heed_attentional){ 0 };
    if (context_width < 1 || query_width < 1 || out < 1) {
        heed_params_fail(ps, "attentional: widths %lld, %lld and %lld must be positive",
                         (long long)context_width, (long long)query_width, (long long)out);
        return;
    }
    heed_params_scope(ps, name);
    heed_linear_init(&m->combine, ps, "combine", context_width + query_width, out, options);
    heed_params_scope_end(ps);
}

heed_tensor *heed_attentional_forward(heed_tape *t, const heed_attentional *m,
                                      heed_tensor *context, heed_tensor *query)
{
    heed_tensor *both = heed_concatenate(t, 2, (heed_tensor *[]){ context, query }, -1);
    return heed_tanh(t, heed_linear_forward(t, &m->combine, both));
}

heed_tensor *heed_attentional_feed(heed_tape *t, heed_tensor *input, heed_tensor *attentional,
                                   int64_t width)
{
    if (!t || heed_error(t))
        return NULL;
    if (!input || input->ndim != 2)
        return heed_fail(t, "attentional_feed: the input needs shape [B, I]");
    if (attentional && (attentional->ndim != 2 || attentional->shape[1] != width))
        return heed_fail(t, "attentional_feed: the vector needs shape [B, %lld]",
                         (long long)width);
    if (!attentional)
        attentional = heed_full(t, HEED_SHAPE(input->shape[0], width), 0);
    return heed_concatenate(t, 2, (heed_tensor *[]){ input, attentional }, 1);
}
