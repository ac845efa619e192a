/* Checking a function, or a whole module, against finite differences: element by element, or
 * along random directions in each tensor where there are too many elements. Differences take
 * four points, h and h/2, so that their error is far below that of any wrong rule. */
#include "subject.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DIRECTIONS 4

static void compare(check_subject *s, const check_block *b, int64_t index, const char *suffix,
                    double analytic, double numeric, double slack)
{
    heed_report *r = s->report;
    char name[112];
    double tolerance = slack * (s->o.absolute + s->o.relative * fabs(numeric));
    bool worst = heed__check_compare(r, analytic, numeric, tolerance);
    heed__check_error(r, analytic, numeric);
    if (!worst && !s->o.each)
        return;
    if (index >= 0)
        heed__check_name(b->name, &b->shape, index, name, sizeof name);
    else
        snprintf(name, sizeof name, "%s", b->name);
    if (s->o.each) {
        char where[sizeof r->where];
        snprintf(where, sizeof where, "%.111s%.47s", name, suffix);
        s->o.each(s->o.user, where, analytic, numeric, fabs(analytic - numeric) / tolerance);
    }
    if (!worst)
        return;
    if (!isfinite(analytic) || !isfinite(numeric))
        heed__check_fail(r, "%.111s%.47s is not finite: %g by the tape, %g by differences",
                         name, suffix, analytic, numeric);
    snprintf(r->where, sizeof r->where, "%.111s%.47s", name, suffix);
}

/* What is differenced: f itself, or <w, its gradient>. */
static bool probe(check_subject *s, const double *w, double *g, double *v)
{
    if (!w)
        return heed__subject_value(s, v);
    if (!heed__subject_gradient(s, v, g))
        return false;
    *v = heed__check_dot(w, g, s->total);
    return true;
}

/* The derivative along one scalar. */
static bool along_scalar(check_subject *s, const check_block *b, int64_t k, const double *w,
                         double *g, double *slope)
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
static bool along(check_subject *s, int first, int last, const double *d, const double *w,
                  double *g, double *keep, double *slope)
{
    double f[4], length = 0;
    bool ok = true;
    for (int i = first; i < last; i++) {
        const check_block *b = &s->block[i];
        length += heed__check_dot(d + b->offset, d + b->offset, b->size);
    }
    double h = s->o.step / fmax(1, sqrt(length));
    heed__subject_keep(s, first, last, keep);
    for (int point = 0; ok && point < 4; point++) {
        heed__subject_move(s, first, last, keep, d, heed__check_offset(point) * h);
        ok = probe(s, w, g, &f[point]);
    }
    heed__subject_move(s, first, last, keep, d, 0);
    *slope = heed__check_quotient(f, h);
    return ok;
}

static void draw_signs(heed_random *r, double *d, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        d[i] = heed_random_below(r, 2) ? 1 : -1;
}

/* Every element, or random directions in each tensor. w NULL: order 1. */
static bool differences(check_subject *s, const double *analytic, const double *w, double *g,
                        double *d, double *keep, heed_random *r)
{
    bool full = s->total <= s->o.full_limit;
    double slack = w ? 10 : 1, slope;
    const char *order = w ? ", second order" : "";
    for (int i = 0; i < s->blocks; i++) {
        const check_block *b = &s->block[i];
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
            compare(s, b, -1, suffix,
                    heed__check_dot(analytic + b->offset, d + b->offset, b->size), slope,
                    slack);
        }
    }
    return true;
}

static bool second_order(check_subject *s, double *hw, double *w, double *g, double *d,
                         double *keep, heed_random *r)
{
    double slope;
    for (int64_t i = 0; i < s->total; i++)
        w[i] = 2 * heed_random_uniform(r) - 1;
    if (!heed__subject_second(s, w, hw))
        return false;
    if (s->total <= s->o.full_limit)
        return differences(s, hw, w, g, d, keep, r);
    draw_signs(r, d, s->total);
    if (!along(s, 0, s->blocks, d, w, g, keep, &slope))
        return false;
    static const check_block all = { .name = "everything" };
    compare(s, &all, -1, " along a random direction, second order",
            heed__check_dot(hw, d, s->total), slope, 10);
    return true;
}

static bool run(check_subject *s)
{
    double v = 0, again = 0;
    double *array[6];
    for (int i = 0; i < 6; i++) {
        array[i] = heed__subject_room(s, s->total, sizeof(double));
        if (!array[i])
            return heed__subject_out_of_memory(s);
    }
    double *g = array[0], *repeated = array[1], *d = array[2], *keep = array[3], *w = array[4];
    if (!heed__subject_gradient(s, &v, g) || !heed__subject_gradient(s, &again, repeated))
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

static heed_report check(heed_tensor *(*f)(heed_tape *t, heed_tensor *const x[], void *user),
                         void *user, heed_params *ps, int n, const heed_input inputs[],
                         const heed_check_options *options, bool directional)
{
    heed_report report = { .passed = true };
    check_subject s = { .f = f,
                        .user = user,
                        .ps = ps,
                        .n = n,
                        .inputs = inputs,
                        .report = &report,
                        .o = heed__check_options(options) };
    if (directional)
        s.o.full_limit = 0;
    if (heed__subject_begin(&s))
        run(&s);
    heed__subject_end(&s);
    return report;
}

heed_report heed_check(heed_tensor *(*f)(heed_tape *t, heed_tensor *const x[], void *user),
                       void *user, heed_params *ps, int n, const heed_input inputs[],
                       const heed_check_options *options)
{
    return check(f, user, ps, n, inputs, options, false);
}

heed_report heed_check_directional(heed_tensor *(*f)(heed_tape *t, heed_tensor *const x[],
                                                     void *user),
                                   void *user, heed_params *ps, int n,
                                   const heed_input inputs[], const heed_check_options *options)
{
    return check(f, user, ps, n, inputs, options, true);
}
