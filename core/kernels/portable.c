/* The portable kernels: each text once for f32 and once for f64, those that only move elements
 * for i32 and u8 too. */
#include "philox.h"
#include "units.h"

#include <math.h>
#include <string.h>

#define T       float
#define TBITS   32
#define NAME(x) x##_f32
#include "portable.inc"
#undef T
#undef TBITS
#undef NAME

#define T       double
#define TBITS   64
#define NAME(x) x##_f64
#include "portable.inc"
#undef T
#undef TBITS
#undef NAME

#define T       int32_t
#define NAME(x) x##_i32
#include "elements.inc"
#undef T
#undef NAME

#define T       uint8_t
#define NAME(x) x##_u8
#include "elements.inc"
#undef T
#undef NAME
