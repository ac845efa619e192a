/* Whole sets of parameters into a file and out of one: what may be copied over what, decided
 * in full before the first number is. */
#include "archive.h"
#include "set.h"

#include <string.h>

const char *heed__archive_key(heed__text *text, const char *prefix, const char *name)
{
    heed__text_clear(text);
    heed__text_add_string(text, prefix ? prefix : "");
    heed__text_add_string(text, name);
    return text->failed ? NULL : text->bytes;
}

/* Whether a file is about the parameter or tensor of this name; pattern NULL: about all. */
static bool concerns(const char *pattern, const char *name)
{
    return !pattern || heed__matches(pattern, name);
}

static bool add_params(heed_archive *archive, const char *prefix, heed_params *ps,
                       const char *pattern)
{
    if (!archive || archive->failed || !ps)
        return false;
    if (ps->failed)
        return heed__archive_fail(archive, "the set of parameters has failed", ps->error);
    heed__text text = { .allocator = archive->allocator };
    for (int i = 0; i < ps->count && !archive->failed; i++) {
        const heed_parameter *p = ps->list[i];
        if (!concerns(pattern, p->name))
            continue;
        const char *name = heed__archive_key(&text, prefix, p->name);
        if (name)
            heed_archive_add(archive, name, p->dtype, p->shape, p->data);
        else
            heed__archive_fail(archive, p->name, "not enough memory");
    }
    heed__text_free(&text);
    return !archive->failed;
}

bool heed_archive_add_params(heed_archive *archive, const char *prefix, heed_params *ps)
{
    return add_params(archive, prefix, ps, NULL);
}

static bool same_shape(const heed_shape *a, const heed_shape *b)
{
    if (a->ndim != b->ndim)
        return false;
    for (int i = 0; i < a->ndim; i++) {
        if (a->size[i] != b->size[i])
            return false;
    }
    return true;
}

bool heed__item_fits(const heed__item *it, const heed_parameter *p)
{
    return it && !it->trouble && it->entry.dtype == p->dtype &&
           same_shape(&it->entry.shape, &p->shape);
}

static bool check_parameter(heed_archive *archive, const char *name, const heed_parameter *p)
{
    char expected[HEED_MAX_NDIM * 21 + 8], found[HEED__DESCRIPTION];
    const heed__item *it = heed__archive_item(archive, name);
    if (heed__item_fits(it, p))
        return true;
    heed_shape_text(&p->shape, expected, sizeof expected);
    if (!it)
        return heed__say(
            archive->error, HEED__SENTENCE, "%s: parameter %s: expected %s %s, found none",
            heed__archive_name(archive), name, heed_dtype_name(p->dtype), expected);
    return heed__say(
        archive->error, HEED__SENTENCE, "%s: parameter %s: expected %s %s, found %s%s%s",
        heed__archive_name(archive), name, heed_dtype_name(p->dtype), expected,
        heed__item_text(it, found), it->trouble ? ", " : "", it->trouble ? it->trouble : "");
}

/* The name of a tensor without the prefix; NULL: it lies outside, or does not match. */
static const char *name_inside(const heed_archive *archive, size_t i, const char *prefix,
                               const char *pattern)
{
    const char *name = archive->items[i].entry.name;
    size_t length = prefix ? strlen(prefix) : 0;
    bool inside =
        (length == 0 || strncmp(name, prefix, length) == 0) && concerns(pattern, name + length);
    return inside ? name + length : NULL;
}

/* With every parameter found, there is a stranger just when there are more tensors than
 * `expected` parameters. */
static bool check_strangers(heed_archive *archive, const char *prefix, const heed_params *ps,
                            const char *pattern, size_t expected)
{
    size_t count = 0;
    for (size_t i = 0; i < archive->count; i++)
        count += name_inside(archive, i, prefix, pattern) != NULL;
    for (size_t i = 0; count > expected && i < archive->count; i++) {
        const char *name = name_inside(archive, i, prefix, pattern);
        if (name && !heed_params_find(ps, name))
            return heed__say(archive->error, HEED__SENTENCE,
                             "%s: tensor %s: the set has no such parameter",
                             heed__archive_name(archive), archive->items[i].entry.name);
    }
    return true;
}

/* Every parameter is checked before the first is copied. */
static bool get_params(heed_archive *archive, const char *prefix, heed_params *ps,
                       const char *pattern)
{
    heed__text text = { .allocator = archive->allocator };
    bool good = true;
    for (int pass = 0; good && pass < 2; pass++) {
        size_t matching = 0;
        for (int i = 0; good && i < ps->count; i++) {
            heed_parameter *p = ps->list[i];
            if (!concerns(pattern, p->name))
                continue;
            matching++;
            const char *name = heed__archive_key(&text, prefix, p->name);
            if (!name)
                good = heed__say(archive->error, HEED__SENTENCE, "%s: not enough memory",
                                 heed__archive_name(archive));
            else if (pass == 0)
                good = check_parameter(archive, name, p);
            else
                memcpy(p->data, heed__archive_item(archive, name)->entry.data,
                       (size_t)p->size * heed_dtype_size(p->dtype));
        }
        good = good && check_strangers(archive, prefix, ps, pattern, matching);
    }
    heed__text_free(&text);
    return good;
}

static bool get_or_fail(heed_archive *archive, const char *prefix, heed_params *ps,
                        const char *pattern)
{
    if (!archive || archive->failed || !ps)
        return false;
    archive->error[0] = '\0';
    if (ps->failed)
        return heed__say(archive->error, HEED__SENTENCE, "%s", ps->error);
    if (get_params(archive, prefix, ps, pattern))
        return true;
    heed_params_fail(ps, "%s", archive->error);
    return false;
}

bool heed_archive_get_params(heed_archive *archive, const char *prefix, heed_params *ps)
{
    return get_or_fail(archive, prefix, ps, NULL);
}

/* False on a failed set too. */
static bool has_path(heed_params *ps, const char *what, const char *path)
{
    if (!path)
        heed_params_fail(ps, "params: %s: the path is NULL", what);
    return path && ps && !ps->failed;
}

static bool save(heed_params *ps, const char *path, const char *pattern,
                 const char *const *notes)
{
    if (!has_path(ps, "save", path))
        return false;
    heed_archive *archive = heed_archive_new(ps->allocator);
    if (!archive) {
        heed_params_fail(ps, "cannot write %s: not enough memory", path);
        return false;
    }
    add_params(archive, "", ps, pattern);
    for (size_t i = 0; notes && notes[i] && notes[i + 1]; i += 2)
        heed_archive_note(archive, notes[i], notes[i + 1]);
    bool good = heed_archive_save(archive, path);
    if (!good)
        heed_params_fail(ps, "%s", archive->error);
    heed_archive_free(archive);
    return good;
}

static bool load(heed_params *ps, const char *path, const char *pattern)
{
    char error[HEED__SENTENCE];
    if (!has_path(ps, "load", path))
        return false;
    heed_archive *archive = heed_archive_open(path, ps->allocator, error, sizeof error);
    if (!archive) {
        heed_params_fail(ps, "%s", error);
        return false;
    }
    bool good = get_or_fail(archive, "", ps, pattern);
    heed_archive_free(archive);
    return good;
}

/* A pattern that matches nothing is a slip of the pen, and not a file without tensors. */
static bool any_matches(heed_params *ps, const char *what, const char *path,
                        const char *pattern)
{
    if (!has_path(ps, what, path))
        return false;
    for (int i = 0; pattern && i < ps->count; i++) {
        if (heed__matches(pattern, ps->list[i]->name))
            return true;
    }
    heed_params_fail(ps, "%s: no parameter matches %s", path, pattern ? pattern : "NULL");
    return false;
}

bool heed_params_save(heed_params *ps, const char *path, const char *const *notes)
{
    return save(ps, path, NULL, notes);
}

bool heed_params_load(heed_params *ps, const char *path)
{
    return load(ps, path, NULL);
}

bool heed_params_save_matching(heed_params *ps, const char *path, const char *pattern,
                               const char *const *notes)
{
    return any_matches(ps, "save", path, pattern) && save(ps, path, pattern, notes);
}

bool heed_params_load_matching(heed_params *ps, const char *path, const char *pattern)
{
    return any_matches(ps, "load", path, pattern) && load(ps, path, pattern);
}
