/* What tests of properties share: tapes in f64, tensors of drawn numbers, and comparing them.
 * Everything is static inline, so that a test is one file and this. */
#ifndef TESTS_TENSORS_H
#define TESTS_TENSORS_H

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <heed/heed.h>
#include <heed/training.h>

#define LENGTH(table) ((int)(sizeof(table) / sizeof *(table)))

static inline heed_tape *tape64(void)
{
    return heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
}

/* Independent normal numbers; the same for the same seed. */
static inline heed_tensor *drawn(heed_tape *t, heed_shape shape, uint64_t seed)
{
    heed_tensor *x = heed_full(t, shape, 0);
    heed_random r = { .seed = seed };
    for (int64_t i = 0; i < heed_size(x); i++) {
        if (x->dtype == HEED_F32)
            ((float *)x->data)[i] = (float)heed_random_normal(&r);
        else
            ((double *)x->data)[i] = heed_random_normal(&r);
    }
    return x;
}

static inline void near(const char *what, const heed_tensor *a, const heed_tensor *b,
                        double tolerance)
{
    ck_assert_msg(a && b, "%s: there is none", what);
    ck_assert_int_eq(heed_size(a), heed_size(b));
    for (int64_t i = 0; i < heed_size(a); i++)
        ck_assert_msg(fabs(heed_at(a, i) - heed_at(b, i)) <= tolerance,
                      "%s[%d]: %.17g and %.17g", what, (int)i, heed_at(a, i), heed_at(b, i));
}

static inline void near_values(const char *what, const heed_tensor *a, const double *b,
                               double tolerance)
{
    ck_assert_msg(a != NULL, "%s: there is none", what);
    for (int64_t i = 0; i < heed_size(a); i++)
        ck_assert_msg(fabs(heed_at(a, i) - b[i]) <= tolerance, "%s[%d]: %.17g, expected %.17g",
                      what, (int)i, heed_at(a, i), b[i]);
}

static inline bool same_bits(const heed_tensor *a, const heed_tensor *b)
{
    ck_assert(a && b && heed_size(a) == heed_size(b));
    for (int64_t i = 0; i < heed_size(a); i++) {
        double x = heed_at(a, i), y = heed_at(b, i);
        if (memcmp(&x, &y, sizeof x) != 0)
            return false;
    }
    return true;
}

/* The root of the sum of squares. */
static inline double length_of(const heed_tensor *x)
{
    ck_assert_ptr_nonnull(x);
    return heed_summarize(x).rms * sqrt((double)heed_size(x));
}

static inline void swept(heed_tape *t, heed_tensor *loss)
{
    ck_assert_msg(heed_backward(t, loss), "%s", heed_error(t));
}

static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
