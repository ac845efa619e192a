/* Teaching a BERT to classify sentences. Knows readers and sentences. */
#ifndef BERT_FINETUNE_H
#define BERT_FINETUNE_H

#include "reader.h"
#include "sentences.h"

typedef enum finetune_start {
    FINETUNE_SCRATCH, /* everything begins at random */
    FINETUNE_FROZEN,  /* from what the reader has learned, which stays; only the head learns */
    FINETUNE_PRETRAINED /* from what the reader has learned, and all learns */
} finetune_start;

typedef struct finetune_task {
    sentences learned, judged; /* with two classes */
    int64_t epochs;
    double lr;
    uint64_t seed;
} finetune_task;

/* The share of the judged sentences that a model of the reader's sizes classifies rightly. The
 * reader stays as it is. */
bool finetune(const reader *r, const finetune_task *task, finetune_start start,
              double *accuracy, char *error, size_t error_size);

#endif
