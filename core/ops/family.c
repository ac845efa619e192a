/* The families behind the records: broadcasting, elementwise application, reduction arguments,
 * and the table of all ops. */
#include "ops.h"

#include <string.h>

const kernel_table *heed__kernels(heed_dtype dtype)
{
    return dtype == HEED_F64 ? heed__isa()->f64 : heed__isa()->f32;
}

const portable_table *heed__portable(heed_dtype dtype)
{
    return dtype == HEED_F64 ? &heed__portable_f64 : &heed__portable_f32;
}

const element_table *heed__elements(heed_dtype dtype)
{
    switch (dtype) {
    case HEED_F32:
        return &heed__elements_f32;
    case HEED_F64:
        return &heed__elements_f64;
    case HEED_I32:
        return &heed__elements_i32;
    case HEED_BOOL:
    case HEED_U8:
        break;
    }
    return &heed__elements_u8;
}

const integer_table *heed__integers(heed_dtype dtype)
{
    return dtype == HEED_I32 ? &heed__integer_i32 : &heed__integer_u8;
}

static const heed_op *const table[] = {
#define HEED_OP(name) &heed_op_##name,
#include "../ops.def"
#undef HEED_OP
};

const heed_op *heed_op_at(int i)
{
    return i >= 0 && i < (int)(sizeof table / sizeof table[0]) ? table[i] : NULL;
}

const heed_op *heed_op_named(const char *name)
{
    const heed_op *op;
    for (int i = 0; (op = heed_op_at(i)) != NULL; i++) {
        if (strcmp(op->name, name) == 0)
            return op;
    }
    return NULL;
}

bool heed__floats(heed_tape *t, const heed_call *c)
{
    for (int i = 0; i < c->n; i++) {
        bool integer = i < 31 && (c->op->integer & (1u << i));
        if (c->x[i] && !integer && c->x[i]->dtype != HEED_F32 && c->x[i]->dtype != HEED_F64)
            return heed_refuse(t, c, "operand %d is %s but must be f32 or f64", i,
                               heed_dtype_name(c->x[i]->dtype));
    }
    return true;
}

bool heed__broadcast(heed_tape *t, const heed_call *c, heed_shape *shape)
{
    *shape = (heed_shape){ 0 };
    for (int i = 0; i < c->n; i++) {
        const heed_tensor *x = c->x[i];
        for (; shape->ndim < x->ndim; shape->ndim++) {
            memmove(shape->size + 1, shape->size, (size_t)shape->ndim * sizeof shape->size[0]);
            shape->size[0] = 1;
        }
        for (int k = 1; k <= x->ndim; k++) {
            int64_t *size = &shape->size[shape->ndim - k], extent = x->shape[x->ndim - k];
            if (*size == 1)
                *size = extent;
            else if (extent != 1 && extent != *size)
                return heed_refuse(t, c, "extents %lld and %lld at axis %d do not broadcast",
                                   (long long)*size, (long long)extent, -k);
        }
    }
    return true;
}

bool heed__shape_map(heed_tape *t, const heed_call *c, heed_result *r)
{
    r->dtype = c->x[0]->dtype;
    return heed__floats(t, c) && heed__broadcast(t, c, &r->shape);
}

bool heed__shape_like(heed_tape *t, const heed_call *c, heed_result *r)
{
    r->dtype = c->x[0]->dtype;
    r->shape = heed_shape_of(c->x[0]);
    return heed__floats(t, c);
}

kernel_map heed__map_arguments(const heed_call *c, const heed_tensor *y)
{
    kernel_map map;
    map.ndim = y->ndim;
    map.y = y->data;
    map.p = map.q = 0;
    for (int k = 0; k < y->ndim; k++) {
        map.shape[k] = y->shape[k];
        map.y_strides[k] = y->strides[k];
    }
    for (int i = 0; i < c->n; i++) {
        const heed_tensor *x = c->x[i];
        int lead = y->ndim - x->ndim;
        map.x[i] = x->data;
        for (int k = 0; k < y->ndim; k++)
            map.x_strides[i][k] = k < lead || (x->shape[k - lead] == 1 && y->shape[k] != 1)
                                      ? 0
                                      : x->strides[k - lead];
    }
    return map;
}

heed_tensor *heed__number(heed_tape *t, const heed_tensor *like, double value)
{
    heed_tensor *number = heed_full(t, HEED_SCALAR, value);
    return like ? heed_cast(t, number, like->dtype) : NULL;
}

void heed__copy_elements(const heed_tensor *x, heed_tensor *y)
{
    if (y->dtype == HEED_F32 || y->dtype == HEED_F64) {
        heed_tensor *operand = (heed_tensor *)(uintptr_t)x;
        kernel_map map = heed__map_arguments(&(heed_call){ .n = 1, .x = &operand }, y);
        heed__kernels(y->dtype)->map[KERNEL_MAP_copy](&map);
        return;
    }
    int64_t n = heed_size(y), index[HEED_MAX_NDIM] = { 0 };
    int64_t width = (int64_t)heed_dtype_size(y->dtype);
    const char *from = x->data;
    char *to = y->data;
    for (int64_t i = 0; i < n; i++) {
        memcpy(to, from, (size_t)width);
        for (int k = x->ndim - 1; k >= 0; k--) {
            from += x->strides[k] * width;
            to += y->strides[k] * width;
            if (++index[k] < x->shape[k])
                break;
            from -= x->strides[k] * x->shape[k] * width;
            to -= y->strides[k] * x->shape[k] * width;
            index[k] = 0;
        }
    }
}
void heed__run_map(const heed_call *c, heed_tensor *y)
{
    kernel_map map = heed__map_arguments(c, y);
    if (c->op->attributes_size == sizeof(heed__scalars)) {
        const heed__scalars *scalars = c->attributes;
        map.p = scalars->p;
        map.q = scalars->q;
    }
    heed__kernels(y->dtype)->map[c->op->kernel](&map);
}

kernel_lines heed__lines(const heed_tensor *x, int axis, heed_tensor *y)
{
    kernel_lines lines = { .outer = 1, .n = x->shape[axis], .inner = 1, .x = x->data };
    for (int k = 0; k < axis; k++)
        lines.outer *= x->shape[k];
    for (int k = axis + 1; k < x->ndim; k++)
        lines.inner *= x->shape[k];
    lines.y = y ? y->data : NULL;
    return lines;
}

kernel_reduce heed__reduce_arguments(const heed_tensor *x, unsigned reduced,
                                     const heed_tensor *y)
{
    kernel_reduce reduce = { .x = x->data, .y = y ? y->data : NULL, .scale = 1 };
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < x->ndim; k++) {
            bool goes = (reduced >> k & 1) != 0;
            if (goes != (pass == 1))
                continue;
            int at = reduce.kept_ndim + reduce.reduced_ndim;
            reduce.shape[at] = x->shape[k];
            reduce.x_strides[at] = x->strides[k];
            reduce.kept_ndim += !goes;
            reduce.reduced_ndim += goes;
        }
    }
    return reduce;
}
