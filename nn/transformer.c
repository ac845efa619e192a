/* The encoder-decoder Transformer (transformer.h): embeddings, two stacks of blocks, logits; and
 * decoding with caches. */
#include "transformer.h"

#include <math.h>

/* ---- making one ---- */

static bool sound(heed_params *ps, const heed_transformer_options *o)
{
    int least = o->layers < o->decoder_layers ? o->layers : o->decoder_layers;
    int most = o->layers > o->decoder_layers ? o->layers : o->decoder_layers;
    if (o->source_vocabulary < 1 || o->target_vocabulary < 1 ||
        o->source_vocabulary > INT32_MAX || o->target_vocabulary > INT32_MAX)
        heed_params_fail(ps,
                         "transformer: vocabularies of %lld and %lld are not in "
                         "1 .. 2147483647",
                         (long long)o->source_vocabulary, (long long)o->target_vocabulary);
    else if (o->shared && o->source_vocabulary != o->target_vocabulary)
        heed_params_fail(ps,
                         "transformer: vocabularies of %lld and %lld tokens cannot share a "
                         "table",
                         (long long)o->source_vocabulary, (long long)o->target_vocabulary);
    else if (o->heads < 1 || o->width < 1 || o->width % o->heads != 0)
        heed_params_fail(ps, "transformer: width %lld is not divisible by heads %d",
                         (long long)o->width, o->heads);
    else if (least < 1 || most > HEED_STACK_MAX_LAYERS) /* a state has room for no more */
        heed_params_fail(ps, "transformer: layers %d is not in 1 .. %d",
                         least < 1 ? least : most, HEED_STACK_MAX_LAYERS);
    else if (o->place == HEED_PARALLEL)
        heed_params_fail(ps, "transformer: a decoder has no parallel blocks");
    else if (!(o->dropout >= 0 && o->dropout < 1))
        heed_params_fail(ps, "transformer: dropout %g is not in [0, 1)", o->dropout);
    return heed_params_error(ps) == NULL;
}

static heed_block_options block_options(const heed_transformer_options *o)
{
    heed_block_options block = {
        .place = o->place,
        .norm = { .kind = o->norm, .bias = o->bias },
        .attention = { .heads = o->heads,
                       .key_heads = o->key_heads,
                       .packed = true,
                       .bias = o->bias,
                       .positions = o->longest,
                       .attention_dropout = o->attention_dropout,
                       .dropout = o->dropout,
                       .random = o->random },
        .feedforward = { .hidden = o->hidden,
                         .activation = o->activation,
                         .gated = o->gated,
                         .bias = o->bias,
                         .dropout = o->dropout,
                         .hidden_dropout = o->dropout,
                         .random = o->random },
    };
    block.cross_attention = block.attention; /* which sees the source through its states only */
    heed_position_attend(o->positions, &block.attention);
    return block;
}

void heed_transformer_init(heed_transformer *m, heed_params *ps, const char *name,
                           heed_transformer_options o)
{
    *m = (heed_transformer){ 0 };
    o.decoder_layers = o.decoder_layers ? o.decoder_layers : o.layers;
    if (!sound(ps, &o))
        return;
    m->options = o;
    double deviation = 1 / sqrt((double)o.width);
    heed_block_options block = block_options(&o);
    heed_params_scope(ps, name);
    heed_embedding_init(&m->source_embedding, ps, o.shared ? "embedding" : "source_embedding",
                        o.source_vocabulary, o.width, deviation, o.random);
    if (o.shared)
        m->target_embedding = m->source_embedding;
    else
        heed_embedding_init(&m->target_embedding, ps, "target_embedding", o.target_vocabulary,
                            o.width, deviation, o.random);
    heed_position_init(&m->source_positions, ps, "source_positions", o.positions, o.longest,
                       o.width, deviation, o.random);
    heed_position_init(&m->target_positions, ps, "target_positions", o.positions, o.longest,
                       o.width, deviation, o.random);
    heed_params_scope(ps, "encoder");
    heed_block_stack_init(&m->encoder, ps, o.width, o.layers, block);
    heed_params_scope_end(ps);
    block.cross = true;
    block.attention.causality = HEED_CAUSAL_TOP_LEFT;
    heed_params_scope(ps, "decoder");
    heed_block_stack_init(&m->decoder, ps, o.width, o.decoder_layers, block);
    heed_params_scope_end(ps);
    if (!o.tied)
        heed_linear_init(&m->output, ps, "output", o.width, o.target_vocabulary,
                         (heed_linear_options){ .bias = o.bias, .random = o.random });
    heed_params_scope_end(ps);
}

/* ---- forward ---- */

static heed_tensor *embed(heed_tape *t, const heed_transformer *m,
                          const heed_embedding_module *table,
                          const heed_position_module *positions, heed_tensor *ids, int64_t past)
{
    heed_tensor *x = heed_embedding_forward(t, table, ids); /* [B, T, C] */
    x = heed_scale(t, x, sqrt((double)m->options.width));
    x = heed_position_forward(t, positions, x, past);
    return m->options.dropout != 0 ? heed_dropout(t, x, m->options.dropout) : x;
}

static bool check_ids(heed_tape *t, const heed_tensor *ids, const char *side)
{
    if (heed_error(t))
        return false;
    if (!ids || ids->ndim != 2)
        heed_fail(t, "transformer: the ids of the %s need shape [B, %s]", side,
                  side[0] == 's' ? "S" : "T");
    return ids && ids->ndim == 2;
}

heed_transformer_source heed_transformer_encode(heed_tape *t, const heed_transformer *m,
                                                heed_tensor *ids, const int32_t *lengths)
{
    heed_transformer_source source = { NULL, NULL };
    if (!t || !check_ids(t, ids, "source"))
        return source;
    heed_scope(t, "encoder");
    if (lengths)
        source.mask = heed_padding_mask(t, ids->shape[0], ids->shape[1], lengths);
    heed_tensor *x = embed(t, m, &m->source_embedding, &m->source_positions, ids, 0);
    source.states = heed_block_stack_forward(t, &m->encoder, x,
                                             &(heed_block_inputs){ .mask = source.mask });
    heed_scope_end(t);
    return source;
}

/* ids [B, T] after what the state holds -> logits [B, T, V]. */
static heed_tensor *decode(heed_tape *t, const heed_transformer *m,
                           const heed_transformer_source *source, heed_tensor *ids,
                           heed_transformer_state *state)
{
    int64_t past = state ? heed_cache_length(&state->caches[0]) : 0;
    heed_scope(t, "decoder");
    heed_tensor *x = embed(t, m, &m->target_embedding, &m->target_positions, ids, past);
    x = heed_block_stack_forward(
        t, &m->decoder, x,
        &(heed_block_inputs){ .source = source->states,
                              .source_mask = source->mask,
                              .cache = state ? state->caches : NULL,
                              .source_cache = state ? state->source : NULL });
    heed_tensor *logits = m->options.tied ? heed_embedding_logits(t, &m->target_embedding, x)
                                          : heed_linear_forward(t, &m->output, x);
    heed_scope_end(t);
    return logits;
}

/* ---- free running ---- */

/* inputs as the decoder itself would have them, one column after the other. Maps and statistics
 * are of the pass that follows, not of this one. */
static heed_tensor *chosen(heed_tape *t, const heed_transformer *m,
                           const heed_transformer_source *source, heed_tensor *inputs,
                           double forcing)
{
    heed_transformer_state state;
    heed_transformer unseen = *m;
    int64_t steps = inputs->shape[1];
    unseen.decoder.statistics = NULL;
    if (!heed_transformer_state_init(&state, m, steps, NULL))
        return heed_fail(t, "transformer: no memory for %lld steps", (long long)steps);
    bool recording = heed_set_recording(t, false);
    heed_attention_watch watch = heed_watch_attention(t, NULL);
    heed_position start = heed_mark(t);
    heed_tensor *ids = heed_select(t, inputs, 1, 0), *all = heed_unsqueeze(t, ids, 1);
    for (int64_t i = 1; i < steps && !heed_error(t); i++) {
        heed_tensor *logits = heed_transformer_step(t, &unseen, source, &state, ids);
        ids = heed_forced_ids(t, heed_select(t, inputs, 1, i), logits, forcing);
        heed_tensor *column = heed_unsqueeze(t, ids, 1);
        all = heed_concatenate(t, 2, (heed_tensor *[]){ all, column }, 1);
    }
    all = heed_return(t, start, all); /* the second pass has the memory of the first */
    heed_watch_attention(t, &watch);
    heed_set_recording(t, recording);
    heed_transformer_state_free(&state);
    return all;
}

heed_tensor *heed_transformer_forward(heed_tape *t, const heed_transformer *m,
                                      const heed_transformer_source *source,
                                      heed_tensor *inputs, double forcing)
{
    if (!t || !check_ids(t, inputs, "target"))
        return NULL;
    if (!source || !source->states || source->states->shape[0] != inputs->shape[0])
        return heed_fail(t,
                         "transformer: the target has %lld sentences and the source another "
                         "number",
                         (long long)inputs->shape[0]);
    if (!(forcing >= 0 && forcing <= 1))
        return heed_fail(t, "transformer: forcing %g is not in [0, 1]", forcing);
    if (forcing < 1 && inputs->shape[1] > 1)
        inputs = chosen(t, m, source, inputs, forcing);
    return heed_error(t) ? NULL : decode(t, m, source, inputs, NULL);
}

/* ---- step by step ---- */

bool heed_transformer_state_init(heed_transformer_state *state, const heed_transformer *m,
                                 int64_t capacity, const heed_allocator *allocator)
{
    *state = (heed_transformer_state){ .layers = m->options.decoder_layers };
    for (int i = 0; i < state->layers; i++) {
        if (heed_cache_init(&state->caches[i], capacity, allocator) &&
            heed_cache_init(&state->source[i], 0, allocator)) /* as long as the source */
            continue;
        heed_transformer_state_free(state);
        return false;
    }
    return true;
}

void heed_transformer_state_clear(heed_transformer_state *state)
{
    for (int i = 0; i < state->layers; i++) {
        heed_cache_clear(&state->caches[i]);
        heed_cache_clear(&state->source[i]);
    }
}

void heed_transformer_state_free(heed_transformer_state *state)
{
    for (int i = 0; i < state->layers; i++) {
        heed_cache_free(&state->caches[i]);
        heed_cache_free(&state->source[i]);
    }
    *state = (heed_transformer_state){ 0 };
}

heed_tensor *heed_transformer_step(heed_tape *t, const heed_transformer *m,
                                   const heed_transformer_source *source,
                                   heed_transformer_state *state, heed_tensor *ids)
{
    if (!t || heed_error(t))
        return NULL;
    if (!source || !state)
        return heed_fail(t, "transformer: the %s is NULL", source ? "state" : "source");
    if (!ids || ids->ndim != 1)
        return heed_fail(t, "transformer: a step's ids need shape [B]");
    if (state->layers != m->options.decoder_layers)
        return heed_fail(t, "transformer: the state is of %d layers and the decoder of %d",
                         state->layers, m->options.decoder_layers);
    heed_tensor *column = heed_unsqueeze(t, ids, 1);
    heed_tensor *logits = decode(t, m, source, column, state); /* [B, 1, V] */
    return heed_select(t, logits, 1, 0);
}

/* ---- searching ---- */

static heed_tensor *search_step(heed_tape *t, void *user, heed_tensor *last, int64_t position)
{
    heed_transformer_search *s = user;
    if (position == 0)
        heed_transformer_state_clear(s->state);
    return heed_transformer_step(t, s->m, &s->source, s->state, last);
}

/* Hypotheses move only within their sentence, whose source stays where it is. */
static bool search_reorder(heed_tape *t, void *user, heed_tensor *from)
{
    heed_transformer_search *s = user;
    for (int i = 0; i < s->state->layers; i++) {
        if (!heed_cache_reorder(t, &s->state->caches[i], from))
            return false;
    }
    return true;
}

heed_decoder heed_transformer_decoder(heed_tape *t, const heed_transformer *m,
                                      const heed_transformer_source *source, int beam,
                                      heed_transformer_state *state,
                                      heed_transformer_search *search)
{
    *search = (heed_transformer_search){ m, *source, state };
    if (beam > 1) {
        search->source.states = heed_repeat(t, source->states, beam, 0);
        if (source->mask)
            search->source.mask = heed_repeat(t, source->mask, beam, 0);
    }
    return (heed_decoder){ search_step, search_reorder, search };
}
