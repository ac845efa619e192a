/* What every check needs: drawing inputs, laying them out in memory, comparing, naming
 * elements. */
#include "random.h"
#include "trial.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

heed_check_options heed__check_options(const heed_check_options *options)
{
    heed_check_options o = options ? *options : (heed_check_options){ 0 };
    if (o.order < 1)
        o.order = 1;
    if (!(o.absolute > 0))
        o.absolute = 1e-9;
    if (!(o.relative > 0))
        o.relative = 1e-7;
    if (!(o.step > 0))
        o.step = 3e-3;
    if (o.full_limit < 1)
        o.full_limit = 256;
    return o;
}

void heed__check_draw(const heed_input *input, int64_t size, heed_random *r, double *values)
{
    bool floats = input->dtype == HEED_F32 || input->dtype == HEED_F64;
    double low = input->low, high = input->high;
    if (floats && low == 0 && high == 0) {
        low = -1;
        high = 1;
    }
    for (int64_t i = 0; i < size; i++) {
        double v;
        if (input->values) {
            values[i] = input->values[i];
            continue;
        }
        if (floats) {
            v = (double)(float)(low + (high - low) * heed_random_uniform(r));
            if (fabs(v) < input->gap)
                v = v < 0 ? v - input->gap : v + input->gap;
        } else if (input->dtype == HEED_BOOL) {
            v = (double)heed_random_below(r, 2);
        } else {
            double span = high - low;
            v = low + (span >= 1 ? (double)heed_random_below(r, (uint64_t)span) : 0);
        }
        values[i] = floats ? (double)(float)v : v;
    }
}

int heed__check_expanded_axis(const heed_shape *shape)
{
    for (int k = shape->ndim - 1; k >= 0; k--) {
        if (shape->size[k] > 1)
            return k;
    }
    return -1;
}

bool heed__check_layout_differs(const heed_shape *shape, check_layout layout)
{
    int long_axes = 0;
    for (int k = 0; k < shape->ndim; k++) {
        if (shape->size[k] == 0)
            return false;
        long_axes += shape->size[k] > 1;
    }
    if (layout == LAYOUT_LOOSE)
        return long_axes < shape->ndim;
    return layout != LAYOUT_ROWS && long_axes >= (layout == LAYOUT_TRANSPOSED ? 2 : 1);
}

static void store(heed_tensor *x, int64_t at, double value)
{
    switch (x->dtype) {
    case HEED_F32:
        ((float *)x->data)[at] = (float)value;
        break;
    case HEED_F64:
        ((double *)x->data)[at] = value;
        break;
    case HEED_I32:
        ((int32_t *)x->data)[at] = (int32_t)value;
        break;
    case HEED_BOOL:
        ((uint8_t *)x->data)[at] = value != 0;
        break;
    case HEED_U8:
        ((uint8_t *)x->data)[at] = (uint8_t)value;
        break;
    }
}

heed_tensor *heed__check_leaf(heed_tape *t, heed_dtype dtype, const heed_shape *shape,
                              check_layout layout, const double *values)
{
    heed_shape whole = *shape;
    int64_t size, start = 0, stride = 1;
    int expanded = layout == LAYOUT_EXPANDED ? heed__check_expanded_axis(shape) : -1;
    if (!t || t->failed)
        return NULL;
    if (expanded >= 0)
        whole.size[expanded] = 1;
    if (!heed__shape_size(&whole, &size))
        return heed_fail(
            t, "check: the shape of an input is negative, has too many axes or overflows");
    heed_tensor *x = heed__tensor_new(t, dtype, &whole);
    if (!x || !heed__tensor_allocate(t, x))
        return NULL;
    if (layout == LAYOUT_TRANSPOSED) {
        for (int k = 0; k < x->ndim; k++) {
            x->strides[k] = stride;
            stride *= x->shape[k];
        }
    }
    if (layout == LAYOUT_REVERSED) {
        for (int k = 0; k < x->ndim && size; k++) {
            start += (x->shape[k] - 1) * x->strides[k];
            x->strides[k] = -x->strides[k];
        }
        x->data = (char *)x->data + start * (int64_t)heed_dtype_size(dtype);
    }
    for (int k = 0; k < x->ndim && layout == LAYOUT_LOOSE; k++) {
        if (x->shape[k] == 1)
            x->strides[k] = 4099 + k;
    }
    for (int64_t i = 0; i < size; i++) {
        int64_t at = 0, rest = i;
        for (int k = x->ndim - 1; k >= 0; k--) {
            at += rest % x->shape[k] * x->strides[k];
            rest /= x->shape[k];
        }
        store(x, at, values[i]);
    }
    return x;
}

void heed__check_name(const char *name, const heed_shape *shape, int64_t index, char *text,
                      size_t size)
{
    int64_t place[HEED_MAX_NDIM];
    for (int k = shape->ndim - 1; k >= 0; k--) {
        place[k] = index % shape->size[k];
        index /= shape->size[k];
    }
    int at = snprintf(text, size, "%s", name);
    for (int k = 0; k <= shape->ndim && shape->ndim && at >= 0 && (size_t)at < size; k++) {
        if (k < shape->ndim)
            at += snprintf(text + at, size - (size_t)at, "%s%" PRId64, k ? "," : "[", place[k]);
        else
            at += snprintf(text + at, size - (size_t)at, "]");
    }
}

bool heed__check_compare(heed_report *r, double analytic, double numeric, double tolerance)
{
    double excess = 0;
    r->compared++;
    if (analytic != numeric) {
        double difference = fabs(analytic - numeric);
        excess = isfinite(difference) ? difference / tolerance : INFINITY;
    }
    if (!(excess > r->excess) && r->where[0])
        return false;
    r->analytic = analytic;
    r->numeric = numeric;
    r->excess = excess;
    if (excess > 1)
        r->passed = false;
    return true;
}

void heed__check_error(heed_report *r, double analytic, double numeric)
{
    double error = fabs(analytic - numeric), size = fabs(numeric);
    r->absolute = fmax(r->absolute, error);
    if (size >= 1e-3)
        r->relative = fmax(r->relative, error / size);
}

void heed__check_fail(heed_report *r, const char *format, ...)
{
    va_list list;
    r->passed = false;
    if (r->message[0])
        return;
    va_start(list, format);
    vsnprintf(r->message, sizeof r->message, format, list);
    va_end(list);
}

void heed_report_print(const heed_report *report, FILE *file)
{
    fprintf(file, "%s: %" PRId64 " numbers compared", report->passed ? "passed" : "FAILED",
            report->compared);
    if (report->where[0])
        fprintf(file, ", worst %s: %.10g against %.10g (%.3g of the tolerance)", report->where,
                report->analytic, report->numeric, report->excess);
    if (report->message[0])
        fprintf(file, "\n  %s", report->message);
    fputc('\n', file);
}
