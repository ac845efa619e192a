/* What "it" stands for: a small task with an answer that has a place. Nobody tells the model where
 * to look; it learns the answer, and its weights must point at the antecedent. */
#include "tensors.h"

#include <heed/nn.h>
#include <heed/optim.h>

static int place_of_largest(const heed_tensor *x, int64_t from, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        best = heed_at(x, from + i) > heed_at(x, from + best) ? i : best;
    return best;
}

static void step(heed_tape *t, heed_tensor *loss, heed_optimizer *o, heed_params *ps)
{
    swept(t, loss);
    heed_clip_norm(heed_params_gradients(ps), 1);
    ck_assert(heed_optimizer_step(o, heed_params_gradients(ps)));
    heed_tape_reset(t);
}

/* As in "the animal didn't cross the street because it was too tired": an animal and a place, in
 * either order and between other words; then "it", another word, and what it is: tired (an animal
 * is) or wide (a place is). Asked for at "it": which noun is it? The first layer sees the next
 * two words only, so that nobody else can look for "it". */

enum { ANIMAL = 0, PLACE = 5, IT = 10, TIRED = 11, WIDE = 14, OTHER = 17, WORDS = 23 };
enum { LENGTH_OF_SENTENCE = 9, AT_IT = 6, WIDTH = 24, BATCH = 64 };

typedef struct sentences {
    int32_t ids[BATCH][LENGTH_OF_SENTENCE];
    int32_t noun[BATCH], at[BATCH]; /* what "it" is, and where that stands; */
    int32_t other[BATCH];           /* and where the other noun does */
} sentences;

static int32_t one_of(heed_random *r, int first, int last)
{
    return first + (int32_t)heed_random_below(r, (uint64_t)(last - first));
}

static void draw_sentences(sentences *s, heed_random *r)
{
    for (int b = 0; b < BATCH; b++) {
        bool tired = heed_random_below(r, 2), animal_first = heed_random_below(r, 2);
        int first = (int)heed_random_below(r, 3), second = 3 + (int)heed_random_below(r, 3);
        for (int i = 0; i < LENGTH_OF_SENTENCE; i++)
            s->ids[b][i] = one_of(r, OTHER, WORDS);
        int animal = animal_first ? first : second, place = animal_first ? second : first;
        s->ids[b][animal] = one_of(r, ANIMAL, PLACE);
        s->ids[b][place] = one_of(r, PLACE, IT);
        s->ids[b][AT_IT] = IT;
        s->ids[b][LENGTH_OF_SENTENCE - 1] =
            tired ? one_of(r, TIRED, WIDE) : one_of(r, WIDE, OTHER);
        s->at[b] = tired ? animal : place;
        s->other[b] = tired ? place : animal;
        s->noun[b] = s->ids[b][s->at[b]];
    }
}

typedef struct reader {
    heed_embedding_module words;
    heed_position_module places;
    heed_multihead_attention layer[2];
} reader;

/* Two layers of attention and nothing else; weights [B, T, T]: those of the second. */
static heed_tensor *read_sentences(heed_tape *t, const reader *m, const sentences *s,
                                   heed_tensor **weights)
{
    heed_tensor *ids = heed_ids(t, HEED_SHAPE(BATCH, LENGTH_OF_SENTENCE), s->ids[0]);
    heed_tensor *x = heed_embedding_forward(t, &m->words, ids);
    x = heed_position_forward(t, &m->places, x, 0);
    for (int i = 0; i < 2; i++) {
        heed_tensor *q = heed_linear_forward(t, &m->layer[i].q, x);
        heed_tensor *k = heed_linear_forward(t, &m->layer[i].k, x);
        *weights = heed_squeeze(t,
                                heed_attention_weights(t, heed_unsqueeze(t, q, 1),
                                                       heed_unsqueeze(t, k, 1), NULL, NULL),
                                1);
        heed_tensor *y = heed_multihead_attention_forward(t, &m->layer[i], x, NULL, NULL, NULL);
        x = i == 0 ? heed_add(t, x, y) : y; /* the answer is what was read, alone */
    }
    return heed_embedding_logits(t, &m->words, heed_select(t, x, 1, AT_IT));
}

START_TEST(it_is_the_animal)
{
    static sentences s;
    heed_random r = { .seed = 2 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_tape *t = heed_tape_new(NULL);
    reader m;
    heed_tensor *weights;
    heed_embedding_init(&m.words, ps, "words", WORDS, WIDTH, 0.5, &r);
    heed_position_init(&m.places, ps, "places", HEED_POSITIONS_LEARNED, LENGTH_OF_SENTENCE,
                       WIDTH, 0.5, &r);
    for (int i = 0; i < 2; i++)
        heed_multihead_attention_init(
            &m.layer[i], ps, i ? "second" : "first", WIDTH,
            (heed_multihead_attention_options){
                .heads = 1, .windowed = i == 0, .right = i == 0 ? 2 : 0, .random = &r });
    heed_optimizer *o = heed_adam_new(ps, (heed_adam_options){ .lr = 0.01 });
    for (int i = 0; i < 400; i++) {
        draw_sentences(&s, &r);
        heed_tensor *logits = read_sentences(t, &m, &s, &weights);
        heed_tensor *nouns = heed_ids(t, HEED_SHAPE(BATCH), s.noun);
        step(t, heed_cross_entropy(t, logits, nouns, NULL), o, ps);
    }
    draw_sentences(&s, &r);
    heed_set_recording(t, false);
    heed_tensor *logits = read_sentences(t, &m, &s, &weights);
    int right = 0;
    double antecedent = 0, other = 0;
    for (int b = 0; b < BATCH; b++) {
        right += place_of_largest(logits, b * WORDS, WORDS) == s.noun[b];
        int64_t row = ((int64_t)b * LENGTH_OF_SENTENCE + AT_IT) * LENGTH_OF_SENTENCE;
        antecedent += heed_at(weights, row + s.at[b]) / BATCH;
        other += heed_at(weights, row + s.other[b]) / BATCH;
    }
    ck_assert_int_ge(right, BATCH - 4);
    ck_assert_double_gt(antecedent, 0.5);
    ck_assert_double_lt(other, 0.05);
    heed_optimizer_free(o);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("coreference");
    TCase *tests = tcase_create("coreference");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, it_is_the_animal);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
