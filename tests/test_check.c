/* The checker on trial: op records and modules with a planted fault must fail, and say where;
 * sound ones must pass. Only the public interface is used, as by one who writes an op of his
 * own. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <heed/heed.h>
#include <heed/op.h>
#include <heed/params.h>

/* ---- a sound op: y = a b^2, elementwise without broadcasting, rows made dense by the engine
 * ---- */

static bool sound_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_tensor *a = c->x[0], *b = c->x[1];
    for (int i = 0; i < 2; i++) {
        if (c->x[i]->dtype != HEED_F32 && c->x[i]->dtype != HEED_F64)
            return heed_refuse(t, c, "operand %d must be f32 or f64", i);
    }
    if (a->ndim != b->ndim ||
        memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof a->shape[0]) != 0)
        return heed_refuse(t, c, "the shapes differ");
    r->dtype = a->dtype;
    r->shape = heed_shape_of(a);
    return true;
}

static void put(heed_tensor *y, int64_t i, double value)
{
    if (y->dtype == HEED_F64)
        ((double *)y->data)[i] = value;
    else if (y->dtype == HEED_F32)
        ((float *)y->data)[i] = (float)value;
}

static void sound_run(const heed_call *c, heed_tensor *y)
{
    for (int64_t i = 0; i < heed_size(y); i++)
        put(y, i, heed_at(c->x[0], i) * heed_at(c->x[1], i) * heed_at(c->x[1], i));
}

static void sound_accumulate(const heed_call *c, heed_tensor *y)
{
    for (int64_t i = 0; i < heed_size(y); i++)
        put(y, i,
            heed_at(y, i) + heed_at(c->x[0], i) * heed_at(c->x[1], i) * heed_at(c->x[1], i));
}

static void sound_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                      heed_tensor *gx[])
{
    (void)y;
    if (heed_wants(c, 0))
        gx[0] = heed_mul(t, gy, heed_square(t, c->x[1]));
    if (heed_wants(c, 1)) {
        heed_tensor *product = heed_mul(t, c->x[0], c->x[1]);
        heed_tensor *slope = heed_scale(t, product, 2);
        gx[1] = heed_mul(t, gy, slope);
    }
}

static heed_tensor *sound_compose(heed_tape *t, const heed_call *c)
{
    return heed_mul(t, c->x[0], heed_square(t, c->x[1]));
}

static const heed_case sound_cases[] = {
    { .label = "matrix", .x = { { .shape = HEED_DIMS(2, 3) }, { .shape = HEED_DIMS(2, 3) } } },
    { .label = "numbers",
      .x = { { .shape = HEED_DIMS(2), .values = (const double[]){ 1, 2 } },
             { .shape = HEED_DIMS(2), .values = (const double[]){ 3, -1 } } },
      .stated = true,
      .y = (const double[]){ 9, 2 },
      .gx = { (const double[]){ 9, 1 }, (const double[]){ 6, -4 } } },
};

static heed_op sound(void)
{
    return (heed_op){ .name = "ab2",
                      .formula = "y = a b^2",
                      .adjoint = "ga = gy b^2, gb = 2 gy a b",
                      .arity = 2,
                      .dense = 3,
                      .uses = HEED_USES_X(0) | HEED_USES_X(1),
                      .shape = sound_shape,
                      .run = sound_run,
                      .accumulate = sound_accumulate,
                      .vjp = sound_vjp,
                      .compose = sound_compose,
                      HEED_CASES(sound_cases) };
}

START_TEST(a_sound_op_passes)
{
    heed_op op = sound();
    for (int order = 1; order <= 2; order++) {
        heed_report r = heed_check_op(&op, &(heed_check_options){ .order = order });
        ck_assert_msg(r.passed, "%s", r.message);
        ck_assert_str_eq(r.message, "");
        ck_assert(r.excess <= 1);
        ck_assert_int_gt(r.compared, 100);
    }
    op.compose = NULL; /* then its own rule is differentiated */
    heed_report r = heed_check_op(&op, &(heed_check_options){ .order = 2, .seed = 7 });
    ck_assert_msg(r.passed, "%s", r.message);
}
END_TEST

/* ---- planted faults ---- */

/* The right gradients, times a factor each. */
static void scaled(heed_tape *t, const heed_call *c, heed_tensor *gy, heed_tensor *gx[],
                   double a, double b)
{
    sound_vjp(t, c, NULL, gy, gx);
    gx[0] = gx[0] ? heed_scale(t, gx[0], a) : NULL;
    gx[1] = gx[1] ? heed_scale(t, gx[1], b) : NULL;
}

static void wrong_sign(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    (void)y;
    scaled(t, c, gy, gx, 1, -1);
}

static void slightly_wrong(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                           heed_tensor *gx[])
{
    (void)y;
    scaled(t, c, gy, gx, 1.001, 1);
}

/* As a rule that overwrites: of b's two contributions, gy a b each, one is left. */
static void one_of_two(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    (void)y;
    scaled(t, c, gy, gx, 1, 0.5);
}

static void nothing_for_b(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                          heed_tensor *gx[])
{
    sound_vjp(t, c, y, gy, gx);
    gx[1] = NULL;
}

/* b's gradient only where a's is asked for too. */
static void forgets_alone(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                          heed_tensor *gx[])
{
    sound_vjp(t, c, y, gy, gx);
    if (!heed_wants(c, 0))
        gx[1] = NULL;
}

static void wrong_shape(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    sound_vjp(t, c, y, gy, gx);
    if (gx[1] && gx[1]->ndim == 2)
        gx[1] = heed_swap(t, gx[1], 0, 1);
}

static void summed_shape(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                         heed_tensor *gx[])
{
    sound_vjp(t, c, y, gy, gx);
    gx[0] = gx[0] ? heed_sum(t, gx[0]) : NULL;
}

static void wrong_dtype(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                        heed_tensor *gx[])
{
    sound_vjp(t, c, y, gy, gx);
    gx[0] = gx[0] ? heed_cast(t, gx[0], HEED_F32) : NULL;
}

/* Right for generic cotangents to 1e-11, and not 0 for 0. */
static void not_linear(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                       heed_tensor *gx[])
{
    sound_vjp(t, c, y, gy, gx);
    gx[0] = gx[0] ? heed_shift(t, gx[0], 1e-11) : NULL;
}

/* First order is right; what depends on b through the rule is cut off. */
static void detached(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                     heed_tensor *gx[])
{
    heed_tensor *b = heed_detach(t, c->x[1]);
    (void)y;
    if (heed_wants(c, 0))
        gx[0] = heed_mul(t, gy, heed_square(t, b));
    if (heed_wants(c, 1)) {
        heed_tensor *product = heed_mul(t, c->x[0], b);
        gx[1] = heed_mul(t, gy, heed_scale(t, product, 2));
    }
}

static int runs;

static void not_repeatable(const heed_call *c, heed_tensor *y)
{
    sound_run(c, y);
    put(y, 0, heed_at(y, 0) + 1e-15 * (double)(runs++ % 7));
}

static void forgets_the_last(const heed_call *c, heed_tensor *y)
{
    for (int64_t i = 0; i + 1 < heed_size(y); i++)
        put(y, i, heed_at(c->x[0], i) * heed_at(c->x[1], i) * heed_at(c->x[1], i));
}

static void poor_in_f32(const heed_call *c, heed_tensor *y)
{
    sound_run(c, y);
    for (int64_t i = 0; y->dtype == HEED_F32 && i < heed_size(y); i++)
        put(y, i, rint(heed_at(y, i) * 4096) / 4096);
}

/* Takes its operands for contiguous. */
static void ignores_strides(const heed_call *c, heed_tensor *y)
{
    heed_tensor x[2] = { *c->x[0], *c->x[1] };
    heed_tensor *px[2] = { &x[0], &x[1] };
    for (int i = 0; i < 2; i++) {
        int64_t stride = 1;
        for (int k = x[i].ndim - 1; k >= 0; k--) {
            /* Stays inside the memory, whatever its layout. */
            x[i].strides[k] = x[i].strides[k] > 0 ? stride : x[i].strides[k];
            stride *= x[i].shape[k];
        }
    }
    sound_run(&(heed_call){ .n = 2, .x = px }, y);
}

static void overwrites(const heed_call *c, heed_tensor *y)
{
    sound_run(c, y);
}

static heed_tensor *other_composition(heed_tape *t, const heed_call *c)
{
    heed_tensor *y = sound_compose(t, c);
    return heed_scale(t, y, 1 + 1e-9);
}

static bool takes_anything(heed_tape *t, const heed_call *c, heed_result *r)
{
    (void)t;
    r->dtype = c->x[0]->dtype;
    r->shape = heed_shape_of(c->x[0]);
    return true;
}

static bool anonymous(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (c->x[0]->dtype == HEED_I32)
        return heed_fail(t, "no") != NULL;
    return sound_shape(t, c, r);
}

static const heed_case misstated_cases[] = {
    { .label = "numbers",
      .x = { { .shape = HEED_DIMS(1), .values = (const double[]){ 2 } },
             { .shape = HEED_DIMS(1), .values = (const double[]){ 3 } } },
      .stated = true,
      .y = (const double[]){ 18 },
      .gx = { (const double[]){ 9 }, (const double[]){ 12.0000001 } } },
};

typedef struct fault {
    const char *says; /* a part of the message */
    int order;
    void (*vjp)(heed_tape *, const heed_call *, heed_tensor *, heed_tensor *, heed_tensor **);
    void (*run)(const heed_call *, heed_tensor *);
    void (*accumulate)(const heed_call *, heed_tensor *);
    heed_tensor *(*compose)(heed_tape *, const heed_call *);
    bool (*shape)(heed_tape *, const heed_call *, heed_result *);
    bool linear, fewer_uses, strided, misstated;
} fault;

static const fault faults[] = {
    { "gradient against differences: x[1]", 1, .vjp = wrong_sign },
    { "gradient against differences: x[0]", 1, .vjp = slightly_wrong },
    { "gradient against differences: x[1]", 1, .vjp = one_of_two },
    { "gradient against differences: x[1]", 1, .vjp = nothing_for_b },
    { "one operand differentiated", 1, .vjp = forgets_alone },
    { "ab2: the rule gave a gradient of shape [3,2] for operand 1 of shape [2,3]", 1,
      .vjp = wrong_shape },
    { "ab2: the rule gave a gradient of shape [] for operand 0 of shape [2,3]", 1,
      .vjp = summed_shape },
    { "ab2: the rule gave a f32 gradient for f64 operand 0", 1, .vjp = wrong_dtype },
    { "cotangent", 1, .vjp = not_linear },
    { "recorded sweep", 1, .compose = other_composition },
    { "second order", 2, .vjp = detached },
    { "other bits", 1, .run = not_repeatable },
    { "", 1, .run = forgets_the_last },
    { "f32 result against f64", 1, .run = poor_in_f32 },
    { "transposed", 1, .run = ignores_strides, .strided = true },
    { "accumulating", 1, .accumulate = overwrites },
    { "linear op", 1, .linear = true },
    { ".uses", 1, .fewer_uses = true },
    { "not refused", 1, .shape = takes_anything },
    { "lacks the op's name", 1, .shape = anonymous },
    { "the stated gradient: x[1]", 1, .misstated = true },
};

START_TEST(planted_faults_are_found)
{
    const fault *f = &faults[_i];
    heed_op op = sound();
    if (!f->compose)
        op.compose = NULL;
    if (f->vjp)
        op.vjp = f->vjp;
    if (f->run) {
        op.run = f->run;
        op.accumulate = NULL;
    }
    if (f->accumulate)
        op.accumulate = f->accumulate;
    if (f->compose)
        op.compose = f->compose;
    if (f->shape)
        op.shape = f->shape;
    if (f->strided)
        op.dense = 0;
    if (f->fewer_uses)
        op.uses = HEED_USES_X(0);
    if (f->misstated) {
        op.cases = misstated_cases;
        op.case_count = 1;
    }
    op.linear = f->linear;
    if (f->order > 1) {
        heed_report first = heed_check_op(&op, NULL);
        ck_assert_msg(first.passed, "order 1: %s", first.message);
    }
    heed_report r = heed_check_op(&op, &(heed_check_options){ .order = f->order });
    ck_assert_msg(!r.passed, "the fault '%s' was not found", f->says);
    ck_assert_msg(strstr(r.message, f->says) != NULL, "expected '%s' in: %s", f->says,
                  r.message);
}
END_TEST

START_TEST(incomplete_records_are_refused)
{
    heed_op op = sound();
    op.case_count = 0;
    ck_assert(!heed_check_op(&op, NULL).passed);
    ck_assert(!heed_check_op(NULL, NULL).passed);
    op = sound();
    op.shape = NULL;
    ck_assert(!heed_check_op(&op, NULL).passed);
}
END_TEST

/* ---- functions and modules ---- */

typedef struct net {
    heed_parameter *weight, *bias, *frozen;
    const heed_op *op; /* used once inside */
    double dropout;
} net;

static heed_params *make_net(net *m, heed_dtype dtype, int64_t in, int64_t out)
{
    heed_params *ps = heed_params_new(dtype, NULL);
    heed_random r = { .seed = 3 };
    heed_params_scope(ps, "layer");
    m->weight = heed_parameter_new(ps, "weight", HEED_SHAPE(out, in), 0);
    m->bias = heed_parameter_new(ps, "bias", HEED_SHAPE(out), 0);
    m->frozen = heed_parameter_new(ps, "scale", HEED_SHAPE(out), HEED_FROZEN);
    heed_params_scope_end(ps);
    for (int i = 0; i < heed_params_count(ps); i++) {
        heed_parameter *p = heed_params_at(ps, i);
        for (int64_t k = 0; k < p->size; k++) {
            double v = heed_random_normal(&r) / sqrt((double)in);
            if (dtype == HEED_F64)
                ((double *)p->data)[k] = v;
            else
                ((float *)p->data)[k] = (float)v;
        }
    }
    return ps;
}

static heed_tensor *net_energy(heed_tape *t, heed_tensor *const x[], void *user)
{
    const net *m = user;
    heed_scope(t, "net");
    heed_tensor *h = heed_linear(t, x[0], heed_use(t, m->weight), heed_use(t, m->bias));
    h = heed_mul(t, heed_tanh(t, h), heed_use(t, m->frozen));
    if (m->op)
        h = heed_apply(t, m->op, 2, (heed_tensor *[]){ h, h }, NULL);
    if (m->dropout > 0) {
        heed_set_training(t, true);
        h = heed_dropout(t, h, m->dropout);
    }
    heed_scope_end(t);
    return heed_sum(t, heed_mul(t, h, h));
}

START_TEST(a_sound_module_passes)
{
    const heed_op op = sound();
    for (int large = 0; large < 2; large++) {
        net m = { .op = &op };
        heed_params *ps =
            make_net(&m, large ? HEED_F64 : HEED_F32, large ? 20 : 3, large ? 15 : 4);
        const heed_input in[] = { { .shape = HEED_DIMS(2, large ? 20 : 3) } };
        size_t bytes = (size_t)m.weight->size * heed_dtype_size(m.weight->dtype);
        void *before = malloc(bytes);
        memcpy(before, m.weight->data, bytes);
        heed_report r =
            heed_check(net_energy, &m, ps, 1, in, &(heed_check_options){ .order = 2 });
        ck_assert_msg(r.passed, "%s", r.message);
        ck_assert_int_ge(r.compared, large ? 13 : 2 * (6 + 12 + 4));
        ck_assert_msg(r.where[0] != '\0', "the worst element has no name");
        ck_assert_int_eq(memcmp(before, m.weight->data, bytes), 0);
        free(before);
        heed_params_free(ps);
    }
}
END_TEST

START_TEST(dropout_is_replayed)
{
    net m = { .dropout = 0.4 };
    heed_params *ps = make_net(&m, HEED_F32, 3, 4);
    const heed_input in[] = { { .shape = HEED_DIMS(5, 3) } };
    heed_report r =
        heed_check(net_energy, &m, ps, 1, in, &(heed_check_options){ .order = 2, .seed = 11 });
    ck_assert_msg(r.passed, "%s", r.message);
    heed_params_free(ps);
}
END_TEST

START_TEST(a_fault_in_a_module_is_found)
{
    heed_op op = sound();
    op.vjp = slightly_wrong;
    op.compose = NULL;
    for (int large = 0; large < 2; large++) {
        net m = { .op = &op };
        heed_params *ps = make_net(&m, HEED_F32, large ? 20 : 3, large ? 15 : 4);
        const heed_input in[] = { { .shape = HEED_DIMS(2, large ? 20 : 3) } };
        heed_report r = heed_check(net_energy, &m, ps, 1, in, NULL);
        ck_assert(!r.passed);
        ck_assert(r.excess > 100);
        ck_assert_msg(strstr(r.where, "x[0]") || strstr(r.where, "layer.weight") ||
                          strstr(r.where, "layer.bias"),
                      "%s", r.where);
        ck_assert_msg(
            (strchr(r.where, '[') != NULL) != (strstr(r.where, "direction") != NULL) || large,
            "%s", r.where);
        ck_assert_msg(strstr(r.message, "by differences") != NULL, "%s", r.message);
        heed_params_free(ps);
    }
    op.vjp = detached;
    net m = { .op = &op };
    heed_params *ps = make_net(&m, HEED_F32, 3, 4);
    const heed_input in[] = { { .shape = HEED_DIMS(2, 3) } };
    ck_assert(heed_check(net_energy, &m, ps, 1, in, NULL).passed);
    heed_report r = heed_check(net_energy, &m, ps, 1, in, &(heed_check_options){ .order = 2 });
    ck_assert(!r.passed);
    ck_assert_msg(strstr(r.where, "second order") != NULL, "%s", r.where);
    heed_params_free(ps);
}
END_TEST

static heed_tensor *sum_of_products(heed_tape *t, heed_tensor *const x[], void *user)
{
    (void)user;
    ck_assert_int_eq(x[0]->dtype, HEED_F64);
    heed_tensor *rows = heed_embedding(t, x[0], x[1]);
    heed_tensor *chosen = heed_where(t, x[2], rows, x[3]);
    return heed_sum(t, heed_mul(t, chosen, rows));
}

START_TEST(inputs_of_every_kind)
{
    const heed_input in[] = {
        { .shape = HEED_DIMS(4, 2), .low = 0.5, .high = 2, .gap = 0.1 },
        { .dtype = HEED_I32, .shape = HEED_DIMS(3), .high = 4 },
        { .dtype = HEED_BOOL, .shape = HEED_DIMS(3, 2) },
        { .shape = HEED_DIMS(2), .values = (const double[]){ 1, -1 }, .constant = true },
    };
    heed_report r =
        heed_check(sum_of_products, NULL, NULL, 4, in, &(heed_check_options){ .order = 2 });
    ck_assert_msg(r.passed, "%s", r.message);
    ck_assert_int_eq(r.compared, 16);
}
END_TEST

static heed_tensor *two_elements(heed_tape *t, heed_tensor *const x[], void *user)
{
    (void)user;
    return heed_exp(t, x[0]);
}

static heed_tensor *bad_product(heed_tape *t, heed_tensor *const x[], void *user)
{
    (void)user;
    heed_scope(t, "model");
    heed_tensor *y = heed_matmul(t, x[0], x[0]);
    heed_scope_end(t);
    return heed_sum(t, y);
}

static heed_tensor *no_result(heed_tape *t, heed_tensor *const x[], void *user)
{
    (void)t, (void)x, (void)user;
    return NULL;
}

static heed_tensor *logarithm(heed_tape *t, heed_tensor *const x[], void *user)
{
    (void)user;
    return heed_sum(t, heed_log(t, x[0]));
}

static heed_tensor *cut_off(heed_tape *t, heed_tensor *const x[], void *user)
{
    (void)user;
    return heed_sum(t, heed_mul(t, heed_detach(t, x[0]), x[0]));
}

static heed_tensor *wandering(heed_tape *t, heed_tensor *const x[], void *user)
{
    (void)user;
    return heed_shift(t, heed_sum(t, x[0]), 1e-9 * runs++);
}

START_TEST(failures_are_told)
{
    const heed_input in[] = { { .shape = HEED_DIMS(2, 3) } };
    const struct {
        heed_tensor *(*f)(heed_tape *, heed_tensor *const *, void *);
        const char *says;
    } table[] = {
        { two_elements, "has shape [2,3] but must have one element" },
        { bad_product, "model: matmul: [2,3] x [2,3]: inner extents 3 and 2 differ" },
        { no_result, "returned NULL" },
        { logarithm, "not finite" }, /* of negative numbers */
        { cut_off, "by differences" },
        { wandering, "other bits" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        heed_report r = heed_check(table[i].f, NULL, NULL, 1, in, NULL);
        ck_assert_msg(!r.passed, "%s", table[i].says);
        ck_assert_msg(strstr(r.message, table[i].says) != NULL, "expected '%s' in: %s",
                      table[i].says, r.message);
    }
    heed_report r = heed_check(two_elements, NULL, NULL, 0, NULL, NULL);
    ck_assert(!r.passed && strstr(r.message, "nothing to differentiate"));
    r = heed_check(two_elements, NULL, NULL, 1, (heed_input[]){ { .shape = HEED_DIMS(-1) } },
                   NULL);
    ck_assert(!r.passed && strstr(r.message, "input 0"));
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_params_fail(ps, "broken");
    r = heed_check(two_elements, NULL, ps, 1, in, NULL);
    ck_assert(!r.passed && strstr(r.message, "broken"));
    heed_params_free(ps);
}
END_TEST

static int allowed;

static void *sparing(void *context, size_t bytes)
{
    (void)context;
    return allowed-- > 0 ? aligned_alloc(64, (bytes + 63) / 64 * 64) : NULL;
}

static void sparing_release(void *context, void *memory, size_t bytes)
{
    (void)context, (void)bytes;
    free(memory);
}

START_TEST(memory_for_the_copy)
{
    const heed_allocator allocator = { sparing, sparing_release, NULL };
    allowed = 1000;
    heed_params *ps = heed_params_new(HEED_F32, &allocator);
    net m = { .weight = heed_parameter_new(ps, "w", HEED_SHAPE(2, 3), 0),
              .bias = heed_parameter_new(ps, "b", HEED_SHAPE(2), 0),
              .frozen = heed_parameter_new(ps, "s", HEED_SHAPE(2), HEED_FROZEN) };
    const heed_input in[] = { { .shape = HEED_DIMS(2, 3) } };
    int refused = 0;
    for (int n = 0; n < 30; n++) {
        allowed = n;
        heed_report r = heed_check(net_energy, &m, ps, 1, in, NULL);
        ck_assert_msg(r.passed || strstr(r.message, "out of memory"), "%s", r.message);
        refused += !r.passed;
    }
    ck_assert(refused > 4 && refused < 30);
    heed_params_free(ps);
}
END_TEST

START_TEST(reports_print)
{
    heed_op op = sound();
    op.vjp = wrong_sign;
    op.compose = NULL;
    heed_report r = heed_check_op(&op, NULL);
    char text[1000] = "";
    FILE *file = tmpfile();
    heed_report_print(&r, file);
    rewind(file);
    ck_assert(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    ck_assert_ptr_nonnull(strstr(text, "FAILED"));
    ck_assert_ptr_nonnull(strstr(text, "x[1]"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check");
    TCase *ops = tcase_create("records");
    tcase_add_test(ops, a_sound_op_passes);
    tcase_add_loop_test(ops, planted_faults_are_found, 0,
                        (int)(sizeof faults / sizeof *faults));
    tcase_add_test(ops, incomplete_records_are_refused);
    tcase_add_test(ops, reports_print);
    suite_add_tcase(suite, ops);
    TCase *modules = tcase_create("modules");
    tcase_add_test(modules, a_sound_module_passes);
    tcase_add_test(modules, dropout_is_replayed);
    tcase_add_test(modules, a_fault_in_a_module_is_found);
    tcase_add_test(modules, inputs_of_every_kind);
    tcase_add_test(modules, failures_are_told);
    tcase_add_test(modules, memory_for_the_copy);
    suite_add_tcase(suite, modules);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
