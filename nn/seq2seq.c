/* The recurrent encoder and decoder: how they are made, and how they run. */
#include "seq2seq.h"

/* ---- making ---- */

static bool sound(heed_params *ps, const heed_seq2seq_options *o)
{
    bool attends = o->context == HEED_CONTEXT_ATTENTION;
    const char *wrong = NULL;
    if (o->source_vocabulary < 1 || o->target_vocabulary < 1)
        wrong = "both vocabularies need a token";
    else if (o->embedding < 1 || o->hidden < 1)
        wrong = "embedding and hidden widths must be positive";
    else if (o->bidirectional && o->hidden % 2)
        wrong = "two directions share the hidden width, which is odd";
    else if (o->context < HEED_CONTEXT_ATTENTION || o->context > HEED_CONTEXT_START)
        wrong = "there is no such context";
    else if (o->reading != HEED_READ_AFTER && o->reading != HEED_READ_BEFORE)
        wrong = "there is no such reading";
    else if (o->input_feeding && (!attends || o->reading != HEED_READ_AFTER))
        wrong = "input feeding belongs to attention that reads after the step";
    else if (!(o->dropout >= 0 && o->dropout < 1))
        wrong = "dropout must be in [0, 1)";
    if (wrong)
        heed_params_fail(ps, "seq2seq: %s", wrong);
    return !wrong;
}

static bool reads_before(const heed_seq2seq_options *o)
{
    return o->context == HEED_CONTEXT_ATTENTION && o->reading == HEED_READ_BEFORE;
}

void heed_seq2seq_init(heed_seq2seq *m, heed_params *ps, const char *name,
                       heed_seq2seq_options options)
{
    *m = (heed_seq2seq){ 0 };
    if (heed_params_error(ps) || !sound(ps, &options))
        return;
    options.layers = options.layers ? options.layers : 1;
    options.align.random = options.random;
    m->options = options;
    int64_t e = options.embedding, h = options.hidden;
    bool wider =
        options.context == HEED_CONTEXT_FED || reads_before(&options) || options.input_feeding;
    heed_recurrent_options recurrent = { .kind = options.kind,
                                         .hidden = options.bidirectional ? h / 2 : h,
                                         .layers = options.layers,
                                         .bidirectional = options.bidirectional,
                                         .bias = true,
                                         .dropout = options.dropout,
                                         .random = options.random };
    heed_params_scope(ps, name);
    heed_embedding_init(&m->source_embedding, ps, "source", options.source_vocabulary, e, 0.1,
                        options.random);
    heed_embedding_init(&m->target_embedding, ps, "target", options.target_vocabulary, e, 0.1,
                        options.random);
    heed_recurrent_init(&m->encoder, ps, "encoder", e, recurrent);
    recurrent.hidden = h;
    recurrent.bidirectional = false;
    heed_recurrent_init(&m->decoder, ps, "decoder", wider ? e + h : e, recurrent);
    if (options.context == HEED_CONTEXT_ATTENTION)
        heed_align_init(&m->align, ps, "align", h, h, options.align);
    if (options.context != HEED_CONTEXT_START)
        heed_attentional_init(&m->readout, ps, "readout", h, h, h,
                              (heed_linear_options){ .bias = true, .random = options.random });
    heed_linear_init(&m->output, ps, "output", h, options.target_vocabulary,
                     (heed_linear_options){ .bias = true, .random = options.random });
    heed_params_scope_end(ps);
}

/* ---- the encoder ---- */

/* Each row's first lengths[b] ids from last to first. */
static heed_tensor *turned(heed_tape *t, heed_tensor *ids, const int32_t *lengths)
{
    int64_t steps = ids->shape[1];
    if (!lengths)
        return heed_flip(t, ids, 1, (const int[]){ 1 });
    heed_tensor *last = heed_ids(t, HEED_SHAPE(ids->shape[0], 1), lengths);
    heed_tensor *place = heed_arange(t, 0, (int32_t)steps);
    /* length - 1 - place within the sentence, place beyond it; ids know no arithmetic */
    heed_tensor *at = heed_cast(t, place, HEED_F64), *length = heed_cast(t, last, HEED_F64);
    heed_tensor *mirrored = heed_shift(t, heed_sub(t, length, at), -1);
    heed_tensor *beyond =
        heed_less(t, mirrored, heed_cast(t, heed_full(t, HEED_SCALAR, 0), HEED_F64));
    heed_tensor *from = heed_cast(t, heed_where(t, beyond, at, mirrored), HEED_I32);
    return heed_gather(t, ids, from, 1);
}

/* [layers D, B, H/D] -> [layers, B, H]: the directions of a layer side by side. */
static heed_tensor *joined(heed_tape *t, const heed_seq2seq *m, heed_tensor *x)
{
    if (!x || !m->options.bidirectional)
        return x;
    int64_t layers = m->options.layers, batch = x->shape[1], half = x->shape[2];
    heed_tensor *pairs = heed_reshape(t, x, HEED_SHAPE(layers, 2, batch, half));
    return heed_reshape(t, heed_swap(t, pairs, 1, 2), HEED_SHAPE(layers, batch, 2 * half));
}

static bool lengths_fit(heed_tape *t, const heed_tensor *ids, const int32_t *lengths)
{
    for (int64_t b = 0; lengths && b < ids->shape[0]; b++) {
        if (lengths[b] < 1 || lengths[b] > ids->shape[1]) {
            heed_fail(t, "seq2seq: length %d of sentence %lld is outside 1 .. %lld", lengths[b],
                      (long long)b, (long long)ids->shape[1]);
            return false;
        }
    }
    return true;
}

static bool two_axes(heed_tape *t, const heed_tensor *ids, const char *what)
{
    if (!ids || ids->ndim != 2 || ids->shape[1] < 1)
        return heed_fail(t, "seq2seq: the %s must be ids [B, T] with T at least 1", what) !=
               NULL;
    return true;
}

heed_seq2seq_source heed_seq2seq_encode(heed_tape *t, const heed_seq2seq *m, heed_tensor *ids,
                                        const int32_t *lengths)
{
    heed_seq2seq_source s = { 0 };
    if (!t || heed_error(t) || !two_axes(t, ids, "source") || !lengths_fit(t, ids, lengths))
        return s;
    int64_t batch = ids->shape[0], steps = ids->shape[1];
    heed_scope(t, "encode");
    heed_tensor *mask = lengths ? heed_padding_mask(t, batch, steps, lengths) : NULL;
    if (m->options.reverse)
        ids = turned(t, ids, lengths);
    heed_tensor *x = heed_embedding_forward(t, &m->source_embedding, ids);
    x = heed_dropout(t, x, m->options.dropout);
    heed_recurrent_result read = heed_recurrent_forward(t, &m->encoder, x, lengths, NULL);
    s.states = read.output;
    s.initial.h = joined(t, m, read.last.h);
    s.initial.c = joined(t, m, read.last.c);
    s.context = heed_select(t, s.initial.h, 0, -1);
    if (m->options.context == HEED_CONTEXT_ATTENTION)
        s.memory = heed_align_prepare(t, &m->align, s.states, NULL, mask);
    heed_scope_end(t);
    return heed_error(t) ? (heed_seq2seq_source){ 0 } : s;
}

/* ---- the decoder ---- */

static heed_tensor *layer_of(heed_tape *t, heed_tensor *x, int layer)
{
    return x ? heed_select(t, x, 0, layer) : NULL;
}

heed_seq2seq_state heed_seq2seq_begin(heed_tape *t, const heed_seq2seq *m,
                                      const heed_seq2seq_source *source)
{
    heed_seq2seq_state state = { 0 };
    for (int i = 0; i < m->options.layers; i++) {
        state.layer[i].h = layer_of(t, source->initial.h, i);
        state.layer[i].c = layer_of(t, source->initial.c, i);
    }
    return state;
}

static heed_tensor *beside(heed_tape *t, heed_tensor *a, heed_tensor *b)
{
    return heed_concatenate(t, 2, (heed_tensor *[]){ a, b }, -1);
}

static heed_tensor *logits_of(heed_tape *t, const heed_seq2seq *m, heed_tensor *readout)
{
    heed_tensor *dropped = heed_dropout(t, readout, m->options.dropout);
    return heed_linear_forward(t, &m->output, dropped);
}

heed_tensor *heed_seq2seq_step(heed_tape *t, const heed_seq2seq *m,
                               const heed_seq2seq_source *source, heed_seq2seq_state *state,
                               heed_tensor *ids)
{
    const heed_seq2seq_options *o = &m->options;
    bool attends = o->context == HEED_CONTEXT_ATTENTION;
    heed_tensor *context = attends ? NULL : source->context;
    if (!t || heed_error(t))
        return NULL;
    if (!ids || ids->ndim != 1)
        return heed_fail(t, "seq2seq: a step takes ids [B]");
    heed_scope(t, "decode");
    heed_tensor *x = heed_embedding_forward(t, &m->target_embedding, ids);
    x = heed_dropout(t, x, o->dropout);
    if (reads_before(o)) {
        heed_tensor *query = state->layer[o->layers - 1].h;
        heed_aligned a = heed_align_step(t, &m->align, query, &source->memory, &state->history);
        context = a.context;
        state->weights = a.weights;
        state->log_probability = a.log_probability;
    }
    if (reads_before(o) || o->context == HEED_CONTEXT_FED)
        x = beside(t, x, context);
    else if (o->input_feeding)
        x = heed_attentional_feed(t, x, state->readout, o->hidden);
    for (int i = 0; i < o->layers; i++) {
        if (i > 0)
            x = heed_dropout(t, x, o->dropout);
        state->layer[i] =
            heed_recurrent_cell_forward(t, &m->decoder.cells[i][0], x, &state->layer[i]);
        x = state->layer[i].h;
    }
    if (attends && !reads_before(o)) {
        heed_aligned a = heed_align_step(t, &m->align, x, &source->memory, &state->history);
        context = a.context;
        state->weights = a.weights;
        state->log_probability = a.log_probability;
    }
    if (o->context != HEED_CONTEXT_START)
        x = heed_attentional_forward(t, &m->readout, context, x);
    state->readout = x;
    heed_tensor *logits = logits_of(t, m, x);
    heed_scope_end(t);
    return logits;
}

/* ---- whole targets ---- */

/* All steps at once, which is possible when a step's input hangs on no result before it. */
static bool at_once(const heed_seq2seq *m)
{
    const heed_seq2seq_options *o = &m->options;
    return !reads_before(o) && !o->input_feeding && !m->align.options.filters &&
           !m->align.options.coverage;
}

static heed_seq2seq_result forced(heed_tape *t, const heed_seq2seq *m,
                                  const heed_seq2seq_source *source, heed_tensor *inputs)
{
    const heed_seq2seq_options *o = &m->options;
    heed_seq2seq_result r = { 0 };
    int64_t batch = inputs->shape[0], steps = inputs->shape[1];
    heed_scope(t, "decode");
    heed_tensor *x = heed_embedding_forward(t, &m->target_embedding, inputs);
    heed_tensor *context = NULL;
    x = heed_dropout(t, x, o->dropout);
    if (o->context == HEED_CONTEXT_FED) {
        heed_tensor *column = heed_unsqueeze(t, source->context, 1);
        context = heed_expand(t, column, HEED_SHAPE(batch, steps, o->hidden));
        x = beside(t, x, context);
    }
    x = heed_recurrent_forward(t, &m->decoder, x, NULL, &source->initial).output;
    if (o->context == HEED_CONTEXT_ATTENTION) {
        heed_align_history history = { 0 };
        heed_aligned a = heed_align_step(t, &m->align, x, &source->memory, &history);
        context = a.context;
        r.weights = a.weights;
        r.log_probability = a.log_probability;
    }
    if (o->context != HEED_CONTEXT_START)
        x = heed_attentional_forward(t, &m->readout, context, x);
    r.logits = logits_of(t, m, x);
    heed_scope_end(t);
    return r;
}

/* The results of n more steps after those of all before; NULL where there are none. */
static heed_tensor *longer(heed_tape *t, heed_tensor *all, int64_t n, heed_tensor *const x[])
{
    heed_tensor *more = x[0] ? heed_stack(t, (int)n, x, 1) : NULL;
    return all ? heed_concatenate(t, 2, (heed_tensor *[]){ all, more }, 1) : more;
}

/* Steps in groups, so that their results need no memory but the stack: a group is stacked, and
 * the groups are put together. */
enum { GROUP = 64 };

static heed_seq2seq_result step_by_step(heed_tape *t, const heed_seq2seq *m,
                                        const heed_seq2seq_source *source, heed_tensor *inputs,
                                        double forcing)
{
    heed_tensor *logits[GROUP], *weights[GROUP], *logs[GROUP];
    heed_seq2seq_result all = { 0 };
    heed_seq2seq_state state = heed_seq2seq_begin(t, m, source);
    int64_t steps = inputs->shape[1];
    for (int64_t i = 0; i < steps && !heed_error(t); i++) {
        heed_tensor *given = heed_select(t, inputs, 1, i);
        int64_t k = i % GROUP;
        heed_tensor *ids =
            i == 0 ? given : heed_forced_ids(t, given, logits[(i - 1) % GROUP], forcing);
        logits[k] = heed_seq2seq_step(t, m, source, &state, ids);
        weights[k] = state.weights;
        logs[k] = state.log_probability;
        if (k + 1 < GROUP && i + 1 < steps)
            continue;
        all.logits = longer(t, all.logits, k + 1, logits);
        all.weights = longer(t, all.weights, k + 1, weights);
        all.log_probability = longer(t, all.log_probability, k + 1, logs);
    }
    return heed_error(t) ? (heed_seq2seq_result){ 0 } : all;
}

heed_seq2seq_result heed_seq2seq_forward(heed_tape *t, const heed_seq2seq *m,
                                         const heed_seq2seq_source *source, heed_tensor *inputs,
                                         double forcing)
{
    const heed_seq2seq_result none = { 0 };
    if (!t || heed_error(t) || !two_axes(t, inputs, "target"))
        return none;
    if (!source || !source->initial.h || source->initial.h->shape[1] != inputs->shape[0]) {
        heed_fail(t, "seq2seq: the target has %lld sentences and the source another number",
                  (long long)inputs->shape[0]);
        return none;
    }
    if (!(forcing >= 0 && forcing <= 1)) {
        heed_fail(t, "seq2seq: forcing %g is not in [0, 1]", forcing);
        return none;
    }
    heed_seq2seq_result r = forcing >= 1 && at_once(m)
                                ? forced(t, m, source, inputs)
                                : step_by_step(t, m, source, inputs, forcing);
    return heed_error(t) ? none : r;
}

/* ---- searching ---- */

static heed_tensor *times(heed_tape *t, heed_tensor *x, int count, int axis)
{
    return x ? heed_repeat(t, x, count, axis) : NULL;
}

static heed_tensor *taken(heed_tape *t, heed_tensor *x, heed_tensor *from)
{
    return x ? heed_index_select(t, x, from, 0) : NULL;
}

static heed_tensor *search_step(heed_tape *t, void *user, heed_tensor *last, int64_t position)
{
    heed_seq2seq_search *s = user;
    if (position == 0)
        s->state = heed_seq2seq_begin(t, s->m, &s->source);
    return heed_seq2seq_step(t, s->m, &s->source, &s->state, last);
}

static bool search_reorder(heed_tape *t, void *user, heed_tensor *from)
{
    heed_seq2seq_search *s = user;
    heed_seq2seq_state *state = &s->state;
    for (int i = 0; i < s->m->options.layers; i++) {
        state->layer[i].h = taken(t, state->layer[i].h, from);
        state->layer[i].c = taken(t, state->layer[i].c, from);
    }
    state->history.previous = taken(t, state->history.previous, from);
    state->history.coverage = taken(t, state->history.coverage, from);
    state->readout = taken(t, state->readout, from);
    state->weights = taken(t, state->weights, from);
    return !heed_error(t);
}

heed_decoder heed_seq2seq_decoder(heed_tape *t, const heed_seq2seq *m,
                                  const heed_seq2seq_source *source, int beam,
                                  heed_seq2seq_search *search)
{
    int count = beam > 1 ? beam : 1;
    *search = (heed_seq2seq_search){ .m = m, .source = *source };
    if (count > 1) {
        heed_seq2seq_source *s = &search->source;
        s->states = times(t, s->states, count, 0);
        s->context = times(t, s->context, count, 0);
        s->initial.h = times(t, s->initial.h, count, 1);
        s->initial.c = times(t, s->initial.c, count, 1);
        s->memory.keys = times(t, s->memory.keys, count, 0);
        s->memory.values = times(t, s->memory.values, count, 0);
        s->memory.mask = times(t, s->memory.mask, count, 0);
        s->memory.lengths = times(t, s->memory.lengths, count, 0);
    }
    return (heed_decoder){ search_step, search_reorder, search };
}
