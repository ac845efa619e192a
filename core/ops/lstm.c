/* The gates of an LSTM: everything of a step but the two matrix products. */
#include "recurrent_parts.h"

/* Operands of both records. */
enum { A, B, C, PEEPHOLE, REAL, KEPT };

/* lstm_gates.   Gates i, f, g, o lie side by side in a (from the input) and b (from the state);
 * with z = a + b, element by element, and p = 0 without peepholes:
 *   i = sigmoid(z_i + p_i c),  f = sigmoid(z_f + p_f c),  g = tanh(z_g),
 *   c' = f c + i g,            o = sigmoid(z_o + p_o c'),  h' = o tanh(c').
 * The result is [2, ...]: h', then c'. A row that is not real keeps h and c.
 * Adjoint, with gh, gc the gradients of h' and c':
 *   gz_o = gh tanh(c') o (1 - o),   G = gc + gh o (1 - tanh(c')^2) + gz_o p_o,
 *   gz_i = G g i (1 - i),  gz_f = G c f (1 - f),  gz_g = G i (1 - g^2),
 *   gc_before = G f + gz_i p_i + gz_f p_f,
 *   gp_i = sum gz_i c,  gp_f = sum gz_f c,  gp_o = sum gz_o c'. */
static kernel_lstm lstm_arguments(const heed_call *c)
{
    return (kernel_lstm){ .rows = heed__gates_rows(c->x[C]),
                          .n = heed__gates_width(c->x[C]),
                          .a = c->x[A]->data,
                          .b = c->x[B]->data,
                          .c = c->x[C]->data,
                          .h = c->x[KEPT] ? c->x[KEPT]->data : NULL,
                          .peephole = c->x[PEEPHOLE] ? c->x[PEEPHOLE]->data : NULL,
                          .real = c->x[REAL] ? c->x[REAL]->data : NULL };
}
static bool peephole_fits(heed_tape *t, const heed_call *c, const heed_tensor *peephole,
                          int64_t n)
{
    if (!peephole ||
        (peephole->ndim == 2 && peephole->shape[0] == 3 && peephole->shape[1] == n))
        return true;
    return heed_refuse(t, c, "the peepholes must have shape [3,%lld]", (long long)n);
}
static bool lstm_gates_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *state = c->x[C];
    if (!heed__gates_check(t, c, 4, C, REAL, KEPT) ||
        !peephole_fits(t, c, c->x[PEEPHOLE], heed__gates_width(state)))
        return false;
    if (state->ndim == HEED_MAX_NDIM)
        return heed_refuse(t, c, "a state of %d axes leaves none for h and c", state->ndim);
    r->dtype = state->dtype;
    r->shape.ndim = state->ndim + 1;
    r->shape.size[0] = 2;
    for (int k = 0; k < state->ndim; k++)
        r->shape.size[k + 1] = state->shape[k];
    r->saved = 1;
    r->saved_dtype[0] = state->dtype;
    r->saved_shape[0] = HEED_SHAPE(heed__gates_rows(state), 5 * heed__gates_width(state));
    return true;
}
static void lstm_gates_run(const heed_call *c, heed_tensor *y)
{
    kernel_lstm k = lstm_arguments(c);
    k.y = y->data;
    k.gates = c->saved[0]->data;
    heed__kernels(y->dtype)->lstm(&k);
}
/* sum over rows of gz c: [1, n] */
static heed_tensor *peephole_gradient(heed_tape *t, heed_tensor *ga, int gate, heed_tensor *c,
                                      int64_t n)
{
    heed_tensor *product = heed_mul(t, heed__gate(t, ga, gate, n), c);
    return heed_sum_to(t, product, HEED_SHAPE(1, n));
}
static void lstm_gates_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                           heed_tensor *gx[])
{
    heed_tensor *x[5] = { c->x[C], c->x[PEEPHOLE], c->x[REAL], gy, c->saved[0] };
    heed_tensor *packed = heed_apply(t, &heed_op_lstm_gates_grad, 5, x, NULL);
    int64_t size = heed_size(c->x[C]);
    if (!packed)
        return;
    gx[A] = gx[B] = heed__gates_part(t, packed, 0, c->x[A]);
    gx[C] = heed__gates_part(t, packed, 4 * size, c->x[C]);
    if (c->x[KEPT])
        gx[KEPT] = heed__gates_part(t, packed, 5 * size, c->x[C]);
    if (c->x[PEEPHOLE] && heed_wants(c, PEEPHOLE)) {
        heed_tensor *row[3];
        int64_t n = heed__gates_width(c->x[C]);
        row[0] = peephole_gradient(t, gx[A], 0, c->x[C], n);
        row[1] = peephole_gradient(t, gx[A], 1, c->x[C], n);
        row[2] = peephole_gradient(t, gx[A], 3, heed_select(t, y, 0, 1), n);
        gx[PEEPHOLE] = heed_concatenate(t, 3, row, 0);
    }
}
static heed_tensor *look(heed_tape *t, heed_tensor *z, heed_tensor *peephole, int row,
                         heed_tensor *c)
{
    if (!peephole)
        return z;
    heed_tensor *part = heed_mul(t, c, heed_select(t, peephole, 0, row));
    return heed_add(t, z, part);
}
static heed_tensor *lstm_gates_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *before = c->x[C], *peephole = c->x[PEEPHOLE];
    int64_t n = heed__gates_width(before);
    heed_tensor *a = heed__gates_real(t, c->x[REAL], c->x[A]);
    heed_tensor *b = heed__gates_real(t, c->x[REAL], c->x[B]);
    heed_tensor *z = heed_add(t, a, b);
    heed_tensor *i = heed_sigmoid(t, look(t, heed__gate(t, z, 0, n), peephole, 0, before));
    heed_tensor *f = heed_sigmoid(t, look(t, heed__gate(t, z, 1, n), peephole, 1, before));
    heed_tensor *g = heed_tanh(t, heed__gate(t, z, 2, n));
    heed_tensor *remembered = heed_mul(t, f, before);
    heed_tensor *after = heed_add(t, remembered, heed_mul(t, i, g));
    heed_tensor *o = heed_sigmoid(t, look(t, heed__gate(t, z, 3, n), peephole, 2, after));
    heed_tensor *h = heed_mul(t, o, heed_tanh(t, after));
    heed_tensor *both[2];
    both[0] = heed__gates_keep(t, c->x[REAL], h, c->x[KEPT]);
    both[1] = heed__gates_keep(t, c->x[REAL], after, before);
    return heed_stack(t, 2, both, 0);
}
static const heed_case lstm_gates_cases[] = {
    { .label = "two rows",
      .x = { { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 2) } },
      .absent = 1 << PEEPHOLE | 1 << REAL | 1 << KEPT },
    { .label = "peepholes",
      .x = { { .shape = HEED_DIMS(1, 2, 12) },
             { .shape = HEED_DIMS(1, 2, 12) },
             { .shape = HEED_DIMS(1, 2, 3) },
             { .shape = HEED_DIMS(3, 3) } },
      .absent = 1 << REAL | 1 << KEPT },
    { .label = "more units than a register holds",
      .x = { { .shape = HEED_DIMS(1, 68) },
             { .shape = HEED_DIMS(1, 68), .constant = true },
             { .shape = HEED_DIMS(1, 17) },
             { .shape = HEED_DIMS(3, 17) } },
      .absent = 1 << REAL | 1 << KEPT },
    { .label = "one row, no leading axis",
      .x = { { .shape = HEED_DIMS(8) }, { .shape = HEED_DIMS(8) }, { .shape = HEED_DIMS(2) } },
      .absent = 1 << PEEPHOLE | 1 << REAL | 1 << KEPT },
    { .label = "a row that has ended",
      .x = { { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 2) },
             { .shape = HEED_DIMS(3, 2) },
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(2), .values = (const double[]){ 1, 0 } },
             { .shape = HEED_DIMS(2, 2) } } },
    { .label = "all ended, over NaN",
      .x = { { .shape = HEED_DIMS(1, 4), .values = (const double[]){ NAN, INFINITY, 0, NAN } },
             { .shape = HEED_DIMS(1, 4), .values = (const double[]){ 0, 0, NAN, 0 } },
             { .shape = HEED_DIMS(1, 1), .values = (const double[]){ 3 } },
             { 0 },
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } },
             { .shape = HEED_DIMS(1, 1), .values = (const double[]){ 2 } } },
      .absent = 1 << PEEPHOLE,
      .stated = true,
      .y = (const double[]){ 2, 3 },
      .gx = { (const double[]){ 0, 0, 0, 0 }, (const double[]){ 0, 0, 0, 0 },
              (const double[]){ 1 }, NULL, NULL, (const double[]){ 1 } } },
    { .label = "saturated: c is forgotten, 1 is written",
      .x = { { .shape = HEED_DIMS(1, 4), .values = (const double[]){ 1e4, -1e4, 1e4, 1e4 } },
             { .shape = HEED_DIMS(1, 4), .values = (const double[]){ 0, 0, 0, 0 } },
             { .shape = HEED_DIMS(1, 1), .values = (const double[]){ 7 } } },
      .absent = 1 << PEEPHOLE | 1 << REAL | 1 << KEPT,
      .stated = true,
      .y = (const double[]){ 0.76159415595576488812, 1 },
      .gx = { (const double[]){ 0, 0, 0, 0 }, (const double[]){ 0, 0, 0, 0 },
              (const double[]){ 0 } } },
    { .label = "no rows",
      .x = { { .shape = HEED_DIMS(0, 8) },
             { .shape = HEED_DIMS(0, 8) },
             { .shape = HEED_DIMS(0, 2) },
             { .shape = HEED_DIMS(3, 2) } },
      .absent = 1 << REAL | 1 << KEPT,
      .stated = true,
      .gx = { NULL, NULL, NULL, (const double[]){ 0, 0, 0, 0, 0, 0 } } },
};
static const heed_case lstm_gates_refusals[] = {
    { .label = "operand 1 must be [..., 8]: 4 gates of the state's 2 units",
      .x = { { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 6) },
             { .shape = HEED_DIMS(2, 2) } },
      .absent = 1 << PEEPHOLE | 1 << REAL | 1 << KEPT },
    { .label = "operand 0 must be [..., 8]",
      .x = { { .shape = HEED_DIMS(3, 8) },
             { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 2) } },
      .absent = 1 << PEEPHOLE | 1 << REAL | 1 << KEPT },
    { .label = "the state needs an axis of units",
      .x = { { .shape = HEED_DIMS(4) }, { .shape = HEED_DIMS(4) }, { .shape = { 0 } } },
      .absent = 1 << PEEPHOLE | 1 << REAL | 1 << KEPT },
    { .label = "the peepholes must have shape [3,2]",
      .x = { { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 2) },
             { .shape = HEED_DIMS(4, 2) } },
      .absent = 1 << REAL | 1 << KEPT },
    { .label = "h is needed with real, and only then",
      .x = { { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 2) },
             { 0 },
             { 0 },
             { .shape = HEED_DIMS(2, 2) } },
      .absent = 1 << PEEPHOLE | 1 << REAL },
    { .label = "h and c differ in shape",
      .x = { { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 2) },
             { 0 },
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(2), .values = (const double[]){ 1, 0 } },
             { .shape = HEED_DIMS(2, 3) } },
      .absent = 1 << PEEPHOLE },
    { .label = "real must be bool, one element for each row of the state",
      .x = { { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 2) },
             { 0 },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(3),
               .values = (const double[]){ 1, 0, 1 } },
             { .shape = HEED_DIMS(2, 2) } },
      .absent = 1 << PEEPHOLE },
};
HEED_DEFINE_OP(lstm_gates) = {
    .name = "lstm_gates",
    .arity = 6,
    .optional = 1 << PEEPHOLE | 1 << REAL | 1 << KEPT,
    .integer = 1 << REAL,
    .dense = 63,
    .shape = lstm_gates_shape,
    .run = lstm_gates_run,
    .formula = "c' = f c + i g, h' = o tanh c'; i, f, o = sigmoid, g = tanh of a + b (+ p c)",
    .adjoint = "gzo = gh tanh(c') o (1 - o), G = gc + gh o (1 - tanh(c')^2) + gzo po, "
               "gzi = G g i (1 - i), gzf = G c f (1 - f), gzg = G i (1 - g^2), ga = gb = gz, "
               "gc = G f + gzi pi + gzf pf, gp = sum gz c",
    .uses = HEED_USES_X(C) | HEED_USES_X(PEEPHOLE) | HEED_USES_X(REAL) | HEED_USES_Y,
    .vjp = lstm_gates_vjp,
    .compose = lstm_gates_compose,
    HEED_REFUSES(lstm_gates_refusals),
    HEED_CASES(lstm_gates_cases)
};

/* lstm_gates_grad.   Operands c, p, real, gy, and the gates [rows, 5 n]; ga, gc and, with real,
 * gh, flat one after another. */
static bool lstm_gates_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *state = c->x[0];
    if (!heed__floats(t, c))
        return false;
    int64_t size = heed_size(state), n = heed__gates_width(state);
    if (heed_size(c->x[3]) != 2 * size || heed_size(c->x[4]) != 5 * size ||
        (c->x[2] && heed_size(c->x[2]) * n != size))
        return heed_refuse(t, c, "needs gy of 2 and gates of 5 numbers for each of the state");
    if (!peephole_fits(t, c, c->x[1], n))
        return false;
    r->dtype = state->dtype;
    r->shape = HEED_SHAPE((c->x[2] ? 6 : 5) * size);
    return true;
}
static void lstm_gates_grad_run(const heed_call *c, heed_tensor *y)
{
    int64_t size = heed_size(c->x[0]), width = (int64_t)heed_dtype_size(y->dtype);
    kernel_lstm k = { .rows = heed__gates_rows(c->x[0]),
                      .n = heed__gates_width(c->x[0]),
                      .c = c->x[0]->data,
                      .peephole = c->x[1] ? c->x[1]->data : NULL,
                      .real = c->x[2] ? c->x[2]->data : NULL,
                      .gy = c->x[3]->data,
                      .gates = c->x[4]->data,
                      .ga = y->data };
    k.gc = (char *)y->data + 4 * size * width;
    k.gh = c->x[2] ? (char *)y->data + 5 * size * width : NULL;
    heed__kernels(y->dtype)->lstm_grad(&k);
}
static const heed_case lstm_gates_grad_cases[] = {
    { .label = "gates half open",
      .x = { { .shape = HEED_DIMS(1, 1), .values = (const double[]){ 2 } },
             { 0 },
             { 0 },
             { .shape = HEED_DIMS(2, 1, 1), .values = (const double[]){ 4, 1 } },
             { .shape = HEED_DIMS(1, 5), .values = (const double[]){ .5, .5, .5, .5, .5 } } },
      .absent = 6,
      .stated = true,
      /* G = 1 + 4 . 0.5 . 0.75 = 2.5 */
      .y = (const double[]){ 2.5 * .5 * .25, 2.5 * 2 * .25, 2.5 * .5 * .75, 4 * .5 * .25,
                             2.5 * .5 } },
    { .label = "ended",
      .x = { { .shape = HEED_DIMS(1, 1), .values = (const double[]){ 2 } },
             { 0 },
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } },
             { .shape = HEED_DIMS(2, 1, 1), .values = (const double[]){ 4, 1 } },
             { .shape = HEED_DIMS(1, 5), .values = (const double[]){ NAN, 0, 0, 0, NAN } } },
      .absent = 2,
      .stated = true,
      .y = (const double[]){ 0, 0, 0, 0, 1, 4 } },
};
HEED_DEFINE_OP(lstm_gates_grad) = {
    .name = "lstm_gates_grad",
    .arity = 5,
    .optional = 2 | 4,
    .integer = 4,
    .dense = 31,
    .shape = lstm_gates_grad_shape,
    .run = lstm_gates_grad_run,
    .formula = "lstm_gates's ga, gc and gh, packed",
    .adjoint = "none: a recorded sweep takes lstm_gates's composition",
    HEED_CASES(lstm_gates_grad_cases)
};

heed_tensor *heed_lstm_gates(heed_tape *t, heed_tensor *a, heed_tensor *b, heed_tensor *c,
                             heed_tensor *peephole, heed_tensor *real, heed_tensor *h)
{
    heed_tensor *x[6] = { a, b, c, peephole, real, h };
    return heed_apply(t, &heed_op_lstm_gates, 6, x, NULL);
}
