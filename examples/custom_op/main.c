/* An op of one's own: its value, its derivative, its tests, and a model that uses it.
 *
 * snake (Ziyin, Hartwig, Ueda 2020) is an activation for periodic data,
 *   y = x + sin^2(a x)/a,
 * with a trainable frequency a for each channel. With 2 sin u cos u = sin 2u its derivatives are
 *   dy/dx = 1 + sin(2 a x),   dy/da = (x sin(2 a x) - sin^2(a x)/a)/a.
 *
 * The program checks the op as heed checks its own, and then lets it learn a sine that goes on
 * beyond the training data. */
#include <heed/heed.h>
#include <heed/nn.h>
#include <heed/op.h>
#include <heed/optim.h>

#include "options.h"

#include <math.h>
#include <stdio.h>

/* x [..., C], a [C] -> [..., C]. By the time this runs, heed_apply has seen to it that both
 * operands are there and of one floating dtype. */
static bool snake_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *x = c->x[0], *a = c->x[1];
    if (x->dtype != HEED_F32 && x->dtype != HEED_F64)
        return heed_refuse(t, c, "x is %s but must be f32 or f64", heed_dtype_name(x->dtype));
    if (a->dtype != x->dtype)
        return heed_refuse(t, c, "a is %s but must be %s", heed_dtype_name(a->dtype),
                           heed_dtype_name(x->dtype));
    if (x->ndim < 1 || a->ndim != 1 || a->shape[0] != x->shape[x->ndim - 1])
        return heed_refuse(t, c, "needs x [..., C] and a [C]");
    r->dtype = x->dtype;
    r->shape = heed_shape_of(x);
    return true;
}

/* The record asks for contiguous operands, so that a plain loop will do. */
static void snake_run(const heed_call *c, heed_tensor *y)
{
    int64_t n = heed_size(y), channels = c->x[1]->shape[0];
    for (int64_t i = 0; i < n; i++) {
        if (y->dtype == HEED_F64) {
            double x = ((const double *)c->x[0]->data)[i];
            double a = ((const double *)c->x[1]->data)[i % channels];
            ((double *)y->data)[i] = x + sin(a * x) * sin(a * x) / a;
        } else {
            float x = ((const float *)c->x[0]->data)[i];
            float a = ((const float *)c->x[1]->data)[i % channels];
            ((float *)y->data)[i] = x + sinf(a * x) * sinf(a * x) / a;
        }
    }
}

/* The contribution to a's gradient has x's shape; the engine sums it to [C]. */
static void snake_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                      heed_tensor *gx[])
{
    heed_tensor *x = c->x[0], *a = c->x[1];
    heed_tensor *ax = heed_mul(t, x, a);
    heed_tensor *sine = heed_sin(t, heed_scale(t, ax, 2)); /* sin 2 a x */
    (void)y;
    if (heed_wants(c, 0))
        gx[0] = heed_mul(t, gy, heed_shift(t, sine, 1));
    if (heed_wants(c, 1)) {
        heed_tensor *rest = heed_div(t, heed_square(t, heed_sin(t, ax)), a);
        heed_tensor *difference = heed_sub(t, heed_mul(t, x, sine), rest);
        gx[1] = heed_mul(t, gy, heed_div(t, difference, a));
    }
}

static const heed_case snake_cases[] = {
    { .label = "a frequency a channel",
      .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(3), .low = 0.5, .high = 2 } } },
    { .label = "at 0",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 0, 0 } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ 1, -3 } } },
      .stated = true,
      .y = (const double[]){ 0, 0 },
      .gx = { (const double[]){ 1, 1 }, (const double[]){ 0, 0 } } },
};

static HEED_DEFINE_OP(snake) = { .name = "snake",
                                 .formula = "y = x + sin(a x)^2/a",
                                 .adjoint = "gx = gy (1 + sin 2ax), "
                                            "ga = gy (x sin 2ax - sin(ax)^2/a)/a",
                                 .arity = 2,
                                 .dense = 3,
                                 .uses = HEED_USES_X(0) | HEED_USES_X(1),
                                 .shape = snake_shape,
                                 .run = snake_run,
                                 .vjp = snake_vjp,
                                 HEED_CASES(snake_cases) };

static heed_tensor *snake(heed_tape *t, heed_tensor *x, heed_tensor *a)
{
    return heed_apply(t, &heed_op_snake, 2, (heed_tensor *[]){ x, a }, NULL);
}

static bool check(void)
{
    bool good = true;
    for (int order = 1; order <= 2; order++) {
        heed_report r = heed_check_op(&heed_op_snake, &(heed_check_options){ .order = order });
        printf("snake, order %d: ", order);
        heed_report_print(&r, stdout);
        good = good && r.passed;
    }
    return good;
}

/* ---- a model that uses it ---- */

enum { POINTS = 64, HIDDEN = 16 };

typedef struct model {
    heed_linear_module in, out;
    heed_parameter *frequency;
} model;

static heed_tensor *forward(heed_tape *t, const model *m, heed_tensor *x)
{
    heed_tensor *hidden = heed_linear_forward(t, &m->in, x);
    return heed_linear_forward(t, &m->out, snake(t, hidden, heed_use(t, m->frequency)));
}

/* The mean squared error of sin(x) at points from `from` to `to`. */
static heed_tensor *error(heed_tape *t, const model *m, double from, double to)
{
    float at[POINTS], is[POINTS];
    for (int i = 0; i < POINTS; i++) {
        at[i] = (float)(from + (to - from) * i / (POINTS - 1));
        is[i] = sinf(at[i]);
    }
    heed_tensor *x = heed_copy_in(t, HEED_F32, HEED_SHAPE(POINTS, 1), at);
    heed_tensor *target = heed_copy_in(t, HEED_F32, HEED_SHAPE(POINTS, 1), is);
    heed_tensor *difference = heed_sub(t, forward(t, m, x), target);
    return heed_mean(t, heed_square(t, difference));
}

static const char summary[] =
    "Checks an op of one's own as heed checks its own, and lets it learn a sine that goes on\n"
    "beyond the training data.";

int main(int count, char **arguments)
{
    int code = options_begin("custom_op", summary, NULL, 0, count - 1, arguments + 1);
    if (code >= 0)
        return code;
    model m;
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_tape *t = heed_tape_new(NULL);
    heed_random r = { .seed = 1 };
    heed_linear_options options = { .bias = true, .random = &r };
    heed_linear_init(&m.in, ps, "in", 1, HIDDEN, options);
    heed_linear_init(&m.out, ps, "out", HIDDEN, 1, options);
    m.frequency = heed_parameter_new(ps, "frequency", HEED_SHAPE(HIDDEN), 0);
    if (m.frequency)
        heed_init_constant(m.frequency, 1);
    heed_optimizer *o = heed_adam_new(ps, (heed_adam_options){ .lr = 0.01 });
    bool good = check() && o && t;
    for (int step = 0; good && step < 2000; step++) {
        heed_tape_reset(t);
        good = heed_backward(t, error(t, &m, -6, 6)) &&
               heed_optimizer_step(o, heed_params_gradients(ps));
    }
    if (good) {
        heed_tape_reset(t);
        double near = heed_item(t, error(t, &m, -6, 6)), far = heed_item(t, error(t, &m, 6, 9));
        printf("sin x, mean squared error: %.1e where it was trained, %.1e up to half a period "
               "beyond\n",
               near, far);
        good = near < 1e-3 && far < 0.1;
    }
    if (t && heed_error(t))
        fprintf(stderr, "custom_op: %s\n", heed_error(t));
    else if (heed_params_error(ps))
        fprintf(stderr, "custom_op: %s\n", heed_params_error(ps));
    heed_optimizer_free(o);
    heed_tape_free(t);
    heed_params_free(ps);
    return options_end("custom_op", good ? 0 : 1);
}
