/* An op record misused: operands that are NULL, left out or of a wrong dtype, and the cases that
 * the record itself says it refuses. Each must fail in a sentence with the op's name. */
#include "trial.h"

#include <string.h>

/* The sentence must name the op. */
static void expect_refusal(check_trial *trial, heed_tape *t, int n, heed_tensor *x[],
                           const char *what, int i)
{
    const heed_tensor *y =
        heed_error(t) ? NULL : heed_apply(t, trial->op, n, x, trial->c->attributes);
    const char *sentence = heed_error(t);
    trial->report->compared++;
    if (y || !sentence)
        heed__trial_fail(trial, "operand %d %s: not refused", i, what);
    else if (!strstr(sentence, trial->op->name))
        heed__trial_fail(trial, "operand %d %s: the sentence lacks the op's name: %s", i, what,
                         sentence);
}

/* Some records take any dtype: views do, and those with a case that says so. */
static bool takes_integers(const check_trial *trial, int i)
{
    if (!trial->op->run && !trial->op->compose)
        return true;
    for (int k = 0; k < trial->op->case_count; k++) {
        heed_dtype dtype = trial->op->cases[k].x[i].dtype;
        if (dtype != HEED_F32 && dtype != HEED_F64)
            return true;
    }
    return false;
}

static void wrong_operands(check_trial *trial, heed_tape *t)
{
    heed_tensor *x[HEED_CASE_OPERANDS], *leaf[HEED_CASE_OPERANDS];
    bool variadic = trial->op->arity == HEED_VARIADIC;
    int float_operands = 0;
    trial->variant = "misused";
    for (int i = 0; i < trial->n; i++)
        float_operands += !(trial->c->absent >> i & 1) && (trial->c->x[i].dtype == HEED_F32 ||
                                                           trial->c->x[i].dtype == HEED_F64);
    for (int i = 0; i < trial->n; i++) {
        heed_dtype own = trial->c->x[i].dtype;
        bool optional = !variadic && (trial->op->optional >> i & 1);
        bool integer = !variadic && (trial->op->integer >> i & 1);
        const heed_dtype others[] = { HEED_F32, HEED_F64, HEED_I32, HEED_BOOL, HEED_U8 };
        heed_tape_reset(t);
        if (!optional && heed__trial_operands(trial, t, x, leaf)) {
            x[i] = NULL;
            expect_refusal(trial, t, trial->n, x, "NULL", i);
        }
        if (trial->c->absent >> i & 1)
            continue;
        for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
            bool to_float = others[k] == HEED_F32 || others[k] == HEED_F64;
            bool other_float = others[k] == HEED_F32 && float_operands > 1;
            if (integer ? others[k] == own : to_float ? !other_float : takes_integers(trial, i))
                continue;
            heed_tape_reset(t);
            if (!heed__trial_operands(trial, t, x, leaf))
                return;
            x[i] =
                heed__check_leaf(t, others[k], &trial->shape[i], LAYOUT_ROWS, trial->values[i]);
            expect_refusal(trial, t, trial->n, x, heed_dtype_name(others[k]), i);
        }
    }
    if (!variadic) {
        heed_tape_reset(t);
        if (trial->n == 0) {
            x[0] = heed_full(t, HEED_SCALAR, 0);
            expect_refusal(trial, t, 1, x, "added", 0);
        } else if (heed__trial_operands(trial, t, x, leaf)) {
            expect_refusal(trial, t, trial->n - 1, x, "left out", trial->n - 1);
        }
    }
    heed_tape_reset(t);
}

/* The cases that the record refuses: the label is part of the sentence. */
static void refusals(check_trial *trial, heed_tape *t)
{
    const heed_op *op = trial->op;
    for (int i = 0; i < op->refusal_count; i++) {
        const heed_case *c = &op->refusals[i];
        heed_tensor *x[HEED_CASE_OPERANDS] = { NULL };
        int n = c->n ? c->n : op->arity;
        heed_random r = { .seed = 1, .stream = (uint64_t)i };
        trial->c = c;
        trial->variant = "to be refused";
        heed_tape_reset(t);
        for (int k = 0; k < n; k++) {
            const heed_input *input = &c->x[k];
            if (c->absent >> k & 1)
                continue;
            bool floats = input->dtype == HEED_F32 || input->dtype == HEED_F64;
            int64_t size;
            double *values =
                heed__shape_size(&input->shape, &size) ? heed__trial_array(trial, size) : NULL;
            if (!values)
                return;
            heed__check_draw(input, size, &r, values);
            x[k] = heed__check_leaf(t, floats ? heed_tape_dtype(t) : input->dtype,
                                    &input->shape, LAYOUT_ROWS, values);
        }
        const heed_tensor *y = heed_apply(t, op, n, x, c->attributes);
        const char *sentence = heed_error(t);
        trial->report->compared++;
        if (y || !sentence)
            heed__trial_fail(trial, "was not refused");
        else if (!strstr(sentence, op->name) || !strstr(sentence, c->label))
            heed__trial_fail(trial, "the sentence lacks the op's name or the label: %s",
                             sentence);
    }
    heed_tape_reset(t);
}

void heed__trial_misuse(check_trial *trial, heed_tape *t)
{
    wrong_operands(trial, t);
    refusals(trial, t);
}
