/* Einsum against its definition: one loop over every letter. A row gives the equation, the same
 * in letters alone with its result written out, and the shapes. And what must be refused. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <heed/heed.h>

#define MAX_OPERANDS 4
#define MAX_VALUES   512

typedef struct row {
    const char *equation, *plain;
    heed_shape shape[MAX_OPERANDS];
} row;

static const row rows[] = {
    { "ij,jk->ik", "ij,jk->ik", { HEED_DIMS(2, 3), HEED_DIMS(3, 4) } },
    { "ij,jk", "ij,jk->ik", { HEED_DIMS(2, 3), HEED_DIMS(3, 4) } },
    { "ba,cb", "ba,cb->ac", { HEED_DIMS(2, 3), HEED_DIMS(4, 2) } },
    { "bA", "bA->Ab", { HEED_DIMS(2, 3) } },
    { " i j , j k -> k i ", "ij,jk->ki", { HEED_DIMS(2, 3), HEED_DIMS(3, 4) } },
    { "ij->ji", "ij->ji", { HEED_DIMS(2, 3) } },
    { "ij->", "ij->", { HEED_DIMS(2, 3) } },
    /* diagonals */
    { "ii->i", "ii->i", { HEED_DIMS(3, 3) } },
    { "ii", "ii->", { HEED_DIMS(3, 3) } },
    { "iij", "iij->j", { HEED_DIMS(3, 3, 2) } },
    { "iii->i", "iii->i", { HEED_DIMS(3, 3, 3) } },
    { "ijij->ji", "ijij->ji", { HEED_DIMS(2, 3, 2, 3) } },
    { "iji,i->j", "iji,i->j", { HEED_DIMS(3, 2, 3), HEED_DIMS(3) } },
    { "ij,kk->ij", "ij,kk->ij", { HEED_DIMS(2, 3), HEED_DIMS(2, 2) } },
    /* products without a sum */
    { "i,j->ij", "i,j->ij", { HEED_DIMS(2), HEED_DIMS(3) } },
    { "i,i->i", "i,i->i", { HEED_DIMS(3), HEED_DIMS(3) } },
    { "bij,b->jib", "bij,b->jib", { HEED_DIMS(2, 3, 2), HEED_DIMS(2) } },
    { "i,ij->ij", "i,ij->ij", { HEED_DIMS(3), HEED_DIMS(3, 2) } },
    { "bi,bj->bij", "bi,bj->bij", { HEED_DIMS(2, 3), HEED_DIMS(2, 2) } },
    { ",ij->ij", ",ij->ij", { { 0 }, HEED_DIMS(2, 3) } },
    { "->", "->", { { 0 } } },
    /* batches */
    { "bij,bjk->bik", "bij,bjk->bik", { HEED_DIMS(2, 2, 3), HEED_DIMS(2, 3, 2) } },
    { "bi,bi->b", "bi,bi->b", { HEED_DIMS(3, 4), HEED_DIMS(3, 4) } },
    { "bthd,bshd->bhts", "bthd,bshd->bhts", { HEED_DIMS(2, 3, 2, 4), HEED_DIMS(2, 2, 2, 4) } },
    { "bhts,bshd->bthd", "bhts,bshd->bthd", { HEED_DIMS(2, 2, 3, 2), HEED_DIMS(2, 2, 2, 3) } },
    { "ijkl,lkm->mij", "ijkl,lkm->mij", { HEED_DIMS(2, 2, 3, 2), HEED_DIMS(2, 3, 2) } },
    { "abcdefgh,abcdefgh->gfedcba",
      "abcdefgh,abcdefgh->gfedcba",
      { HEED_DIMS(2, 1, 2, 1, 2, 1, 2, 3), HEED_DIMS(2, 1, 2, 1, 2, 1, 2, 3) } },
    /* broadcast */
    { "...ij,...jk->...ik", "Zyij,yjk->Zyik", { HEED_DIMS(2, 3, 2, 2), HEED_DIMS(3, 2, 2) } },
    { "...ij,...jk", "Zyij,yjk->Zyik", { HEED_DIMS(2, 1, 2, 2), HEED_DIMS(3, 2, 2) } },
    { "...i,i", "zi,i->z", { HEED_DIMS(2, 3), HEED_DIMS(3) } },
    { "i...->...", "izy->zy", { HEED_DIMS(2, 3, 2) } },
    { "i...,...j->j...i", "iz,zj->jzi", { HEED_DIMS(2, 3), HEED_DIMS(3, 2) } },
    { "...", "zy->zy", { HEED_DIMS(2, 3) } },
    { "i->...i", "i->i", { HEED_DIMS(3) } },
    { "ij,jk->ik", "ij,jk->ik", { HEED_DIMS(2, 1), HEED_DIMS(3, 4) } },
    { "ij,ij->i", "ij,ij->i", { HEED_DIMS(2, 3), HEED_DIMS(1, 3) } },
    /* more operands */
    { "ij,jk,kl->il", "ij,jk,kl->il", { HEED_DIMS(2, 3), HEED_DIMS(3, 2), HEED_DIMS(2, 4) } },
    { "ij,jk,ki->", "ij,jk,ki->", { HEED_DIMS(2, 3), HEED_DIMS(3, 2), HEED_DIMS(2, 2) } },
    { "i,j,k->kji", "i,j,k->kji", { HEED_DIMS(2), HEED_DIMS(3), HEED_DIMS(2) } },
    { "ij,kj,lj->ikl", "ij,kj,lj->ikl", { HEED_DIMS(2, 3), HEED_DIMS(2, 3), HEED_DIMS(2, 3) } },
    { "abc,cd,be,a",
      "abc,cd,be,a->de",
      { HEED_DIMS(2, 2, 3), HEED_DIMS(3, 2), HEED_DIMS(2, 2), HEED_DIMS(2) } },
    { "i,i,i,i->", "i,i,i,i->", { HEED_DIMS(3), HEED_DIMS(3), HEED_DIMS(3), HEED_DIMS(3) } },
    /* nothing there */
    { "ij,j", "ij,j->i", { HEED_DIMS(3, 0), HEED_DIMS(0) } },
    { "ij,ij->", "ij,ij->", { HEED_DIMS(0, 3), HEED_DIMS(0, 3) } },
    { "ij,jk->ik", "ij,jk->ik", { HEED_DIMS(0, 3), HEED_DIMS(3, 2) } },
    { "i,i->", "i,i->", { HEED_DIMS(1), HEED_DIMS(0) } },
};
enum { ROWS = (int)(sizeof rows / sizeof rows[0]) };

static heed_tape *t;

static void setup(void)
{
    t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
}

static void teardown(void)
{
    heed_tape_free(t);
}

static int count_operands(const char *equation)
{
    int n = 1;
    for (; *equation && *equation != '-'; equation++)
        n += *equation == ',';
    return n;
}

static int64_t size_of(const heed_shape *shape)
{
    int64_t size = 1;
    for (int k = 0; k < shape->ndim; k++)
        size *= shape->size[k];
    return size;
}

/* The row-major place of the letters' values in an array; an extent of 1 stays at 0. */
static int64_t place(const char *letters, const heed_shape *shape, const int64_t *value)
{
    int64_t at = 0;
    for (int k = 0; k < shape->ndim; k++)
        at = at * shape->size[k] + (shape->size[k] == 1 ? 0 : value[(unsigned char)letters[k]]);
    return at;
}

/* The definition, of an equation in letters with its arrow. */
static void evaluate(const row *r, double x[][MAX_VALUES], heed_shape *shape, double *y)
{
    const char *term[MAX_OPERANDS + 1] = { r->plain };
    int n = count_operands(r->plain), letters = 0;
    int64_t extent[128], value[128] = { 0 }, total = 1;
    unsigned char letter[128];
    memset(extent, -1, sizeof extent);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < r->shape[i].ndim; k++) {
            unsigned char c = (unsigned char)term[i][k];
            if (extent[c] < 0)
                letter[letters++] = c;
            if (extent[c] < 0 || extent[c] == 1)
                extent[c] = r->shape[i].size[k];
        }
        term[i + 1] = term[i] + r->shape[i].ndim + (i + 1 < n ? 1 : 2);
    }
    *shape = (heed_shape){ 0 };
    for (const char *c = term[n]; *c; c++)
        shape->size[shape->ndim++] = extent[(unsigned char)*c];
    for (int k = 0; k < letters; k++)
        total *= extent[letter[k]];
    memset(y, 0, MAX_VALUES * sizeof *y);
    for (int64_t index = 0; index < total; index++) {
        double product = 1;
        int64_t rest = index;
        for (int k = 0; k < letters; k++) {
            value[letter[k]] = rest % extent[letter[k]];
            rest /= extent[letter[k]];
        }
        for (int i = 0; i < n; i++)
            product *= x[i][place(term[i], &r->shape[i], value)];
        y[place(term[n], shape, value)] += product;
    }
}

START_TEST(by_definition)
{
    static double x[MAX_OPERANDS][MAX_VALUES], y[MAX_VALUES];
    const row *r = &rows[_i];
    int n = count_operands(r->plain);
    heed_tensor *operand[MAX_OPERANDS];
    heed_random random = { .seed = (uint64_t)_i };
    for (int i = 0; i < n; i++) {
        for (int64_t k = 0; k < size_of(&r->shape[i]); k++)
            x[i][k] = 2 * heed_random_uniform(&random) - 1;
        operand[i] = heed_copy_in(t, HEED_F64, r->shape[i], x[i]);
    }
    heed_shape want, got;
    evaluate(r, x, &want, y);
    heed_tensor *result = heed_einsum(t, r->equation, n, operand);
    ck_assert_msg(result != NULL, "%s: %s", r->equation, heed_error(t));
    got = heed_shape_of(result);
    ck_assert_int_eq(got.ndim, want.ndim);
    for (int k = 0; k < want.ndim; k++)
        ck_assert_int_eq(got.size[k], want.size[k]);
    for (int64_t k = 0; k < size_of(&want); k++)
        ck_assert_msg(fabs(heed_at(result, k) - y[k]) <= 1e-13, "%s: element %d: %.17g, %.17g",
                      r->equation, (int)k, heed_at(result, k), y[k]);
}
END_TEST

static heed_tensor *energy(heed_tape *tape, heed_tensor *const x[], void *user)
{
    const row *r = user;
    heed_tensor *y = heed_einsum(tape, r->equation, count_operands(r->plain), x);
    return heed_sum(tape, heed_square(tape, y));
}

START_TEST(gradients)
{
    const row *r = &rows[_i];
    heed_input x[MAX_OPERANDS];
    int n = count_operands(r->plain);
    int64_t scalars = 0;
    memset(x, 0, sizeof x);
    for (int i = 0; i < n; i++) {
        x[i].shape = r->shape[i];
        scalars += size_of(&r->shape[i]);
    }
    if (scalars == 0)
        return; /* nothing to differentiate */
    heed_report report = heed_check(energy, (void *)(uintptr_t)r, NULL, n, x, NULL);
    ck_assert_msg(report.passed, "%s: %s %s", r->equation, report.where, report.message);
}
END_TEST

/* ---- what is refused ---- */

typedef struct wrong {
    const char *equation;
    heed_shape shape[MAX_OPERANDS];
    const char *says; /* part of the sentence */
} wrong;

#define TWO                              \
    {                                    \
        HEED_DIMS(2, 3), HEED_DIMS(3, 4) \
    }
static const wrong wrongs[] = {
    { NULL, TWO, "the equation is NULL" },
    { "ij,jk->ii", TWO, "'i' stands twice in the result, at 8" },
    { "ij,jk->iz", TWO, "'z' at 8 is in no operand" },
    { "ij", TWO, "\"ij\": is for 1 operands, got 2" },
    { "ij,jk,kl->il", TWO, "is for 3 operands, got 2" },
    { "", TWO, "is for 1 operands, got 2" },
    { ",", TWO, "\"\" names 0 axes but operand 0 has 2" },
    { "ijk,jk->i", TWO, "\"ijk\" names 3 axes but operand 0 has 2" },
    { "ij,k->ik", TWO, "\"k\" names 1 axes but operand 1 has 2" },
    { "ij...k,jk->i", TWO, "names 3 axes or more but operand 0 has 2" },
    { "i1,jk->ik", TWO, "'1' at 1 is not a letter" },
    { "ij;jk->ik", TWO, "';' at 2 is not a letter" },
    { "ij,jk>ik", TWO, "'>' at 5 is not a letter" },
    { "ij,jk-ik", TWO, "'-' without '>' at 5" },
    { "ij,jk - > ik", TWO, "'-' without '>' at 6" },
    { "ij,jk->i->k", TWO, "a second arrow at 8" },
    { "ij,jk->i,k", TWO, "a comma after the arrow, at 8" },
    { "ij,..jk->ik", TWO, "a '.' that is no part of '...' at 3" },
    { "ij,jk->i.k", TWO, "a '.' that is no part of '...' at 8" },
    { "...i...j,jk->ik", TWO, "a second '...' in one term, at 4" },
    { "ij,jk->...i...k", TWO, "a second '...' in one term, at 11" },
    { "i...,jk->ik", TWO, "the result lacks the '...' of the operands" },
    { "ij,jk->ik",
      { HEED_DIMS(2, 3), HEED_DIMS(4, 2) },
      "'j' has extent 4 in operand 1 but 3 before it" },
    { "...i,...i",
      { HEED_DIMS(2, 3), HEED_DIMS(4, 3) },
      "axis -1 of '...' has extent 4 in operand 1 but 2 before it" },
    { "ii,jk", TWO, "'i' has extents 2 and 3 within operand 0" },
    { "ii,jk",
      { HEED_DIMS(1, 3), HEED_DIMS(3, 4) },
      "'i' has extents 1 and 3 within operand 0" },
    { "abcde,fghij->abcdefghij",
      { HEED_DIMS(1, 1, 1, 1, 1), HEED_DIMS(1, 1, 1, 1, 1) },
      "the result would have 10 axes, more than 8" },
    { "abcde,fghij",
      { HEED_DIMS(1, 1, 1, 1, 1), HEED_DIMS(1, 1, 1, 1, 1) },
      "the result would have 10 axes, more than 8" },
    { "abcde,fghij,abcde,fghij->",
      { HEED_DIMS(1, 1, 1, 1, 1), HEED_DIMS(1, 1, 1, 1, 1), HEED_DIMS(1, 1, 1, 1, 1),
        HEED_DIMS(1, 1, 1, 1, 1) },
      "an intermediate product would have 10 axes" },
};
enum { WRONGS = (int)(sizeof wrongs / sizeof wrongs[0]) };

START_TEST(refusals)
{
    const wrong *w = &wrongs[_i];
    heed_tensor *x[MAX_OPERANDS];
    int n = 0;
    for (; n < MAX_OPERANDS && w->shape[n].ndim > 0; n++)
        x[n] = heed_full(t, w->shape[n], 1);
    ck_assert_ptr_null(heed_einsum(t, w->equation, n, x));
    const char *sentence = heed_error(t);
    ck_assert_ptr_nonnull(sentence);
    ck_assert_msg(strncmp(sentence, "einsum: ", 8) == 0, "%s", sentence);
    ck_assert_msg(strstr(sentence, w->says) != NULL, "%s: %s", w->equation, sentence);
}
END_TEST

START_TEST(refused_operands)
{
    heed_tensor *x[2] = { heed_full(t, HEED_SHAPE(2), 1), NULL };
    ck_assert_ptr_null(heed_einsum(t, "i,i", 2, x));
    ck_assert_str_eq(heed_error(t), "einsum: operand 1 is NULL");
    heed_tape_reset(t);
    ck_assert_ptr_null(heed_einsum(t, "i,i", 0, x));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "einsum: "));
    heed_tape_reset(t);
    x[0] = heed_full(t, HEED_SHAPE(2), 1);
    x[1] = heed_arange(t, 0, 2);
    ck_assert_ptr_null(heed_einsum(t, "i,i", 2, x));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "operand 1 is i32 but must be f32 or f64"));
    heed_tape_reset(t);
    x[0] = heed_full(t, HEED_SHAPE(2), 1);
    x[1] = heed_cast(t, heed_full(t, HEED_SHAPE(2), 1), HEED_F32);
    ck_assert_ptr_null(heed_einsum(t, "i,i", 2, x));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "dtypes f64 and f32 differ"));
}
END_TEST

/* A product over a large index space takes the memory of its operands and result, not of that
 * space. */
START_TEST(no_full_index_space)
{
    heed_tensor *x[2] = { heed_full(t, HEED_SHAPE(200, 300), 1),
                          heed_full(t, HEED_SHAPE(300, 250), 1) };
    heed_tensor *y = heed_einsum(t, "ij,jk->ik", 2, x);
    ck_assert_double_eq(heed_at(y, 77), 300);
    ck_assert_uint_lt(heed_tape_memory(t).peak, 4u << 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("einsum");
    TCase *tests = tcase_create("einsum");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, by_definition, 0, ROWS);
    tcase_add_loop_test(tests, gradients, 0, ROWS);
    tcase_add_loop_test(tests, refusals, 0, WRONGS);
    tcase_add_test(tests, refused_operands);
    tcase_add_test(tests, no_full_index_space);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
