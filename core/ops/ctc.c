/* Connectionist temporal classification (Graves et al. 2006): the loss of an unaligned target
 * under log-probabilities over time, by forward and backward sums. */
#include "loss.h"

static int64_t length_at(const heed_tensor *lengths, int64_t b)
{
    return (int64_t)heed_at(lengths, b);
}

static bool check_lengths(heed_tape *t, const heed_call *c, const char *whose,
                          const heed_tensor *lengths, int64_t limit)
{
    for (int64_t b = 0; b < lengths->shape[0]; b++) {
        int64_t length = length_at(lengths, b);
        if (length < 0 || length > limit)
            return heed_refuse(t, c, "%s %lld has length %lld, outside 0 .. %lld", whose,
                               (long long)b, (long long)length, (long long)limit);
    }
    return true;
}

static bool check_labels(heed_tape *t, const heed_call *c)
{
    const heed_tensor *targets = c->x[1], *lengths = c->x[3];
    const heed_ctc_options *o = c->attributes;
    int64_t classes = c->x[0]->shape[2];
    for (int64_t b = 0; b < targets->shape[0]; b++) {
        for (int64_t s = 0; s < length_at(lengths, b); s++) {
            int64_t label = (int64_t)heed_at(targets, b * targets->shape[1] + s);
            if (label < 0 || label >= classes)
                return heed_refuse(t, c, "label %lld of target %lld is %lld, outside 0 .. %lld",
                                   (long long)s, (long long)b, (long long)label,
                                   (long long)classes - 1);
            if (label == o->blank)
                return heed_refuse(t, c,
                                   "label %lld of target %lld is %lld, which is the blank",
                                   (long long)s, (long long)b, (long long)label);
        }
    }
    return true;
}

static bool check_operands(heed_tape *t, const heed_call *c)
{
    static const char *const names[] = { "log-probabilities", "targets", "input lengths",
                                         "target lengths" };
    const heed_tensor *x = c->x[0], *targets = c->x[1];
    const heed_ctc_options *o = c->attributes;
    if (!heed__floats(t, c))
        return false;
    for (int i = 1; i < 4; i++) {
        if (c->x[i]->dtype != HEED_I32)
            return heed_refuse(t, c, "the %s are %s but must be i32", names[i],
                               heed_dtype_name(c->x[i]->dtype));
    }
    if (x->ndim != 3)
        return heed_refuse(t, c, "the log-probabilities must be [T, B, classes]");
    if (targets->ndim != 2 || targets->shape[0] != x->shape[1])
        return heed_refuse(t, c, "the targets must be [%lld, S], one row for each example",
                           (long long)x->shape[1]);
    for (int i = 2; i < 4; i++) {
        if (c->x[i]->ndim != 1 || c->x[i]->shape[0] != x->shape[1])
            return heed_refuse(t, c, "the %s must be [%lld], one for each example", names[i],
                               (long long)x->shape[1]);
    }
    if (o->blank < 0 || o->blank >= x->shape[2])
        return heed_refuse(t, c, "the blank %d is outside 0 .. %lld", o->blank,
                           (long long)x->shape[2] - 1);
    return check_lengths(t, c, "input", c->x[2], x->shape[0]) &&
           check_lengths(t, c, "target", c->x[3], targets->shape[1]) && check_labels(t, c);
}

static kernel_ctc arguments(const heed_call *c)
{
    const heed_tensor *x = c->x[0];
    const heed_ctc_options *o = c->attributes;
    return (kernel_ctc){ .time = x->shape[0],
                         .batch = x->shape[1],
                         .classes = x->shape[2],
                         .width = c->x[1]->shape[1],
                         .x = x->data,
                         .targets = c->x[1]->data,
                         .input_lengths = c->x[2]->data,
                         .target_lengths = c->x[3]->data,
                         .blank = o->blank,
                         .zero_infinity = o->zero_infinity,
                         .mean = o->reduction == HEED_MEAN,
                         .scratch = c->scratch };
}

static bool ctc_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    if (!check_operands(t, c))
        return false;
    kernel_ctc k = arguments(c);
    r->dtype = c->x[0]->dtype;
    r->shape = HEED_SHAPE(k.batch);
    /* the kernel's, then one loss for each example */
    r->scratch =
        heed__portable(r->dtype)->ctc_scratch(&k) + (size_t)k.batch * heed_dtype_size(r->dtype);
    return heed__loss_reduced(t, c, ((const heed_ctc_options *)c->attributes)->reduction, r);
}

/* ctc.   loss_b = -ln P_b, P_b = the sum over paths pi of T_b classes that collapse to target b
 * (repeats merged, then blanks dropped) of prod_t e^x[t, b, pi_t]
 *   gx[t, b, k] = -gy P_b(pi_t = k)/P_b,
 * the share of the paths that are at k at time t. That is the derivative by x as it stands;
 * after log_softmax it is the well-known softmax less share. A target without a path has loss
 * infinity and gradient 0. */
static void ctc_run(const heed_call *c, heed_tensor *y)
{
    const heed_reduction reduction = ((const heed_ctc_options *)c->attributes)->reduction;
    kernel_ctc k = arguments(c);
    k.loss = reduction == HEED_NONE
                 ? y->data
                 : (char *)c->scratch + heed__portable(y->dtype)->ctc_scratch(&k);
    heed__portable(y->dtype)->ctc(&k);
    if (reduction == HEED_NONE)
        return;
    double total = 0;
    for (int64_t b = 0; b < k.batch; b++) {
        double loss =
            y->dtype == HEED_F64 ? ((double *)k.loss)[b] : (double)((float *)k.loss)[b];
        bool divides = k.mean && k.target_lengths[b] > 0;
        total += divides ? loss / k.target_lengths[b] : loss;
    }
    if (k.mean)
        total /= (double)k.batch;
    if (y->dtype == HEED_F64)
        *(double *)y->data = total;
    else
        *(float *)y->data = (float)total;
}
static void ctc_vjp(heed_tape *t, const heed_call *c, heed_tensor *y, heed_tensor *gy,
                    heed_tensor *gx[])
{
    (void)y;
    gx[0] =
        heed_apply(t, &heed_op_ctc_grad, 5,
                   (heed_tensor *[]){ c->x[0], c->x[1], c->x[2], c->x[3], gy }, c->attributes);
}

#define CTC(...)                            \
    .attributes = &(const heed_ctc_options) \
    {                                       \
        __VA_ARGS__                         \
    }
#define TARGETS(b, s, ...)                                                                     \
    {                                                                                          \
        .dtype = HEED_I32, .values = (const double[]){ __VA_ARGS__ }, .shape = HEED_DIMS(b, s) \
    }
static const heed_case ctc_cases[] = {
    { .label = "mean, a repeated label, a short input",
      .x = { { .shape = HEED_DIMS(4, 2, 3) },
             TARGETS(2, 2, 1, 1, 2, 1),
             LABELS(4, 3),
             LABELS(2, 2) },
      CTC(HEED_MEAN, 0, false) },
    { .label = "sum, the blank last, a short target",
      .x = { { .shape = HEED_DIMS(3, 2, 3) },
             TARGETS(2, 2, 0, 99, 1, 0),
             LABELS(3, 3),
             LABELS(1, 2) },
      CTC(HEED_SUM, 2, false) },
    { .label = "none, an empty target, the blank between",
      .x = { { .shape = HEED_DIMS(3, 2, 3) }, TARGETS(2, 1, 0, 2), LABELS(2, 3), LABELS(0, 1) },
      CTC(HEED_NONE, 1, false) },
    { .label = "no labels at all",
      .x = { { .shape = HEED_DIMS(2, 1, 2) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(1, 0) },
             LABELS(2),
             LABELS(0) },
      CTC(HEED_MEAN, 0, false) },
    { .label = "a target too long",
      .x = { { .shape = HEED_DIMS(1, 2, 2), .values = (const double[]){ 0, 0, 0, -0.5 } },
             TARGETS(2, 2, 1, 1, 1, 1),
             LABELS(1, 1),
             LABELS(2, 1) },
      CTC(HEED_NONE, 0, false),
      .stated = true,
      .y = (const double[]){ INFINITY, 0.5 },
      .gx = { (const double[]){ 0, 0, 0, -1 } } },
    { .label = "the same, zero_infinity",
      .x = { { .shape = HEED_DIMS(1, 2, 2), .values = (const double[]){ 0, 0, 0, -0.5 } },
             TARGETS(2, 2, 1, 1, 1, 1),
             LABELS(1, 1),
             LABELS(2, 1) },
      CTC(HEED_MEAN, 0, true),
      .stated = true,
      .y = (const double[]){ 0.25 },
      .gx = { (const double[]){ 0, 0, 0, -0.5 } } },
    { .label = "probability 0 on some paths, and on all",
      .x = { { .shape = HEED_DIMS(2, 2, 2),
               .values = (const double[]){ -INFINITY, 0, 0, -INFINITY, 0, 0, 0, -INFINITY } },
             TARGETS(2, 1, 1, 1),
             LABELS(2, 2),
             LABELS(1, 1) },
      CTC(HEED_NONE, 0, false),
      .stated = true,
      .y = (const double[]){ -0.69314718055994530942, INFINITY },
      .gx = { (const double[]){ 0, -1, 0, 0, -0.5, -0.5, 0, 0 } } },
    { .label = "no time, for a target and for none",
      .x = { { .shape = HEED_DIMS(1, 2, 2) }, TARGETS(2, 1, 1, 1), LABELS(0, 0), LABELS(1, 0) },
      CTC(HEED_NONE, 0, false),
      .stated = true,
      .y = (const double[]){ INFINITY, 0 },
      .gx = { (const double[]){ 0, 0, 0, 0 } } },
    { .label = "no examples",
      .x = { { .shape = HEED_DIMS(2, 0, 2) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(0, 1) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(0) },
             { .dtype = HEED_I32, .shape = HEED_DIMS(0) } },
      CTC(HEED_MEAN, 0, false),
      .stated = true,
      .y = (const double[]){ NAN } },
};
static const heed_case ctc_refusals[] = {
    { .label = "input 1 has length 5, outside 0 .. 4",
      .x = { { .shape = HEED_DIMS(4, 2, 3) },
             TARGETS(2, 2, 1, 1, 1, 1),
             LABELS(4, 5),
             LABELS(1, 2) },
      CTC(HEED_MEAN, 0, false) },
    { .label = "input 0 has length -1",
      .x = { { .shape = HEED_DIMS(4, 2, 3) },
             TARGETS(2, 2, 1, 1, 1, 1),
             LABELS(-1, 4),
             LABELS(1, 2) },
      CTC(HEED_MEAN, 0, false) },
    { .label = "target 1 has length 3, outside 0 .. 2",
      .x = { { .shape = HEED_DIMS(4, 2, 3) },
             TARGETS(2, 2, 1, 1, 1, 1),
             LABELS(4, 4),
             LABELS(1, 3) },
      CTC(HEED_MEAN, 0, false) },
    { .label = "label 1 of target 1 is 3, outside 0 .. 2",
      .x = { { .shape = HEED_DIMS(4, 2, 3) },
             TARGETS(2, 2, 1, 9, 1, 3),
             LABELS(4, 4),
             LABELS(1, 2) },
      CTC(HEED_MEAN, 0, false) },
    { .label = "label 0 of target 1 is 2, which is the blank",
      .x = { { .shape = HEED_DIMS(4, 2, 3) },
             TARGETS(2, 2, 1, 9, 2, 1),
             LABELS(4, 4),
             LABELS(1, 2) },
      CTC(HEED_MEAN, 2, false) },
    { .label = "the blank 3 is outside 0 .. 2",
      .x = { { .shape = HEED_DIMS(4, 2, 3) },
             TARGETS(2, 2, 1, 1, 1, 1),
             LABELS(4, 4),
             LABELS(1, 2) },
      CTC(HEED_MEAN, 3, false) },
    { .label = "must be [T, B, classes]",
      .x = { { .shape = HEED_DIMS(4, 3) },
             TARGETS(2, 2, 1, 1, 1, 1),
             LABELS(4, 4),
             LABELS(1, 2) },
      CTC(HEED_MEAN, 0, false) },
    { .label = "the targets must be [2, S]",
      .x = { { .shape = HEED_DIMS(4, 2, 3) }, TARGETS(1, 2, 1, 1), LABELS(4, 4), LABELS(1, 2) },
      CTC(HEED_MEAN, 0, false) },
    { .label = "the input lengths must be [2]",
      .x = { { .shape = HEED_DIMS(4, 2, 3) },
             TARGETS(2, 2, 1, 1, 1, 1),
             LABELS(4),
             LABELS(1, 2) },
      CTC(HEED_MEAN, 0, false) },
    { .label = "the target lengths must be [2]",
      .x = { { .shape = HEED_DIMS(4, 2, 3) },
             TARGETS(2, 2, 1, 1, 1, 1),
             LABELS(4, 4),
             LABELS(1, 1, 1) },
      CTC(HEED_MEAN, 0, false) },
    { .label = "there is no reduction 7",
      .x = { { .shape = HEED_DIMS(4, 2, 3) },
             TARGETS(2, 2, 1, 1, 1, 1),
             LABELS(4, 4),
             LABELS(1, 2) },
      CTC(NO_REDUCTION, 0, false) },
};
HEED_DEFINE_OP(ctc) = {
    .name = "ctc",
    .arity = 4,
    .integer = 14,
    .dense = 15,
    .attributes_size = sizeof(heed_ctc_options),
    .shape = ctc_shape,
    .run = ctc_run,
    .formula = "loss_b = -ln P_b, P_b = sum over paths that collapse to target b of "
               "prod_t e^x[t, b, path_t]",
    .adjoint = "gx[t, b, k] = -gy P_b(path_t = k)/P_b",
    .cost = "10 T B (2 S + 1) + 30 T B (2 S + 1)",
    .uses = HEED_USES_X(0) | HEED_USES_X(1) | HEED_USES_X(2) | HEED_USES_X(3),
    .vjp = ctc_vjp,
    .compose = heed__ctc_compose,
    HEED_REFUSES(ctc_refusals),
    HEED_CASES(ctc_cases)
};

/* ctc_grad.   Operands x, targets, input lengths, target lengths, gy. */
static bool ctc_grad_shape(heed_tape *t, const heed_call *c, heed_result *r)
{
    const heed_reduction reduction = ((const heed_ctc_options *)c->attributes)->reduction;
    if (!check_operands(t, c))
        return false;
    kernel_ctc k = arguments(c);
    if (heed_size(c->x[4]) != (reduction == HEED_NONE ? k.batch : 1))
        return heed_refuse(t, c, "gy has a wrong size");
    r->scratch = heed__portable(c->x[0]->dtype)->ctc_grad_scratch(&k);
    return heed__shape_like(t, c, r);
}
static void ctc_grad_run(const heed_call *c, heed_tensor *y)
{
    const heed_reduction reduction = ((const heed_ctc_options *)c->attributes)->reduction;
    kernel_ctc k = arguments(c);
    k.gy = c->x[4]->data;
    k.gy_stride = reduction == HEED_NONE ? 1 : 0;
    k.gx = y->data;
    heed__portable(y->dtype)->ctc_grad(&k);
}
static const heed_case ctc_grad_cases[] = {
    { .label = "two examples",
      .x = { { .shape = HEED_DIMS(4, 2, 3) },
             TARGETS(2, 2, 1, 1, 2, 1),
             LABELS(4, 3),
             LABELS(2, 2),
             { .shape = HEED_DIMS(2) } },
      CTC(HEED_NONE, 0, false) },
    { .label = "one path",
      .x = { { .shape = HEED_DIMS(1, 1, 2), .values = (const double[]){ -1, -2 } },
             TARGETS(1, 1, 1),
             LABELS(1),
             LABELS(1),
             { .shape = { 0 }, .values = (const double[]){ 3 } } },
      CTC(HEED_MEAN, 0, false),
      .stated = true,
      .y = (const double[]){ 0, -3 } },
};
HEED_DEFINE_OP(ctc_grad) = { .name = "ctc_grad",
                             .arity = 5,
                             .integer = 14,
                             .dense = 31,
                             .attributes_size = sizeof(heed_ctc_options),
                             .shape = ctc_grad_shape,
                             .run = ctc_grad_run,
                             .formula = "ctc's gx",
                             .adjoint = "none: a recorded sweep takes ctc's composition",
                             .cost = "0 + 30 T B (2 S + 1)",
                             HEED_CASES(ctc_grad_cases) };

heed_tensor *heed_ctc(heed_tape *t, heed_tensor *log_probabilities, heed_tensor *targets,
                      heed_tensor *input_lengths, heed_tensor *target_lengths,
                      const heed_ctc_options *options)
{
    const heed_ctc_options o = options ? *options : (heed_ctc_options){ 0 };
    return heed_apply(
        t, &heed_op_ctc, 4,
        (heed_tensor *[]){ log_probabilities, targets, input_lengths, target_lengths }, &o);
}
