/* A file into a set of parameters that it need not match: what fits is copied, and a report
 * says what became of everything else. The report is whole before a number is copied. */
#include "archive.h"
#include "set.h"

#include <string.h>

/* Lines and their texts, three strings each, one after another. */
typedef struct draft {
    const heed_archive *archive;
    const char *prefix;
    heed_params *ps;
    heed__text key, texts;
    heed_load_line *lines;
    size_t count, capacity;
    int total[HEED_UNKNOWN + 1];
} draft;

static void add_text(draft *d, const char *string)
{
    heed__text_add(&d->texts, string, strlen(string) + 1);
}

/* "f32 [2,3]", with the reason where heed can make nothing of it. */
static void add_found(draft *d, const heed__item *it)
{
    char found[HEED__DESCRIPTION];
    if (it) {
        heed__text_add_string(&d->texts, heed__item_text(it, found));
        if (it->trouble) {
            heed__text_add_string(&d->texts, ", ");
            heed__text_add_string(&d->texts, it->trouble);
        }
    }
    add_text(d, "");
}

static bool add_line(draft *d, heed_load_outcome outcome, const char *name,
                     const heed_parameter *p, const heed__item *it)
{
    char shape[HEED_MAX_NDIM * 21 + 8];
    heed_load_line *lines =
        heed__grow(d->ps->allocator, d->lines, &d->capacity, d->count + 1, sizeof *lines);
    if (!lines)
        return false;
    d->lines = lines;
    lines[d->count++] = (heed_load_line){ .outcome = outcome };
    d->total[outcome]++;
    add_text(d, name);
    if (p)
        heed__text_print(&d->texts, "%s %s", heed_dtype_name(p->dtype),
                         heed_shape_text(&p->shape, shape, sizeof shape));
    add_text(d, "");
    add_found(d, it);
    return !d->texts.failed;
}

/* NULL in *it with true: there is none. */
static bool find(draft *d, const heed_parameter *p, const heed__item **it)
{
    const char *key = heed__archive_key(&d->key, d->prefix, p->name);
    *it = key ? heed__archive_item(d->archive, key) : NULL;
    return key != NULL;
}

static bool write_draft(draft *d)
{
    const heed__item *it;
    size_t length = strlen(d->prefix);
    for (int i = 0; i < d->ps->count; i++) {
        const heed_parameter *p = d->ps->list[i];
        if (!find(d, p, &it) || !add_line(d,
                                          !it                      ? HEED_MISSING
                                          : heed__item_fits(it, p) ? HEED_LOADED
                                                                   : HEED_UNFIT,
                                          p->name, p, it))
            return false;
    }
    for (size_t i = 0; i < d->archive->count; i++) {
        it = &d->archive->items[i];
        const char *name = it->entry.name;
        if (strncmp(name, d->prefix, length) == 0 && !heed_params_find(d->ps, name + length) &&
            !add_line(d, HEED_UNKNOWN, name + length, NULL, it))
            return false;
    }
    return true;
}

/* The texts of all keys have had room once, so none can be missing now. */
static void copy_values(draft *d)
{
    const heed__item *it;
    for (int i = 0; i < d->ps->count; i++) {
        heed_parameter *p = d->ps->list[i];
        if (d->lines[i].outcome == HEED_LOADED && find(d, p, &it))
            memcpy(p->data, it->entry.data, (size_t)p->size * heed_dtype_size(p->dtype));
    }
}

/* The report takes over the draft's memory. */
static void finish(draft *d, heed_load_report *report)
{
    const char *text = d->texts.bytes;
    for (size_t i = 0; i < d->count; i++) {
        const char **strings[] = { &d->lines[i].name, &d->lines[i].expected,
                                   &d->lines[i].found };
        for (int k = 0; k < 3; k++) {
            *strings[k] = text;
            text += strlen(text) + 1;
        }
    }
    *report = (heed_load_report){ .count = (int)d->count,
                                  .lines = d->lines,
                                  .loaded = d->total[HEED_LOADED],
                                  .missing = d->total[HEED_MISSING],
                                  .unfit = d->total[HEED_UNFIT],
                                  .unknown = d->total[HEED_UNKNOWN],
                                  .text = d->texts.bytes,
                                  .text_bytes = d->texts.capacity,
                                  .line_bytes = d->capacity * sizeof *d->lines };
    if (d->ps->allocator)
        report->allocator = *d->ps->allocator;
}

bool heed_archive_get_partial(heed_archive *archive, const char *prefix, heed_params *ps,
                              heed_load_report *report)
{
    if (report)
        *report = (heed_load_report){ 0 };
    if (!archive || archive->failed || !ps)
        return false;
    archive->error[0] = '\0';
    if (ps->failed)
        return heed__say(archive->error, HEED__SENTENCE, "%s", ps->error);
    draft d = { .archive = archive,
                .prefix = prefix ? prefix : "",
                .ps = ps,
                .key.allocator = ps->allocator,
                .texts.allocator = ps->allocator };
    bool good = write_draft(&d);
    if (good) {
        copy_values(&d);
    } else {
        heed__say(archive->error, HEED__SENTENCE, "%s: not enough memory",
                  heed__archive_name(archive));
        heed_params_fail(ps, "%s", archive->error);
    }
    heed__text_free(&d.key);
    if (good && report) {
        finish(&d, report);
    } else {
        heed__text_free(&d.texts);
        heed__release(ps->allocator, d.lines, d.capacity * sizeof *d.lines);
    }
    return good;
}

bool heed_params_load_partial(heed_params *ps, const char *path, heed_load_report *report)
{
    char error[HEED__SENTENCE];
    if (report)
        *report = (heed_load_report){ 0 };
    if (!ps || ps->failed)
        return false;
    heed_archive *archive = heed_archive_open(path, ps->allocator, error, sizeof error);
    if (!archive) {
        heed_params_fail(ps, "%s", error);
        return false;
    }
    bool good = heed_archive_get_partial(archive, "", ps, report);
    heed_archive_free(archive);
    return good;
}

void heed_load_report_print(const heed_load_report *report, FILE *file)
{
    for (int i = 0; i < report->count; i++) {
        const heed_load_line *line = &report->lines[i];
        heed__quoted name = heed__quote(line->name, strlen(line->name));
        switch (line->outcome) {
        case HEED_LOADED:
            break;
        case HEED_MISSING:
            fprintf(file, "missing  %s %s\n", name.text, line->expected);
            break;
        case HEED_UNFIT:
            fprintf(file, "unfit    %s expected %s, found %s\n", name.text, line->expected,
                    line->found);
            break;
        case HEED_UNKNOWN:
            fprintf(file, "unknown  %s %s\n", name.text, line->found);
            break;
        }
    }
    fprintf(file, "%d loaded, %d missing, %d unfit, %d unknown\n", report->loaded,
            report->missing, report->unfit, report->unknown);
}

void heed_load_report_free(heed_load_report *report)
{
    if (!report)
        return;
    const heed_allocator *allocator = report->allocator.allocate ? &report->allocator : NULL;
    heed__release(allocator, report->text, report->text_bytes);
    heed__release(allocator, (void *)(uintptr_t)report->lines, report->line_bytes);
    *report = (heed_load_report){ 0 };
}
