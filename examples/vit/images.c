/* Sets of images (images.h): reading, parting. */
#include "images.h"

#include "figures.h"
#include "file.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

bool images_reserve(image_set *set, int64_t count, int64_t height, int64_t width, char *error,
                    size_t error_size)
{
    size_t images = count > 0 ? (size_t)count : 1;
    *set = (image_set){ .count = count, .height = height, .width = width };
    set->pixels = calloc(images, (size_t)(height * width) * sizeof *set->pixels);
    set->labels = calloc(images, sizeof *set->labels);
    if (set->pixels && set->labels)
        return true;
    images_free(set);
    return heed__say(error, error_size, "not enough memory for %s",
                     figure_of(count, "image").text);
}

void images_free(image_set *set)
{
    free(set->pixels);
    free(set->labels);
    *set = (image_set){ 0 };
}

/* MNIST's files begin with two zeros, and no line of numbers does. */
static bool is_idx(const unsigned char *bytes, size_t size)
{
    return size > 0 && bytes[0] == 0;
}

/* The labels are known; what all of a set share. */
static void summarize(image_set *set, image_limits limits)
{
    int64_t size = set->count * set->height * set->width;
    for (int64_t i = 0; i < size; i++) {
        if (set->pixels[i] > set->brightest)
            set->brightest = set->pixels[i];
    }
    set->classes = limits.classes;
    for (int64_t i = 0; limits.classes == 0 && i < set->count; i++) {
        if (set->labels[i] >= set->classes)
            set->classes = set->labels[i] + 1;
    }
}

bool images_read_file(const char *path, unsigned char **bytes, size_t *size, char *error,
                      size_t error_size)
{
    if (!heed__file_read(path, NULL, bytes, size, error, error_size))
        return false;
    if (*size < 2 || (*bytes)[0] != 0x1f || (*bytes)[1] != 0x8b)
        return true;
    heed__release(NULL, *bytes, *size);
    return heed__say(error, error_size,
                     "%s is compressed by gzip: unpack it first, by gunzip -k", path);
}

bool images_read(image_set *set, const char *path, image_limits limits, char *error,
                 size_t error_size)
{
    unsigned char *bytes;
    size_t size;
    *set = (image_set){ 0 };
    if (!images_read_file(path, &bytes, &size, error, error_size))
        return false;
    bool good =
        is_idx(bytes, size)
            ? images_parse_idx(set, path, bytes, size, limits, error, error_size)
            : images_parse_csv(set, path, (const char *)bytes, size, limits, error, error_size);
    heed__release(NULL, bytes, size);
    if (good)
        summarize(set, limits);
    else
        images_free(set);
    return good;
}

static void exchange(image_set *set, int64_t i, int64_t j)
{
    int64_t size = set->height * set->width;
    float *a = set->pixels + i * size, *b = set->pixels + j * size;
    int32_t label = set->labels[i];
    set->labels[i] = set->labels[j];
    set->labels[j] = label;
    for (int64_t k = 0; k < size; k++) {
        float pixel = a[k];
        a[k] = b[k];
        b[k] = pixel;
    }
}

bool images_hold_out(image_set *set, int64_t count, uint64_t seed, image_set *held, char *error,
                     size_t error_size)
{
    heed_random r = { .seed = seed };
    int64_t size = set->height * set->width;
    if (!images_reserve(held, count, set->height, set->width, error, error_size))
        return false;
    for (int64_t i = set->count - 1; i > 0; i--)
        exchange(set, i, (int64_t)heed_random_below(&r, (uint64_t)i + 1));
    set->count -= count;
    memcpy(held->pixels, set->pixels + set->count * size,
           (size_t)(count * size) * sizeof *set->pixels);
    memcpy(held->labels, set->labels + set->count, (size_t)count * sizeof *set->labels);
    held->classes = set->classes;
    held->brightest = set->brightest;
    return true;
}
