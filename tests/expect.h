/* An assertion for every element of an array. ck_assert_msg tells the parent process of each
 * call, which takes longer than what it asserts. */
#ifndef TESTS_EXPECT_H
#define TESTS_EXPECT_H

#include <check.h>

#define EXPECT_MSG(condition, ...) ((condition) ? (void)0 : ck_abort_msg(__VA_ARGS__))

#endif
