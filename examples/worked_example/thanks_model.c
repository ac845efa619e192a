/* The numbers of the walk-through (thanks.h). */
#include "thanks.h"

#include "steps.h"

#include <math.h>

heed_tensor *thanks_states(heed_tape *t)
{
    return matrix(t, THANKS_STATES, 3, (const double[]){ 10, 0, 0, 0, 10, 0, 0, 0, 10 });
}

static thanks_step decode(heed_tape *t, heed_tensor *s)
{
    static const double to_words[] = { .4, .4, 0, .5, .5, 0,  .2, 0, 0,
                                       0,  .1, 0, 0,  0,  .5, 0,  0, 2 };
    heed_tensor *h = thanks_states(t);
    thanks_step step = { .s = s, .scores = heed_matmul(t, h, s) };
    step.weights = heed_softmax(t, step.scores, -1);
    step.context = heed_matmul(t, step.weights, h);
    heed_tensor *joined = heed_concatenate(t, 2, (heed_tensor *[]){ step.context, s }, 0);
    step.logits = heed_matmul(t, matrix(t, THANKS_WORDS, 6, to_words), joined);
    step.probabilities = heed_softmax(t, step.logits, -1);
    return step;
}

thanks_step thanks_first(heed_tape *t)
{
    return decode(t, row(t, 3, (const double[]){ .9, .9, -.9 }));
}

/* s_1 = tanh(W s_0 + U y): the first two coordinates of W s_0 cancel, and U y is such that the
 * third of s_1 is (ln 8)/10. */
thanks_step thanks_next(heed_tape *t, const thanks_step *before)
{
    heed_tensor *w = matrix(t, 3, 3, (const double[]){ .5, -.5, 0, -.5, .5, 0, 0, 0, .5 });
    heed_tensor *from_word = row(t, 3, (const double[]){ 0, 0, atanh(log(8) / 10) + .45 });
    heed_tensor *from_state = heed_matmul(t, w, before->s);
    return decode(t, heed_tanh(t, heed_add(t, from_state, from_word)));
}

int thanks_word(heed_tape *t, const thanks_step *step)
{
    heed_tensor *chosen = heed_argmax(t, step->probabilities, 0, false);
    return chosen ? (int)heed_at(chosen, 0) : -1;
}
