/* The dtypes of safetensors and what a shape of them occupies. Knows memory.h only. */
#include "safetensors.h"

static const struct {
    const char *name;
    unsigned bits;
} dtypes[HEED__SAFETENSORS_DTYPES] = {
    [HEED__SAFETENSORS_BOOL] = { "BOOL", 8 },
    [HEED__SAFETENSORS_F4] = { "F4", 4 },
    [HEED__SAFETENSORS_F6_E2M3] = { "F6_E2M3", 6 },
    [HEED__SAFETENSORS_F6_E3M2] = { "F6_E3M2", 6 },
    [HEED__SAFETENSORS_U8] = { "U8", 8 },
    [HEED__SAFETENSORS_I8] = { "I8", 8 },
    [HEED__SAFETENSORS_F8_E5M2] = { "F8_E5M2", 8 },
    [HEED__SAFETENSORS_F8_E4M3] = { "F8_E4M3", 8 },
    [HEED__SAFETENSORS_F8_E8M0] = { "F8_E8M0", 8 },
    [HEED__SAFETENSORS_F8_E4M3FNUZ] = { "F8_E4M3FNUZ", 8 },
    [HEED__SAFETENSORS_F8_E5M2FNUZ] = { "F8_E5M2FNUZ", 8 },
    [HEED__SAFETENSORS_I16] = { "I16", 16 },
    [HEED__SAFETENSORS_U16] = { "U16", 16 },
    [HEED__SAFETENSORS_F16] = { "F16", 16 },
    [HEED__SAFETENSORS_BF16] = { "BF16", 16 },
    [HEED__SAFETENSORS_I32] = { "I32", 32 },
    [HEED__SAFETENSORS_U32] = { "U32", 32 },
    [HEED__SAFETENSORS_F32] = { "F32", 32 },
    [HEED__SAFETENSORS_C64] = { "C64", 64 },
    [HEED__SAFETENSORS_F64] = { "F64", 64 },
    [HEED__SAFETENSORS_I64] = { "I64", 64 },
    [HEED__SAFETENSORS_U64] = { "U64", 64 },
};

const char *heed__safetensors_dtype_name(heed__safetensors_dtype dtype)
{
    return dtypes[dtype].name;
}

unsigned heed__safetensors_dtype_bits(heed__safetensors_dtype dtype)
{
    return dtypes[dtype].bits;
}

bool heed__safetensors_extent(heed__safetensors_dtype dtype, int ndim, const int64_t *shape,
                              size_t *bytes, const char **why)
{
    size_t bits = dtypes[dtype].bits;
    bool empty = false;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] < 0) {
            *why = "an extent is negative";
            return false;
        }
        /* An empty tensor's other extents must multiply to something sane too: strides are made
         * of them. */
        if (shape[i] == 0) {
            empty = true;
        } else if ((uint64_t)shape[i] > SIZE_MAX ||
                   !heed__mul_size(bits, (size_t)shape[i], &bits)) {
            *why = "its extents multiply to more than memory can hold";
            return false;
        }
    }
    if (empty)
        bits = 0;
    if (bits % 8 != 0) {
        *why = "its elements do not fill a whole number of bytes";
        return false;
    }
    *bytes = bits / 8;
    return true;
}
