/* A classifier on a body that was trained before, or was not (finetune.h). */
#include "finetune.h"

#include "machine.h"
#include "text.h"

#include <heed/optim.h>
#include <math.h>
#include <string.h>

enum { CLASSES = 2, BATCH = 16, JUDGED_BATCH = 128 };

typedef struct tuner {
    heed_params *parameters;
    heed_bert bert;
    heed_bert_classes head;
    heed_optimizer *optimizer;
    heed_tape *tape;
    heed_batches *learned, *judged;
    int64_t step;
} tuner;

/* Parameters of the same name: the body's. The heads' are others. */
static void copy_body(heed_params *to, const heed_params *from)
{
    for (int i = 0; i < heed_params_count(to); i++) {
        heed_parameter *p = heed_params_at(to, i);
        const heed_parameter *q = heed_params_find(from, p->name);
        if (q)
            memcpy(p->data, q->data, (size_t)p->size * heed_dtype_size(p->dtype));
    }
}

static bool open_tuner(tuner *w, const reader *r, const finetune_task *task,
                       finetune_start start, char *error, size_t error_size)
{
    heed_random random = { .seed = task->seed };
    w->parameters = heed_params_new(HEED_F32, NULL);
    w->tape = heed_tape_new(NULL);
    if (!w->parameters || !w->tape)
        return heed__say(error, error_size, "not enough memory");
    heed_bert_init(&w->bert, w->parameters, "bert", settings_model(&r->settings, &random));
    heed_bert_classes_init(&w->head, w->parameters, "classes", &w->bert, CLASSES, &random);
    if (heed_params_error(w->parameters))
        return heed__say(error, error_size, "%s", heed_params_error(w->parameters));
    if (start != FINETUNE_SCRATCH)
        copy_body(w->parameters, r->parameters);
    if (start == FINETUNE_FROZEN)
        heed_params_freeze(w->parameters, "bert.*", true);
    w->optimizer = heed_adamw_new(w->parameters, (heed_adam_options){ .decay = 0.01 });
    if (!w->optimizer || !heed_params_gradients(w->parameters))
        return heed__say(error, error_size, "not enough memory");
    const heed_batches_options learning = { .size = BATCH,
                                            .shuffle = true,
                                            .seed = task->seed },
                               judging = { .size = JUDGED_BATCH };
    w->learned = sentences_batches(&task->learned, learning, error, error_size);
    w->judged =
        w->learned ? sentences_batches(&task->judged, judging, error, error_size) : NULL;
    return w->judged != NULL;
}

static void close_tuner(tuner *w)
{
    heed_batches_free(w->learned);
    heed_batches_free(w->judged);
    heed_optimizer_free(w->optimizer);
    heed_tape_free(w->tape);
    heed_params_free(w->parameters);
}

/* Of the batch at hand. */
static heed_tensor *logits_of(tuner *w, heed_batches *batches)
{
    heed_tensor *ids = heed_batch_values(w->tape, batches, 0);
    heed_tensor *states =
        heed_bert_forward(w->tape, &w->bert, ids, NULL, heed_batch_lengths(batches, 0));
    return heed_bert_classes_forward(w->tape, &w->head, states);
}

static bool take_step(tuner *w, const heed_schedule *schedule, uint64_t seed)
{
    heed_gradients *g = heed_params_gradients(w->parameters);
    heed_batches_next(w->learned);
    heed_tape_reset(w->tape);
    heed_seed(w->tape, seed, (uint64_t)w->step);
    heed_tensor *logits = logits_of(w, w->learned);
    heed_tensor *labels = heed_batch_values(w->tape, w->learned, 1);
    if (!heed_backward(w->tape, heed_cross_entropy(w->tape, logits, labels, NULL)))
        return false;
    heed_clip_norm(g, 1);
    heed_optimizer_set_rate(w->optimizer, heed_schedule_rate(schedule, w->step++));
    return heed_optimizer_step(w->optimizer, g);
}

static bool judge(tuner *w, double *accuracy)
{
    int64_t right = 0, all = 0;
    heed_set_training(w->tape, false);
    heed_set_recording(w->tape, false);
    for (int64_t i = 0; i < heed_batches_count(w->judged); i++) {
        heed_batches_next(w->judged);
        heed_tape_reset(w->tape);
        const heed_tensor *best = heed_argmax(w->tape, logits_of(w, w->judged), -1, false);
        const heed_tensor *labels = heed_batch_values(w->tape, w->judged, 1);
        if (!best || !labels)
            return false;
        for (int64_t k = 0; k < heed_size(best); k++)
            right += heed_at(best, k) == heed_at(labels, k);
        all += heed_size(best);
    }
    *accuracy = (double)right / (double)all;
    return true;
}

bool finetune(const reader *r, const finetune_task *task, finetune_start start,
              double *accuracy, char *error, size_t error_size)
{
    tuner w = { 0 };
    bool good = open_tuner(&w, r, task, start, error, error_size);
    int64_t steps = good ? task->epochs * heed_batches_count(w.learned) : 0;
    const heed_schedule schedule = {
        .kind = HEED_LINEAR, .lr = task->lr, .warmup = steps / 10, .steps = steps
    };
    if (good)
        heed_set_training(w.tape, true);
    for (int64_t i = 0; good && i < steps && !machine_interrupted(); i++)
        good = take_step(&w, &schedule, task->seed) ||
               heed__say(error, error_size, "%s",
                         heed_error(w.tape) ? heed_error(w.tape)
                                            : heed_optimizer_error(w.optimizer));
    if (good && !judge(&w, accuracy))
        good = heed__say(error, error_size, "%s", heed_error(w.tape));
    close_tuner(&w);
    return good;
}
