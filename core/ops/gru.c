/* The gates of a GRU whose reset gate acts after the product with the state: everything of a
 * step but the two matrix products. */
#include "recurrent_parts.h"

/* gru_gates.   Gates r, z, n lie side by side in a (from the input) and b (from the state):
 *   r = sigmoid(a_r + b_r),  z = sigmoid(a_z + b_z),  n = tanh(a_n + r b_n),
 *   h' = (1 - z) n + z h.
 * A row that is not real keeps h. Adjoint:
 *   gz = gy (h - n) z (1 - z),  gn = gy (1 - z)(1 - n^2),  gr = gn b_n r (1 - r),
 *   ga = gr, gz, gn,  gb = gr, gz, gn r,  gh = gy z. */
static bool gru_gates_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *h = c->x[2];
    if (!heed__gates_check(t, c, 3, 2, 3, -1))
        return false;
    r->dtype = h->dtype;
    r->shape = heed_shape_of(h);
    r->saved = 1;
    r->saved_dtype[0] = h->dtype;
    r->saved_shape[0] = HEED_SHAPE(heed__gates_rows(h), 3 * heed__gates_width(h));
    return true;
}
static void gru_gates_run(const heed_call *c, heed_tensor *y)
{
    kernel_gru k = { .rows = heed__gates_rows(y),
                     .n = heed__gates_width(y),
                     .a = c->x[0]->data,
                     .b = c->x[1]->data,
                     .h = c->x[2]->data,
                     .real = c->x[3] ? c->x[3]->data : NULL,
                     .y = y->data,
                     .gates = c->saved[0]->data };
    heed__kernels(y->dtype)->gru(&k);
}
static void gru_gates_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                          heed_tensor *gx[])
{
    heed_tensor *x[5] = { c->x[1], c->x[2], c->x[3], gy, c->saved[0] };
    heed_tensor *packed = heed_apply(t, &heed_op_gru_gates_grad, 5, x, NULL);
    int64_t size = heed_size(c->x[2]);
    (void)y;
    if (!packed)
        return;
    gx[0] = heed__gates_part(t, packed, 0, c->x[0]);
    gx[1] = heed__gates_part(t, packed, 3 * size, c->x[1]);
    gx[2] = heed__gates_part(t, packed, 6 * size, c->x[2]);
}
static heed_tensor *gru_gates_compose(heed_tape *t, const heed_call *c)
{
    heed_tensor *h = c->x[2], *real = c->x[3];
    int64_t units = heed__gates_width(h);
    heed_tensor *a = heed__gates_real(t, real, c->x[0]);
    heed_tensor *b = heed__gates_real(t, real, c->x[1]);
    heed_tensor *sum = heed_add(t, a, b);
    heed_tensor *r = heed_sigmoid(t, heed__gate(t, sum, 0, units));
    heed_tensor *z = heed_sigmoid(t, heed__gate(t, sum, 1, units));
    heed_tensor *inner = heed_mul(t, r, heed__gate(t, b, 2, units));
    heed_tensor *n = heed_tanh(t, heed_add(t, heed__gate(t, a, 2, units), inner));
    return heed__gates_keep(t, real, heed_lerp(t, n, h, z), h);
}
static const heed_case gru_gates_cases[] = {
    { .label = "two rows",
      .x = { { .shape = HEED_DIMS(2, 6) },
             { .shape = HEED_DIMS(2, 6) },
             { .shape = HEED_DIMS(2, 2) } },
      .absent = 8 },
    { .label = "more units than a register holds",
      .x = { { .shape = HEED_DIMS(1, 51) },
             { .shape = HEED_DIMS(1, 51) },
             { .shape = HEED_DIMS(1, 17) } },
      .absent = 8 },
    { .label = "one row, no leading axis",
      .x = { { .shape = HEED_DIMS(9) }, { .shape = HEED_DIMS(9) }, { .shape = HEED_DIMS(3) } },
      .absent = 8 },
    { .label = "a row that has ended",
      .x = { { .shape = HEED_DIMS(1, 2, 6) },
             { .shape = HEED_DIMS(1, 2, 6) },
             { .shape = HEED_DIMS(1, 2, 2) },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(1, 2),
               .values = (const double[]){ 0, 1 } } } },
    { .label = "all ended, over NaN",
      .x = { { .shape = HEED_DIMS(1, 3), .values = (const double[]){ NAN, INFINITY, 0 } },
             { .shape = HEED_DIMS(1, 3), .values = (const double[]){ 0, 0, NAN } },
             { .shape = HEED_DIMS(1, 1), .values = (const double[]){ 3 } },
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } } },
      .stated = true,
      .y = (const double[]){ 3 },
      .gx = { (const double[]){ 0, 0, 0 }, (const double[]){ 0, 0, 0 },
              (const double[]){ 1 } } },
    { .label = "saturated: kept, and replaced by 1",
      .x = { { .shape = HEED_DIMS(2, 3),
               .values = (const double[]){ 1e4, 1e4, 1e4, 1e4, -1e4, 1e4 } },
             { .shape = HEED_DIMS(2, 3), .values = (const double[]){ 0, 0, 0, 0, 0, 0 } },
             { .shape = HEED_DIMS(2, 1), .values = (const double[]){ 7, 7 } } },
      .absent = 8,
      .stated = true,
      .y = (const double[]){ 7, 1 },
      .gx = { (const double[]){ 0, 0, 0, 0, 0, 0 }, (const double[]){ 0, 0, 0, 0, 0, 0 },
              (const double[]){ 1, 0 } } },
    { .label = "no rows",
      .x = { { .shape = HEED_DIMS(0, 6) },
             { .shape = HEED_DIMS(0, 6) },
             { .shape = HEED_DIMS(0, 2) } },
      .absent = 8,
      .stated = true },
};
static const heed_case gru_gates_refusals[] = {
    { .label = "operand 1 must be [..., 6]: 3 gates of the state's 2 units",
      .x = { { .shape = HEED_DIMS(2, 6) },
             { .shape = HEED_DIMS(2, 8) },
             { .shape = HEED_DIMS(2, 2) } },
      .absent = 8 },
    { .label = "the state needs an axis of units",
      .x = { { .shape = HEED_DIMS(3) }, { .shape = HEED_DIMS(3) }, { .shape = { 0 } } },
      .absent = 8 },
    { .label = "real must be bool, one element for each row of the state",
      .x = { { .shape = HEED_DIMS(2, 6) },
             { .shape = HEED_DIMS(2, 6) },
             { .shape = HEED_DIMS(2, 2) },
             { .dtype = HEED_BOOL,
               .shape = HEED_DIMS(2, 1),
               .values = (const double[]){ 1, 0 } } } },
};
HEED_DEFINE_OP(gru_gates) = {
    .name = "gru_gates",
    .arity = 4,
    .optional = 8,
    .integer = 8,
    .dense = 15,
    .shape = gru_gates_shape,
    .run = gru_gates_run,
    .formula = "h' = (1 - z) n + z h; r, z = sigmoid(a + b), n = tanh(a_n + r b_n)",
    .adjoint = "gz = gy (h - n) z (1 - z), gn = gy (1 - z)(1 - n^2), gr = gn b_n r (1 - r), "
               "ga = gr, gz, gn, gb = gr, gz, gn r, gh = gy z",
    .uses = HEED_USES_X(1) | HEED_USES_X(2) | HEED_USES_X(3),
    .vjp = gru_gates_vjp,
    .compose = gru_gates_compose,
    HEED_REFUSES(gru_gates_refusals),
    HEED_CASES(gru_gates_cases)
};

/* gru_gates_grad.   Operands b, h, real, gy, and the gates [rows, 3 n]; ga, gb and gh, flat one
 * after another. */
static bool gru_gates_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *h = c->x[1];
    int64_t size = heed_size(h);
    if (!heed__floats(t, c))
        return false;
    if (heed_size(c->x[0]) != 3 * size || heed_size(c->x[3]) != size ||
        heed_size(c->x[4]) != 3 * size ||
        (c->x[2] && heed_size(c->x[2]) * heed__gates_width(h) != size))
        return heed_refuse(t, c, "needs b and gates of 3 numbers for each of the state");
    r->dtype = h->dtype;
    r->shape = HEED_SHAPE(7 * size);
    return true;
}
static void gru_gates_grad_run(const heed_call *c, heed_tensor *y)
{
    int64_t size = heed_size(c->x[1]), width = (int64_t)heed_dtype_size(y->dtype);
    kernel_gru k = { .rows = heed__gates_rows(c->x[1]),
                     .n = heed__gates_width(c->x[1]),
                     .b = c->x[0]->data,
                     .h = c->x[1]->data,
                     .real = c->x[2] ? c->x[2]->data : NULL,
                     .gy = c->x[3]->data,
                     .gates = c->x[4]->data,
                     .ga = y->data };
    k.gb = (char *)y->data + 3 * size * width;
    k.gh = (char *)y->data + 6 * size * width;
    heed__kernels(y->dtype)->gru_grad(&k);
}
static const heed_case gru_gates_grad_cases[] = {
    { .label = "gates half open",
      .x = { { .shape = HEED_DIMS(1, 3), .values = (const double[]){ 0, 0, 4 } },
             { .shape = HEED_DIMS(1, 1), .values = (const double[]){ 2.5 } },
             { 0 },
             { .shape = HEED_DIMS(1, 1), .values = (const double[]){ 8 } },
             { .shape = HEED_DIMS(1, 3), .values = (const double[]){ .5, .5, .5 } } },
      .absent = 4,
      .stated = true,
      /* gz = 8 . 2 . 0.25,  gn = 8 . 0.5 . 0.75,  gr = gn . 4 . 0.25 */
      .y = (const double[]){ 3, 4, 3, 3, 4, 1.5, 4 } },
    { .label = "ended",
      .x = { { .shape = HEED_DIMS(1, 3), .values = (const double[]){ NAN, 0, NAN } },
             { .shape = HEED_DIMS(1, 1), .values = (const double[]){ 2 } },
             { .dtype = HEED_BOOL, .shape = HEED_DIMS(1), .values = (const double[]){ 0 } },
             { .shape = HEED_DIMS(1, 1), .values = (const double[]){ 8 } },
             { .shape = HEED_DIMS(1, 3), .values = (const double[]){ NAN, 0, 0 } } },
      .stated = true,
      .y = (const double[]){ 0, 0, 0, 0, 0, 0, 8 } },
};
HEED_DEFINE_OP(gru_gates_grad) = {
    .name = "gru_gates_grad",
    .arity = 5,
    .optional = 4,
    .integer = 4,
    .dense = 31,
    .shape = gru_gates_grad_shape,
    .run = gru_gates_grad_run,
    .formula = "gru_gates's ga, gb and gh, packed",
    .adjoint = "none: a recorded sweep takes gru_gates's composition",
    HEED_CASES(gru_gates_grad_cases)
};

heed_tensor *heed_gru_gates(heed_tape *t, heed_tensor *a, heed_tensor *b, heed_tensor *h,
                            heed_tensor *real)
{
    heed_tensor *x[4] = { a, b, h, real };
    return heed_apply(t, &heed_op_gru_gates, 4, x, NULL);
}
