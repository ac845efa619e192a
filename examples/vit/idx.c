/* Images in MNIST's format, IDX (images.h): big-endian sizes, then bytes; labels in a file of
 * their own. */
#include "images.h"

#include "figures.h"
#include "file.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

enum { MAGIC_LABELS = 0x801, MAGIC_IMAGES = 0x803 };

static int64_t number_at(const unsigned char *bytes)
{
    return (int64_t)bytes[0] << 24 | (int64_t)bytes[1] << 16 | (int64_t)bytes[2] << 8 |
           (int64_t)bytes[3];
}

/* A file's magic number and its `axes` sizes; what follows must be as many bytes as they say.
 */
static bool read_head(const char *path, const unsigned char *bytes, size_t size, int magic,
                      int axes, int64_t *sizes, char *error, size_t error_size)
{
    size_t head = 4 + 4 * (size_t)axes;
    if (size < head)
        return heed__say(error, error_size, "%s is cut off: %s, and its head alone has %zu",
                         path, figure_of((int64_t)size, "byte").text, head);
    if (number_at(bytes) != magic)
        return heed__say(error, error_size,
                         "%s: the magic number is %08llx, but that of IDX %s is %08x", path,
                         (unsigned long long)number_at(bytes),
                         magic == MAGIC_IMAGES ? "images" : "labels", (unsigned)magic);
    int64_t expected = 1;
    bool fits = true;
    for (int i = 0; i < axes; i++) {
        sizes[i] = number_at(bytes + 4 + 4 * i);
        fits = fits && !__builtin_mul_overflow(expected, sizes[i], &expected);
    }
    if (!fits)
        return heed__say(error, error_size, "%s: its head says more bytes than can be counted",
                         path);
    if ((size_t)expected != size - head)
        return heed__say(error, error_size, "%s: its head says %s, and %zu follow%s", path,
                         figure_of(expected, "byte").text, size - head,
                         (size_t)expected > size - head ? ": it is cut off" : "");
    return true;
}

/* The name of the labels' file: "train-images-idx3-ubyte" has "train-labels-idx1-ubyte". */
static bool labels_path(const char *path, char *to, size_t to_size, char *error,
                        size_t error_size)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *images = strstr(base, "images");
    if (!images)
        return heed__say(error, error_size,
                         "%s: where its labels are is told by \"images\" in the name, which "
                         "is not there",
                         path);
    int used = snprintf(to, to_size, "%.*slabels%s", (int)(images - path), path,
                        images + strlen("images"));
    if (used < 0 || (size_t)used >= to_size)
        return heed__say(error, error_size, "the name of the file is too long");
    char *rank = strstr(to + (images - path), "idx3");
    if (rank)
        rank[3] = '1';
    return true;
}

static bool read_labels(image_set *set, const char *images, int64_t classes, char *error,
                        size_t error_size)
{
    char path[4096], why[600];
    unsigned char *bytes;
    size_t size;
    int64_t count = 0;
    if (!labels_path(images, path, sizeof path, error, error_size))
        return false;
    if (!images_read_file(path, &bytes, &size, why, sizeof why))
        return heed__say(error, error_size, "the labels that belong to %s: %s", images, why);
    bool good = read_head(path, bytes, size, MAGIC_LABELS, 1, &count, error, error_size);
    if (good && count != set->count)
        good = heed__say(error, error_size, "%s has %s for %s", path,
                         figure_of(count, "label").text, figure_of(set->count, "image").text);
    for (int64_t i = 0; good && i < count; i++) {
        set->labels[i] = bytes[8 + i];
        if (bytes[8 + i] >= classes)
            good = heed__say(error, error_size, "%s: label %lld must be from 0 to %lld, not %d",
                             path, (long long)i, (long long)classes - 1, bytes[8 + i]);
    }
    heed__release(NULL, bytes, size);
    return good;
}

bool images_parse_idx(image_set *set, const char *path, const unsigned char *bytes, size_t size,
                      image_limits limits, char *error, size_t error_size)
{
    int64_t sizes[3]; /* count, height, width */
    if (!read_head(path, bytes, size, MAGIC_IMAGES, 3, sizes, error, error_size))
        return false;
    if (sizes[0] == 0)
        return heed__say(error, error_size, "%s holds no image", path);
    if (sizes[1] < 1 || sizes[2] < 1 || sizes[1] > IMAGES_LONGEST_SIDE ||
        sizes[2] > IMAGES_LONGEST_SIDE)
        return heed__say(error, error_size, "%s: images of %lld x %lld are not 1 to %d a side",
                         path, (long long)sizes[1], (long long)sizes[2], IMAGES_LONGEST_SIDE);
    if (limits.height && (sizes[1] != limits.height || sizes[2] != limits.width))
        return heed__say(error, error_size,
                         "%s: its images are %lld x %lld, but %lld x %lld are needed", path,
                         (long long)sizes[1], (long long)sizes[2], (long long)limits.height,
                         (long long)limits.width);
    if (!images_reserve(set, sizes[0], sizes[1], sizes[2], error, error_size))
        return false;
    for (int64_t i = 0; i < sizes[0] * sizes[1] * sizes[2]; i++)
        set->pixels[i] = (float)bytes[16 + i];
    return read_labels(set, path, limits.classes ? limits.classes : IMAGES_MOST_CLASSES, error,
                       error_size);
}
