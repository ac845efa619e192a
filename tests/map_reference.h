/* What every elementwise kernel should give, in long double. */
#ifndef MAP_REFERENCE_H
#define MAP_REFERENCE_H

#include "kernels.h"

#include <math.h>

typedef long double wide;

#define SQRT_2_OVER_PI 0.797884560802865355879892119868763737L

static wide phi(wide x)
{
    return 0.5L * erfcl(-x * 0.707106781186547524400844362104849039L);
}

static wide density(wide x)
{
    return expl(-x * x / 2) * SQRT_2_OVER_PI / 2;
}

static wide sigmoid(wide x)
{
    return 1 / (1 + expl(-x));
}

static wide softplus(wide x)
{
    return fmaxl(x, 0) + log1pl(expl(-fabsl(x))) + (isnan(x) ? x : 0);
}

/* tanh(ln(1 + e^x)) + x times its derivative, in e = e^-|x|. */
static wide mish_slope(wide x)
{
    wide e = expl(-fabsl(x)), top = x > 0 ? 1 + 2 * e : e * (e + 2);
    wide bottom = x > 0 ? 1 + 2 * e + 2 * e * e : e * (e + 2) + 2;
    wide slope = 4 * (x > 0 ? e * e : e) * (1 + e) / (bottom * bottom);
    return top / bottom + (slope == 0 ? 0 : x * slope);
}

static wide hard_sigmoid(wide x)
{
    return x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6;
}

static wide gelu_argument(wide x)
{
    return 2 * SQRT_2_OVER_PI * (x + 0.044715L * x * x * x);
}

static wide reference(kernel_map_name name, wide a, wide b, wide c, wide p, wide q)
{
    switch (name) {
    case KERNEL_MAP_copy:
        return a;
    case KERNEL_MAP_neg:
        return -a;
    case KERNEL_MAP_add:
        return a + b;
    case KERNEL_MAP_sub:
        return a - b;
    case KERNEL_MAP_mul:
        return a * b;
    case KERNEL_MAP_div:
        return a / b;
    case KERNEL_MAP_pow:
        return powl(a, b);
    case KERNEL_MAP_multiply_add:
        return a * b + c;
    case KERNEL_MAP_scale:
        return p * a;
    case KERNEL_MAP_shift:
        return a + p;
    case KERNEL_MAP_axpy:
        return a + p * b;
    case KERNEL_MAP_power:
        return powl(a, p);
    case KERNEL_MAP_exp:
        return expl(a);
    case KERNEL_MAP_expm1:
        return expm1l(a);
    case KERNEL_MAP_log:
        return logl(a);
    case KERNEL_MAP_log1p:
        return log1pl(a);
    case KERNEL_MAP_sqrt:
        return sqrtl(a);
    case KERNEL_MAP_rsqrt:
        return 1 / sqrtl(a);
    case KERNEL_MAP_square:
        return a * a;
    case KERNEL_MAP_reciprocal:
        return 1 / a;
    case KERNEL_MAP_abs:
        return fabsl(a);
    case KERNEL_MAP_sign:
        return isnan(a) ? a : (wide)((a > 0) - (a < 0));
    case KERNEL_MAP_floor:
        return floorl(a);
    case KERNEL_MAP_ceil:
        return ceill(a);
    case KERNEL_MAP_round:
        return rintl(a);
    case KERNEL_MAP_sin:
        return sinl(a);
    case KERNEL_MAP_cos:
        return cosl(a);
    case KERNEL_MAP_tan:
        return tanl(a);
    case KERNEL_MAP_tanh:
        return tanhl(a);
    case KERNEL_MAP_sigmoid:
        return sigmoid(a);
    case KERNEL_MAP_softplus:
        return softplus(a);
    case KERNEL_MAP_erf:
        return erfl(a);
    case KERNEL_MAP_relu:
        return a <= 0 ? 0 : a;
    case KERNEL_MAP_relu_grad:
        return a > 0 ? b : 0;
    case KERNEL_MAP_leaky_relu:
        return a > 0 ? a : p * a;
    case KERNEL_MAP_leaky_relu_grad:
        return a > 0 ? b : p * b;
    case KERNEL_MAP_elu:
        return a > 0 ? a : p * expm1l(a);
    case KERNEL_MAP_elu_grad:
        return a > 0 ? b : p * b * expl(a);
    case KERNEL_MAP_gelu:
        return a == -INFINITY ? 0 : a * phi(a);
    case KERNEL_MAP_gelu_grad:
        return b * (phi(a) + (isinf(a) ? 0 : a * density(a)));
    case KERNEL_MAP_gelu_tanh:
        return a == -INFINITY ? 0 : a * sigmoid(gelu_argument(a));
    case KERNEL_MAP_gelu_tanh_grad: {
        wide s = sigmoid(gelu_argument(a)), t = sigmoid(-gelu_argument(a));
        wide slope = 2 * SQRT_2_OVER_PI * (1 + 3 * 0.044715L * a * a);
        return b * (s * t == 0 ? s : s + a * s * t * slope);
    }
    case KERNEL_MAP_silu:
        return a == -INFINITY ? 0 : a * sigmoid(a);
    case KERNEL_MAP_silu_grad: {
        wide s = sigmoid(a), t = sigmoid(-a);
        return b * (s * t == 0 ? s : s * (1 + a * t));
    }
    case KERNEL_MAP_mish:
        return a == -INFINITY ? 0 : a * tanhl(softplus(a));
    case KERNEL_MAP_mish_grad:
        return b * mish_slope(a);
    case KERNEL_MAP_hard_sigmoid:
        return hard_sigmoid(a);
    case KERNEL_MAP_hard_sigmoid_grad:
        return a > -3 && a < 3 ? b / 6 : 0;
    case KERNEL_MAP_hard_swish:
        return a <= -3 ? 0 : a * hard_sigmoid(a);
    case KERNEL_MAP_hard_swish_grad:
        return a <= -3 ? 0 : a < 3 ? b * (a / 3 + 0.5L) : b;
    case KERNEL_MAP_sigmoid_grad:
        return b * a * (1 - a);
    case KERNEL_MAP_tanh_grad:
        return b * (1 - a * a);
    case KERNEL_MAP_maximum:
        return isnan(a) || a > b ? a : b;
    case KERNEL_MAP_minimum:
        return isnan(a) || a < b ? a : b;
    case KERNEL_MAP_clamp:
        return a < p ? p : a > q ? q : a;
    case KERNEL_MAP_COUNT:
        break;
    }
    return NAN;
}

#define MAP_NAME(name, operands)     #name,
#define MAP_OPERANDS(name, operands) operands,
static const char *const map_names[] = { KERNEL_MAPS(MAP_NAME) };
static const int map_operands[] = { KERNEL_MAPS(MAP_OPERANDS) };
static const int test_operands[] = { KERNEL_TESTS(MAP_OPERANDS) };

#endif
