/* Shapes, strides, element access and printing: what can be known of a tensor without
 * computing. */
#include "engine.h"
#include "kernels/kernels.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define QUOTE_(x) #x
#define QUOTE(x)  QUOTE_(x)

const char *heed_version(void)
{
    return QUOTE(HEED_VERSION_MAJOR) "." QUOTE(HEED_VERSION_MINOR) "." QUOTE(
        HEED_VERSION_PATCH);
}

int heed_threads(void)
{
    return heed__threads();
}

void heed_set_threads(int n)
{
    heed__set_threads(n);
}

const char *heed_instruction_set(void)
{
    return heed__isa()->name;
}

size_t heed_dtype_size(heed_dtype dtype)
{
    switch (dtype) {
    case HEED_F64:
        return 8;
    case HEED_F32:
    case HEED_I32:
        return 4;
    case HEED_BOOL:
    case HEED_U8:
        return 1;
    }
    return 0;
}

const char *heed_dtype_name(heed_dtype dtype)
{
    switch (dtype) {
    case HEED_F32:
        return "f32";
    case HEED_F64:
        return "f64";
    case HEED_I32:
        return "i32";
    case HEED_BOOL:
        return "bool";
    case HEED_U8:
        return "u8";
    }
    return "unknown";
}

int64_t heed_size(const heed_tensor *x)
{
    int64_t size = 1;
    for (int i = 0; x && i < x->ndim; i++)
        size *= x->shape[i];
    return x ? size : 0;
}

bool heed_is_contiguous(const heed_tensor *x)
{
    int64_t expected = 1;
    if (heed_size(x) == 0)
        return x != NULL;
    for (int i = x->ndim - 1; i >= 0; i--) {
        if (x->shape[i] != 1 && x->strides[i] != expected)
            return false;
        expected *= x->shape[i];
    }
    return true;
}

heed_shape heed_shape_of(const heed_tensor *x)
{
    heed_shape shape = { 0 };
    if (x) {
        shape.ndim = x->ndim;
        for (int i = 0; i < x->ndim; i++)
            shape.size[i] = x->shape[i];
    }
    return shape;
}

char *heed_shape_text(const heed_shape *shape, char *text, size_t size)
{
    size_t at = 0;
    if (size == 0)
        return text;
    text[0] = '\0';
    if (shape->ndim < 0 || shape->ndim > HEED_MAX_NDIM) {
        snprintf(text, size, "[%d axes]", shape->ndim);
        return text;
    }
    for (int i = 0; i <= shape->ndim && at < size; i++) {
        int wrote = i < shape->ndim ? snprintf(text + at, size - at, "%s%" PRId64,
                                               i ? "," : "[", shape->size[i])
                                    : snprintf(text + at, size - at, "%s]", i ? "" : "[");
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    return text;
}

bool heed__shape_size(const heed_shape *shape, int64_t *size)
{
    int64_t product = 1;
    bool zero = false;
    if (shape->ndim < 0 || shape->ndim > HEED_MAX_NDIM)
        return false;
    for (int i = 0; i < shape->ndim; i++) {
        if (shape->size[i] < 0)
            return false;
        if (shape->size[i] == 0)
            zero = true;
        else if (__builtin_mul_overflow(product, shape->size[i], &product))
            return false;
    }
    /* Bytes must fit too; 8 is the widest element. */
    if (product > INT64_MAX / 16)
        return false;
    *size = zero ? 0 : product;
    return true;
}

void heed__row_major(const heed_shape *shape, int64_t *strides)
{
    int64_t stride = 1;
    for (int i = shape->ndim - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= shape->size[i] > 0 ? shape->size[i] : 1;
    }
}

bool heed__same_shape(const heed_tensor *a, const heed_tensor *b)
{
    if (a->ndim != b->ndim)
        return false;
    for (int i = 0; i < a->ndim; i++) {
        if (a->shape[i] != b->shape[i])
            return false;
    }
    return true;
}

char *heed__path_text(const heed__scope *scope, char *text, size_t size)
{
    const heed__scope *chain[32];
    int depth = 0;
    size_t at = 0;
    text[0] = '\0';
    for (; scope && scope->parent && depth < 32; scope = scope->parent)
        chain[depth++] = scope;
    while (depth-- > 0 && at < size) {
        int wrote = snprintf(text + at, size - at, "%s%s", at ? "." : "", chain[depth]->name);
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    return text;
}

double heed_at(const heed_tensor *x, int64_t index)
{
    int64_t offset = 0;
    if (!x || !x->data || index < 0 || index >= heed_size(x) ||
        (x->storage && x->storage->holders == 0))
        return NAN;
    for (int i = x->ndim - 1; i >= 0; i--) {
        offset += index % x->shape[i] * x->strides[i];
        index /= x->shape[i];
    }
    switch (x->dtype) {
    case HEED_F32:
        return (double)((const float *)x->data)[offset];
    case HEED_F64:
        return ((const double *)x->data)[offset];
    case HEED_I32:
        return ((const int32_t *)x->data)[offset];
    case HEED_BOOL:
    case HEED_U8:
        return ((const uint8_t *)x->data)[offset];
    }
    return NAN;
}

static void print_axis(const heed_tensor *x, int axis, int64_t index, FILE *file)
{
    if (axis == x->ndim) {
        if (x->dtype == HEED_F32 || x->dtype == HEED_F64)
            fprintf(file, "%.6g", heed_at(x, index));
        else
            fprintf(file, "%d", (int)heed_at(x, index));
        return;
    }
    int64_t n = x->shape[axis];
    bool innermost = axis == x->ndim - 1;
    fputc('[', file);
    for (int64_t i = 0; i < n; i++) {
        if (i)
            fputs(innermost ? ", " : ",\n", file);
        for (int k = 0; i && !innermost && k <= axis; k++)
            fputc(' ', file);
        if (n > 10 && i == 4) {
            fputs("...", file);
            i = n - 5;
            continue;
        }
        print_axis(x, axis + 1, index * n + i, file);
    }
    fputc(']', file);
}

void heed_print(const heed_tensor *x, FILE *file)
{
    if (!x || !x->data || (x->storage && x->storage->holders == 0)) {
        fputs(x && x->data ? "(released)\n" : "(no tensor)\n", file);
        return;
    }
    char text[160];
    heed_shape shape = heed_shape_of(x);
    print_axis(x, 0, 0, file);
    fprintf(file, "  %s %s\n", heed_dtype_name(x->dtype),
            heed_shape_text(&shape, text, sizeof text));
}
