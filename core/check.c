/* Checking a function, or a whole module, against finite differences. Everything runs in f64,
 * whatever the dtype of the parameters: they are copied, and the tape is told to use the
 * copies. Differences take four points, h and h/2, so that their error is far below that of any
 * wrong rule. */
#include "trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DIRECTIONS 4

/* One tensor to be differentiated: an input or a parameter. */
typedef struct block {
    char name[112];
    heed_shape shape;
    int64_t size, offset;
    double *values;
    int input;             /* which, or -1 */
    heed_parameter *asked; /* in the caller's set, */
    heed_parameter *copy;  /* and the one perturbed */
} block;

typedef struct subject {
    heed_tensor *(*f)(heed_tape *t, heed_tensor *const x[], void *user);
    void *user;
    const heed_params *ps;
    heed_params *copy;
    int n;
    const heed_input *inputs;
    heed_check_options o;
    heed_report *report;
    heed_tape *t;
    arena memory;
    heed_tensor **x; /* [n] */
    double **values; /* [n] of inputs */
    int blocks;
    block *block;          /* [blocks] */
    heed_tensor **tensors; /* [blocks], of the present step */
    heed_tensor **g;       /* [blocks] */
    int64_t total;         /* scalars in all blocks */
} subject;

static void *room(subject *s, int64_t count, size_t size)
{
    if (count < 0 || (uint64_t)count > SIZE_MAX / 4 / size)
        return NULL;
    void *p = heed__arena_take(&s->memory, (size_t)count * size + 1);
    if (p)
        memset(p, 0, (size_t)count * size + 1);
    return p;
}

static bool out_of_memory(subject *s)
{
    heed__check_fail(s->report, "check: out of memory");
    return false;
}

static bool failed(subject *s)
{
    heed__check_fail(s->report, "%s",
                     s->t->failed ? s->t->error : "the function returned NULL");
    return false;
}

static bool differentiated(const heed_input *input)
{
    return (input->dtype == HEED_F32 || input->dtype == HEED_F64) && !input->constant;
}

static void add_block(subject *s, int64_t size, heed_shape shape, double *values,
                      const char *name)
{
    block *b = &s->block[s->blocks++];
    *b = (block){
        .size = size, .shape = shape, .values = values, .offset = s->total, .input = -1
    };
    snprintf(b->name, sizeof b->name, "%s", name);
    s->total += size;
}

/* Draws the inputs and lists what is to be differentiated. */
static bool prepare(subject *s)
{
    int parameters = s->copy ? heed_params_count(s->copy) : 0;
    heed_random r = { .seed = s->o.seed, .stream = 1 };
    s->x = room(s, s->n, sizeof *s->x);
    s->values = room(s, s->n, sizeof *s->values);
    s->block = room(s, (int64_t)s->n + parameters, sizeof *s->block);
    s->tensors = room(s, (int64_t)s->n + parameters, sizeof *s->tensors);
    s->g = room(s, (int64_t)s->n + parameters, sizeof *s->g);
    if (!s->x || !s->values || !s->block || !s->tensors || !s->g)
        return out_of_memory(s);
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
        s->values[i] = room(s, size, sizeof(double));
        if (!s->values[i])
            return out_of_memory(s);
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
    if (s->total == 0) {
        heed__check_fail(s->report, "check: there is nothing to differentiate");
        return false;
    }
    return true;
}

/* One evaluation in a new step, its random streams at their beginning. */
static heed_tensor *evaluate(subject *s, bool recording)
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
        failed(s);
        return NULL;
    }
    if (heed_size(y) != 1) {
        char text[96];
        heed_shape shape = heed_shape_of(y);
        heed__check_fail(s->report,
                         "check: the function's result has shape %s but must have one element",
                         heed_shape_text(&shape, text, sizeof text));
        return NULL;
    }
    return y;
}

static bool value(subject *s, double *v)
{
    heed_tensor *y = evaluate(s, false);
    if (!y)
        return false;
    *v = heed_item(s->t, y);
    return s->t->failed ? failed(s) : true;
}

/* The gradient by a plain sweep, all blocks one after another. */
static bool gradient(subject *s, double *v, double *g)
{
    heed_gradients *parameters = s->copy ? heed_params_gradients(s->copy) : NULL;
    if (s->copy && !parameters)
        return out_of_memory(s);
    heed_gradients_zero(parameters);
    heed_tensor *y = evaluate(s, true);
    if (!y)
        return false;
    *v = heed_item(s->t, y);
    if (!heed_backward(s->t, y))
        return failed(s);
    for (int i = 0; i < s->blocks; i++) {
        const block *b = &s->block[i];
        if (b->input < 0) {
            memcpy(g + b->offset, heed_gradients_of(parameters, b->copy),
                   (size_t)b->size * sizeof *g);
            continue;
        }
        const heed_tensor *gx = heed_gradient(s->t, s->x[b->input]);
        for (int64_t k = 0; k < b->size; k++)
            g[b->offset + k] = gx ? heed_at(gx, k) : 0;
    }
    return s->t->failed ? failed(s) : true;
}

/* hw = gradient of <w, gradient of f>, by differentiating the sweep. */
static bool second(subject *s, const double *w, double *hw)
{
    heed_tape *t = s->t;
    heed_tensor *y = evaluate(s, true), *phi = NULL;
    if (!y)
        return false;
    for (int i = 0; i < s->blocks; i++) {
        const block *b = &s->block[i];
        s->tensors[i] = b->input >= 0 ? s->x[b->input] : heed_use(t, b->asked);
    }
    if (!heed_grad(t, y, NULL, s->blocks, s->tensors, s->g))
        return failed(s);
    for (int i = 0; i < s->blocks; i++) {
        const block *b = &s->block[i];
        if (!s->g[i])
            continue;
        heed_tensor *weights = heed_copy_in(t, HEED_F64, b->shape, w + b->offset);
        heed_tensor *part = heed_sum(t, heed_mul(t, s->g[i], weights));
        phi = phi ? heed_add(t, phi, part) : part;
    }
    if (t->failed)
        return failed(s);
    if (!phi || !heed_grad(t, phi, NULL, s->blocks, s->tensors, s->g)) {
        if (t->failed)
            return failed(s);
        memset(s->g, 0, (size_t)s->blocks * sizeof *s->g);
    }
    for (int i = 0; i < s->blocks; i++) {
        const block *b = &s->block[i];
        for (int64_t k = 0; k < b->size; k++)
            hw[b->offset + k] = s->g[i] ? heed_at(s->g[i], k) : 0;
    }
    return true;
}

static void compare(subject *s, const block *b, int64_t index, const char *suffix,
                    double analytic, double numeric, double slack)
{
    heed_report *r = s->report;
    char name[112];
    double tolerance = slack * (s->o.absolute + s->o.relative * fabs(numeric));
    if (!heed__check_compare(r, analytic, numeric, tolerance))
        return;
    if (index >= 0)
        heed__check_name(b->name, &b->shape, index, name, sizeof name);
    else
        snprintf(name, sizeof name, "%s", b->name);
    if (!isfinite(analytic) || !isfinite(numeric))
        heed__check_fail(r, "%.111s%.47s is not finite: %g by the tape, %g by differences",
                         name, suffix, analytic, numeric);
    snprintf(r->where, sizeof r->where, "%.111s%.47s", name, suffix);
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* What is differenced: f itself, or <w, its gradient>. */
static bool probe(subject *s, const double *w, double *g, double *v)
{
    if (!w)
        return value(s, v);
    if (!gradient(s, v, g))
        return false;
    *v = dot(w, g, s->total);
    return true;
}

/* The derivative along one scalar. */
static bool along_scalar(subject *s, const block *b, int64_t k, const double *w, double *g,
                         double *slope)
{
    double keep = b->values[k], f[4];
    double h = s->o.step * fmax(1, fabs(keep));
    bool ok = true;
    for (int point = 0; ok && point < 4; point++) {
        b->values[k] = keep + heed__check_offset(point) * h;
        ok = probe(s, w, g, &f[point]);
    }
    b->values[k] = keep;
    *slope = heed__check_quotient(f, h);
    return ok;
}

/* The derivative along d over blocks [first, last). A long d takes a short step: the error of
 * the differences grows with its length. */
static bool along(subject *s, int first, int last, const double *d, const double *w, double *g,
                  double *keep, double *slope)
{
    double f[4], length = 0;
    bool ok = true;
    for (int i = first; i < last; i++) {
        memcpy(keep + s->block[i].offset, s->block[i].values,
               (size_t)s->block[i].size * sizeof *keep);
        length += dot(d + s->block[i].offset, d + s->block[i].offset, s->block[i].size);
    }
    double h = s->o.step / fmax(1, sqrt(length));
    for (int point = 0; ok && point < 4; point++) {
        for (int i = first; i < last; i++) {
            const block *b = &s->block[i];
            for (int64_t k = 0; k < b->size; k++)
                b->values[k] =
                    keep[b->offset + k] + heed__check_offset(point) * h * d[b->offset + k];
        }
        ok = probe(s, w, g, &f[point]);
    }
    for (int i = first; i < last; i++)
        memcpy(s->block[i].values, keep + s->block[i].offset,
               (size_t)s->block[i].size * sizeof *keep);
    *slope = heed__check_quotient(f, h);
    return ok;
}

static void draw_signs(heed_random *r, double *d, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        d[i] = heed_random_below(r, 2) ? 1 : -1;
}

/* Every element, or random directions in each tensor. w NULL: order 1. */
static bool differences(subject *s, const double *analytic, const double *w, double *g,
                        double *d, double *keep, heed_random *r)
{
    bool full = s->total <= s->o.full_limit;
    double slack = w ? 10 : 1, slope;
    const char *order = w ? ", second order" : "";
    for (int i = 0; i < s->blocks; i++) {
        const block *b = &s->block[i];
        char suffix[48];
        if (full || b->size <= DIRECTIONS) {
            for (int64_t k = 0; k < b->size; k++) {
                if (!along_scalar(s, b, k, w, g, &slope))
                    return false;
                compare(s, b, k, order, analytic[b->offset + k], slope, slack);
            }
            continue;
        }
        for (int k = 0; k < DIRECTIONS; k++) {
            draw_signs(r, d + b->offset, b->size);
            if (!along(s, i, i + 1, d, w, g, keep, &slope))
                return false;
            snprintf(suffix, sizeof suffix, " along random direction %d%s", k, order);
            compare(s, b, -1, suffix, dot(analytic + b->offset, d + b->offset, b->size), slope,
                    slack);
        }
    }
    return true;
}

static bool second_order(subject *s, double *hw, double *w, double *g, double *d, double *keep,
                         heed_random *r)
{
    double slope;
    for (int64_t i = 0; i < s->total; i++)
        w[i] = 2 * heed_random_uniform(r) - 1;
    if (!second(s, w, hw))
        return false;
    if (s->total <= s->o.full_limit)
        return differences(s, hw, w, g, d, keep, r);
    draw_signs(r, d, s->total);
    if (!along(s, 0, s->blocks, d, w, g, keep, &slope))
        return false;
    static const block all = { .name = "everything" };
    compare(s, &all, -1, " along a random direction, second order", dot(hw, d, s->total), slope,
            10);
    return true;
}

static bool run(subject *s)
{
    double v = 0, again = 0;
    if (!prepare(s))
        return false;
    double *array[6];
    for (int i = 0; i < 6; i++) {
        array[i] = room(s, s->total, sizeof(double));
        if (!array[i])
            return out_of_memory(s);
    }
    double *g = array[0], *repeated = array[1], *d = array[2], *keep = array[3], *w = array[4];
    if (!gradient(s, &v, g) || !gradient(s, &again, repeated))
        return false;
    if (memcmp(&v, &again, sizeof v) != 0 ||
        memcmp(g, repeated, (size_t)s->total * sizeof *g) != 0) {
        heed__check_fail(
            s->report, "check: the same evaluation and sweep gave other bits the second time");
        return false;
    }
    heed_random r = { .seed = s->o.seed, .stream = 2 };
    if (!differences(s, g, NULL, repeated, d, keep, &r))
        return false;
    return s->o.order < 2 || second_order(s, array[5], w, repeated, d, keep, &r);
}

heed_report heed_check(heed_tensor *(*f)(heed_tape *t, heed_tensor *const x[], void *user),
                       void *user, heed_params *ps, int n, const heed_input inputs[],
                       const heed_check_options *options)
{
    heed_report report = { .passed = true };
    subject s = { .f = f,
                  .user = user,
                  .ps = ps,
                  .n = n,
                  .inputs = inputs,
                  .report = &report,
                  .o = heed__check_options(options) };
    if (ps && heed_params_error(ps)) {
        heed__check_fail(&report, "%s", heed_params_error(ps));
        return report;
    }
    heed__arena_init(&s.memory, NULL, 0);
    s.t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    s.copy = ps ? heed_params_copy(ps, HEED_F64) : NULL;
    if (!s.t || (ps && !s.copy))
        out_of_memory(&s);
    else if (ps && !heed_shadow(s.t, ps, s.copy))
        failed(&s);
    else
        run(&s);
    heed_tape_free(s.t);
    heed_params_free(s.copy);
    heed__arena_free(&s.memory);
    if (!report.passed && !report.message[0])
        snprintf(report.message, sizeof report.message,
                 "%s: %.10g by the tape, %.10g by differences", report.where, report.analytic,
                 report.numeric);
    return report;
}
