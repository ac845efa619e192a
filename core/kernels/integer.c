/* Elementwise kernels of the integer dtypes: i32, and u8, which serves bool too. */
#include "integer.h"
#include "parallel.h"

#include <string.h>

#define T       int32_t
#define NAME(x) x##_i32
#include "integer.inc"
#undef T
#undef NAME

#define T       uint8_t
#define NAME(x) x##_u8
#include "integer.inc"
#undef T
#undef NAME
