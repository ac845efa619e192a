/* How well a query and a key match: e [B, T, S] of queries s [B, T, D] and keys h [B, S, E].
 * What is done to the keys alone is done once a sentence. */
#include "align_parts.h"

/* Below this a vector counts as 0 in the cosine, as in PyTorch. */
static const double least_norm = 1e-8;

/* W [s; h] = W_s s + W_h h: one matrix, used in two parts. */
static heed_tensor *part_of_concat(heed_tape *t, const heed_align *m, bool of_query)
{
    int64_t d = m->query_width;
    heed_tensor *weight = heed_use(t, m->concat.weight);
    return of_query ? heed_slice(t, weight, 1, 0, d, 1)
                    : heed_slice(t, weight, 1, d, HEED_END, 1);
}

heed_tensor *heed__align_keys(heed_tape *t, const heed_align *m, heed_tensor *keys)
{
    switch (m->options.score) {
    case HEED_ALIGN_GENERAL:
        return heed_linear_forward(t, &m->general, keys); /* [B, S, D] */
    case HEED_ALIGN_CONCAT: {
        heed_tensor *weight = part_of_concat(t, m, false);
        heed_tensor *bias = m->concat.bias ? heed_use(t, m->concat.bias) : NULL;
        return heed_linear(t, keys, weight, bias); /* [B, S, A] */
    }
    case HEED_ALIGN_ADDITIVE:
        return heed_linear_forward(t, &m->key, keys); /* [B, S, A] */
    case HEED_ALIGN_COSINE:
        return heed_l2norm(t, keys, -1, least_norm);
    case HEED_ALIGN_DOT:
    case HEED_ALIGN_SCALED_DOT:
        break;
    }
    return keys;
}

/* U f, f_k = (previous weights) * filter_k, the middle of a filter over the key: [B, S, A]. */
static heed_tensor *location_term(heed_tape *t, const heed_align *m, heed_tensor *previous)
{
    heed_convolution_options centred = { .padding = { m->options.filter_width / 2 } };
    heed_tensor *filters = heed_use(t, m->filters);
    heed_tensor *channel = heed_unsqueeze(t, previous, 1); /* [B, 1, S] */
    heed_tensor *seen = heed_conv1d(t, channel, filters, NULL, &centred);
    return heed_linear_forward(t, &m->location, heed_swap(t, seen, 1, 2));
}

/* w_c times the sum of previous weights: [B, S, A]. */
static heed_tensor *coverage_term(heed_tape *t, const heed_align *m, heed_tensor *coverage)
{
    heed_tensor *weight = heed_use(t, m->coverage);
    return heed_mul(t, heed_unsqueeze(t, coverage, 2), weight);
}

/* v . tanh(query + key): query [B, T, A], key [B, S, A]. */
static heed_tensor *energy(heed_tape *t, const heed_align *m, heed_tensor *query,
                           heed_tensor *key)
{
    heed_tensor *rows = heed_unsqueeze(t, query, 2);
    heed_tensor *columns = heed_unsqueeze(t, key, 1);
    heed_tensor *hidden = heed_tanh(t, heed_add(t, rows, columns)); /* [B, T, S, A] */
    return heed_squeeze(t, heed_linear_forward(t, &m->energy, hidden), 3);
}

heed_tensor *heed__align_scores(heed_tape *t, const heed_align *m, heed_tensor *query,
                                heed_tensor *keys, const heed_align_history *history)
{
    heed_align_score score = m->options.score;
    heed_tensor *e;
    if (m->filters && history->previous) {
        heed_tensor *term = location_term(t, m, history->previous);
        keys = heed_add(t, keys, term);
    }
    if (m->coverage && history->coverage) {
        heed_tensor *term = coverage_term(t, m, history->coverage);
        keys = heed_add(t, keys, term);
    }
    if (score == HEED_ALIGN_CONCAT) {
        heed_tensor *weight = part_of_concat(t, m, true);
        e = energy(t, m, heed_linear(t, query, weight, NULL), keys);
    } else if (score == HEED_ALIGN_ADDITIVE) {
        e = energy(t, m, heed_linear_forward(t, &m->query, query), keys);
    } else {
        if (score == HEED_ALIGN_COSINE)
            query = heed_l2norm(t, query, -1, least_norm);
        e = heed_matmul(t, query, heed_swap(t, keys, 1, 2));
    }
    return m->options.scale == 1 ? e : heed_scale(t, e, m->options.scale);
}
