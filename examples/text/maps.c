/* Labels and files of attention maps (maps.h). */
#include "maps.h"

#include <stdlib.h>
#include <string.h>

void token_labels_add(token_labels *l, const char *bytes, size_t size)
{
    for (size_t i = size > 1 && bytes[0] == ' '; i < size; i++) {
        if (bytes[i] == '\0')
            heed__text_add(&l->texts, "\u2400", strlen("\u2400"));
        else if (size == 1 && bytes[i] == ' ')
            heed__text_add(&l->texts, "\u2423", strlen("\u2423"));
        else
            heed__text_add(&l->texts, bytes + i, 1);
    }
    heed__text_add(&l->texts, "", 1);
    l->count++;
    free(l->labels); /* the texts may have moved */
    l->labels = NULL;
}

const char *const *token_labels_of(token_labels *l)
{
    const char *at = l->texts.bytes;
    if (l->labels)
        return l->labels;
    l->labels = l->texts.failed ? NULL : calloc(l->count + 1, sizeof *l->labels);
    for (size_t i = 0; l->labels && i < l->count; i++) {
        l->labels[i] = at;
        at += strlen(at) + 1;
    }
    return l->labels;
}

void token_labels_free(token_labels *l)
{
    heed__text_free(&l->texts);
    free(l->labels);
    *l = (token_labels){ 0 };
}

typedef bool map_writer(const heed_maps *m, const char *path, char *error, size_t error_size);

static map_writer *writer_for(const char *path)
{
    static const struct {
        const char *ending;
        map_writer *write;
    } formats[] = { { ".html", heed_maps_write_html },
                    { ".svg", heed_maps_write_svg },
                    { ".csv", heed_maps_write_csv },
                    { ".json", heed_maps_write_json } };
    const char *ending = strrchr(path, '.');
    for (size_t i = 0; ending && i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(ending, formats[i].ending) == 0)
            return formats[i].write;
    }
    return NULL;
}

bool maps_file_known(const char *path, char *error, size_t error_size)
{
    return writer_for(path) ||
           heed__say(error, error_size,
                     "--attention must name a file .html, .svg, .csv or .json, not '%s'", path);
}

bool maps_file_write(const heed_maps *m, const char *path, char *error, size_t error_size)
{
    return maps_file_known(path, error, error_size) &&
           writer_for(path)(m, path, error, error_size);
}
