/* Checking an op record: each of its cases is drawn, arranged in every variant of memory layout
 * and of shared operands, and put through the comparisons of check_rules.c. Here are the trial
 * (how a case becomes operands, a result, a gradient) and the walk over variants. */
#include "memory.h"
#include "random.h"
#include "trial.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void heed__trial_fail(check_trial *trial, const char *format, ...)
{
    char text[240];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    heed__check_fail(trial->report, "case '%s', %s: %s", trial->c->label ? trial->c->label : "",
                     trial->variant, text);
}

double *heed__trial_array(check_trial *trial, int64_t n)
{
    size_t bytes = ((size_t)n + 1) * sizeof(double);
    double *array = heed__arena_take(trial->memory, bytes);
    if (!array)
        heed__check_fail(trial->report, "check: out of memory");
    else
        memset(array, 0, bytes);
    return array;
}

static bool floats(const heed_input *input)
{
    return input->dtype == HEED_F32 || input->dtype == HEED_F64;
}

static bool absent(const check_trial *trial, int i)
{
    return (trial->c->absent >> i & 1) != 0;
}

bool heed__trial_differentiable(const check_trial *trial, int i)
{
    const heed_input *input = &trial->c->x[i];
    bool integer = trial->op->arity != HEED_VARIADIC && (trial->op->integer >> i & 1);
    return !absent(trial, i) && floats(input) && !input->constant && !integer;
}

bool heed__trial_begin(check_trial *trial, const heed_op *op, int index, arena *memory)
{
    trial->op = op;
    trial->c = &op->cases[index];
    trial->memory = memory;
    trial->variant = "contiguous";
    trial->n = trial->c->n ? trial->c->n : op->arity;
    if (trial->n < 0 || trial->n > HEED_CASE_OPERANDS) {
        heed__trial_fail(trial, "has %d operands", trial->n);
        return false;
    }
    heed_random r = { .seed = trial->options.seed, .stream = (uint64_t)index + 1 };
    for (const char *c = op->name; *c; c++)
        r.seed = heed__hash(r.seed, (uint64_t)(unsigned char)*c);
    for (int i = 0; i < trial->n; i++) {
        const heed_input *input = &trial->c->x[i];
        int64_t size;
        trial->shape[i] = input->shape;
        trial->layout[i] = LAYOUT_ROWS;
        trial->owner[i] = i;
        trial->watched[i] = heed__trial_differentiable(trial, i);
        if (!heed__shape_size(&input->shape, &size)) {
            heed__trial_fail(trial, "operand %d has no possible shape", i);
            return false;
        }
        trial->drawn[i] = heed__trial_array(trial, size);
        if (!trial->drawn[i])
            return false;
        heed__check_draw(input, size, &r, trial->drawn[i]);
    }
    return heed__trial_arrange(trial);
}

bool heed__trial_arrange(check_trial *trial)
{
    trial->scalars = 0;
    for (int i = 0; i < trial->n; i++) {
        int64_t whole = 1, inner = 1;
        int axis = trial->layout[i] == LAYOUT_EXPANDED
                       ? heed__check_expanded_axis(&trial->shape[i])
                       : -1;
        trial->leaf_shape[i] = trial->shape[i];
        if (axis >= 0)
            trial->leaf_shape[i].size[axis] = 1;
        heed__shape_size(&trial->shape[i], &whole);
        heed__shape_size(&trial->leaf_shape[i], &trial->size[i]);
        for (int k = axis + 1; k < trial->shape[i].ndim; k++)
            inner *= trial->shape[i].size[k];
        trial->values[i] = heed__trial_array(trial, trial->size[i]);
        if (!trial->values[i])
            return false;
        int64_t extent = axis < 0 ? 1 : trial->shape[i].size[axis];
        for (int64_t k = 0; k < trial->size[i]; k++)
            trial->values[i][k] = trial->drawn[i][k / inner * inner * extent + k % inner];
        trial->offset[i] = trial->scalars;
        if (trial->owner[i] == i && trial->watched[i])
            trial->scalars += trial->size[i];
    }
    return true;
}

bool heed__trial_operands(const check_trial *trial, heed_tape *t, heed_tensor *x[],
                          heed_tensor *leaf[])
{
    for (int i = 0; i < trial->n; i++) {
        const heed_input *input = &trial->c->x[i];
        x[i] = leaf[i] = NULL;
        if (absent(trial, i))
            continue;
        if (trial->owner[i] != i) {
            x[i] = x[trial->owner[i]];
            continue;
        }
        heed_dtype dtype = floats(input) ? heed_tape_dtype(t) : input->dtype;
        leaf[i] =
            heed__check_leaf(t, dtype, &trial->shape[i], trial->layout[i], trial->values[i]);
        if (trial->watched[i])
            heed_watch(t, leaf[i]);
        x[i] = leaf[i];
        if (trial->layout[i] == LAYOUT_EXPANDED)
            x[i] = heed_expand(t, leaf[i], trial->shape[i]);
    }
    return !heed_error(t);
}

heed_tensor *heed__trial_apply(const check_trial *trial, heed_tape *t, heed_tensor *leaf[])
{
    heed_tensor *x[HEED_CASE_OPERANDS];
    heed_tape_reset(t);
    heed_seed(t, trial->options.seed, 0);
    if (!heed__trial_operands(trial, t, x, leaf))
        return NULL;
    return heed_apply(t, trial->op, trial->n, x, trial->c->attributes);
}

heed_tensor *heed__trial_compose(const check_trial *trial, heed_tape *t, heed_tensor *x[])
{
    /* A composition may count on what the engine sees to before an op is run. */
    for (int i = 0; i < trial->n; i++) {
        if (x[i] && (trial->op->dense >> i & 1))
            x[i] = heed_contiguous(t, x[i]);
    }
    if (heed_error(t))
        return NULL;
    return trial->op->compose(
        t, &(heed_call){
               .op = trial->op, .n = trial->n, .x = x, .attributes = trial->c->attributes });
}

static bool tape_failed(check_trial *trial, const heed_tape *t)
{
    heed__trial_fail(trial, "%s",
                     heed_error(t) ? heed_error(t) : "gave no result and no error");
    return false;
}

bool heed__trial_value(check_trial *trial, heed_tape *t, double *y)
{
    heed_tensor *leaf[HEED_CASE_OPERANDS];
    bool recording = heed_set_recording(t, false);
    heed_tensor *result = heed__trial_apply(trial, t, leaf);
    heed_set_recording(t, recording);
    if (!result)
        return tape_failed(trial, t);
    for (int64_t i = 0; i < trial->results; i++)
        y[i] = heed_at(result, i);
    return true;
}

/* <u, y>, or the sum of y. */
static heed_tensor *weigh(heed_tape *t, heed_tensor *y, const double *u)
{
    heed_shape shape = heed_shape_of(y);
    if (!u)
        return heed_sum(t, y);
    heed_tensor *weights = heed__check_leaf(t, y->dtype, &shape, LAYOUT_ROWS, u);
    return heed_sum(t, heed_mul(t, y, weights));
}

bool heed__trial_gradient(check_trial *trial, heed_tape *t, const double *u, check_sweep how,
                          double *g)
{
    heed_tensor *leaf[HEED_CASE_OPERANDS], *x[HEED_CASE_OPERANDS], *own[HEED_CASE_OPERANDS],
        *gx[HEED_CASE_OPERANDS], *y = NULL;
    int count = 0;
    heed_set_recording(t, true);
    if (how == SWEEP_COMPOSED) {
        heed_tape_reset(t);
        heed_seed(t, trial->options.seed, 0);
        if (heed__trial_operands(trial, t, x, leaf))
            y = heed__trial_compose(trial, t, x);
    } else {
        y = heed__trial_apply(trial, t, leaf);
    }
    if (!y)
        return tape_failed(trial, t);
    memset(g, 0, (size_t)trial->scalars * sizeof *g);
    if (!(y->flags & TENSOR_DIFFERENTIABLE))
        return true;
    for (int i = 0; i < trial->n; i++) {
        if (leaf[i] && trial->watched[i])
            own[count++] = leaf[i];
    }
    if (how == SWEEP_RECORDED) {
        heed_shape shape = heed_shape_of(y);
        heed_tensor *gy = u ? heed__check_leaf(t, y->dtype, &shape, LAYOUT_ROWS, u) : NULL;
        if (!heed_grad(t, y, gy, count, own, gx))
            return tape_failed(trial, t);
    } else {
        heed_tensor *loss = weigh(t, y, u);
        if (!heed_backward(t, loss))
            return tape_failed(trial, t);
        for (int i = 0; i < count; i++)
            gx[i] = heed_gradient(t, own[i]);
    }
    for (int i = 0, at = 0; i < trial->n; i++) {
        if (!leaf[i] || !trial->watched[i])
            continue;
        heed_tensor *one = gx[at++];
        if (one && heed_size(one) != trial->size[i]) {
            heed__trial_fail(trial, "the gradient of operand %d has another size", i);
            return false;
        }
        for (int64_t k = 0; one && k < trial->size[i]; k++)
            g[trial->offset[i] + k] = heed_at(one, k);
    }
    return true;
}

/* ---- comparing ---- */

static void name_element(check_trial *trial, const char *what, bool of_leaves, int64_t index)
{
    char text[64] = "y", operand[16];
    heed_report *r = trial->report;
    if (of_leaves) {
        int i = 0;
        while (i + 1 < trial->n &&
               !(trial->owner[i] == i && trial->watched[i] && index >= trial->offset[i] &&
                 index < trial->offset[i] + trial->size[i]))
            i++;
        snprintf(operand, sizeof operand, "x[%d]", i);
        heed__check_name(operand, &trial->leaf_shape[i], index - trial->offset[i], text,
                         sizeof text);
    } else if (index >= 0) {
        snprintf(text, sizeof text, "y{%lld}", (long long)index);
    }
    snprintf(r->where, sizeof r->where, "%s, case '%.40s', %s, %s", text,
             trial->c->label ? trial->c->label : "", trial->variant, what);
    if (r->excess > 1)
        heed__trial_fail(trial, "%s: %s: %.12g against %.12g", what, text, r->analytic,
                         r->numeric);
}

void heed__trial_number(check_trial *trial, const char *what, double a, double b,
                        double tolerance)
{
    if (heed__check_compare(trial->report, a, b, tolerance))
        name_element(trial, what, false, -1);
}

void heed__trial_compare(check_trial *trial, const char *what, bool of_leaves, const double *a,
                         const double *b, double absolute, double relative)
{
    int64_t n = of_leaves ? trial->scalars : trial->results;
    for (int64_t i = 0; i < n; i++) {
        bool both = isnan(a[i]) && isnan(b[i]);
        double size = isfinite(b[i]) ? fabs(b[i]) : 0;
        if (heed__check_compare(trial->report, both ? 0 : a[i], both ? 0 : b[i],
                                absolute + relative * size))
            name_element(trial, what, of_leaves, i);
    }
}

/* ---- the walk ---- */

static void *allocate_poisoned(void *context, size_t bytes)
{
    (void)context;
    void *memory = heed__allocate(NULL, bytes);
    if (memory)
        memset(memory, 0xFF, bytes);
    return memory;
}

static void release_poisoned(void *context, void *memory, size_t bytes)
{
    (void)context;
    heed__release(NULL, memory, bytes);
}

const heed_allocator heed__check_poisoned = { allocate_poisoned, release_poisoned, NULL };

typedef struct workshop {
    heed_tape *t, *single;
    arena *memory;
} workshop;

static bool variant(check_trial *trial, const workshop *w, const char *name, bool contiguous)
{
    heed_tensor *leaf[HEED_CASE_OPERANDS];
    trial->variant = name;
    if (!heed__trial_arrange(trial))
        return false;
    heed_tensor *y = heed__trial_apply(trial, w->t, leaf);
    if (!y)
        return tape_failed(trial, w->t);
    trial->results = heed_size(y);
    bool smooth = !trial->c->stated && (y->flags & TENSOR_DIFFERENTIABLE) && trial->scalars > 0;
    if (smooth)
        heed__trial_differences(trial, w->t, contiguous);
    heed__trial_common(trial, w->t, w->single);
    if (contiguous && !trial->c->stated)
        heed__trial_promises(trial, w->t);
    return trial->report->passed;
}

/* Operands of the same shape share the leaf of the one whose range is described best. */
static bool share_operands(check_trial *trial)
{
    bool shared = false;
    for (int i = 0; i < trial->n; i++) {
        for (int k = 0; k < i && trial->owner[i] == i; k++) {
            const heed_input *a = &trial->c->x[k], *b = &trial->c->x[i];
            bool same = trial->shape[i].ndim == trial->shape[k].ndim && trial->owner[k] == k;
            for (int d = 0; same && d < trial->shape[i].ndim; d++)
                same = trial->shape[i].size[d] == trial->shape[k].size[d];
            if (!same || !heed__trial_differentiable(trial, i) ||
                !heed__trial_differentiable(trial, k))
                continue;
            bool plain = a->low == 0 && a->high == 0 && a->gap == 0 && !a->values;
            if (plain && (b->low != 0 || b->high != 0 || b->gap != 0 || b->values))
                trial->drawn[k] = trial->drawn[i];
            trial->owner[i] = k;
            shared = true;
        }
    }
    return shared;
}

static bool check_case(check_trial *trial, const workshop *w, int index)
{
    static const char *const layouts[LAYOUT_COUNT] = { "contiguous", "transposed",
                                                       "with negative strides", "expanded",
                                                       "with loose strides" };
    if (!heed__trial_begin(trial, trial->op, index, w->memory) ||
        !variant(trial, w, "contiguous", true))
        return false;
    if (trial->c->stated) {
        heed__trial_stated(trial, w->t, w->single);
        return trial->report->passed;
    }
    for (int i = 0; i < trial->n; i++) {
        for (check_layout layout = LAYOUT_TRANSPOSED; layout < LAYOUT_COUNT; layout++) {
            char name[64];
            if (absent(trial, i) || !heed__check_layout_differs(&trial->shape[i], layout))
                continue;
            trial->layout[i] = layout;
            snprintf(name, sizeof name, "operand %d %s", i, layouts[layout]);
            if (!variant(trial, w, name, false))
                return false;
            trial->layout[i] = LAYOUT_ROWS;
        }
    }
    trial->variant = "each operand alone";
    for (int i = 0; i < trial->n && trial->n > 1; i++) {
        if (!heed__trial_differentiable(trial, i))
            continue;
        for (int k = 0; k < trial->n; k++)
            trial->watched[k] = k == i;
        if (!variant(trial, w, "one operand differentiated", false))
            return false;
    }
    for (int i = 0; i < trial->n; i++)
        trial->watched[i] = heed__trial_differentiable(trial, i);
    if (share_operands(trial) &&
        !variant(trial, w, "operands of one shape are one tensor", false))
        return false;
    return true;
}

heed_report heed_check_op(const heed_op *op, const heed_check_options *options)
{
    heed_report report = { .passed = true };
    arena memory;
    check_trial trial = { .op = op,
                          .options = heed__check_options(options),
                          .report = &report };
    if (!op || !op->name || !op->shape || op->case_count < 1) {
        heed__check_fail(&report, "check: the record needs a name, a shape rule and a case");
        return report;
    }
    heed__arena_init(&memory, NULL, 0);
    workshop w = { .memory = &memory };
    w.t = heed_tape_new(
        &(heed_tape_options){ .dtype = HEED_F64, .allocator = &heed__check_poisoned });
    w.single = heed_tape_new(
        &(heed_tape_options){ .dtype = HEED_F32, .allocator = &heed__check_poisoned });
    if (!w.t || !w.single) {
        heed__check_fail(&report, "check: out of memory");
    } else {
        for (int i = 0; i < op->case_count && check_case(&trial, &w, i); i++)
            heed__arena_reset(&memory);
        heed__arena_reset(&memory);
        if (report.passed && heed__trial_begin(&trial, op, 0, &memory))
            heed__trial_misuse(&trial, w.t);
    }
    heed_tape_free(w.t);
    heed_tape_free(w.single);
    heed__arena_free(&memory);
    return report;
}
