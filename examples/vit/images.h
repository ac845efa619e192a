/* Sets of grey images with labels: from files, or made. Knows the library's text and file rooms
 * and nothing of models. Functions that can fail say why, in one sentence, in `error`. */
#ifndef VIT_IMAGES_H
#define VIT_IMAGES_H

#include <heed/heed.h>

#define IMAGES_MOST_CLASSES 1000
#define IMAGES_LONGEST_SIDE 1024

typedef struct image_set {
    int64_t count, height, width;
    int64_t classes; /* labels are below it */
    float *pixels;   /* [count, height, width], as the file has them, from 0 up */
    float brightest; /* of all pixels */
    int32_t *labels; /* [count] */
} image_set;

/* What a set must be to go with another one; zeros: anything. */
typedef struct image_limits {
    int64_t height, width, classes;
} image_limits;

/* By what the file holds: IDX, MNIST's format, whose labels are in the file of the same name
 * with "labels" for "images" and "idx1" for "idx3"; otherwise lines of numbers and commas, a
 * square image row by row and then its label, the first line possibly of names. On failure
 * nothing is left. */
bool images_read(image_set *set, const char *path, image_limits limits, char *error,
                 size_t error_size);
void images_free(image_set *set);

/* Digits of 8 x 8 pixels from 0 to 16, drawn from templates, each turned, stretched, moved and
 * blurred in its own way: a function of seed and count. */
bool images_make(image_set *set, int64_t count, uint64_t seed, char *error, size_t error_size);

/* What --help says of files of images. */
#define IMAGES_FORMATS                                                                       \
    "A file of images is CSV or IDX:\n"                                                      \
    "  CSV   a line an image: the pixels of a square, row by row, from 0 to 65535, and as\n" \
    "        its last column the label, a whole number from 0. A first line of names is\n"   \
    "        passed over. To the model the brightest pixel that it learns from is 1.\n"      \
    "  IDX   as MNIST has it, unpacked by gunzip; beside a file of images there must be\n"   \
    "        that of their labels, whose name has \"labels\" for \"images\":\n"              \
    "        train-images-idx3-ubyte, train-labels-idx1-ubyte"

/* Moves `count` images, drawn by seed, from the end of the set to a new one. */
bool images_hold_out(image_set *set, int64_t count, uint64_t seed, image_set *held, char *error,
                     size_t error_size);

/* ---- what the files of this room share ---- */

/* Room for so many images; false and a sentence for want of memory. */
bool images_reserve(image_set *set, int64_t count, int64_t height, int64_t width, char *error,
                    size_t error_size);
/* Reads a whole file, which must not be compressed; heed__release it. */
bool images_read_file(const char *path, unsigned char **bytes, size_t *size, char *error,
                      size_t error_size);
/* Of a whole file, which `path` names in sentences. */
bool images_parse_csv(image_set *set, const char *path, const char *bytes, size_t size,
                      image_limits limits, char *error, size_t error_size);
bool images_parse_idx(image_set *set, const char *path, const unsigned char *bytes, size_t size,
                      image_limits limits, char *error, size_t error_size);

/* How an image is deformed: turned by an angle, stretched along both axes, moved by pixels. */
typedef struct warp {
    double angle, stretch[2], move[2];
} warp;
/* from [height, width] -> to [new_height, new_width], their middles on each other; between
 * pixels linear, 0 beyond the edge. */
void image_warp(const float *from, int64_t height, int64_t width, const warp *w, float *to,
                int64_t new_height, int64_t new_width);
/* A small deformation, at random. */
warp warp_draw(double strength, heed_random *r);

#endif
