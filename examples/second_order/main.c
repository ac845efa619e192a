/* Gradients of gradients: heed_grad gives gradients as tensors that can be differentiated again.
 *
 * 1. Hessian-vector products. With g = dL/dw, the gradient of <g, v> by w is H v: no Hessian is
 *    formed. Power iteration with it finds the sharpest direction of a loss.
 * 2. A gradient penalty, (|df/dx| - 1)^2 (Gulrajani et al. 2017): its gradient by the weights
 *    goes through the gradient by the inputs. */
#include <heed/heed.h>
#include <heed/nn.h>

#include "options.h"

#include <math.h>
#include <stdio.h>

enum { ROWS = 5, IN = 3, HIDDEN = 6 };

typedef struct model {
    heed_linear_module in, out;
} model;

static heed_tensor *forward(heed_tape *t, const model *m, heed_tensor *x)
{
    return heed_linear_forward(t, &m->out, heed_tanh(t, heed_linear_forward(t, &m->in, x)));
}

static heed_params *make(model *m)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 5 };
    heed_linear_options options = { .bias = true, .random = &r };
    heed_linear_init(&m->in, ps, "in", IN, HIDDEN, options);
    heed_linear_init(&m->out, ps, "out", HIDDEN, 1, options);
    return ps;
}

/* ---- Hessian-vector products ---- */

static heed_tensor *loss(heed_tape *t, const model *m)
{
    double at[ROWS * IN];
    for (int i = 0; i < ROWS * IN; i++)
        at[i] = sin(1.7 * i);
    heed_tensor *y = forward(t, m, heed_constant(t, HEED_SHAPE(ROWS, IN), at));
    return heed_mean(t, heed_square(t, heed_shift(t, y, -1)));
}

/* hv = H v over in.weight. False when the tape failed. */
static bool hessian_times(heed_tape *t, const model *m, const double *v, double *hv)
{
    heed_tensor *w = heed_use(t, m->in.weight), *g = NULL, *product = NULL;
    heed_tensor *along = heed_constant(t, HEED_SHAPE(HIDDEN, IN), v);
    if (!heed_grad(t, loss(t, m), NULL, 1, &w, &g))
        return false;
    heed_tensor *slope = heed_sum(t, heed_mul(t, g, along)); /* <g, v> */
    return heed_grad(t, slope, NULL, 1, &w, &product) && heed_copy_out(t, product, hv);
}

static void gradient_at(heed_tape *t, const model *m, double *g)
{
    heed_tensor *w = heed_use(t, m->in.weight), *gw = NULL;
    heed_tape_reset(t);
    w = heed_use(t, m->in.weight);
    heed_grad(t, loss(t, m), NULL, 1, &w, &gw);
    heed_copy_out(t, gw, g);
    heed_tape_reset(t);
}

static bool hessian(heed_tape *t, const model *m)
{
    enum { SIZE = HIDDEN * IN };
    double v[SIZE], hv[SIZE], plus[SIZE], minus[SIZE], *w = m->in.weight->data;
    double worst = 0, eigenvalue = 0;
    for (int i = 0; i < SIZE; i++)
        v[i] = cos(2.3 * i);
    if (!hessian_times(t, m, v, hv))
        return false;
    /* Against the difference of two gradients. */
    const double h = 1e-5;
    for (int i = 0; i < SIZE; i++)
        w[i] += h * v[i];
    gradient_at(t, m, plus);
    for (int i = 0; i < SIZE; i++)
        w[i] -= 2 * h * v[i];
    gradient_at(t, m, minus);
    for (int i = 0; i < SIZE; i++) {
        w[i] += h * v[i];
        worst = fmax(worst, fabs(hv[i] - (plus[i] - minus[i]) / (2 * h)));
    }
    printf("H v: largest error against differences of gradients %.1e\n", worst);
    for (int round = 0; round < 200; round++) {
        double length = 0;
        for (int i = 0; i < SIZE; i++)
            length += v[i] * v[i];
        for (int i = 0; i < SIZE; i++)
            v[i] /= sqrt(length);
        heed_tape_reset(t);
        if (!hessian_times(t, m, v, hv))
            return false;
        eigenvalue = 0;
        for (int i = 0; i < SIZE; i++) {
            eigenvalue += v[i] * hv[i];
            plus[i] = v[i];
            v[i] = hv[i];
        }
    }
    double rest = 0;
    for (int i = 0; i < SIZE; i++)
        rest += (hv[i] - eigenvalue * plus[i]) * (hv[i] - eigenvalue * plus[i]);
    printf("eigenvalue of the Hessian of largest size: %.6f (|H v - lambda v| = %.0e)\n",
           eigenvalue, sqrt(rest));
    return worst < 1e-8 && sqrt(rest) < 1e-6;
}

/* ---- gradient penalty ---- */

/* mean over rows of (|df/dx| - 1)^2. */
static heed_tensor *penalty(heed_tape *t, heed_tensor *const x[], void *user)
{
    heed_tensor *input = x[0], *g = NULL;
    const int last = -1;
    heed_tensor *total = heed_sum(t, forward(t, user, input));
    if (!heed_grad(t, total, NULL, 1, &input, &g))
        return NULL;
    heed_tensor *squares = heed_sum_axes(t, heed_square(t, g), 1, &last, false);
    heed_tensor *excess = heed_shift(t, heed_sqrt(t, squares), -1);
    return heed_mean(t, heed_square(t, excess));
}

static const char summary[] =
    "Gradients of gradients: products with a Hessian that is never formed, and a gradient\n"
    "penalty, checked.";

int main(int count, char **arguments)
{
    int code = options_begin("second_order", summary, NULL, 0, count - 1, arguments + 1);
    if (code >= 0)
        return code;
    model m;
    heed_params *ps = make(&m);
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    bool good = t && hessian(t, &m);
    const heed_input rows = { .shape = HEED_DIMS(ROWS, IN) };
    heed_report r = heed_check(penalty, &m, ps, 1, &rows, NULL);
    printf("gradient penalty: ");
    heed_report_print(&r, stdout);
    good = good && r.passed;
    if (t && heed_error(t))
        fprintf(stderr, "second_order: %s\n", heed_error(t));
    heed_tape_free(t);
    heed_params_free(ps);
    return options_end("second_order", good ? 0 : 1);
}
