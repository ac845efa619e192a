/* The subject of a check: how inputs and parameters become a value, a gradient, and the gradient
 * of a gradient. */
#include "subject.h"

#include <stdio.h>
#include <string.h>

void *heed__subject_room(check_subject *s, int64_t count, size_t size)
{
    if (count < 0 || (uint64_t)count > SIZE_MAX / 4 / size)
        return NULL;
    void *p = heed__arena_take(&s->memory, (size_t)count * size + 1);
    if (p)
        memset(p, 0, (size_t)count * size + 1);
    return p;
}

bool heed__subject_out_of_memory(check_subject *s)
{
    heed__check_fail(s->report, "check: out of memory");
    return false;
}

bool heed__subject_failed(check_subject *s)
{
    heed__check_fail(s->report, "%s",
                     s->t->failed ? s->t->error : "the function returned NULL");
    return false;
}

static bool differentiated(const heed_input *input)
{
    return (input->dtype == HEED_F32 || input->dtype == HEED_F64) && !input->constant;
}

static void add_block(check_subject *s, int64_t size, heed_shape shape, double *values,
                      const char *name)
{
    check_block *b = &s->block[s->blocks++];
    *b = (check_block){
        .size = size, .shape = shape, .values = values, .offset = s->total, .input = -1
    };
    snprintf(b->name, sizeof b->name, "%s", name);
    s->total += size;
}

/* Draws the inputs and lists what is to be differentiated. */
static bool prepare(check_subject *s)
{
    int parameters = s->copy ? heed_params_count(s->copy) : 0;
    heed_random r = { .seed = s->o.seed, .stream = 1 };
    s->x = heed__subject_room(s, s->n, sizeof *s->x);
    s->values = heed__subject_room(s, s->n, sizeof *s->values);
    s->block = heed__subject_room(s, (int64_t)s->n + parameters, sizeof *s->block);
    s->tensors = heed__subject_room(s, (int64_t)s->n + parameters, sizeof *s->tensors);
    s->g = heed__subject_room(s, (int64_t)s->n + parameters, sizeof *s->g);
    if (!s->x || !s->values || !s->block || !s->tensors || !s->g)
        return heed__subject_out_of_memory(s);
    for (int i = 0; i < s->n; i++) {
        const heed_input *input = &s->inputs[i];
        int64_t size;
        char name[24];
        if (!heed__shape_size(&input->shape, &size)) {
            heed__check_fail(s->report,
                             "check: the shape of input %d is negative, has too many axes or "
                             "overflows",
                             i);
            return false;
        }
        s->values[i] = heed__subject_room(s, size, sizeof(double));
        if (!s->values[i])
            return heed__subject_out_of_memory(s);
        heed__check_draw(input, size, &r, s->values[i]);
        if (!differentiated(input))
            continue;
        snprintf(name, sizeof name, "x[%d]", i);
        add_block(s, size, input->shape, s->values[i], name);
        s->block[s->blocks - 1].input = i;
    }
    for (int i = 0; i < parameters; i++) {
        heed_parameter *p = heed_params_at(s->copy, i);
        if (p->flags & (HEED_FROZEN | HEED_BUFFER))
            continue;
        add_block(s, p->size, p->shape, p->data, p->name);
        s->block[s->blocks - 1].copy = p;
        s->block[s->blocks - 1].asked = heed_params_at(s->ps, i);
    }
    if (s->total == 0 && !s->leaves_only) {
        heed__check_fail(s->report, "check: there is nothing to differentiate");
        return false;
    }
    return true;
}

bool heed__subject_begin(check_subject *s)
{
    heed__arena_init(&s->memory, NULL, 0);
    if (s->ps && heed_params_error(s->ps)) {
        heed__check_fail(s->report, "%s", heed_params_error(s->ps));
        return false;
    }
    s->t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    s->copy = s->ps ? heed_params_copy(s->ps, HEED_F64) : NULL;
    if (!s->t || (s->ps && !s->copy))
        return heed__subject_out_of_memory(s);
    if (s->ps && !heed_shadow(s->t, s->ps, s->copy))
        return heed__subject_failed(s);
    return prepare(s);
}

void heed__subject_end(check_subject *s)
{
    heed_report *r = s->report;
    heed_tape_free(s->t);
    heed_params_free(s->copy);
    heed__arena_free(&s->memory);
    if (!r->passed && !r->message[0])
        snprintf(r->message, sizeof r->message, "%s: %.10g by the tape, %.10g by differences",
                 r->where, r->analytic, r->numeric);
}

heed_tensor *heed__subject_evaluate(check_subject *s, bool recording)
{
    heed_tape *t = s->t;
    heed_tape_reset(t);
    heed_seed(t, s->o.seed, 0);
    heed_set_recording(t, recording);
    for (int i = 0; i < s->n; i++) {
        const heed_input *input = &s->inputs[i];
        bool floats = input->dtype == HEED_F32 || input->dtype == HEED_F64;
        s->x[i] = heed__check_leaf(t, floats ? HEED_F64 : input->dtype, &input->shape,
                                   LAYOUT_ROWS, s->values[i]);
        if (differentiated(input))
            heed_watch(t, s->x[i]);
    }
    heed_tensor *y = t->failed ? NULL : s->f(t, s->x, s->user);
    if (!y || t->failed) {
        heed__subject_failed(s);
        return NULL;
    }
    return y;
}

static heed_tensor *evaluate_scalar(check_subject *s, bool recording)
{
    heed_tensor *y = heed__subject_evaluate(s, recording);
    if (!y || heed_size(y) == 1)
        return y;
    char text[96];
    heed_shape shape = heed_shape_of(y);
    heed__check_fail(s->report,
                     "check: the function's result has shape %s but must have one element",
                     heed_shape_text(&shape, text, sizeof text));
    return NULL;
}

/* Recorded, though nobody sweeps: the function may call heed_grad itself. */
bool heed__subject_value(check_subject *s, double *v)
{
    heed_tensor *y = evaluate_scalar(s, true);
    if (!y)
        return false;
    *v = heed_item(s->t, y);
    return s->t->failed ? heed__subject_failed(s) : true;
}

bool heed__subject_gradient(check_subject *s, double *v, double *g)
{
    heed_gradients *parameters = s->copy ? heed_params_gradients(s->copy) : NULL;
    if (s->copy && !parameters)
        return heed__subject_out_of_memory(s);
    heed_gradients_zero(parameters);
    heed_tensor *y = evaluate_scalar(s, true);
    if (!y)
        return false;
    *v = heed_item(s->t, y);
    if (!heed_backward(s->t, y))
        return heed__subject_failed(s);
    for (int i = 0; i < s->blocks; i++) {
        const check_block *b = &s->block[i];
        if (b->input < 0) {
            memcpy(g + b->offset, heed_gradients_of(parameters, b->copy),
                   (size_t)b->size * sizeof *g);
            continue;
        }
        const heed_tensor *gx = heed_gradient(s->t, s->x[b->input]);
        for (int64_t k = 0; k < b->size; k++)
            g[b->offset + k] = gx ? heed_at(gx, k) : 0;
    }
    return s->t->failed ? heed__subject_failed(s) : true;
}

bool heed__subject_second(check_subject *s, const double *w, double *hw)
{
    heed_tape *t = s->t;
    heed_tensor *y = evaluate_scalar(s, true), *phi = NULL;
    if (!y)
        return false;
    for (int i = 0; i < s->blocks; i++) {
        const check_block *b = &s->block[i];
        s->tensors[i] = b->input >= 0 ? s->x[b->input] : heed_use(t, b->asked);
    }
    if (!heed_grad(t, y, NULL, s->blocks, s->tensors, s->g))
        return heed__subject_failed(s);
    for (int i = 0; i < s->blocks; i++) {
        const check_block *b = &s->block[i];
        if (!s->g[i])
            continue;
        heed_tensor *weights = heed_copy_in(t, HEED_F64, b->shape, w + b->offset);
        heed_tensor *part = heed_sum(t, heed_mul(t, s->g[i], weights));
        phi = phi ? heed_add(t, phi, part) : part;
    }
    if (t->failed)
        return heed__subject_failed(s);
    if (!phi || !heed_grad(t, phi, NULL, s->blocks, s->tensors, s->g)) {
        if (t->failed)
            return heed__subject_failed(s);
        memset(s->g, 0, (size_t)s->blocks * sizeof *s->g);
    }
    for (int i = 0; i < s->blocks; i++) {
        const check_block *b = &s->block[i];
        for (int64_t k = 0; k < b->size; k++)
            hw[b->offset + k] = s->g[i] ? heed_at(s->g[i], k) : 0;
    }
    return true;
}

void heed__subject_keep(const check_subject *s, int first, int last, double *keep)
{
    for (int i = first; i < last; i++)
        memcpy(keep + s->block[i].offset, s->block[i].values,
               (size_t)s->block[i].size * sizeof *keep);
}

void heed__subject_move(check_subject *s, int first, int last, const double *keep,
                        const double *d, double distance)
{
    for (int i = first; i < last; i++) {
        const check_block *b = &s->block[i];
        for (int64_t k = 0; k < b->size; k++)
            b->values[k] = keep[b->offset + k] + distance * d[b->offset + k];
    }
}
