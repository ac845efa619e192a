/* Looking inside attention: two layers of self-attention over a sentence, whose weights are
 * recorded, measured, drawn and written as CSV, JSON, SVG and a page for a browser.
 *
 *     attention_maps FOLDER
 *
 * The English sentence is read as a whole, the Korean one word by word as a decoder would, each
 * word seeing only those before it. Nothing is learned here: the projections are random, and
 * each head is sharper than the one before, so that there is something to tell apart. */
#include <heed/heed.h>
#include <heed/inspect.h>
#include <heed/nn.h>

#include <math.h>
#include <stdio.h>

enum { WIDTH = 32, HEADS = 4, LAYERS = 2, MOST_WORDS = 16 };

typedef struct layer {
    heed_linear_module q, k, v;
} layer;

typedef struct model {
    layer layers[LAYERS];
    heed_maps *maps; /* NULL, or who looks */
} model;

static heed_params *make(model *m)
{
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_random r = { .seed = 7 };
    heed_linear_options options = { .random = &r };
    for (int i = 0; i < LAYERS; i++) {
        heed_params_scope(ps, i ? "layers.1" : "layers.0");
        heed_linear_init(&m->layers[i].q, ps, "q", WIDTH, WIDTH, options);
        heed_linear_init(&m->layers[i].k, ps, "k", WIDTH, WIDTH, options);
        heed_linear_init(&m->layers[i].v, ps, "v", WIDTH, WIDTH, options);
        heed_params_scope_end(ps);
    }
    return ps;
}

/* x [1, T, C]: a vector of random numbers for each word, and where it stands. */
static heed_tensor *words(heed_tape *t, int count)
{
    double values[MOST_WORDS * WIDTH];
    heed_random r = { .seed = 3 };
    for (int i = 0; i < count * WIDTH; i++)
        values[i] = heed_random_normal(&r);
    heed_tensor *content = heed_constant(t, HEED_SHAPE(1, count, WIDTH), values);
    return heed_add(t, content, heed_sinusoidal_positions(t, 0, count, WIDTH));
}

/* One layer. `first`: the queries that are new, and all of whose weights are recorded. */
static heed_tensor *attend(heed_tape *t, const model *m, int i, heed_tensor *x, bool causal,
                           int64_t first)
{
    const layer *l = &m->layers[i];
    double values[HEADS], d = WIDTH / HEADS;
    for (int h = 0; h < HEADS; h++)
        values[h] = (1 + 2 * h) / sqrt(d); /* sharper and sharper */
    heed_tensor *sharpness = heed_constant(t, HEED_SHAPE(HEADS, 1, 1), values);
    heed_tensor *q = heed_split_heads(t, heed_linear_forward(t, &l->q, x), HEADS);
    heed_tensor *k = heed_split_heads(t, heed_linear_forward(t, &l->k, x), HEADS);
    heed_tensor *v = heed_split_heads(t, heed_linear_forward(t, &l->v, x), HEADS);
    heed_tensor *scores = heed_mul(t, heed_matmul(t, q, heed_swap(t, k, 2, 3)), sharpness);
    if (causal) {
        heed_tensor *ones = heed_full(t, heed_shape_of(scores), 1);
        heed_tensor *visible = heed_cast(t, heed_tril(t, ones, 0), HEED_BOOL);
        scores = heed_masked_fill(t, scores, heed_logical_not(t, visible), -INFINITY);
    }
    heed_tensor *p = heed_softmax(t, scores, -1); /* [1, H, T, T] */
    heed_maps_record(m->maps, t, heed_slice(t, p, 2, first, HEED_END, 1), "layers.%d", i);
    heed_tensor *y = heed_join_heads(t, heed_matmul(t, p, v));
    return heed_add(t, x, y);
}

static void forward(heed_tape *t, const model *m, int count, bool causal, int64_t first)
{
    heed_tensor *x = words(t, count);
    for (int i = 0; i < LAYERS; i++)
        x = attend(t, m, i, x, causal, first);
}

/* All of FOLDER/NAME.csv, .json, .svg and .html. */
static bool write_all(const heed_maps *m, const char *folder, const char *name)
{
    typedef bool writer(const heed_maps *m, const char *path, char *error, size_t size);
    static const struct {
        const char *ending;
        writer *write;
    } formats[] = { { "csv", heed_maps_write_csv },
                    { "json", heed_maps_write_json },
                    { "svg", heed_maps_write_svg },
                    { "html", heed_maps_write_html } };
    char path[1024], error[512];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s.%s", folder, name, formats[i].ending);
        if (!formats[i].write(m, path, error, sizeof error)) {
            fprintf(stderr, "attention_maps: %s\n", error);
            return false;
        }
        printf("%s\n", path);
    }
    return true;
}

typedef struct sentence {
    const char *name, *title;
    int count;
    const char *words[MOST_WORDS];
    bool step_by_step;
} sentence;

static bool look(const model *plain, heed_tape *t, const sentence *s, const char *folder)
{
    char error[512] = "out of memory";
    model m = *plain;
    m.maps = heed_maps_new((heed_maps_options){ .title = s->title, .append = s->step_by_step });
    if (s->step_by_step) {
        for (int n = 1; n <= s->count; n++)
            forward(t, &m, n, true, n - 1);
    } else {
        forward(t, &m, s->count, false, 0);
    }
    bool good = m.maps && !heed_error(t) &&
                heed_maps_label(m.maps, "*", s->count, s->words, s->count, s->words, error,
                                sizeof error);
    if (good) {
        heed_maps_print(m.maps, stdout);
        heed_map_draw(heed_maps_find(m.maps, "layers.0"), HEADS - 1, false, stdout);
        good = write_all(m.maps, folder, s->name);
    } else {
        fprintf(stderr, "attention_maps: %s\n", heed_error(t) ? heed_error(t) : error);
    }
    heed_maps_free(m.maps);
    heed_tape_reset(t);
    return good;
}

int main(int count, char **arguments)
{
    static const sentence english = {
        "english",
        "The animal didn't cross the street because it was too tired",
        12,
        { "The", "animal", "didn't", "cross", "the", "street", "because", "it", "was", "too",
          "tired", "." },
        false
    };
    static const sentence korean = { "korean",
                                     "그 동물은 너무 지쳐서 길을 건너지 않았다",
                                     8,
                                     { "그", "동물은", "너무", "지쳐서", "길을", "건너지",
                                       "않았다", "." },
                                     true };
    if (count != 2) {
        fprintf(stderr, "usage: attention_maps FOLDER\n");
        return 2;
    }
    model m = { 0 };
    heed_params *ps = make(&m);
    heed_tape *t = heed_tape_new(NULL);
    if (ps && heed_params_error(ps))
        fprintf(stderr, "attention_maps: %s\n", heed_params_error(ps));
    bool good = ps && t && !heed_params_error(ps) && look(&m, t, &english, arguments[1]) &&
                look(&m, t, &korean, arguments[1]);
    heed_tape_free(t);
    heed_params_free(ps);
    return good ? 0 : 1;
}
