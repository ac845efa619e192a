/* The decoder of S0's walk-through, "Thank you" to "고마워", in numbers small enough to follow by
 * hand: three states of the encoder, two steps of the decoder. */
#ifndef WORKED_THANKS_H
#define WORKED_THANKS_H

#include <heed/heed.h>

#include <stdbool.h>
#include <stddef.h>

enum { THANKS_STATES = 3, THANKS_WORDS = 3, THANKS_STEPS = 2 };

typedef struct thanks_step {
    heed_tensor *s; /* the query */
    heed_tensor *scores, *weights, *context;
    heed_tensor *logits, *probabilities; /* of the words 고마워, 안녕, <EOS> */
} thanks_step;

/* h_thank, h_you, h_eos, keys and values alike: [3, 3]. */
heed_tensor *thanks_states(heed_tape *t);
/* The step from s_0, and that from the state after 고마워. */
thanks_step thanks_first(heed_tape *t);
thanks_step thanks_next(heed_tape *t, const thanks_step *before);
/* Which word is the most probable. */
int thanks_word(heed_tape *t, const thanks_step *step);

/* animation.c: the walk-through as one SVG image that moves and needs nothing else, written
 * whole or not at all. */
bool thanks_animate(heed_tape *t, bool korean, const char *path, char *error,
                    size_t error_size);

#endif
