/* How well a model classifies (classifier.h). */
#include "classifier.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>

#define BATCH   256
#define WIDEST  20 /* classes of a table that still fits a terminal */
#define MIX_UPS 5

/* Adds a batch from image `first` on to the sums. */
static bool judge_batch(const classifier *c, heed_tape *t, const image_set *set, int64_t first,
                        int64_t count, judgement *j)
{
    const heed_cross_entropy_options sum = { .reduction = HEED_SUM };
    heed_tape_reset(t);
    heed_tensor *logits =
        classifier_forward(t, c, set->pixels + first * set->height * set->width, count);
    heed_tensor *labels = heed_ids(t, HEED_SHAPE(count), set->labels + first);
    j->loss += heed_item(t, heed_cross_entropy(t, logits, labels, &sum));
    const heed_tensor *best = heed_argmax(t, logits, -1, false);
    for (int64_t i = 0; best && i < count; i++) {
        int64_t label = set->labels[first + i], class = ((const int32_t *)best->data)[i];
        j->confusion[label * c->settings.classes + class]++;
        j->accuracy += label == class;
    }
    return best != NULL;
}

bool classifier_judge(const classifier *c, heed_tape *t, const image_set *set, judgement *j,
                      char *error, size_t error_size)
{
    int64_t classes = c->settings.classes;
    *j = (judgement){ .confusion = calloc((size_t)(classes * classes), sizeof *j->confusion) };
    bool good = j->confusion || heed__say(error, error_size, "not enough memory");
    bool training = heed_set_training(t, false), recording = heed_set_recording(t, false);
    for (int64_t first = 0; good && first < set->count; first += BATCH) {
        int64_t left = set->count - first;
        if (!judge_batch(c, t, set, first, left < BATCH ? left : BATCH, j))
            good = heed__say(error, error_size, "%s", heed_error(t));
    }
    heed_set_training(t, training);
    heed_set_recording(t, recording);
    j->loss /= (double)set->count;
    j->accuracy /= (double)set->count;
    if (good && !isfinite(j->loss))
        good = heed__say(error, error_size,
                         "the loss is not finite: the training has diverged, which a smaller "
                         "--lr often prevents, or the numbers of the model are damaged");
    if (!good)
        free(j->confusion);
    return good;
}

/* ---- printing ---- */

static void print_table(const judgement *j, int64_t classes, FILE *to)
{
    fputs("label   taken for\n      ", to);
    for (int64_t k = 0; k < classes; k++)
        fprintf(to, "%5lld", (long long)k);
    fputs("   right\n", to);
    for (int64_t i = 0; i < classes; i++) {
        const int64_t *row = j->confusion + i * classes;
        int64_t all = 0;
        fprintf(to, "%5lld ", (long long)i);
        for (int64_t k = 0; k < classes; k++) {
            all += row[k];
            if (row[k])
                fprintf(to, "%5lld", (long long)row[k]);
            else
                fputs("    .", to);
        }
        if (all)
            fprintf(to, "  %5.1f %%", 100 * (double)row[i] / (double)all);
        fputc('\n', to);
    }
}

static void print_mix_ups(const judgement *j, int64_t classes, FILE *to)
{
    int64_t most = INT64_MAX, printed = 0;
    while (printed < MIX_UPS) {
        int64_t next = 0; /* the largest count below those printed */
        for (int64_t k = 0; k < classes * classes; k++) {
            if (k / classes != k % classes && j->confusion[k] < most && j->confusion[k] > next)
                next = j->confusion[k];
        }
        if (next == 0)
            return;
        for (int64_t k = 0; k < classes * classes && printed < MIX_UPS; k++) {
            if (k / classes != k % classes && j->confusion[k] == next) {
                fprintf(to, "%s%lld for %lld (%lld)",
                        printed++ ? ", " : "most often taken: ", (long long)(k / classes),
                        (long long)(k % classes), (long long)next);
            }
        }
        most = next;
    }
}

void judgement_print(const judgement *j, int64_t classes, FILE *to)
{
    if (classes <= WIDEST)
        print_table(j, classes, to);
    print_mix_ups(j, classes, to);
    fputc('\n', to);
}
