/* What is demanded of an op record beside the right derivative: that its rule is linear in the
 * cotangent, reads what it says it reads, adds where it says it adds, agrees with its
 * composition and with itself in f32, and refuses misuse in a sentence with its name. */
#include "memory.h"
#include "trial.h"

#include <math.h>
#include <string.h>

/* Rounding of two correct ways to one number, in f64, relative to 1 and to the number. */
#define SAME 1e-12

/* ---- in every variant ---- */

/* |a - b| <= 1e-5 |b| in the 2-norm: a was computed in f32. */
static void compare_single(check_trial *trial, const char *what, const double *a,
                           const double *b, int64_t n)
{
    double error = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        error += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    heed__trial_number(trial, what, sqrt(error), 0, 1e-5 * sqrt(norm) + 1e-30);
}

static void same_bits(check_trial *trial, const char *what, const double *a, const double *b,
                      int64_t n)
{
    if (memcmp(a, b, (size_t)n * sizeof *a) != 0)
        heed__trial_fail(trial, "%s gave other bits on fresh memory", what);
    trial->report->compared += n;
}

/* The result is what the shape rule says, and a view stays inside what it views. */
static void check_geometry(check_trial *trial, heed_tape *t)
{
    heed_tensor *leaf[HEED_CASE_OPERANDS], *x[HEED_CASE_OPERANDS];
    heed_tape_reset(t);
    heed_seed(t, trial->options.seed, 0);
    if (!heed__trial_operands(trial, t, x, leaf))
        return;
    heed_tensor *y = heed_apply(t, trial->op, trial->n, x, trial->c->attributes);
    if (!y)
        return;
    bool arranged = y->record && y->record->call.op == trial->op;
    bool variadic = trial->op->arity == HEED_VARIADIC;
    for (int i = 0; i < trial->n; i++) { /* contiguous where the record says so */
        if (arranged)
            x[i] = y->record->call.x[i];
        else if (x[i] && (variadic ? trial->op->dense != 0 : (trial->op->dense >> i & 1) != 0))
            x[i] = heed_contiguous(t, x[i]);
    }
    heed_result r = { 0 };
    heed_call again = {
        .op = trial->op, .n = trial->n, .x = x, .attributes = trial->c->attributes
    };
    bool ok = again.op->shape(t, &again, &r) && r.shape.ndim == y->ndim && r.dtype == y->dtype;
    for (int k = 0; ok && k < y->ndim; k++)
        ok = r.shape.size[k] == y->shape[k];
    if (!ok)
        heed__trial_fail(trial, "the shape rule and the result differ");
    if (!r.view || !arranged || heed_size(y) == 0)
        return;
    const heed_tensor *both[2] = { x[0], y };
    const char *from[2], *to[2];
    for (int k = 0; k < 2; k++) {
        int64_t low = 0, high = 0, width = (int64_t)heed_dtype_size(both[k]->dtype);
        for (int d = 0; d < both[k]->ndim; d++) {
            int64_t reach = (both[k]->shape[d] - 1) * both[k]->strides[d];
            low += reach < 0 ? reach : 0;
            high += reach > 0 ? reach : 0;
        }
        from[k] = (const char *)both[k]->data + low * width;
        to[k] = (const char *)both[k]->data + (high + 1) * width;
    }
    if (from[1] < from[0] || to[1] > to[0])
        heed__trial_fail(trial, "the view reaches outside of its operand");
}

static bool compose_value(check_trial *trial, heed_tape *t, double *v)
{
    heed_tensor *leaf[HEED_CASE_OPERANDS], *x[HEED_CASE_OPERANDS], *y = NULL;
    heed_tape_reset(t);
    heed_seed(t, trial->options.seed, 0);
    if (heed__trial_operands(trial, t, x, leaf))
        y = heed__trial_compose(trial, t, x);
    if (!y || heed_size(y) != trial->results) {
        heed__trial_fail(trial, "composition: %s",
                         heed_error(t) ? heed_error(t) : "another size");
        return false;
    }
    for (int64_t i = 0; i < trial->results; i++)
        v[i] = heed_at(y, i);
    return true;
}

void heed__trial_common(check_trial *trial, heed_tape *t, heed_tape *single)
{
    int64_t m = trial->results, n = trial->scalars, more = m > n ? m : n;
    bool stated = trial->c->stated, expanded = false;
    heed_random r = { .seed = trial->options.seed, .stream = 78 };
    for (int i = 0; i < trial->n; i++)
        expanded = expanded || trial->layout[i] == LAYOUT_EXPANDED;
    double *array[5];
    for (int i = 0; i < 5; i++) {
        array[i] = heed__trial_array(trial, more);
        if (!array[i])
            return;
    }
    double *u = array[0], *y = array[1], *g = array[2], *a = array[3], *b = array[4];
    heed__trial_draw(&r, u, m);
    check_geometry(trial, t);
    if (!heed__trial_value(trial, t, y) || !heed__trial_gradient(trial, t, u, SWEEP_PLAIN, g))
        return;

    heed_tape *fresh = heed_tape_new(&(heed_tape_options){
        .dtype = HEED_F64, .allocator = &heed__check_poisoned, .chunk = 1 << 14 });
    if (!fresh) {
        heed__check_fail(trial->report, "check: out of memory");
        return;
    }
    if (heed__trial_value(trial, fresh, a))
        same_bits(trial, "the result", a, y, m);
    if (heed__trial_gradient(trial, fresh, u, SWEEP_PLAIN, a))
        same_bits(trial, "the gradient", a, g, n);
    heed_tape_free(fresh);

    if (heed__trial_gradient(trial, t, u, SWEEP_RECORDED, a))
        heed__trial_compare(trial, "recorded sweep against plain sweep", true, a, g, 10 * SAME,
                            10 * SAME);
    if (trial->op->run && trial->op->compose) {
        if (compose_value(trial, t, a))
            heed__trial_compare(trial, "composition against fused", false, a, y, SAME, SAME);
        if (heed__trial_gradient(trial, t, u, SWEEP_COMPOSED, a))
            heed__trial_compare(trial, "composition's gradient against fused", true, a, g,
                                10 * SAME, 10 * SAME);
    }
    /* Repeated values may cancel to nothing (a variance, a sum of gradients): no f32 result is
     * near that. */
    if (!stated && !expanded && heed__trial_value(trial, single, a) &&
        heed__trial_gradient(trial, single, u, SWEEP_PLAIN, b)) {
        compare_single(trial, "f32 result against f64", a, y, m);
        compare_single(trial, "f32 gradient against f64", b, g, n);
    }
}

/* ---- stated cases ---- */

static void compare_stated(check_trial *trial, heed_tape *t, double slack, check_sweep how)
{
    double *a = heed__trial_array(trial, trial->results + trial->scalars);
    double *b = heed__trial_array(trial, trial->results + trial->scalars);
    const heed_case *c = trial->c;
    if (!a || !b || !heed__trial_value(trial, t, a))
        return;
    if (c->y) {
        memcpy(b, c->y, (size_t)trial->results * sizeof *b);
        heed__trial_compare(trial, "the stated result", false, a, b, slack, slack);
    }
    if (!heed__trial_gradient(trial, t, NULL, how, a))
        return;
    for (int i = 0; i < trial->n; i++) {
        const double *from = c->gx[i] ? c->gx[i] : a + trial->offset[i];
        if (c->gx[i] && !trial->watched[i])
            heed__trial_fail(trial, "states a gradient for operand %d, which has none", i);
        else if (trial->watched[i])
            memcpy(b + trial->offset[i], from, (size_t)trial->size[i] * sizeof *b);
    }
    heed__trial_compare(
        trial, how == SWEEP_PLAIN ? "the stated gradient" : "the stated gradient, recorded",
        true, a, b, slack, slack);
}

void heed__trial_stated(check_trial *trial, heed_tape *t, heed_tape *single)
{
    compare_stated(trial, t, SAME, SWEEP_PLAIN);
    compare_stated(trial, t, SAME, SWEEP_RECORDED);
    trial->variant = "in f32";
    compare_stated(trial, single, 1e-6, SWEEP_PLAIN);
}

/* ---- promises of the record ---- */

static void check_cotangent(check_trial *trial, heed_tape *t, double *u, double *g, double *a)
{
    if (!heed__trial_gradient(trial, t, u, SWEEP_PLAIN, g))
        return;
    for (int64_t i = 0; i < trial->results; i++)
        u[i] *= 2;
    if (!heed__trial_gradient(trial, t, u, SWEEP_PLAIN, a))
        return;
    for (int64_t j = 0; j < trial->scalars; j++) {
        g[j] *= 2;
        if (a[j] != g[j])
            heed__trial_fail(
                trial, "twice the cotangent does not give twice the gradient: %.17g, %.17g",
                a[j], g[j]);
    }
    memset(u, 0, (size_t)trial->results * sizeof *u);
    if (!heed__trial_gradient(trial, t, u, SWEEP_PLAIN, a))
        return;
    for (int64_t j = 0; j < trial->scalars; j++) {
        if (a[j] != 0)
            heed__trial_fail(trial, "a cotangent of 0 gives a gradient of %.17g", a[j]);
    }
    trial->report->compared += 2 * trial->scalars;
}

/* Puts whole numbers in all differentiable operands. */
static void whole_numbers(check_trial *trial, heed_random *r)
{
    for (int64_t j = 0; j < trial->scalars; j++)
        *heed__trial_scalar(trial, j) = (double)heed_random_below(r, 9) - 4;
}

/* <u, A x> = <A^T u, x> and A (x + z) = A x + A z. */
static void check_linear(check_trial *trial, heed_tape *t, heed_random *r, double *u, double *g,
                         double *a, double *b)
{
    double left = 0, right = 0, size = 0;
    for (int64_t i = 0; i < trial->results; i++)
        u[i] = (double)heed_random_below(r, 9) - 4;
    whole_numbers(trial, r);
    if (!heed__trial_value(trial, t, a) || !heed__trial_gradient(trial, t, u, SWEEP_PLAIN, g))
        return;
    for (int64_t i = 0; i < trial->results; i++) {
        left += u[i] * a[i];
        size += fabs(u[i] * a[i]);
    }
    for (int64_t j = 0; j < trial->scalars; j++) {
        right += g[j] * *heed__trial_scalar(trial, j);
        size += fabs(g[j] * *heed__trial_scalar(trial, j));
    }
    heed__trial_number(trial, "the dot test of a linear op", left, right,
                       1e-14 * size + 1e-300);
    for (int64_t j = 0; j < trial->scalars; j++) {
        g[j] = *heed__trial_scalar(trial, j);
        *heed__trial_scalar(trial, j) = (double)heed_random_below(r, 9) - 4;
    }
    if (!heed__trial_value(trial, t, b))
        return;
    for (int64_t i = 0; i < trial->results; i++)
        u[i] = a[i] + b[i];
    for (int64_t j = 0; j < trial->scalars; j++)
        *heed__trial_scalar(trial, j) += g[j];
    if (heed__trial_value(trial, t, a))
        heed__trial_compare(trial, "a linear op of a sum", false, a, u, SAME, SAME);
}

/* Lets x point to other values of the same geometry. */
static bool replace_values(heed_tape *t, heed_tensor *x)
{
    int64_t low = 0, high = 0, width = (int64_t)heed_dtype_size(x->dtype);
    if (heed_size(x) == 0)
        return true;
    for (int k = 0; k < x->ndim; k++) {
        int64_t reach = (x->shape[k] - 1) * x->strides[k];
        low += reach < 0 ? reach : 0;
        high += reach > 0 ? reach : 0;
    }
    size_t bytes = (size_t)((high - low + 1) * width);
    char *other = heed__arena_take(&t->arena, bytes);
    if (!other)
        return false;
    memset(other, x->dtype == HEED_BOOL ? heed_at(x, 0) == 0 : 0xFF, bytes);
    x->data = other - low * width;
    return true;
}

/* The rule must not read operands or a result that .uses leaves out: they hold NaN while it
 * runs. */
static void check_uses(check_trial *trial, heed_tape *t, const double *u, double *g, double *a)
{
    heed_tensor *leaf[HEED_CASE_OPERANDS];
    if (!heed__trial_gradient(trial, t, u, SWEEP_PLAIN, g))
        return;
    heed_tensor *y = heed__trial_apply(trial, t, leaf);
    if (!y || !(y->flags & TENSOR_DIFFERENTIABLE))
        return;
    heed_shape shape = heed_shape_of(y);
    heed_call *c = &y->record->call;
    heed_tensor *weights = heed__check_leaf(t, y->dtype, &shape, LAYOUT_ROWS, u);
    heed_tensor *loss = heed_sum(t, heed_mul(t, y, weights));
    bool ok = loss != NULL;
    for (int i = 0; ok && i < c->n; i++) {
        if (c->x[i] && !(trial->op->uses >> i & 1))
            ok = replace_values(t, c->x[i]);
    }
    if (ok && !(trial->op->uses & HEED_USES_Y))
        ok = replace_values(t, y);
    ok = ok && heed_backward(t, loss);
    for (int i = 0; i < trial->n && ok; i++) {
        const heed_tensor *gx = leaf[i] && trial->watched[i] ? heed_gradient(t, leaf[i]) : NULL;
        for (int64_t k = 0; gx && k < trial->size[i]; k++)
            a[trial->offset[i] + k] = heed_at(gx, k);
    }
    if (!ok || memcmp(a, g, (size_t)trial->scalars * sizeof *a) != 0)
        heed__trial_fail(trial, "the rule reads values that .uses does not declare%s%s",
                         ok ? "" : ": ",
                         ok              ? ""
                         : heed_error(t) ? heed_error(t)
                                         : "out of memory");
}

static void check_accumulate(check_trial *trial, heed_tape *t, heed_random *r, double *u,
                             double *a, double *b)
{
    heed_tensor *leaf[HEED_CASE_OPERANDS];
    if (!heed__trial_value(trial, t, a))
        return;
    /* As in a sweep: the op is put off, then run into a destination. */
    bool recording = heed_set_recording(t, false);
    heed_tape_reset(t);
    heed_tensor *x[HEED_CASE_OPERANDS];
    bool ok = heed__trial_operands(trial, t, x, leaf);
    t->deferring = true;
    heed_tensor *y = ok ? heed_apply(t, trial->op, trial->n, x, trial->c->attributes) : NULL;
    t->deferring = false;
    heed_set_recording(t, recording);
    heed_shape shape = heed_shape_of(y);
    heed__trial_draw(r, u, trial->results);
    heed_tensor *place = y ? heed__check_leaf(t, y->dtype, &shape, LAYOUT_ROWS, u) : NULL;
    if (!place || !(y->flags & TENSOR_DEFERRED) || !heed__run_into(t, y, place, true)) {
        heed__trial_fail(trial, "accumulating: %s",
                         heed_error(t) ? heed_error(t) : "was not put off");
        return;
    }
    for (int64_t i = 0; i < trial->results; i++) {
        b[i] = heed_at(place, i);
        a[i] += u[i];
    }
    heed__trial_compare(trial, "accumulating against adding", false, b, a, SAME, SAME);
    if (!heed__run_into(t, y, place, false))
        return;
    for (int64_t i = 0; i < trial->results; i++) {
        b[i] = heed_at(place, i);
        a[i] -= u[i];
    }
    heed__trial_compare(trial, "overwriting", false, b, a, SAME, SAME);
}

void heed__trial_promises(check_trial *trial, heed_tape *t)
{
    int64_t more = trial->results > trial->scalars ? trial->results : trial->scalars;
    heed_random r = { .seed = trial->options.seed, .stream = 79 };
    double *array[4];
    for (int i = 0; i < 4; i++) {
        array[i] = heed__trial_array(trial, more);
        if (!array[i])
            return;
    }
    heed__trial_draw(&r, array[0], trial->results);
    check_cotangent(trial, t, array[0], array[1], array[2]);
    heed__trial_draw(&r, array[0], trial->results);
    if (trial->op->vjp)
        check_uses(trial, t, array[0], array[1], array[2]);
    if (trial->op->accumulate)
        check_accumulate(trial, t, &r, array[0], array[1], array[2]);
    if (trial->op->linear && trial->scalars)
        check_linear(trial, t, &r, array[0], array[1], array[2], array[3]);
    heed__trial_arrange(trial);
}
