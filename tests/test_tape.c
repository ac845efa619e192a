/* The tape: views, broadcasting, marks, errors that stick, random streams, data in and out. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "kernels/kernels.h"
#include "kernels/philox.h"

static heed_tape *t;

static void begin(void)
{
    heed__set_threads(1);
    t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    ck_assert_ptr_nonnull(t);
}

static void end(void)
{
    heed_tape_free(t);
}

/* 0, 1, 2, ... in f64. */
static heed_tensor *count_up(heed_shape shape)
{
    double values[2000];
    int64_t n = 1;
    for (int k = 0; k < shape.ndim; k++)
        n *= shape.size[k];
    ck_assert_int_le(n, 2000);
    for (int64_t i = 0; i < n; i++)
        values[i] = (double)i;
    return heed_copy_in(t, HEED_F64, shape, values);
}

static void expect_shape(const heed_tensor *x, heed_shape shape)
{
    ck_assert_msg(x != NULL, "%s", heed_error(t));
    ck_assert_int_eq(x->ndim, shape.ndim);
    for (int k = 0; k < shape.ndim; k++)
        ck_assert_int_eq(x->shape[k], shape.size[k]);
}

static void expect(const heed_tensor *x, int64_t n, const double *values)
{
    ck_assert_msg(x != NULL, "%s", heed_error(t));
    ck_assert_int_eq(heed_size(x), n);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(heed_at(x, i) == values[i], "element %d is %g, not %g", (int)i,
                      heed_at(x, i), values[i]);
}
#define EXPECT(x, ...)                                                       \
    expect(x, (int64_t)(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double)), \
           (const double[]){ __VA_ARGS__ })

static void expect_error(const char *part)
{
    ck_assert_msg(heed_error(t) != NULL, "no error; expected '%s'", part);
    ck_assert_msg(strstr(heed_error(t), part) != NULL, "expected '%s' in: %s", part,
                  heed_error(t));
}

/* ---- views ---- */

START_TEST(views_share_memory)
{
    heed_tensor *x = count_up(HEED_SHAPE(2, 3, 4));
    heed_tensor *p = heed_permute(t, x, (const int[]){ 2, 0, -2 });
    expect_shape(p, HEED_SHAPE(4, 2, 3));
    ck_assert_ptr_eq(p->data, x->data);
    ck_assert(heed_at(p, 0) == 0 && heed_at(p, 1) == 4 && heed_at(p, 3) == 12 &&
              heed_at(p, 6) == 1);
    heed_tensor *s = heed_swap(t, x, 0, -1);
    expect_shape(s, HEED_SHAPE(4, 3, 2));
    ck_assert(heed_at(s, 1) == 12 && heed_at(s, 2) == 4);
    heed_tensor *r = heed_reshape(t, x, HEED_SHAPE(6, -1));
    expect_shape(r, HEED_SHAPE(6, 4));
    ck_assert_ptr_eq(r->data, x->data);
    /* Of a transposed one it must copy. */
    heed_tensor *copied = heed_reshape(t, s, HEED_SHAPE(24));
    ck_assert_ptr_ne(copied->data, x->data);
    ck_assert(heed_at(copied, 1) == 12);
    expect_shape(heed_reshape(t, heed_reshape(t, count_up(HEED_SHAPE(1)), HEED_SCALAR),
                              HEED_SHAPE(1, 1)),
                 HEED_SHAPE(1, 1));
    heed_tensor *e = heed_expand(t, count_up(HEED_SHAPE(2, 1)), HEED_SHAPE(3, 2, 2));
    EXPECT(e, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1);
    ck_assert_int_eq(e->strides[0], 0);
    ck_assert_int_eq(e->strides[2], 0);
    ck_assert_ptr_eq(heed_contiguous(t, x), x);
    EXPECT(heed_contiguous(t, heed_swap(t, count_up(HEED_SHAPE(2, 2)), 0, 1)), 0, 2, 1, 3);
    ck_assert_ptr_null(heed_error(t));
}
END_TEST

START_TEST(slices_are_pythons)
{
    heed_tensor *x = count_up(HEED_SHAPE(5));
    EXPECT(heed_slice(t, x, 0, 1, 4, 1), 1, 2, 3);
    EXPECT(heed_slice(t, x, 0, 0, HEED_END, 2), 0, 2, 4);
    EXPECT(heed_slice(t, x, -1, -2, HEED_END, 1), 3, 4);
    EXPECT(heed_slice(t, x, 0, -1, HEED_END, -1), 4, 3, 2, 1, 0);
    EXPECT(heed_slice(t, x, 0, 3, 0, -2), 3, 1);
    EXPECT(heed_slice(t, x, 0, -100, 100, 3), 0, 3);
    EXPECT(heed_slice(t, x, 0, 100, -100, -4), 4, 0);
    ck_assert_int_eq(heed_size(heed_slice(t, x, 0, 4, 1, 1)), 0);
    ck_assert_int_eq(heed_size(heed_slice(t, x, 0, 5, 9, 1)), 0);
    EXPECT(heed_slice(t, x, 0, 0, HEED_END, INT64_MAX), 0);
    EXPECT(heed_slice(t, x, 0, 4, HEED_END, -INT64_MAX), 4);
    /* A slice of a slice of a reversed one. */
    heed_tensor *back = heed_slice(t, x, 0, -1, HEED_END, -1);
    ck_assert_int_eq(back->strides[0], -1);
    EXPECT(heed_slice(t, back, 0, 1, 4, 2), 3, 1);
    EXPECT(heed_slice(t, heed_slice(t, back, 0, 0, 4, 1), 0, -1, HEED_END, -3), 1, 4);
    heed_tensor *m = count_up(HEED_SHAPE(2, 3));
    EXPECT(heed_select(t, m, 0, -1), 3, 4, 5);
    EXPECT(heed_select(t, m, -1, 0), 0, 3);
    EXPECT(heed_add(t, back, x), 4, 4, 4, 4, 4);
    ck_assert_ptr_null(heed_error(t));
    ck_assert_ptr_null(heed_slice(t, x, 0, 0, 1, 0));
    expect_error("slice: [5]: a slice's step must not be 0");
}
END_TEST

START_TEST(eight_axes)
{
    heed_tensor *x = heed_watch(t, count_up(HEED_SHAPE(2, 1, 2, 1, 3, 1, 2, 2)));
    heed_tensor *p = heed_permute(t, x, (const int[]){ 7, 6, 5, 4, 3, 2, 1, 0 });
    expect_shape(p, HEED_SHAPE(2, 2, 1, 3, 1, 2, 1, 2));
    heed_tensor *cut = heed_slice(t, p, 3, -1, HEED_END, -2);
    expect_shape(cut, HEED_SHAPE(2, 2, 1, 2, 1, 2, 1, 2));
    heed_tensor *wide = heed_mul(t, cut, count_up(HEED_SHAPE(5, 1, 1, 2)));
    ck_assert_ptr_nonnull(wide);
    ck_assert_ptr_null(heed_mul(t, wide, count_up(HEED_SHAPE(3, 1, 1, 1))));
    expect_error("do not broadcast");
    heed_tape_reset(t);
    x = heed_watch(t, count_up(HEED_SHAPE(2, 1, 2, 1, 3, 1, 2, 2)));
    p = heed_permute(t, x, (const int[]){ 7, 6, 5, 4, 3, 2, 1, 0 });
    cut = heed_slice(t, p, 3, -1, HEED_END, -2);
    wide = heed_mul(t, cut, count_up(HEED_SHAPE(5, 1, 1, 1)));
    expect_shape(wide, HEED_SHAPE(2, 2, 1, 2, 5, 2, 1, 2));
    ck_assert(heed_backward(t, heed_sum(t, wide)));
    heed_tensor *g = heed_gradient(t, x);
    expect_shape(g, HEED_SHAPE(2, 1, 2, 1, 3, 1, 2, 2));
    for (int64_t i = 0; i < heed_size(g); i++) /* the middle of three was left out */
        ck_assert_double_eq(heed_at(g, i), i / 4 % 3 == 1 ? 0 : 10);
    ck_assert_ptr_null(heed_sum_axes(t, x, 2, (const int[]){ 7, -1 }, false));
    expect_error("axis -1 is given twice");
}
END_TEST

START_TEST(broadcasting)
{
    heed_tensor *column = heed_watch(t, count_up(HEED_SHAPE(2, 1))),
                *row = heed_watch(t, count_up(HEED_SHAPE(3)));
    heed_tensor *scalar = heed_watch(t, heed_full(t, HEED_SCALAR, 2));
    heed_tensor *y = heed_mul(t, heed_add(t, column, row), scalar);
    EXPECT(y, 0, 2, 4, 2, 4, 6);
    ck_assert(heed_backward(t, heed_sum(t, y)));
    EXPECT(heed_gradient(t, column), 6, 6);
    EXPECT(heed_gradient(t, row), 4, 4, 4);
    EXPECT(heed_gradient(t, scalar), 9);
    heed_tensor *none = heed_add(t, count_up(HEED_SHAPE(0, 3)), count_up(HEED_SHAPE(1, 3)));
    expect_shape(none, HEED_SHAPE(0, 3));
    ck_assert_ptr_null(heed_add(t, count_up(HEED_SHAPE(2, 3)), count_up(HEED_SHAPE(2))));
    expect_error("add: [2,3] x [2]: extents 3 and 2 at axis -1 do not broadcast");
}
END_TEST

/* ---- marks ---- */

START_TEST(rewinding_gives_memory_back)
{
    heed_set_recording(t, false);
    heed_tensor *x = count_up(HEED_SHAPE(40, 50));
    heed_position mark = heed_mark(t);
    size_t before = heed_tape_memory(t).used;
    heed_tensor *y = heed_exp(t, x);
    ck_assert_int_gt((int64_t)heed_tape_memory(t).used, (int64_t)before);
    heed_rewind(t, mark);
    ck_assert_int_eq((int64_t)heed_tape_memory(t).used, (int64_t)before);
    double first = heed_at(heed_exp(t, x), 3);
    heed_rewind(t, mark);
    /* What is returned lies at the mark; all else is gone. */
    y = heed_scale(t, heed_exp(t, x), 2);
    y = heed_return(t, mark, y);
    ck_assert_double_eq(heed_at(y, 3), 2 * first);
    ck_assert_int_lt((int64_t)heed_tape_memory(t).used, (int64_t)before + 40 * 50 * 8 + 3000);
    heed_tensor *z = heed_add(t, y, y);
    ck_assert_double_eq(heed_at(z, 3), 4 * first);
    uint64_t allocations = heed_tape_memory(t).allocations;
    for (int i = 0; i < 1000; i++) {
        mark = heed_mark(t);
        z = heed_return(t, mark, heed_slice(t, heed_exp(t, x), 0, 0, 1, 1));
    }
    ck_assert_double_eq(heed_at(z, 3), first);
    ck_assert_int_le((int64_t)(heed_tape_memory(t).allocations - allocations), 1);
    ck_assert_ptr_null(heed_error(t));
}
END_TEST

START_TEST(returning_what_was_recorded)
{
    heed_tensor *x = heed_watch(t, count_up(HEED_SHAPE(3)));
    heed_position mark = heed_mark(t);
    heed_tensor *y = heed_square(t, x);
    ck_assert_ptr_eq(heed_return(t, mark, y), y); /* the sweep needs it */
    ck_assert(heed_backward(t, heed_sum(t, y)));
    EXPECT(heed_gradient(t, x), 0, 2, 4);
    /* A view of what is older than the mark, and of borrowed memory. */
    heed_set_recording(t, false);
    static const double outside[2] = { 7, 8 };
    heed_tensor *old = count_up(HEED_SHAPE(2, 2)),
                *borrowed = heed_borrow(t, HEED_F64, HEED_SHAPE(2), outside);
    mark = heed_mark(t);
    EXPECT(heed_return(t, mark, heed_swap(t, old, 0, 1)), 0, 2, 1, 3);
    mark = heed_mark(t);
    y = heed_return(t, mark, heed_reshape(t, borrowed, HEED_SHAPE(2, 1)));
    EXPECT(y, 7, 8);
    ck_assert_ptr_eq(y->data, outside);
    EXPECT(old, 0, 1, 2, 3);
}
END_TEST

START_TEST(rewinding_restores_free_lists)
{
    /* Blocks given back before the mark, taken after it, are free again after the rewind. */
    heed_tensor *x = heed_watch(t, count_up(HEED_SHAPE(100)));
    for (int i = 0; i < 3; i++) {
        heed_tensor *y = heed_exp(t, heed_scale(t, heed_exp(t, heed_scale(t, x, 1e-3)), 1e-3));
        ck_assert(heed_backward(t, heed_sum(t, y)));
    }
    heed_set_recording(t, false);
    heed_position mark = heed_mark(t);
    size_t before = heed_tape_memory(t).used;
    for (int i = 0; i < 50; i++) {
        heed_tensor *y = heed_exp(t, heed_exp(t, heed_scale(t, x, 1e-3)));
        ck_assert_ptr_nonnull(y);
        heed_rewind(t, mark);
        ck_assert_int_eq((int64_t)heed_tape_memory(t).used, (int64_t)before);
    }
    ck_assert_double_eq(heed_at(x, 99), 99);
}
END_TEST

START_TEST(parameters_after_a_rewind)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_parameter *p[90];
    char name[16];
    for (int i = 0; i < 90; i++) {
        snprintf(name, sizeof name, "p%d", i);
        p[i] = heed_parameter_new(ps, name, HEED_SHAPE(2), 0);
        ((double *)p[i]->data)[0] = i;
    }
    heed_tensor *first = heed_use(t, p[0]);
    heed_position mark = heed_mark(t);
    for (int i = 0; i < 90; i++)
        ck_assert(heed_at(heed_use(t, p[i]), 0) == i);
    heed_rewind(t, mark);
    ck_assert_ptr_eq(heed_use(t, p[0]), first);
    for (int i = 89; i >= 0; i--)
        ck_assert(heed_at(heed_use(t, p[i]), 0) == i);
    heed_tensor *again = heed_use(t, p[40]);
    ck_assert_ptr_eq(heed_use(t, p[40]), again);
    ck_assert(heed_backward(t, heed_sum(t, heed_mul(t, again, first))));
    ck_assert_double_eq(((double *)heed_gradients_of(heed_params_gradients(ps), p[0]))[0], 40);
    ck_assert_double_eq(((double *)heed_gradients_of(heed_params_gradients(ps), p[40]))[0], 0);
    heed_params_free(ps);
}
END_TEST

/* ---- errors ---- */

static int hook_calls;
static char hook_sentence[512];

static void hook(void *user, const char *sentence)
{
    ck_assert_ptr_eq(user, &hook_calls);
    hook_calls++;
    snprintf(hook_sentence, sizeof hook_sentence, "%s", sentence);
}

START_TEST(the_first_error_sticks)
{
    heed_on_error(t, hook, &hook_calls);
    heed_scope(t, "a");
    heed_scope(t, "b");
    heed_tensor *y = heed_matmul(t, count_up(HEED_SHAPE(2, 3)), count_up(HEED_SHAPE(4, 5)));
    heed_scope_end(t);
    heed_scope_end(t);
    ck_assert_ptr_null(y);
    ck_assert_str_eq(heed_error(t), "a.b: matmul: [2,3] x [4,5]: inner extents 3 and 4 differ");
    ck_assert_str_eq(hook_sentence, heed_error(t));
    /* From now on nothing runs, whatever is passed. */
    ck_assert_ptr_null(heed_add(t, y, y));
    ck_assert_ptr_null(heed_full(t, HEED_SHAPE(2), 1));
    ck_assert_ptr_null(heed_softmax(t, NULL, 9));
    ck_assert_ptr_null(heed_cross_entropy(t, NULL, NULL, NULL));
    ck_assert_ptr_null(heed_attention(t, NULL, NULL, NULL, NULL, NULL));
    ck_assert_ptr_null(heed_concatenate(t, 0, NULL, 0));
    ck_assert_ptr_null(heed_dropout(t, NULL, 2));
    ck_assert(isnan(heed_item(t, y)));
    ck_assert(!heed_backward(t, y));
    ck_assert(!heed_grad(t, y, NULL, 0, NULL, NULL));
    heed_fail(t, "later");
    ck_assert_str_eq(heed_error(t), "a.b: matmul: [2,3] x [4,5]: inner extents 3 and 4 differ");
    ck_assert_int_eq(hook_calls, 1);
    heed_tape_reset(t);
    ck_assert_ptr_null(heed_error(t));
    EXPECT(heed_neg(t, count_up(HEED_SHAPE(2))), -0.0, -1);
    heed_add(t, NULL, NULL);
    ck_assert_str_eq(heed_error(t), "add: operand 0 is NULL");
    ck_assert_int_eq(hook_calls, 2);
}
END_TEST

static void misuse(int i)
{
    heed_tensor *x = count_up(HEED_SHAPE(2, 3)),
                *ids = heed_ids(t, HEED_SHAPE(2), (const int32_t[]){ 0, 5 });
    heed_tensor *single = heed_cast(t, x, HEED_F32), *q = count_up(HEED_SHAPE(1, 2, 3, 4));
    switch (i) {
    case 0:
        heed_softmax(t, x, 2);
        break;
    case 1:
        heed_sum_axes(t, x, 1, (const int[]){ -3 }, false);
        break;
    case 2:
        heed_add(t, x, single);
        break;
    case 3:
        heed_embedding(t, x, ids);
        break;
    case 4:
        heed_cross_entropy(t, x, ids, NULL);
        break;
    case 5:
        heed_reshape(t, x, HEED_SHAPE(4, -1));
        break;
    case 6:
        heed_expand(t, x, HEED_SHAPE(2, 4));
        break;
    case 7:
        heed_attention(t, q, q, x, NULL, NULL);
        break;
    case 8:
        heed_where(t, x, x, x);
        break;
    case 9:
        heed_exp(t, ids);
        break;
    case 10:
        heed_dropout(t, x, 1);
        break;
    case 11:
        heed_select(t, x, 0, 2);
        break;
    case 12:
        heed_item(t, x);
        break;
    case 13:
        heed_full(t, HEED_SHAPE(INT64_MAX, 4), 0);
        break;
    case 14:
        heed_watch(t, ids);
        break;
    case 15:
        heed_gradient(t, x);
        break;
    case 16:
        heed_backward(t, x);
        break;
    case 17:
        heed_backward(t, heed_sum(t, x));
        break;
    case 18:
        heed_max_axes(t, count_up(HEED_SHAPE(2, 0)), 1, (const int[]){ 1 }, false);
        break;
    case 19:
        heed_concatenate(t, 2, (heed_tensor *[]){ x, q }, 0);
        break;
    case 20:
        heed_layernorm(t, x, count_up(HEED_SHAPE(2)), NULL, 1e-5);
        break;
    case 21:
        heed_linear(t, x, count_up(HEED_SHAPE(2, 4)), NULL);
        break;
    case 22:
        heed_expand(t, count_up(HEED_SHAPE(1)), HEED_SHAPE(INT64_MAX, INT64_MAX));
        break;
    case 23:
        heed_permute(t, x, (const int[]){ 0, 0 });
        break;
    case 24:
        heed_split_heads(t, x, 2);
        break;
    case 25:
        heed_matmul(t, NULL, x);
        break;
    case 26:
        heed_copy_in(t, HEED_F64, HEED_SHAPE(2), NULL);
        break;
    default:
        heed_attention(t, q, q, q, NULL, &(heed_attention_options){ .scale = -1 });
        break;
    }
}

START_TEST(misuse_is_told)
{
    static const char *const sentences[] = {
        "softmax: [2,3]: axis 2 is out of range for 2 axes",
        "sum: [2,3]: axis -3 is out of range for 2 axes",
        "add: [2,3] x [2,3]: dtypes f64 and f32 differ",
        "embedding: [2,3] x [2]: id 5 at index 1 is outside 0 .. 1",
        "cross_entropy: [2,3] x [2] x none: label 5 at index 1 is outside 0 .. 2",
        "reshape: [2,3]: does not reshape to [4,-1]",
        "expand: [2,3]: does not broadcast to [2,4]",
        "attention: [1,2,3,4] x [1,2,3,4] x [2,3] x none x none x none: needs q [B,H,T,D]",
        "where: [2,3] x [2,3] x [2,3]: operand 0 is f64 but must be ids or a mask",
        "exp: [2]: operand 0 is i32 but must be f32 or f64",
        "dropout: [2,3]: probability 1 is not in [0, 1)",
        "select: [2,3]: index 2 is out of range at axis 0 of extent 2",
        "item: the tensor has more or fewer than one element",
        "full: shape [9223372036854775807,4] is negative, has too many axes or overflows",
        "watch: a i32 tensor has no gradient",
        "gradient: the tensor was not watched",
        "backward: the loss has shape [2,3] but must have one element",
        "backward: the loss depends on nothing that is differentiated",
        "max: [2,0]: the maximum over axis 1 of extent 0 does not exist",
        "concatenate: [2,3] x [1,2,3,4]: operands 0 and 1 differ beside axis 0",
        "layernorm: [2,3] x [2] x none: gamma must have shape [3]",
        "linear: [2,3] x [2,4] x none: x has width 3 but the weight takes 4",
        "expand: [1]: the result's extents",
        "permute: [2,3]: axis 0 is given twice",
        "split_heads: needs [B,T,C]",
        "matmul: operand 0 is NULL",
        "copy_in: the data is NULL",
        "scale -1 is not positive",
    };
    ck_assert_int_lt(_i, (int)(sizeof sentences / sizeof *sentences));
    misuse(_i);
    expect_error(sentences[_i]);
}
END_TEST

START_TEST(tapes_do_not_mix)
{
    heed_tape *other = heed_tape_new(NULL);
    heed_tensor *x = heed_full(other, HEED_SHAPE(2), 1);
    ck_assert_ptr_null(heed_exp(t, x));
    expect_error("exp: an operand belongs to another tape");
    ck_assert_ptr_null(heed_error(other));
    heed_tape_free(other);
    ck_assert_str_eq(heed_error(NULL), "there is no tape");
    ck_assert_ptr_null(heed_exp(NULL, NULL));
    heed_tape_free(NULL);
    heed_tape_reset(NULL);
}
END_TEST

/* ---- random streams ---- */

static void draw_mask(const char *scope, double *out)
{
    heed_scope(t, scope);
    heed_tensor *y = heed_dropout(t, heed_full(t, HEED_SHAPE(64), 1), 0.5);
    heed_scope_end(t);
    ck_assert(heed_copy_out(t, y, out));
}

START_TEST(dropout_streams)
{
    double a[64], b[64], c[64], d[64];
    heed_set_training(t, true);
    heed_seed(t, 5, 0);
    draw_mask("one", a);
    draw_mask("one", b);
    ck_assert_int_ne(memcmp(a, b, sizeof a), 0); /* the second draw at one place */
    heed_seed(t, 5, 0);
    draw_mask("other", c);
    ck_assert_int_ne(memcmp(a, c, sizeof a), 0);
    draw_mask("one", d); /* whatever others drew before */
    ck_assert_int_eq(memcmp(a, d, sizeof a), 0);
    draw_mask("one", d);
    ck_assert_int_eq(memcmp(b, d, sizeof a), 0);
    heed_tape_reset(t); /* the next step */
    draw_mask("one", d);
    ck_assert_int_ne(memcmp(a, d, sizeof a), 0);
    heed_seed(t, 5, 1);
    draw_mask("one", c);
    ck_assert_int_eq(memcmp(c, d, sizeof a), 0);
    heed_seed(t, 6, 0);
    draw_mask("one", d);
    ck_assert_int_ne(memcmp(a, d, sizeof a), 0);
    int kept = 0;
    for (int i = 0; i < 64; i++) {
        ck_assert(a[i] == 0 || a[i] == 2);
        kept += a[i] != 0;
    }
    ck_assert(kept > 12 && kept < 52);
    heed_set_training(t, false);
    heed_tensor *x = count_up(HEED_SHAPE(3));
    ck_assert_ptr_eq(heed_dropout(t, x, 0.5), x);
}
END_TEST

START_TEST(philox_known_answers)
{
    /* kat_vectors of Random123 (Salmon et al. 2011), philox4x32 of ten rounds. */
    philox_words x = philox(0, 0, 0);
    ck_assert(x.word[0] == 0x6627e8d5u && x.word[1] == 0xe169c58du &&
              x.word[2] == 0xbc57ac4cu && x.word[3] == 0x9b00dbd8u);
    x = philox(UINT64_MAX, UINT64_MAX, UINT64_MAX);
    ck_assert(x.word[0] == 0x408f276du && x.word[1] == 0x41c83b0eu &&
              x.word[2] == 0xa20bc7c6u && x.word[3] == 0x6d5451fdu);
    x = philox(0x299f31d0a4093822u, 0x0370734413198a2eu, 0x85a308d3243f6a88u);
    ck_assert(x.word[0] == 0xd16cfe09u && x.word[1] == 0x94fdccebu &&
              x.word[2] == 0x5001e420u && x.word[3] == 0x24126ea1u);
}
END_TEST

START_TEST(draws_off_the_tape)
{
    heed_random r = { .seed = 1 }, again = r, other = { .seed = 1, .stream = 1 };
    double mean = 0, square = 0, uniform = 0;
    int differ = 0, counts[6] = { 0 };
    for (int i = 0; i < 20000; i++) {
        double v = heed_random_normal(&r);
        ck_assert_double_eq(v, heed_random_normal(&again));
        differ += v != heed_random_normal(&other);
        mean += v / 20000;
        square += v * v / 20000;
        double u = heed_random_uniform(&r);
        ck_assert(u >= 0 && u < 1);
        uniform += u / 20000;
        uint64_t k = heed_random_below(&r, 6);
        ck_assert(k < 6);
        counts[k]++;
        again = r;
    }
    ck_assert_int_eq(differ, 20000);
    ck_assert(fabs(mean) < 0.03 && fabs(square - 1) < 0.05 && fabs(uniform - 0.5) < 0.01);
    for (int k = 0; k < 6; k++)
        ck_assert(abs(counts[k] - 3333) < 250);
    ck_assert_int_eq((int)heed_random_below(&r, 1), 0);
    for (int i = 0; i < 100; i++)
        ck_assert(heed_random_below(&r, UINT64_MAX / 2 + 2) < UINT64_MAX / 2 + 2);
}
END_TEST

/* ---- in and out ---- */

static void printed(const heed_tensor *x, char *text, size_t size)
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    heed_print(x, file);
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

START_TEST(printing)
{
    char text[2000];
    printed(heed_scale(t, count_up(HEED_SHAPE(2, 3)), 0.5), text, sizeof text);
    ck_assert_str_eq(text, "[[0, 0.5, 1],\n [1.5, 2, 2.5]]  f64 [2,3]\n");
    printed(heed_swap(t, count_up(HEED_SHAPE(2, 2)), 0, 1), text, sizeof text);
    ck_assert_str_eq(text, "[[0, 2],\n [1, 3]]  f64 [2,2]\n");
    printed(heed_full(t, HEED_SCALAR, -1), text, sizeof text);
    ck_assert_str_eq(text, "-1  f64 []\n");
    printed(heed_arange(t, 0, 20), text, sizeof text);
    ck_assert_str_eq(text, "[0, 1, 2, 3, ..., 16, 17, 18, 19]  i32 [20]\n");
    printed(heed_mask(t, HEED_SHAPE(2), (const bool[]){ true, false }), text, sizeof text);
    ck_assert_str_eq(text, "[1, 0]  bool [2]\n");
    printed(count_up(HEED_SHAPE(0)), text, sizeof text);
    ck_assert_str_eq(text, "[]  f64 [0]\n");
    printed(NULL, text, sizeof text);
    ck_assert_str_eq(text, "(no tensor)\n");
}
END_TEST

START_TEST(data_in_and_out)
{
    const double values[6] = { 1, 2, 3, 4, 5, 6 };
    double out[6];
    float single[4];
    heed_tensor *x = heed_borrow(t, HEED_F64, HEED_SHAPE(2, 3), values);
    ck_assert_ptr_eq(x->data, values);
    ck_assert(heed_copy_out(t, heed_swap(t, x, 0, 1), out));
    ck_assert(out[1] == 4 && out[2] == 2);
    ck_assert_double_eq(heed_item(t, heed_sum(t, x)), 21);
    heed_tensor *c = heed_constant(t, HEED_SHAPE(2), values);
    ck_assert_int_eq(c->dtype, HEED_F64);
    ck_assert(isnan(heed_at(x, 6)) && isnan(heed_at(x, -1)) && isnan(heed_at(NULL, 0)));
    heed_tensor *f = heed_cast(t, heed_slice(t, x, 1, 0, 2, 1), HEED_F32);
    ck_assert(heed_copy_out(t, f, single));
    ck_assert(single[0] == 1 && single[2] == 4);
    EXPECT(heed_cast(t, heed_arange(t, -1, 2), HEED_F64), -1, 0, 1);
    ck_assert_int_eq(heed_size(heed_arange(t, 3, 1)), 0);
    ck_assert(!heed_is_contiguous(heed_swap(t, x, 0, 1)) && heed_is_contiguous(x));
    char text[8];
    heed_shape shape = HEED_SHAPE(123456, 7);
    ck_assert_str_eq(heed_shape_text(&shape, text, sizeof text), "[123456");
    ck_assert_str_eq(heed_version(), "0.1.0");
}
END_TEST

int main(void)
{
    const struct {
        const char *name;
        const TTest *tests[12];
        int loops[12];
    } cases[] = {
        { "views",
          { views_share_memory, slices_are_pythons, eight_axes, broadcasting },
          { 1 } },
        { "marks",
          { rewinding_gives_memory_back, returning_what_was_recorded,
            rewinding_restores_free_lists, parameters_after_a_rewind },
          { 1 } },
        { "errors", { the_first_error_sticks, misuse_is_told, tapes_do_not_mix }, { 0, 28 } },
        { "random", { dropout_streams, philox_known_answers, draws_off_the_tape }, { 1 } },
        { "data", { printing, data_in_and_out }, { 1 } },
    };
    Suite *suite = suite_create("tape");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TCase *group = tcase_create(cases[i].name);
        tcase_set_timeout(group, 60);
        tcase_add_checked_fixture(group, begin, end);
        for (int k = 0; k < 12 && cases[i].tests[k]; k++)
            tcase_add_loop_test(group, cases[i].tests[k], 0,
                                cases[i].loops[k] ? cases[i].loops[k] : 1);
        suite_add_tcase(suite, group);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
