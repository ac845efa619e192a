/* The reverse sweep: walks the record from its newest op to its oldest, asks each op's rule for
 * its contributions, and is the only place that adds them up, reduces them to the operand's
 * shape, and checks their shape and dtype. It knows three ops: add, sum_to, and the copy.
 *
 * The record is append-only, so its reverse is a topological order: no sorting, no recursion.
 *
 * A plain sweep frees what it has passed: gradients once used, and the values and by-products
 * of ops whose rules have run. A recorded sweep (gradients that will be differentiated again)
 * keeps everything and adds with ops. */
#include "engine.h"

#include <string.h>

extern const heed_op heed_op_add, heed_op_contiguous;

typedef struct sweep {
    heed_tape *t;
    heed_gradients *into; /* where parameters' gradients go; NULL: each set's own */
    bool recorded;        /* parameters are then ordinary tensors */
    bool retain;
    const heed_params *set; /* of the parameter delivered to last, */
    heed_gradients *found;  /* and its gradients */
} sweep;

static char *shape_text(const heed_tensor *x, char *text, size_t size)
{
    heed_shape shape = heed_shape_of(x);
    return heed_shape_text(&shape, text, size);
}

/* Distinct indices are distinct places: safe to add into. */
static bool own_memory(const heed_tensor *x)
{
    return x->storage && x->storage->holders == 1 && heed_is_contiguous(x);
}

/* Reduces a contribution to its operand's shape. Trailing axes are aligned, as in broadcasting.
 */
static heed_tensor *to_shape_of(sweep *s, const heed_tensor *x, heed_tensor *g)
{
    return heed__same_shape(x, g) ? g : heed_sum_to(s->t, g, heed_shape_of(x));
}

/* destination (+)= g. */
static bool add_into(heed_tape *t, heed_tensor *destination, heed_tensor *g, bool accumulate)
{
    if (g->flags & TENSOR_DEFERRED)
        return heed__run_into(t, g, destination, accumulate);
    heed_tensor *x[2] = { g, destination };
    const heed_op *op = accumulate ? &heed_op_add : &heed_op_contiguous;
    heed_call call = { .op = op, .n = accumulate ? 2 : 1, .x = x };
    op->run(&call, destination);
    call.n = 1; /* the destination is no operand any more */
    return !t->sanitizing || heed__sanitize(t, &call, destination);
}

static bool into_parameter(sweep *s, heed_tensor *x, heed_tensor *g)
{
    bool *empty = NULL;
    if (s->into) {
        s->found = s->into;
    } else if (s->set != x->parameter->set) {
        s->set = x->parameter->set;
        s->found = heed_params_gradients(x->parameter->set);
    }
    void *place = s->found ? heed__gradients_slot(s->found, x->parameter, &empty) : NULL;
    if (!place) {
        heed_fail(s->t, "backward: no gradient memory for parameter %s%s", x->parameter->name,
                  s->into ? " in the given heed_gradients" : "");
        return false;
    }
    heed_tensor destination = *x;
    destination.data = place;
    destination.flags = 0;
    if (!add_into(s->t, &destination, g, !*empty))
        return false;
    *empty = false;
    return true;
}

static bool into_slot(sweep *s, heed_tensor *x, heed_tensor *g)
{
    if (!x->slot) {
        if (!heed__evaluate(s->t, g))
            return false;
        heed__hold(g);
        x->slot = g;
        return true;
    }
    if (!s->recorded && own_memory(x->slot))
        return add_into(s->t, x->slot, g, true);
    heed_tensor *sum = heed_add(s->t, x->slot, g);
    if (!sum || !heed__evaluate(s->t, sum))
        return false;
    heed__hold(sum);
    heed__let_go(s->t, x->slot);
    x->slot = sum;
    return true;
}

static bool deliver(sweep *s, const heed_call *c, int i, heed_tensor *g)
{
    heed_tensor *x = c->x[i];
    char want[96], got[96];
    if (!(x->flags & TENSOR_DIFFERENTIABLE))
        return true;
    /* A kept value of an earlier sweep: the way on from it is forgotten, so stopping here would
     * be a wrong gradient, unless it is the very thing that heed_grad was asked about. */
    if (x->record && x->record->consumed && !(s->recorded && (x->flags & TENSOR_WATCHED))) {
        heed_fail(s->t,
                  "backward: %s: operand %d was made (by %s) before an earlier heed_backward, "
                  "which consumed its "
                  "record; use heed_backward_retain there, or heed_detach on the operand",
                  c->op->name, i, x->record->call.op->name);
        return false;
    }
    if (g->dtype != x->dtype) {
        heed_fail(s->t, "backward: %s: the rule gave a %s gradient for %s operand %d",
                  c->op->name, heed_dtype_name(g->dtype), heed_dtype_name(x->dtype), i);
        return false;
    }
    bool reduces = g->ndim >= x->ndim;
    for (int k = 1; reduces && k <= x->ndim; k++) {
        int64_t extent = x->shape[x->ndim - k];
        reduces = extent == 1 || extent == g->shape[g->ndim - k];
    }
    if (!reduces) {
        heed_fail(
            s->t,
            "backward: %s: the rule gave a gradient of shape %s for operand %d of shape %s",
            c->op->name, shape_text(g, got, sizeof got), i, shape_text(x, want, sizeof want));
        return false;
    }
    g = to_shape_of(s, x, g);
    if (!g)
        return false;
    if (!x->parameter || s->recorded)
        return into_slot(s, x, g);
    /* A watched parameter has its gradient in both places; a frozen one can only be watched. */
    bool trained = !(x->parameter->flags & (HEED_FROZEN | HEED_BUFFER));
    if ((x->flags & TENSOR_WATCHED) && !into_slot(s, x, g))
        return false;
    return !trained || into_parameter(s, x, g);
}

static void drop_temporaries(heed_tape *t, heed__storage *list)
{
    while (list) {
        heed__storage *next = list->next_temporary;
        list->next_temporary = NULL;
        heed__storage_let_go(t, list);
        list = next;
    }
}

static bool differentiate_composed(sweep *s, heed__record *r, heed_tensor *gy,
                                   heed_tensor **gx);

static bool apply_rule(sweep *s, heed__record *r, heed_tensor *gy)
{
    heed_tape *t = s->t;
    heed_call *c = &r->call;
    heed_tensor **gx = heed__arena_take(&t->arena, (size_t)c->n * sizeof *gx);
    if (!gx)
        return heed_fail(t, "backward: out of memory") != NULL;
    for (int i = 0; i < c->n; i++)
        gx[i] = NULL;

    bool ok = true;
    heed__scope *scope = t->scope;
    const heed_call *outer = t->rule;
    t->scope = r->scope;
    t->rule = c;
    if (s->recorded && c->op->compose) {
        ok = differentiate_composed(s, r, gy, gx);
    } else {
        t->deferring = !s->recorded;
        if (c->op->vjp)
            c->op->vjp(t, c, r->y, gy, gx);
    }
    for (int i = 0; ok && i < c->n && !t->failed; i++) {
        if (gx[i] && c->x[i])
            ok = deliver(s, c, i, gx[i]);
    }
    if (!s->recorded) {
        t->deferring = false;
        heed__storage *made = t->temporaries;
        t->temporaries = NULL;
        drop_temporaries(t, made);
    }
    t->rule = outer;
    if (!t->failed)
        t->scope = scope;
    return ok && !t->failed;
}

/* The sweep has passed r: nobody will read its value or by-products any more. */
static void release(sweep *s, heed__record *r)
{
    heed_call *c = &r->call;
    if (r->consumed) /* by an earlier sweep, and brought back by a rewind */
        return;
    r->consumed = true;
    if (c->op->run) /* a view has no memory of its own */
        heed__let_go(s->t, r->y);
    for (int i = 0; i < r->saved; i++)
        heed__let_go(s->t, c->saved[i]);
}

/* Visits the records from `from` back to, but not including, `until`. */
static bool run(sweep *s, heed__record *from, const heed__record *until)
{
    heed_tape *t = s->t;
    for (heed__record *r = from; r && r != until; r = r->previous) {
        heed_tensor *y = r->y, *gy = y->slot;
        if (gy) {
            if (!apply_rule(s, r, gy))
                return false;
            y->slot = NULL;
            if (y->flags & TENSOR_WATCHED)
                y->gradient = gy;
            else if (!s->recorded)
                heed__let_go(t, gy);
        }
        if (!s->recorded && !s->retain)
            release(s, r);
    }
    return true;
}

/* gx of a fused op in a recorded sweep: its composition is recorded on stand-ins of its
 * operands and swept down to them; the stand-ins' history carries second order on to the
 * operands themselves. */
static bool differentiate_composed(sweep *s, heed__record *r, heed_tensor *gy, heed_tensor **gx)
{
    heed_tape *t = s->t;
    heed_call *c = &r->call, stand_in = *c;
    heed_tensor **x = heed__arena_take(&t->arena, (size_t)c->n * sizeof *x);
    if (!x)
        return heed_fail(t, "backward: out of memory") != NULL;
    for (int i = 0; i < c->n; i++) {
        x[i] = c->x[i];
        if (heed_wants(c, i)) {
            x[i] = heed_expand(t, c->x[i], heed_shape_of(c->x[i]));
            if (!x[i])
                return false;
        }
    }
    stand_in.x = x;
    heed__record *before = t->last;
    heed_tensor *y = c->op->compose(t, &stand_in);
    if (!y)
        return false;
    heed__hold(gy);
    y->slot = gy;
    sweep inner = *s;
    if (!run(&inner, t->last, before))
        return false;
    for (int i = 0; i < c->n; i++) {
        if (heed_wants(c, i)) {
            gx[i] = x[i]->slot;
            x[i]->slot = NULL;
        }
    }
    return true;
}

/* ---- the public sweeps ---- */

/* A watched leaf's slot is its gradient; an intermediate's was kept when the sweep passed it.
 */
static void collect_watched(heed_tape *t)
{
    for (heed__watch *w = t->watches; w; w = w->previous) {
        if (w->tensor->slot) {
            w->tensor->gradient = w->tensor->slot;
            w->tensor->slot = NULL;
        }
    }
}

/* Every gradient a sweep may reach counts as incomplete from its begin to its clean end. */
static bool mark_reachable(heed_tape *t, heed_gradients *into, void (*mark)(heed_gradients *))
{
    const heed_params *last = NULL;
    if (into)
        mark(into);
    for (heed__use *u = t->uses; u && !into; u = u->previous) {
        heed_params *ps = u->tensor->parameter->set;
        if (ps == last || !(u->tensor->flags & TENSOR_DIFFERENTIABLE))
            continue;
        heed_gradients *g = heed_params_gradients(ps);
        if (!g)
            return heed_fail(
                       t, "backward: no memory for gradients, or a failed set of parameters") !=
                   NULL;
        mark(g);
        last = ps;
    }
    return true;
}

static bool sweep_loss(heed_tape *t, heed_tensor *loss, heed_gradients *into, bool retain)
{
    if (!t || t->failed)
        return false;
    if (!loss)
        return heed_fail(t, "backward: the loss is NULL") != NULL;
    if (heed_size(loss) != 1) {
        char text[96];
        heed_fail(t, "backward: the loss has shape %s but must have one element",
                  shape_text(loss, text, sizeof text));
        return false;
    }
    if (!(loss->flags & TENSOR_DIFFERENTIABLE))
        return heed_fail(t, "backward: the loss depends on nothing that is differentiated") !=
               NULL;
    if (loss->record && loss->record->consumed)
        return heed_fail(t,
                         "backward: the record was consumed by an earlier heed_backward; use "
                         "heed_backward_retain for the first of two") != NULL;
    if (!heed__readable(t, loss, "backward"))
        return false;

    if (!mark_reachable(t, into, heed__gradients_begin))
        return false;
    for (heed__watch *w = t->watches; w; w = w->previous)
        w->tensor->gradient = NULL;
    bool recording = heed_set_recording(t, false);
    heed_tensor *one = heed_full(t, heed_shape_of(loss), 1);
    if (one && loss->dtype != one->dtype)
        one = heed_cast(t, one, loss->dtype);
    sweep s = { .t = t, .into = into, .retain = retain };
    heed__hold(loss); /* kept by itself, also when it is a view */
    bool ok = one != NULL;
    if (ok) {
        heed__hold(one);
        loss->slot = one;
        ok = run(&s, t->last, NULL);
        if (ok && loss->parameter) { /* the loss is a parameter itself */
            loss->slot = NULL;
            ok = into_parameter(&s, loss, one);
        }
    }
    heed_set_recording(t, recording);
    collect_watched(t);
    if (!ok)
        return false;
    if (!retain)
        t->last = NULL;
    return mark_reachable(t, into, heed__gradients_end);
}

bool heed_backward(heed_tape *t, heed_tensor *loss)
{
    return sweep_loss(t, loss, NULL, false);
}

bool heed_backward_into(heed_tape *t, heed_tensor *loss, heed_gradients *gradients)
{
    if (!gradients)
        return heed_fail(t, "backward: the heed_gradients is NULL") != NULL;
    return sweep_loss(t, loss, gradients, false);
}

bool heed_backward_retain(heed_tape *t, heed_tensor *loss)
{
    return sweep_loss(t, loss, NULL, true);
}

heed_tensor *heed_watch(heed_tape *t, heed_tensor *x)
{
    if (!t || t->failed || !x || (x->flags & TENSOR_WATCHED))
        return t && !t->failed ? x : NULL;
    if (!heed__readable(t, x, "watch"))
        return NULL;
    if (x->dtype != HEED_F32 && x->dtype != HEED_F64)
        return heed_fail(t, "watch: a %s tensor has no gradient", heed_dtype_name(x->dtype));
    heed__watch *watch = heed__arena_take(&t->arena, sizeof *watch);
    if (!watch)
        return heed_fail(t, "watch: out of memory");
    *watch = (heed__watch){ .previous = t->watches, .tensor = x, .flags = x->flags };
    t->watches = watch;
    x->flags |= TENSOR_DIFFERENTIABLE | TENSOR_WATCHED;
    return x;
}

heed_tensor *heed_gradient(heed_tape *t, const heed_tensor *x)
{
    if (!t || t->failed || !x)
        return NULL;
    if (!(x->flags & TENSOR_WATCHED))
        return heed_fail(t, "gradient: the tensor was not watched (heed_watch)");
    return x->gradient;
}

heed_tensor *heed_keep(heed_tape *t, heed_tensor *x)
{
    if (!t || t->failed || !x || !heed__readable(t, x, "keep"))
        return NULL;
    heed__hold(x);
    return x;
}

bool heed_grad(heed_tape *t, heed_tensor *y, heed_tensor *gy, int n, heed_tensor *const x[],
               heed_tensor *gx[])
{
    for (int i = 0; i < n; i++)
        gx[i] = NULL;
    if (!t || t->failed)
        return false;
    if (!y)
        return heed_fail(t, "grad: y is NULL") != NULL;
    for (int i = 0; i < n; i++) {
        if (!x[i])
            return heed_fail(t, "grad: x[%d] is NULL", i) != NULL;
    }
    if (!(y->flags & TENSOR_DIFFERENTIABLE))
        return true; /* y depends on nothing */
    if (y->record && y->record->consumed)
        return heed_fail(t, "grad: the record was consumed by an earlier heed_backward; use "
                            "heed_backward_retain") != NULL;
    if (!heed__readable(t, y, "grad"))
        return false;
    if (gy && (gy->dtype != y->dtype || !heed__same_shape(gy, y)))
        return heed_fail(t, "grad: gy must have the shape and dtype of y") != NULL;
    if (!gy) {
        gy = heed_full(t, heed_shape_of(y), 1);
        if (gy && gy->dtype != y->dtype)
            gy = heed_cast(t, gy, y->dtype);
    }
    if (!gy)
        return false;

    /* What is asked for is watched during this sweep only; what was watched before keeps its
     * gradient. */
    heed__watch *outer = t->watches;
    size_t count = 0;
    for (heed__watch *w = outer; w; w = w->previous)
        count++;
    heed_tensor **saved = heed__arena_take(&t->arena, (count + 1) * sizeof *saved);
    unsigned *flags = heed__arena_take(&t->arena, ((size_t)n + 1) * sizeof *flags);
    if (!saved || !flags)
        return heed_fail(t, "grad: out of memory") != NULL;
    count = 0;
    for (heed__watch *w = outer; w; w = w->previous)
        saved[count++] = w->tensor->gradient;
    for (int i = 0; i < n; i++) {
        flags[i] = x[i]->flags;
        x[i]->gradient = NULL;
    }
    for (int i = 0; i < n && !t->failed; i++) {
        if (x[i]->flags & TENSOR_DIFFERENTIABLE)
            heed_watch(t, x[i]);
    }

    bool recording = heed_set_recording(t, true);
    sweep s = { .t = t, .recorded = true, .retain = true };
    y->slot = gy;
    bool ok = !t->failed && run(&s, t->last, NULL);
    heed_set_recording(t, recording);
    collect_watched(t);
    for (int i = 0; i < n; i++)
        gx[i] = ok ? x[i]->gradient : NULL;

    for (int i = 0; i < n; i++) {
        x[i]->gradient = NULL;
        x[i]->flags = flags[i];
    }
    t->watches = outer;
    count = 0;
    for (heed__watch *w = outer; w; w = w->previous)
        w->tensor->gradient = saved[count++];
    for (heed__use *u = t->uses; u; u = u->previous)
        u->tensor->slot = NULL;
    return ok;
}
