/* The sections of the page, each of one subject. They may leave anything on the tape, which is
 * reset behind them. */
#ifndef WORKED_SECTIONS_H
#define WORKED_SECTIONS_H

#include "page.h"

void show_attention(page *p, heed_tape *t); /* asymmetric reference, forward and backward */
void show_cat(page *p, heed_tape *t);       /* cat, sat, mat: forward */
void show_cat_gradients(page *p, heed_tape *t);
void show_scaling(page *p, heed_tape *t);
void show_saturation(page *p, heed_tape *t);
void show_heads(page *p, heed_tape *t);
void show_sizes(page *p, heed_tape *t);
void show_masks(page *p, heed_tape *t);
void show_padding(page *p, heed_tape *t);
void show_code(page *p, heed_tape *t);
void show_positions(page *p, heed_tape *t);
void show_order(page *p, heed_tape *t);
void show_rotary(page *p, heed_tape *t);
void show_banana(page *p, heed_tape *t);
void show_thanks(page *p, heed_tape *t);
void show_loss(page *p, heed_tape *t);
void show_alignment(page *p, heed_tape *t);
void show_annotation(page *p, heed_tape *t);
void show_continuous(page *p, heed_tape *t);
void show_retrieval(page *p, heed_tape *t);
void show_sentences(page *p, heed_tape *t);

#endif
