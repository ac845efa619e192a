/* BERT (bert.h): the encoder and its two heads. */
#include "bert.h"

static bool sound(heed_params *ps, const heed_bert_options *o)
{
    if (o->vocabulary < 1 || o->vocabulary > INT32_MAX)
        heed_params_fail(ps, "bert: vocabulary %lld is not in 1 .. 2147483647",
                         (long long)o->vocabulary);
    else if (o->segments < 0 || o->segments > INT32_MAX)
        heed_params_fail(ps, "bert: segments %lld are not in 0 .. 2147483647",
                         (long long)o->segments);
    else if (o->heads < 1 || o->width < 1 || o->width % o->heads != 0)
        heed_params_fail(ps, "bert: width %lld is not divisible by heads %d",
                         (long long)o->width, o->heads);
    else if (o->place == HEED_PARALLEL)
        heed_params_fail(ps, "bert: its blocks are pre-norm or post-norm, not parallel");
    else if (!(o->epsilon >= 0))
        heed_params_fail(ps, "bert: epsilon %g is negative", o->epsilon);
    else if (!(o->dropout >= 0 && o->dropout < 1))
        heed_params_fail(ps, "bert: dropout %g is not in [0, 1)", o->dropout);
    return heed_params_error(ps) == NULL;
}

static heed_norm_options norm_options(const heed_bert_options *o)
{
    return (heed_norm_options){ .kind = o->norm, .bias = o->bias, .epsilon = o->epsilon };
}

void heed_bert_init(heed_bert *m, heed_params *ps, const char *name, heed_bert_options o)
{
    *m = (heed_bert){ 0 };
    if (!sound(ps, &o))
        return;
    m->options = o;
    heed_block_options block = {
        .place = o.place,
        .norm = norm_options(&o),
        .attention = { .heads = o.heads,
                       .key_heads = o.key_heads,
                       .packed = true,
                       .bias = o.bias,
                       .attention_dropout = o.attention_dropout,
                       .dropout = o.dropout,
                       .random = o.random },
        .feedforward = { .hidden = o.hidden,
                         .activation = o.activation,
                         .gated = o.gated,
                         .bias = o.bias,
                         .dropout = o.dropout,
                         .random = o.random },
    };
    heed_position_attend(o.positions, &block.attention);
    heed_params_scope(ps, name);
    heed_embedding_init(&m->tokens, ps, "tokens", o.vocabulary, o.width, 0.02, o.random);
    heed_position_init(&m->positions, ps, "positions", o.positions, o.longest, o.width, 0.02,
                       o.random);
    if (o.segments > 0)
        heed_embedding_init(&m->segments, ps, "segments", o.segments, o.width, 0.02, o.random);
    heed_norm_init(&m->norm, ps, "norm", o.width, norm_options(&o));
    heed_params_scope(ps, "encoder");
    heed_block_stack_init(&m->encoder, ps, o.width, o.layers, block);
    heed_params_scope_end(ps);
    heed_params_scope_end(ps);
}

static heed_tensor *embed(heed_tape *t, const heed_bert *m, heed_tensor *ids,
                          heed_tensor *segments)
{
    heed_tensor *x = heed_embedding_forward(t, &m->tokens, ids); /* [B, T, C] */
    x = heed_position_forward(t, &m->positions, x, 0);
    if (segments)
        x = heed_add(t, x, heed_embedding_forward(t, &m->segments, segments));
    else if (m->segments.weight)
        x = heed_add(t, x, heed_select(t, heed_use(t, m->segments.weight), 0, 0));
    x = heed_norm_forward(t, &m->norm, x);
    return m->options.dropout != 0 ? heed_dropout(t, x, m->options.dropout) : x;
}

heed_tensor *heed_bert_forward(heed_tape *t, const heed_bert *m, heed_tensor *ids,
                               heed_tensor *segments, const int32_t *lengths)
{
    if (!t || heed_error(t))
        return NULL;
    if (!ids || ids->ndim != 2)
        return heed_fail(t, "bert: ids need shape [B, T]");
    if (segments && !m->segments.weight)
        return heed_fail(t, "bert: this model tells no segments apart");
    if (segments && (segments->ndim != 2 || segments->shape[0] != ids->shape[0] ||
                     segments->shape[1] != ids->shape[1]))
        return heed_fail(t, "bert: the segments need shape [%lld, %lld], as the ids",
                         (long long)ids->shape[0], (long long)ids->shape[1]);
    heed_scope(t, "bert");
    heed_tensor *mask =
        lengths ? heed_padding_mask(t, ids->shape[0], ids->shape[1], lengths) : NULL;
    heed_tensor *x = embed(t, m, ids, segments);
    x = heed_block_stack_forward(t, &m->encoder, x, &(heed_block_inputs){ .mask = mask });
    heed_scope_end(t);
    return x;
}

/* ---- hidden words ---- */

void heed_bert_words_init(heed_bert_words *m, heed_params *ps, const char *name,
                          const heed_bert *bert, heed_random *random)
{
    const heed_bert_options *o = &bert->options;
    *m = (heed_bert_words){ .table = bert->tokens, .activation = o->activation };
    if (heed_params_error(ps)) /* the model has no sizes then */
        return;
    heed_params_scope(ps, name);
    heed_linear_init(&m->dense, ps, "dense", o->width, o->width,
                     (heed_linear_options){ .bias = o->bias, .random = random });
    heed_norm_init(&m->norm, ps, "norm", o->width, norm_options(o));
    m->bias = heed_parameter_new(ps, "bias", HEED_SHAPE(o->vocabulary), 0);
    heed_params_scope_end(ps);
}

heed_tensor *heed_bert_words_forward(heed_tape *t, const heed_bert_words *m,
                                     heed_tensor *states)
{
    heed_tensor *x = heed_linear_forward(t, &m->dense, states);
    x = heed_norm_forward(t, &m->norm, heed_activate(t, m->activation, x));
    heed_tensor *table = heed_use(t, m->table.weight), *bias = heed_use(t, m->bias);
    return heed_linear(t, x, table, bias);
}

/* ---- classes ---- */

void heed_bert_classes_init(heed_bert_classes *m, heed_params *ps, const char *name,
                            const heed_bert *bert, int64_t classes, heed_random *random)
{
    const heed_bert_options *o = &bert->options;
    const heed_linear_options linear = { .bias = true, .random = random };
    *m = (heed_bert_classes){ .dropout = o->dropout };
    if (heed_params_error(ps))
        return;
    if (classes < 1 || classes > INT32_MAX) {
        heed_params_fail(ps, "bert: classes %lld are not in 1 .. 2147483647",
                         (long long)classes);
        return;
    }
    heed_params_scope(ps, name);
    heed_linear_init(&m->pooler, ps, "pooler", o->width, o->width, linear);
    heed_linear_init(&m->output, ps, "output", o->width, classes, linear);
    heed_params_scope_end(ps);
}

heed_tensor *heed_bert_classes_forward(heed_tape *t, const heed_bert_classes *m,
                                       heed_tensor *states)
{
    if (!t || heed_error(t))
        return NULL;
    if (!states || states->ndim != 3)
        return heed_fail(t, "bert: the states to classify need shape [B, T, C]");
    heed_tensor *first = heed_select(t, states, 1, 0); /* [B, C] */
    heed_tensor *pooled = heed_tanh(t, heed_linear_forward(t, &m->pooler, first));
    if (m->dropout != 0)
        pooled = heed_dropout(t, pooled, m->dropout);
    return heed_linear_forward(t, &m->output, pooled);
}
