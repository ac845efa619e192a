/* Digits that are made, and how images are deformed (images.h). */
#include "images.h"

#include <math.h>

enum { DIGITS = 10, ROWS = 7, COLUMNS = 5, SIDE = 8, WHITE = 16 };

static const char *const templates[DIGITS][ROWS] = {
    { " ### ", "#   #", "#   #", "#   #", "#   #", "#   #", " ### " },
    { "  #  ", " ##  ", "  #  ", "  #  ", "  #  ", "  #  ", " ### " },
    { " ### ", "#   #", "    #", "   # ", "  #  ", " #   ", "#####" },
    { "#### ", "    #", "    #", " ### ", "    #", "    #", "#### " },
    { "   # ", "  ## ", " # # ", "#  # ", "#####", "   # ", "   # " },
    { "#####", "#    ", "#### ", "    #", "    #", "#   #", " ### " },
    { "  ## ", " #   ", "#    ", "#### ", "#   #", "#   #", " ### " },
    { "#####", "    #", "   # ", "  #  ", "  #  ", " #   ", " #   " },
    { " ### ", "#   #", "#   #", " ### ", "#   #", "#   #", " ### " },
    { " ### ", "#   #", "#   #", " ####", "    #", "   # ", " ##  " },
};

static float at(const float *from, int64_t height, int64_t width, int64_t y, int64_t x)
{
    return y < 0 || x < 0 || y >= height || x >= width ? 0 : from[y * width + x];
}

void image_warp(const float *from, int64_t height, int64_t width, const warp *w, float *to,
                int64_t new_height, int64_t new_width)
{
    double cosine = cos(w->angle), sine = sin(w->angle);
    for (int64_t i = 0; i < new_height; i++) {
        for (int64_t j = 0; j < new_width; j++) {
            double v = (double)i - (double)(new_height - 1) / 2 - w->move[0];
            double u = (double)j - (double)(new_width - 1) / 2 - w->move[1];
            double y = (cosine * v - sine * u) / w->stretch[0] + (double)(height - 1) / 2;
            double x = (sine * v + cosine * u) / w->stretch[1] + (double)(width - 1) / 2;
            int64_t top = (int64_t)floor(y), left = (int64_t)floor(x);
            double down = y - floor(y), right = x - floor(x);
            double above = (1 - right) * (double)at(from, height, width, top, left) +
                           right * (double)at(from, height, width, top, left + 1);
            double below = (1 - right) * (double)at(from, height, width, top + 1, left) +
                           right * (double)at(from, height, width, top + 1, left + 1);
            to[i * new_width + j] = (float)((1 - down) * above + down * below);
        }
    }
}

static double between(heed_random *r, double low, double high)
{
    return low + (high - low) * heed_random_uniform(r);
}

warp warp_draw(double strength, heed_random *r)
{
    warp w;
    w.angle = between(r, -0.25, 0.25) * strength;
    for (int i = 0; i < 2; i++) {
        w.stretch[i] = 1 + between(r, -0.2, 0.2) * strength;
        w.move[i] = between(r, -1, 1) * strength;
    }
    return w;
}

bool images_make(image_set *set, int64_t count, uint64_t seed, char *error, size_t error_size)
{
    heed_random r = { .seed = seed };
    float ink[ROWS * COLUMNS];
    if (!images_reserve(set, count, SIDE, SIDE, error, error_size))
        return false;
    for (int64_t i = 0; i < count; i++) {
        int digit = (int)(i % DIGITS);
        float *image = set->pixels + i * SIDE * SIDE;
        for (int k = 0; k < ROWS * COLUMNS; k++)
            ink[k] = templates[digit][k / COLUMNS][k % COLUMNS] == '#' ? WHITE : 0;
        warp w = warp_draw(1, &r);
        image_warp(ink, ROWS, COLUMNS, &w, image, SIDE, SIDE);
        for (int k = 0; k < SIDE * SIDE; k++) {
            double pixel = (double)image[k] + 1.5 * heed_random_normal(&r);
            image[k] = (float)floor(fmin(fmax(pixel, 0), WHITE) + 0.5);
        }
        set->labels[i] = digit;
    }
    set->classes = DIGITS;
    set->brightest = WHITE;
    return true;
}
