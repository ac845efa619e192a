/* The alignment module: its options, and the stages of a step in order. */
#include "align_parts.h"

#include <math.h>

/* ---- making one ---- */

static bool has_hidden(const heed_align_options *o)
{
    return o->score == HEED_ALIGN_CONCAT || o->score == HEED_ALIGN_ADDITIVE;
}

static bool known(heed_params *ps, const heed_align_options *o)
{
    const struct {
        const char *what;
        int value, count;
    } kinds[] = { { "score", (int)o->score, HEED_ALIGN_COSINE + 1 },
                  { "normaliser", (int)o->normaliser, HEED_ALIGN_ENTMAX15 + 1 },
                  { "window", (int)o->window, HEED_ALIGN_PREDICTIVE + 1 },
                  { "choice", (int)o->choice, HEED_ALIGN_REINFORCE + 1 } };
    for (int k = 0; k < (int)(sizeof kinds / sizeof kinds[0]); k++) {
        if (kinds[k].value < 0 || kinds[k].value >= kinds[k].count) {
            heed_params_fail(ps, "align: there is no %s %d", kinds[k].what, kinds[k].value);
            return false;
        }
    }
    return true;
}

static bool sound(heed_params *ps, int64_t d, int64_t e, const heed_align_options *o)
{
    bool widths_free = has_hidden(o) || o->score == HEED_ALIGN_GENERAL;
    bool sampled = o->choice != HEED_ALIGN_SOFT && o->choice != HEED_ALIGN_ARGMAX;
    if (!known(ps, o))
        return false;
    if (d < 1 || e < 1)
        heed_params_fail(ps, "align: widths %lld and %lld of query and key must be positive",
                         (long long)d, (long long)e);
    else if (!widths_free && d != e)
        heed_params_fail(ps,
                         "align: dot products need a query and keys of one width, not %lld and "
                         "%lld",
                         (long long)d, (long long)e);
    else if (o->hidden < 0 || o->window_hidden < 0)
        heed_params_fail(ps, "align: a hidden width of %lld is negative",
                         (long long)(o->hidden < 0 ? o->hidden : o->window_hidden));
    else if (!(o->scale >= 0) || isinf(o->scale))
        heed_params_fail(ps, "align: scale %g is not a positive number", o->scale);
    else if (!(o->temperature >= 0) || isinf(o->temperature))
        heed_params_fail(ps, "align: temperature %g is not a positive number", o->temperature);
    else if (o->temperature > 0 && o->temperature < 1e-30)
        heed_params_fail(ps, "align: temperature %g is less than 1e-30", o->temperature);
    else if (o->filters < 0)
        heed_params_fail(ps, "align: %lld filters are fewer than none", (long long)o->filters);
    else if (o->filters > 0 && (o->filter_width < 1 || o->filter_width % 2 == 0))
        heed_params_fail(ps, "align: filter width %lld is not a positive odd number",
                         (long long)o->filter_width);
    else if (!has_hidden(o) && (o->filters > 0 || o->coverage || o->bias))
        heed_params_fail(ps, "align: a %s needs concat or additive scores",
                         o->filters > 0 ? "location term"
                         : o->coverage  ? "coverage term"
                                        : "bias");
    else if (o->reach < 0)
        heed_params_fail(ps, "align: a window's reach of %lld is negative",
                         (long long)o->reach);
    else if (o->window == HEED_ALIGN_PREDICTIVE && o->reach < 1)
        heed_params_fail(ps, "align: a predictive window needs a reach of 1 or more, not %lld",
                         (long long)o->reach);
    else if (o->window == HEED_ALIGN_PREDICTIVE && sampled)
        heed_params_fail(ps, "align: the weights of a predictive window do not add up to 1, so "
                             "keys cannot be drawn by them");
    return heed_params_error(ps) == NULL;
}

static void fill_in(heed_align_options *o, int64_t query_width)
{
    if (o->hidden == 0)
        o->hidden = query_width;
    if (o->window_hidden == 0)
        o->window_hidden = query_width;
    if (o->scale == 0)
        o->scale = o->score == HEED_ALIGN_SCALED_DOT ? 1 / sqrt((double)query_width) : 1;
    if (o->temperature == 0)
        o->temperature = 1;
}

/* The score takes the matrix apart, so no adapter can stand beside it. */
static void init_concat(heed_align *m, heed_params *ps, int64_t in, int64_t out,
                        heed_linear_options options)
{
    heed_linear_init(&m->concat, ps, "concat", in, out, options);
    if (m->concat.weight)
        m->concat.weight->flags &= ~(unsigned)HEED_ADAPTABLE;
}

void heed_align_init(heed_align *m, heed_params *ps, const char *name, int64_t query_width,
                     int64_t key_width, heed_align_options options)
{
    *m = (heed_align){ 0 };
    if (heed_params_error(ps) || !sound(ps, query_width, key_width, &options))
        return;
    fill_in(&options, query_width);
    m->options = options;
    m->query_width = query_width;
    m->key_width = key_width;
    int64_t hidden = options.hidden, filters = options.filters;
    heed_linear_options plain = { .init = options.init, .random = options.random };
    heed_linear_options biased = plain;
    biased.bias = options.bias;
    heed_params_scope(ps, name);
    if (options.score == HEED_ALIGN_GENERAL)
        heed_linear_init(&m->general, ps, "general", key_width, query_width, plain);
    if (options.score == HEED_ALIGN_CONCAT)
        init_concat(m, ps, query_width + key_width, hidden, biased);
    if (options.score == HEED_ALIGN_ADDITIVE) {
        heed_linear_init(&m->query, ps, "query", query_width, hidden, plain);
        heed_linear_init(&m->key, ps, "key", key_width, hidden, biased);
    }
    if (has_hidden(&options))
        heed_linear_init(&m->energy, ps, "energy", hidden, 1, plain);
    if (filters > 0) {
        m->filters = heed_parameter_new(
            ps, "filters", HEED_SHAPE(filters, 1, options.filter_width), HEED_DECAY);
        heed_init_xavier(m->filters, options.filter_width, filters * options.filter_width,
                         options.random);
        heed_linear_init(&m->location, ps, "location", filters, hidden, plain);
    }
    if (options.coverage) {
        m->coverage = heed_parameter_new(ps, "coverage", HEED_SHAPE(hidden), HEED_DECAY);
        heed_init_xavier(m->coverage, 1, hidden, options.random);
    }
    if (options.window == HEED_ALIGN_PREDICTIVE) {
        heed_linear_init(&m->window, ps, "window", query_width, options.window_hidden, plain);
        heed_linear_init(&m->window_from, ps, "window_from", options.window_hidden, 1, plain);
    }
    heed_params_scope_end(ps);
}

/* ---- the sentence ---- */

heed_tensor *heed__align_hide(heed_tape *t, heed_tensor *x, heed_tensor *seen)
{
    return seen ? heed_where(t, seen, x, heed_full(t, HEED_SCALAR, 0)) : x;
}

static bool is_batch_of(const heed_tensor *x, int64_t batch, int64_t positions)
{
    return x->ndim == 3 && x->shape[0] == batch && x->shape[1] == positions;
}

static bool sentence_fits(heed_tape *t, const heed_align *m, const heed_tensor *keys,
                          const heed_tensor *values, const heed_tensor *mask)
{
    if (m->query_width == 0)
        return heed_fail(t, "align: the module was not made") != NULL;
    if (!keys)
        return heed_fail(t, "align: the keys are NULL") != NULL;
    if (keys->ndim != 3 || keys->shape[2] != m->key_width)
        return heed_fail(t, "align: the keys need shape [B, S, %lld]",
                         (long long)m->key_width) != NULL;
    if (values && !is_batch_of(values, keys->shape[0], keys->shape[1]))
        return heed_fail(t, "align: the values need shape [%lld, %lld, V], as the keys",
                         (long long)keys->shape[0], (long long)keys->shape[1]) != NULL;
    if (mask &&
        (mask->dtype != HEED_BOOL || mask->ndim < 2 || mask->shape[0] != keys->shape[0] ||
         mask->shape[mask->ndim - 1] != keys->shape[1] ||
         heed_size(mask) != keys->shape[0] * keys->shape[1]))
        return heed_fail(t, "align: the mask needs to be bool [%lld, %lld], as the keys",
                         (long long)keys->shape[0], (long long)keys->shape[1]) != NULL;
    return true;
}

heed_align_memory heed_align_prepare(heed_tape *t, const heed_align *m, heed_tensor *keys,
                                     heed_tensor *values, heed_tensor *mask)
{
    heed_align_memory memory = { 0 };
    if (!t || heed_error(t) || !sentence_fits(t, m, keys, values, mask))
        return memory;
    int64_t batch = keys->shape[0], positions = keys->shape[1];
    if (!values)
        values = keys;
    if (mask) {
        heed_tensor *rows = heed_reshape(t, mask, HEED_SHAPE(batch, positions, 1));
        heed_tensor *seen_keys = heed__align_hide(t, keys, rows);
        values = values == keys ? seen_keys : heed__align_hide(t, values, rows);
        keys = seen_keys;
        memory.mask = heed_reshape(t, mask, HEED_SHAPE(batch, 1, positions));
    }
    if (m->options.window == HEED_ALIGN_PREDICTIVE && mask) {
        heed_tensor *ones = heed_cast(t, memory.mask, heed_tape_dtype(t));
        memory.lengths = heed_sum_axes(t, ones, 1, (int[]){ 2 }, true);
    } else if (m->options.window == HEED_ALIGN_PREDICTIVE) {
        memory.lengths = heed_full(t, HEED_SHAPE(batch, 1, 1), (double)positions);
    }
    memory.values = values;
    memory.keys = heed__align_keys(t, m, keys);
    return memory;
}

/* ---- a step ---- */

static bool query_fits(heed_tape *t, const heed_align *m, const heed_tensor *query,
                       const heed_align_memory *memory, const heed_align_history *history)
{
    bool looks_back = m->filters || m->coverage;
    if (!query || !memory || !memory->keys || !memory->values)
        return heed_fail(t, "align: the %s is NULL", query ? "memory" : "query") != NULL;
    const heed_tensor *values = memory->values;
    if (query->ndim < 2 || query->ndim > 3 || query->shape[0] != values->shape[0] ||
        query->shape[query->ndim - 1] != m->query_width)
        return heed_fail(t, "align: the query needs shape [%lld, %lld] or [%lld, T, %lld]",
                         (long long)values->shape[0], (long long)m->query_width,
                         (long long)values->shape[0], (long long)m->query_width) != NULL;
    if (looks_back && query->ndim == 3)
        return heed_fail(t, "align: location and coverage terms take one query at a time") !=
               NULL;
    if (looks_back && !history)
        return heed_fail(t, "align: location and coverage terms need a history") != NULL;
    const heed_tensor *before[2] = { history ? history->previous : NULL,
                                     history ? history->coverage : NULL };
    for (int k = 0; k < 2; k++) {
        if (before[k] && (before[k]->ndim != 2 || before[k]->shape[0] != values->shape[0] ||
                          before[k]->shape[1] != values->shape[1]))
            return heed_fail(t, "align: the history is of another sentence than [%lld, %lld]",
                             (long long)values->shape[0], (long long)values->shape[1]) != NULL;
    }
    return true;
}

/* Where nothing is seen the scores become 0, so that the normaliser has something to work on,
 * and its weights are hidden afterwards. */
static heed_tensor *normalise(heed_tape *t, const heed_align *m, heed_tensor *scores,
                              heed_tensor *seen)
{
    if (seen) {
        heed_tensor *any = heed_any_axes(t, seen, 1, (int[]){ -1 }, true);
        heed_tensor *lowest = heed_full(t, HEED_SCALAR, -INFINITY);
        heed_tensor *hidden = heed_where(t, any, lowest, heed_full(t, HEED_SCALAR, 0));
        scores = heed_where(t, seen, scores, hidden);
    }
    switch (m->options.normaliser) {
    case HEED_ALIGN_SOFTMAX:
        scores = heed_softmax(t, scores, -1);
        break;
    case HEED_ALIGN_SPARSEMAX:
        scores = heed_sparsemax(t, scores, -1);
        break;
    case HEED_ALIGN_ENTMAX15:
        scores = heed_entmax15(t, scores, -1);
        break;
    }
    return heed__align_hide(t, scores, seen);
}

/* weights [B, T, S] */
static void move_on(heed_tape *t, heed_align_history *history, heed_tensor *weights)
{
    if (!weights || weights->shape[1] == 0)
        return;
    heed_tensor *sum = heed_sum_axes(t, weights, 1, (int[]){ 1 }, false);
    history->position += weights->shape[1];
    history->previous = heed_select(t, weights, 1, -1);
    history->coverage = history->coverage ? heed_add(t, history->coverage, sum) : sum;
}

heed_aligned heed_align_step(heed_tape *t, const heed_align *m, heed_tensor *query,
                             const heed_align_memory *memory, heed_align_history *history)
{
    heed_aligned a = { 0 };
    if (!t || heed_error(t) || !query_fits(t, m, query, memory, history))
        return a;
    bool single = query->ndim == 2;
    if (single)
        query = heed_unsqueeze(t, query, 1);
    heed_tensor *scores = heed__align_scores(t, m, query, memory->keys, history);
    align_window window =
        heed__align_window(t, m, query, memory, history ? history->position : 0);
    heed_tensor *seen = window.within && memory->mask
                            ? heed_logical_and(t, window.within, memory->mask)
                        : window.within ? window.within
                                        : memory->mask;
    a.probabilities = normalise(t, m, scores, seen);
    if (window.factor)
        a.probabilities = heed_mul(t, a.probabilities, window.factor);
    heed__align_choose(t, m, seen, &a);
    heed_attention_show(t, a.weights,
                        !single                             ? HEED_QUERIES_WHOLE
                        : history && history->position == 0 ? HEED_QUERIES_FIRST
                                                            : HEED_QUERIES_MORE);
    a.context = heed_matmul(t, a.weights, memory->values);
    if (history)
        move_on(t, history, a.weights);
    if (single) {
        bool same = a.weights == a.probabilities;
        a.context = heed_squeeze(t, a.context, 1);
        a.weights = heed_squeeze(t, a.weights, 1);
        a.probabilities = same ? a.weights : heed_squeeze(t, a.probabilities, 1);
        if (a.log_probability)
            a.log_probability = heed_squeeze(t, a.log_probability, 1);
    }
    return heed_error(t) ? (heed_aligned){ 0 } : a;
}

heed_aligned heed_align_forward(heed_tape *t, const heed_align *m, heed_tensor *query,
                                heed_tensor *keys, heed_tensor *values, heed_tensor *mask)
{
    heed_align_memory memory = heed_align_prepare(t, m, keys, values, mask);
    return heed_align_step(t, m, query, &memory, NULL);
}
