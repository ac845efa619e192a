/* One instruction set: every kernel text, once for f32 and once for f64, and the table of them.
 * Built once per set with ISA (a bare name) and VBYTES defined. */
#include "kernels.h"
#include "parallel.h"
#include "philox.h"
#include "units.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Fully unrolls the loop that follows; each compiler ignores the other's spelling without a
 * word. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#endif

#define PASTE_(a, b, c) a##_##b##_##c
#define PASTE(a, b, c)  PASTE_(a, b, c)
#define STRING_(x)      #x
#define STRING(x)       STRING_(x)

#define T               float
#define TI              int32_t
#define TBITS           32
#define NAME(x)         PASTE(x, f32, ISA)
#include "all.inc"
#undef T
#undef TI
#undef TBITS
#undef NAME

#define T       double
#define TI      int64_t
#define TBITS   64
#define NAME(x) PASTE(x, f64, ISA)
#include "all.inc"
#undef T
#undef TI
#undef TBITS
#undef NAME

#define SET_(isa) heed__isa_##isa
#define SET(isa)  SET_(isa)
extern const kernel_isa SET(ISA);
const kernel_isa SET(ISA) = {
    .name = STRING(ISA),
    .f32 = &PASTE(table, f32, ISA),
    .f64 = &PASTE(table, f64, ISA),
};
