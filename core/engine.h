/* The structs behind the public names, shared by tape.c, backward.c, tensor.c, check.c and
 * params.c. Ops see op.h only. */
#ifndef HEED_ENGINE_H
#define HEED_ENGINE_H

#include "arena.h"
#include "op.h"
#include "params.h"

enum {
    TENSOR_DIFFERENTIABLE = 1, /* its gradient is asked for, or an operand's was */
    TENSOR_WATCHED = 2,
    TENSOR_DEFERRED =
        4 /* not computed yet: the last op of a rule, waiting for its destination */
};

/* Memory of one or more tensors. Holders are the record that made it (or the tape), gradient
 * slots, keeps and the temporaries of a rule at work; the last one to let go gives the block
 * back. */
typedef struct heed__storage {
    void *block;
    int size_class;
    int holders;
    struct heed__storage *next_temporary;
} heed__storage;

typedef struct heed__scope {
    struct heed__scope *parent;
    const char *name;
    uint64_t path;   /* hash of the names from the root */
    uint64_t draws;  /* random draws at this very path in this step: see heed__draw_key */
    uint64_t serial; /* order of making in this step */
    struct heed__scope *first_child, *sibling;
} heed__scope;

/* One op as it was applied: the unit of the append-only record. */
typedef struct heed__record {
    struct heed__record *previous;
    heed_call call;
    heed_tensor *y;
    heed__scope *scope;
    int saved;      /* number of by-products */
    int64_t number; /* its place in the record: 0, 1, ... */
    int64_t depth;  /* ops in the longest chain that ends here, views not counted */
    bool consumed;
} heed__record;

typedef struct heed__watch {
    struct heed__watch *previous;
    heed_tensor *tensor;
    unsigned flags; /* the tensor's before it was watched */
} heed__watch;

typedef struct heed__use {
    struct heed__use *previous;
    heed_parameter *asked;
    heed_tensor *tensor;
} heed__use;

struct heed_tape {
    arena arena;
    heed_dtype dtype;
    bool recording, training, sanitizing;
    bool failed;
    bool deferring;             /* inside a rule of an unrecorded sweep */
    const heed_call *rule;      /* the call whose rule is at work in a sweep, or NULL */
    heed__record *last;         /* newest record */
    heed__storage *temporaries; /* storages made by the rule at work */
    heed__scope root, *scope;
    uint64_t scope_count;
    heed__watch *watches;  /* newest first */
    heed__use *uses;       /* parameters fetched in this step, newest first */
    heed__use **use_table; /* the same by hash of the parameter's address */
    int use_count, use_capacity;
    const heed_params *shadow_from;
    heed_params *shadow_to;
    uint64_t seed, step;
    heed_attention_watch watch; /* of attention; .see NULL: nobody looks */
    int64_t shown;              /* attentions since the reset */
    bool showing;
    char error[512];
    void (*hook)(void *, const char *);
    void *hook_user;
};

/* tape.c */
uint64_t heed__draw_key(heed_tape *t); /* the key of the next random draw at the current path */
heed_tensor *heed__out_of_memory(heed_tape *t, const char *who); /* fails t; NULL */

/* apply.c */
/* no data yet */
heed_tensor *heed__tensor_new(heed_tape *t, heed_dtype dtype, const heed_shape *shape);
bool heed__tensor_allocate(heed_tape *t, heed_tensor *x);
bool heed__evaluate(heed_tape *t, heed_tensor *x); /* computes a deferred tensor */
bool heed__run_into(heed_tape *t, heed_tensor *deferred, heed_tensor *destination,
                    bool accumulate);
void heed__hold(heed_tensor *x);
void heed__let_go(heed_tape *t, heed_tensor *x);
void heed__storage_let_go(heed_tape *t, heed__storage *storage);
bool heed__readable(heed_tape *t, const heed_tensor *x, const char *who);

/* sanitize.c */
/* Fails t and returns false when y, which c has just written, holds NaN or a new infinity. */
bool heed__sanitize(heed_tape *t, const heed_call *c, const heed_tensor *y);

/* tensor.c */
bool heed__shape_size(const heed_shape *shape, int64_t *size); /* false: overflow or negative */
void heed__row_major(const heed_shape *shape, int64_t *strides);
bool heed__same_shape(const heed_tensor *a, const heed_tensor *b);
char *heed__path_text(const heed__scope *scope, char *text, size_t size);

/* parameter.c */
/* after a rewind: some fetched parameters are forgotten */
void heed__uses_changed(heed_tape *t);

/* gradients.c */
void heed__gradients_begin(heed_gradients *g);
void heed__gradients_end(heed_gradients *g);
/* Where p's gradient goes; *empty is true when nothing has been written there since the last
 * zero. */
void *heed__gradients_slot(heed_gradients *g, const heed_parameter *p, bool **empty);

#endif
