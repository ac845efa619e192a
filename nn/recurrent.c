/* Recurrent layers over whole sequences. Inside, time is the first axis: the input's part of the
 * gates is one product for all steps, and a step's part of it is contiguous. A sequence that has
 * ended keeps its state; the backward direction runs from the last step of the batch, where a
 * shorter sequence keeps its initial state until its own end is reached. So neither needs the
 * sequences to be sorted or turned around. */
#include "recurrent_cell.h"

#include <stdio.h>

void heed_recurrent_init(heed_recurrent *m, heed_params *ps, const char *name, int64_t input,
                         heed_recurrent_options options)
{
    *m = (heed_recurrent){ 0 };
    options.layers = options.layers ? options.layers : 1;
    if (!heed__recurrent_sound(ps, input, &options))
        return;
    m->options = options;
    m->input = input;
    heed_params_scope(ps, name);
    for (int layer = 0; layer < options.layers; layer++) {
        for (int d = 0; d < 1 + options.bidirectional; d++) {
            char suffix[32];
            snprintf(suffix, sizeof suffix, "_l%d%s", layer, d ? "_reverse" : "");
            heed__recurrent_register(&m->cells[layer][d], ps, suffix, input, &options);
        }
        input = options.hidden * (1 + options.bidirectional);
    }
    heed_params_scope_end(ps);
}

/* ---- what a call was given ---- */

typedef struct batch {
    int64_t size, steps;
    int64_t shortest, longest; /* of the sequences */
    heed_tensor *real;         /* bool [T, B]: no padding; NULL: none is */
    heed_tensor *column;       /* the same as [T, B, 1] */
} batch;

static bool x_fits(heed_tape *t, const heed_recurrent *m, const heed_tensor *x)
{
    char text[96];
    heed_shape shape = heed_shape_of(x);
    if (x && x->ndim == 3 && x->shape[1] > 0 && x->shape[2] == m->input)
        return true;
    heed_fail(t, "%s: x needs shape [B,T,%lld] with T at least 1, got %s",
              heed__recurrent_name(m->options.kind), (long long)m->input,
              x ? heed_shape_text(&shape, text, sizeof text) : "NULL");
    return false;
}

static bool state_fits(heed_tape *t, const heed_recurrent *m, const char *which,
                       const heed_tensor *x, int64_t size)
{
    char text[96];
    heed_shape shape = heed_shape_of(x);
    int64_t count = m->options.layers * (1 + m->options.bidirectional);
    if (!x || (x->ndim == 3 && x->shape[0] == count && x->shape[1] == size &&
               x->shape[2] == m->options.hidden))
        return true;
    heed_fail(t, "%s: the initial %s has shape %s but must have [%lld,%lld,%lld]",
              heed__recurrent_name(m->options.kind), which,
              heed_shape_text(&shape, text, sizeof text), (long long)count, (long long)size,
              (long long)m->options.hidden);
    return false;
}

/* bool [T, B]: step t of sequence b is real. */
static heed_tensor *real_steps(heed_tape *t, const batch *b, const int32_t *lengths)
{
    heed_tensor *place = heed_arange(t, 0, (int32_t)b->steps);
    heed_tensor *length = heed_ids(t, HEED_SHAPE(b->size), lengths);
    return heed_less(t, heed_unsqueeze(t, place, -1), length);
}

static bool read_lengths(heed_tape *t, const heed_recurrent *m, batch *b,
                         const int32_t *lengths)
{
    b->shortest = b->longest = b->steps;
    if (!lengths)
        return true;
    b->longest = 0;
    for (int64_t i = 0; i < b->size; i++) {
        if (lengths[i] < 0 || lengths[i] > b->steps)
            return heed_fail(t, "%s: length %d of row %lld is outside 0 .. %lld",
                             heed__recurrent_name(m->options.kind), lengths[i], (long long)i,
                             (long long)b->steps) != NULL;
        b->shortest = lengths[i] < b->shortest ? lengths[i] : b->shortest;
        b->longest = lengths[i] > b->longest ? lengths[i] : b->longest;
    }
    if (b->longest == 0 && b->steps > 0)
        b->longest = 1; /* a step that nobody takes: the gradients of nothing are 0 */
    if (b->shortest == b->steps)
        return true;
    b->real = real_steps(t, b, lengths);
    b->column = heed_unsqueeze(t, b->real, -1);
    return b->column != NULL;
}

/* x [T, B, ...] with 0 at padding, whatever is there. */
static heed_tensor *without_padding(heed_tape *t, const batch *b, heed_tensor *x)
{
    return b->column ? heed_where(t, b->column, x, heed_full(t, HEED_SCALAR, 0)) : x;
}

/* ---- one layer in one direction ---- */

/* The states of all steps under one another. A record takes so many operands at a time; of a
 * longer sequence what is there becomes the first of the next. */
#define AT_A_TIME 512
typedef struct pile {
    heed_tensor *part[AT_A_TIME];
    int count;
} pile;

static void put(heed_tape *t, pile *p, heed_tensor *x)
{
    if (p->count == AT_A_TIME) {
        p->part[0] = heed_concatenate(t, p->count, p->part, 0);
        p->count = 1;
    }
    p->part[p->count++] = x;
}

/* [T, B, H], in the order of time. */
static heed_tensor *spread(heed_tape *t, pile *p, const batch *b, int64_t hidden, bool backward)
{
    heed_tensor *rows = heed_concatenate(t, p->count, p->part, 0);
    heed_tensor *y = heed_reshape(t, rows, HEED_SHAPE(b->steps, b->size, hidden));
    return backward ? heed_slice(t, y, 0, -1, HEED_END, -1) : y;
}

typedef struct direction {
    heed_tensor *h, *c; /* [T, B, H] of every step; c where asked for */
    heed_recurrent_state last;
} direction;

static direction run_direction(heed_tape *t, const heed_recurrent_cell *m, const batch *b,
                               heed_tensor *x, heed_recurrent_state state, bool backward,
                               bool cells)
{
    pile h = { .count = 0 }, c = { .count = 0 };
    heed__recurrent_pass pass = heed__recurrent_begin(t, m);
    heed_tensor *projected = heed__recurrent_project(t, &pass, x); /* [T, B, G H] */
    for (int64_t i = 0; i < b->steps && !heed_error(t); i++) {
        int64_t at = backward ? b->steps - 1 - i : i;
        if (at < b->longest) {
            heed_tensor *real = at < b->shortest ? NULL : heed_select(t, b->real, 0, at);
            heed_tensor *now = heed_select(t, projected, 0, at);
            state = heed__recurrent_step(t, &pass, now, state, real);
        }
        put(t, &h, state.h);
        if (cells)
            put(t, &c, state.c);
    }
    direction d = { .last = state };
    if (heed_error(t))
        return d;
    d.h = spread(t, &h, b, m->hidden, backward);
    d.c = cells ? spread(t, &c, b, m->hidden, backward) : NULL;
    return d;
}

/* ---- all layers ---- */

/* State `index` of those given, or zeros. */
static heed_tensor *first_state(heed_tape *t, heed_tensor *given, int index, const batch *b,
                                int64_t hidden)
{
    return given ? heed_select(t, given, 0, index)
                 : heed_full(t, HEED_SHAPE(b->size, hidden), 0);
}

/* Both directions side by side, 0 at padding. */
static heed_tensor *side_by_side(heed_tape *t, const batch *b, heed_tensor *forward,
                                 heed_tensor *backward)
{
    heed_tensor *both[2] = { forward, backward };
    return without_padding(t, b, backward ? heed_concatenate(t, 2, both, 2) : forward);
}

heed_recurrent_result heed_recurrent_forward(heed_tape *t, const heed_recurrent *m,
                                             heed_tensor *x, const int32_t *lengths,
                                             const heed_recurrent_state *initial)
{
    const heed_recurrent_result none = { 0 };
    const heed_recurrent_options *o = &m->options;
    heed_recurrent_state given = initial ? *initial : (heed_recurrent_state){ 0 };
    heed_tensor *h[2 * HEED_RECURRENT_MAX_LAYERS], *c[2 * HEED_RECURRENT_MAX_LAYERS];
    heed_tensor *cells = NULL;
    bool lstm = o->kind == HEED_LSTM;
    int count = 0;
    if (!t || heed_error(t) || !x_fits(t, m, x))
        return none;
    batch b = { .size = x->shape[0], .steps = x->shape[1] };
    if (given.c && !lstm) {
        heed_fail(t, "%s: has no cell state c", heed__recurrent_name(o->kind));
        return none;
    }
    if (!state_fits(t, m, "h", given.h, b.size) || !state_fits(t, m, "c", given.c, b.size) ||
        !read_lengths(t, m, &b, lengths))
        return none;

    heed_tensor *y = without_padding(t, &b, heed_swap(t, x, 0, 1)); /* [T, B, in] */
    for (int layer = 0; layer < o->layers && !heed_error(t); layer++) {
        direction way[2] = { { 0 } };
        bool top = layer == o->layers - 1;
        if (layer > 0 && o->dropout != 0)
            y = heed_dropout(t, y, o->dropout);
        for (int d = 0; d < 1 + o->bidirectional; d++, count++) {
            char name[32];
            snprintf(name, sizeof name, "l%d%s", layer, d ? "_reverse" : "");
            heed_scope(t, name);
            heed_recurrent_state s = { first_state(t, given.h, count, &b, o->hidden), NULL };
            if (lstm)
                s.c = first_state(t, given.c, count, &b, o->hidden);
            way[d] = run_direction(t, &m->cells[layer][d], &b, y, s, d == 1, lstm && top);
            h[count] = way[d].last.h;
            c[count] = way[d].last.c;
            heed_scope_end(t);
        }
        y = side_by_side(t, &b, way[0].h, way[1].h); /* [T, B, D H] */
        cells = lstm && top ? side_by_side(t, &b, way[0].c, way[1].c) : NULL;
    }
    if (heed_error(t))
        return none;
    heed_recurrent_result r = { .output = heed_swap(t, y, 0, 1) };
    if (cells)
        r.cells = heed_swap(t, cells, 0, 1);
    r.last.h = heed_stack(t, count, h, 0);
    if (lstm)
        r.last.c = heed_stack(t, count, c, 0);
    return heed_error(t) ? none : r;
}
