/* The numbers of tests/reference/make_modules_reference.py, and comparison with them. */
#ifndef MODULES_REFERENCE_H
#define MODULES_REFERENCE_H

#include <heed/heed.h>
#include <heed/params.h>
#include <math.h>

#include "scratch.h"

static inline heed_archive *open_reference(void)
{
    const char *path = getenv("HEED_MODULES_REFERENCE");
    ck_assert_msg(path != NULL, "HEED_MODULES_REFERENCE names the file of stored numbers");
    heed_archive *archive = heed_archive_open(path, NULL, error, sizeof error);
    ck_assert_msg(archive != NULL, "%s", error);
    return archive;
}

static inline const heed_entry *entry_of(const heed_archive *archive, const char *prefix,
                                         const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s", prefix, name);
    const heed_entry *e = heed_archive_find(archive, full);
    ck_assert_msg(e != NULL, "the reference has no %s", full);
    return e;
}

static inline heed_tensor *stored(heed_tape *t, const heed_archive *archive, const char *prefix,
                                  const char *name)
{
    const heed_entry *e = entry_of(archive, prefix, name);
    return heed_watch(t, heed_copy_in(t, e->dtype, e->shape, e->data));
}

static inline void same_values(const char *what, const double *a, const heed_entry *e,
                               int64_t size, double tolerance)
{
    const double *b = e->data;
    ck_assert_msg(a != NULL, "%s: there is none", what);
    for (int64_t i = 0; i < size; i++) {
        if (!(fabs(a[i] - b[i]) <= tolerance * fmax(1, fabs(b[i]))))
            ck_abort_msg("%s, %s[%d]: %.17g, expected %.17g", what, e->name, (int)i, a[i],
                         b[i]);
    }
}

static inline void same(const char *what, const heed_tensor *a, const heed_entry *e,
                        double tolerance)
{
    ck_assert_msg(a && heed_is_contiguous(a), "%s, %s: not there as it should be", what,
                  e->name);
    same_values(what, a->data, e, heed_size(a), tolerance);
}

#endif
