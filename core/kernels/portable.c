/* The portable kernels: each text once for f32 and once for f64. */
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
