/* What the ops that find elements by ids share: the check of the ids, and the way to the
 * kernels' walk over the places they name. */
#include "ops.h"

bool heed__ids_within(heed_tape *t, const heed_call *c, const heed_tensor *ids, int64_t extent)
{
    if (ids->dtype != HEED_I32)
        return heed_refuse(t, c, "the ids are %s but must be i32", heed_dtype_name(ids->dtype));
    int64_t n = heed_size(ids);
    for (int64_t i = 0; i < n; i++) {
        int32_t id = ((const int32_t *)ids->data)[i];
        if (id < 0 || id >= extent)
            return heed_refuse(t, c, "id %d at index %lld is outside 0 .. %lld", id,
                               (long long)i, (long long)extent - 1);
    }
    return true;
}

bool heed__ids_fit(heed_tape *t, const heed_call *c, const heed_tensor *ids,
                   const heed_shape *table, int axis)
{
    bool fits = ids->ndim == table->ndim;
    for (int k = 0; fits && k < ids->ndim; k++)
        fits = k == axis || ids->shape[k] <= table->size[k];
    if (!fits)
        return heed_refuse(
            t, c, "the ids need as many axes and no larger extents beside axis %d", axis);
    return heed__ids_within(t, c, ids, table->size[axis]);
}

/* Axes of extent 1 are left out and those that are one in memory are merged, so that runs are
 * long; the axis of the ids stays by itself. */
kernel_places heed__places(const heed_tensor *table, const heed_tensor *ids,
                           const heed_tensor *rows, int axis)
{
    kernel_places p = {
        .axis = -1, .ids = ids->data, .table = table->data, .rows = rows->data
    };
    bool list = ids->ndim == 1;
    for (int k = 0; k < rows->ndim; k++) {
        int64_t extent = rows->shape[k];
        int64_t id_stride = list ? k == axis : ids->strides[k];
        int at = p.ndim - 1;
        if (extent == 1 && k != axis)
            continue;
        bool merges = k != axis && at >= 0 && at != p.axis &&
                      p.ids_strides[at] == id_stride * extent &&
                      p.table_strides[at] == table->strides[k] * extent &&
                      p.rows_strides[at] == rows->strides[k] * extent;
        if (!merges) {
            at = p.ndim++;
            p.shape[at] = 1;
        }
        if (k == axis)
            p.axis = at;
        p.shape[at] *= extent;
        p.ids_strides[at] = id_stride;
        p.table_strides[at] = table->strides[k];
        p.rows_strides[at] = rows->strides[k];
    }
    return p;
}
