/* Elementwise kernels of the integer dtypes: what there is to do with them is comparing and
 * choosing. Built once, for every instruction set. They keep the promises of kernels.h. */
#ifndef HEED_INTEGER_H
#define HEED_INTEGER_H

#include "kernels.h"

/* T operands, bool result. The comparisons come first, as in KERNEL_TESTS: a number stands for
 * the same one in both. */
#define INTEGER_TESTS(TEST)                         \
    KERNEL_COMPARISONS(TEST)                        \
    TEST(logical_and, 2) /* a and b are not 0 */    \
    TEST(logical_or, 2)  /* a or b is not 0 */      \
    TEST(logical_xor, 2) /* one of them is not 0 */ \
    TEST(logical_not, 1) /* a is 0 */

#define INTEGER_TEST_ENUM(name, operands) INTEGER_TEST_##name,
typedef enum { INTEGER_TESTS(INTEGER_TEST_ENUM) INTEGER_TEST_COUNT } integer_test_name;

typedef struct integer_table {
    void (*test[INTEGER_TEST_COUNT])(const kernel_map *);
    void (*where)(const kernel_map *); /* x0 is a bool mask, x1, x2 and y are T */
} integer_table;

extern const integer_table heed__integer_i32, heed__integer_u8;

#endif
