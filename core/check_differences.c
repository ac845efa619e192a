/* An op record against finite differences: the full Jacobian, and the gradient of the gradient.
 * Results are differenced for the first order, gradients of a plain sweep for the second. */
#include "trial.h"

#include <math.h>
#include <string.h>

#define FULL_RESULTS 64
#define FULL_SCALARS 128

void heed__trial_draw(heed_random *r, double *u, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        u[i] = (double)(float)(2 * heed_random_uniform(r) - 1);
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The place of scalar j: which leaf's value it is. */
double *heed__trial_scalar(check_trial *trial, int64_t j)
{
    for (int i = 0; i < trial->n; i++) {
        int64_t k = j - trial->offset[i];
        if (trial->owner[i] == i && trial->watched[i] && k >= 0 && k < trial->size[i])
            return &trial->values[i][k];
    }
    return NULL;
}

static double step_at(const check_trial *trial, double x)
{
    return (trial->c->step > 0 ? trial->c->step : trial->options.step) * fmax(1, fabs(x));
}

/* d(result)/d(scalar j) or, with a cotangent u, d(gradient of <u, y>)/d(scalar j). */
static bool column(check_trial *trial, heed_tape *t, int64_t j, const double *u,
                   double *point[4], double *out)
{
    double *place = heed__trial_scalar(trial, j), keep = *place, h = step_at(trial, keep);
    bool ok = true;
    for (int k = 0; ok && k < 4; k++) {
        *place = keep + heed__check_offset(k) * h;
        ok = u ? heed__trial_gradient(trial, t, u, SWEEP_PLAIN, point[k])
               : heed__trial_value(trial, t, point[k]);
    }
    *place = keep;
    for (int64_t i = 0, n = u ? trial->scalars : trial->results; ok && i < n; i++) {
        const double f[4] = { point[0][i], point[1][i], point[2][i], point[3][i] };
        out[i] = heed__check_quotient(f, h);
        if (!isfinite(out[i])) {
            heed__trial_fail(trial,
                             "the differences are not finite; the case should be a stated one");
            ok = false;
        }
    }
    return ok;
}

/* hw = gradient of phi = <w, gradient of <u, y>>; du = gradient of phi for u, which is the
 * Jacobian times w. */
static bool second(check_trial *trial, heed_tape *t, const double *u, const double *w,
                   double *hw, double *du)
{
    heed_tensor *leaf[HEED_CASE_OPERANDS], *own[HEED_CASE_OPERANDS + 1],
        *gx[HEED_CASE_OPERANDS + 1];
    heed_tensor *phi = NULL;
    int which[HEED_CASE_OPERANDS], count = 0;
    heed_tensor *y = heed__trial_apply(trial, t, leaf);
    heed_shape shape = heed_shape_of(y);
    heed_tensor *gy =
        heed_watch(t, heed__check_leaf(t, y ? y->dtype : HEED_F64, &shape, LAYOUT_ROWS, u));
    for (int i = 0; i < trial->n; i++) {
        if (leaf[i] && trial->watched[i]) {
            which[count] = i;
            own[count++] = leaf[i];
        }
    }
    bool ok = heed_grad(t, y, gy, count, own, gx);
    for (int k = 0; ok && k < count; k++) {
        int i = which[k];
        if (!gx[k])
            continue;
        shape = heed_shape_of(gx[k]);
        heed_tensor *weights =
            heed__check_leaf(t, gx[k]->dtype, &shape, LAYOUT_ROWS, w + trial->offset[i]);
        heed_tensor *part = heed_sum(t, heed_mul(t, gx[k], weights));
        phi = phi ? heed_add(t, phi, part) : part;
    }
    memset(hw, 0, (size_t)trial->scalars * sizeof *hw);
    memset(du, 0, (size_t)trial->results * sizeof *du);
    own[count] = gy;
    if (ok && phi)
        ok = heed_grad(t, phi, NULL, count + 1, own, gx);
    if (!ok || heed_error(t)) {
        heed__trial_fail(trial, "second order: %s",
                         heed_error(t) ? heed_error(t) : "no result");
        return false;
    }
    if (!phi)
        return true;
    for (int k = 0; k < count; k++) {
        int i = which[k];
        for (int64_t e = 0; gx[k] && e < trial->size[i]; e++)
            hw[trial->offset[i] + e] = heed_at(gx[k], e);
    }
    for (int64_t e = 0; gx[count] && e < trial->results; e++)
        du[e] = heed_at(gx[count], e);
    return true;
}

typedef struct bench {
    double *jacobian; /* [scalars, results], by differences */
    double *u, *w, *a, *b, *du, *point[4];
} bench;

/* a by the tape, b by differences. */
static void compare(check_trial *trial, const char *what, bool of_leaves, const double *a,
                    const double *b, double absolute, double relative)
{
    for (int64_t i = 0, n = of_leaves ? trial->scalars : trial->results; i < n; i++)
        heed__check_error(trial->report, a[i], b[i]);
    heed__trial_compare(trial, what, of_leaves, a, b, absolute, relative);
}

static bool first_order(check_trial *trial, heed_tape *t, const bench *s, heed_random *r)
{
    int64_t m = trial->results, n = trial->scalars, rows = m <= FULL_RESULTS ? m : 8;
    for (int64_t j = 0; j < n; j++) {
        if (!column(trial, t, j, NULL, (double **)s->point, s->jacobian + j * m))
            return false;
    }
    for (int64_t row = 0; row < rows; row++) {
        if (m <= FULL_RESULTS) {
            memset(s->u, 0, (size_t)m * sizeof(double));
            s->u[row] = 1;
        } else {
            heed__trial_draw(r, s->u, m);
        }
        if (!heed__trial_gradient(trial, t, s->u, SWEEP_PLAIN, s->a))
            return false;
        for (int64_t j = 0; j < n; j++)
            s->b[j] = dot(s->jacobian + j * m, s->u, m);
        compare(trial, "gradient against differences", true, s->a, s->b,
                trial->options.absolute, trial->options.relative);
    }
    return trial->report->passed;
}

static void second_order(check_trial *trial, heed_tape *t, const bench *s, heed_random *r,
                         bool full)
{
    int64_t m = trial->results, n = trial->scalars;
    double absolute = 10 * trial->options.absolute, relative = 10 * trial->options.relative;
    heed__trial_draw(r, s->u, m);
    if (full && n <= FULL_SCALARS) {
        double *hessian = heed__trial_array(trial, n * n);
        for (int64_t j = 0; hessian && j < n; j++) {
            if (!column(trial, t, j, s->u, (double **)s->point, hessian + j * n))
                return;
        }
        for (int64_t j = 0; hessian && j < n; j++) {
            memset(s->w, 0, (size_t)n * sizeof(double));
            s->w[j] = 1;
            if (!second(trial, t, s->u, s->w, s->a, s->du))
                return;
            for (int64_t k = 0; k < n; k++)
                s->b[k] = hessian[k * n + j];
            compare(trial, "second order against differences", true, s->a, s->b, absolute,
                    relative);
            compare(trial, "second order, for the cotangent", false, s->du, s->jacobian + j * m,
                    absolute, relative);
        }
        return;
    }
    /* One number, v^T H w. */
    heed__trial_draw(r, s->w, n);
    if (!second(trial, t, s->u, s->w, s->a, s->du))
        return;
    double *v = s->b, f[4], h = step_at(trial, 0);
    heed__trial_draw(r, v, n);
    for (int k = 0; k < 4; k++) {
        double by = heed__check_offset(k) * h;
        for (int64_t j = 0; j < n; j++)
            *heed__trial_scalar(trial, j) += by * v[j];
        bool ok = heed__trial_gradient(trial, t, s->u, SWEEP_PLAIN, s->point[k]);
        for (int64_t j = 0; j < n; j++)
            *heed__trial_scalar(trial, j) -= by * v[j];
        if (!ok)
            return;
        f[k] = dot(s->point[k], s->w, n);
    }
    double numeric = heed__check_quotient(f, h);
    heed__trial_number(trial, "second order along random directions", dot(s->a, v, n), numeric,
                       absolute + relative * fabs(numeric));
}

void heed__trial_differences(check_trial *trial, heed_tape *t, bool full_second)
{
    int64_t m = trial->results, n = trial->scalars, more = m > n ? m : n;
    heed_random r = { .seed = trial->options.seed, .stream = 77 };
    bench s = { .jacobian = heed__trial_array(trial, m * n) };
    double **arrays[] = { &s.u,        &s.w,        &s.a,        &s.b,       &s.du,
                          &s.point[0], &s.point[1], &s.point[2], &s.point[3] };
    bool ok = s.jacobian != NULL;
    for (size_t i = 0; ok && i < sizeof arrays / sizeof *arrays; i++) {
        *arrays[i] = heed__trial_array(trial, more);
        ok = *arrays[i] != NULL;
    }
    if (ok && first_order(trial, t, &s, &r) && trial->options.order >= 2)
        second_order(trial, t, &s, &r, full_second);
}
