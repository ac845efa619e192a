/* Attention forward and backward, number by number: a query of two rows, four keys, everything
 * asymmetric, so that a transposed formula or a swapped axis shows. docs/attention.md derives what
 * is printed here. Each value is computed in f64 by plain ops, its gradient by the sweep; at the
 * end the fused kernel repeats it all. */
#include <heed/heed.h>

#include <math.h>
#include <stdio.h>

enum { N = 2, M = 4, DK = 3, DV = 2 };

static const double x[] = { 1, 2, 3, 5 };
static const double z[] = { 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1 };
static const double wq[] = { 1.2, 2.6, -4.5, -.5, -1.5, 2.6 };
static const double wk[] = { .5, .1, -.3, -.7, .7, .7, 1.6, -1.3, -.5, -1.6, 1.6, 1.5 };
static const double wv[] = { 1, -1, -.5, 3, -.2, -2.7, .4, 3.6 };
static const double go[] = { 1, -2, .5, .25 };

static void show(const char *name, const heed_tensor *value)
{
    if (!value)
        return;
    int64_t columns = value->ndim ? value->shape[value->ndim - 1] : 1;
    printf("%s\n", name);
    for (int64_t i = 0; i < heed_size(value); i++)
        printf("%s%16.10f%s", i % columns ? "" : " ", heed_at(value, i) + 0.0,
               (i + 1) % columns ? "" : "\n");
}

/* The steps, each watched, so that the sweep leaves its gradient there. */
typedef struct steps {
    heed_tensor *x, *z, *wq, *wk, *wv, *q, *k, *v, *s, *p, *o;
} steps;

static heed_tensor *watched(heed_tape *t, heed_shape shape, const double *values)
{
    return heed_watch(t, heed_constant(t, shape, values));
}

/* keep: which of the four keys each query may see, or NULL for all. */
static steps attend(heed_tape *t, const bool *keep)
{
    steps a = { .x = watched(t, HEED_SHAPE(N, 2), x),
                .z = watched(t, HEED_SHAPE(M, 4), z),
                .wq = watched(t, HEED_SHAPE(2, DK), wq),
                .wk = watched(t, HEED_SHAPE(4, DK), wk),
                .wv = watched(t, HEED_SHAPE(4, DV), wv) };
    a.q = heed_watch(t, heed_matmul(t, a.x, a.wq));
    a.k = heed_watch(t, heed_matmul(t, a.z, a.wk));
    a.v = heed_watch(t, heed_matmul(t, a.z, a.wv));
    heed_tensor *scores = heed_matmul(t, a.q, heed_swap(t, a.k, 0, 1));
    a.s = heed_watch(t, heed_scale(t, scores, 1 / sqrt(DK)));
    if (keep) {
        heed_tensor *mask = heed_mask(t, HEED_SHAPE(N, M), keep);
        heed_tensor *low = heed_full(t, HEED_SCALAR, -1e30);
        heed_tensor *zero = heed_full(t, HEED_SCALAR, 0);
        heed_tensor *weights = heed_softmax(t, heed_where(t, mask, a.s, low), -1);
        a.p = heed_watch(t, heed_where(t, mask, weights, zero));
    } else {
        a.p = heed_watch(t, heed_softmax(t, a.s, -1));
    }
    a.o = heed_watch(t, heed_matmul(t, a.p, a.v));
    return a;
}

/* The sweep from L = <GO, O>, whose gradient by O is GO. */
static void sweep(heed_tape *t, const steps *a)
{
    heed_keep(t, a->p);
    heed_keep(t, a->o);
    heed_tensor *weights = heed_constant(t, HEED_SHAPE(N, DV), go);
    heed_backward(t, heed_sum(t, heed_mul(t, a->o, weights)));
}

static void forward_and_backward(heed_tape *t)
{
    steps a = attend(t, NULL);
    printf("1. Forward: Q = X W_Q, K = Z W_K, V = Z W_V, S = Q K^T/sqrt(3), P = softmax(S), O "
           "= P V\n\n");
    show("Q", a.q);
    show("K", a.k);
    show("V", a.v);
    show("S", a.s);
    show("P", a.p);
    show("O", a.o);
    sweep(t, &a);
    printf("\n2. Backward, with GO = dL/dO given\n\n");
    show("GO", heed_gradient(t, a.o));
    show("GV = P^T GO", heed_gradient(t, a.v));
    show("GP = GO V^T", heed_gradient(t, a.p));
    show("GS = P (GP - rowsum(GP P))", heed_gradient(t, a.s));
    show("GQ = GS K/sqrt(3)", heed_gradient(t, a.q));
    show("GK = GS^T Q/sqrt(3)", heed_gradient(t, a.k));
    show("GW_Q = X^T GQ", heed_gradient(t, a.wq));
    show("GW_K = Z^T GK", heed_gradient(t, a.wk));
    show("GW_V = Z^T GV", heed_gradient(t, a.wv));
    show("GX = GQ W_Q^T", heed_gradient(t, a.x));
    show("GZ = GK W_K^T + GV W_V^T", heed_gradient(t, a.z));
    heed_tape_reset(t);
}

/* Row by row: J_ij = dp_i/ds_j. */
static void jacobian(heed_tape *t)
{
    printf("\n3. The softmax's Jacobian at the first row of S: p_i ([i = j] - p_j)\n\n");
    double rows[M * M];
    for (int i = 0; i < M; i++) {
        steps a = attend(t, NULL);
        heed_tensor *p = heed_select(t, heed_select(t, a.p, 0, 0), 0, i);
        heed_backward(t, p);
        for (int j = 0; j < M; j++)
            rows[i * M + j] = heed_at(heed_gradient(t, a.s), j);
        heed_tape_reset(t);
    }
    show("J", heed_constant(t, HEED_SHAPE(M, M), rows));
    heed_tape_reset(t);
}

static void entropies(heed_tape *t)
{
    steps a = attend(t, NULL);
    printf("\n4. The entropy of each row, H = -sum p ln p, and GS from H_1 + H_2\n\n");
    heed_tensor *terms = heed_mul(t, a.p, heed_log(t, a.p));
    const int last = -1;
    heed_tensor *h = heed_neg(t, heed_sum_axes(t, terms, 1, &last, false));
    show("H", h);
    heed_backward(t, heed_sum(t, h));
    show("dH/dS = -P (ln P + H)", heed_gradient(t, a.s));
    heed_tape_reset(t);
}

static void masked(heed_tape *t, const char *title, const bool *keep)
{
    steps a = attend(t, keep);
    printf("\n%s\n\n", title);
    sweep(t, &a);
    show("P", a.p);
    show("O", a.o);
    show("GQ", heed_gradient(t, a.q));
    show("GK", heed_gradient(t, a.k));
    show("GV", heed_gradient(t, a.v));
    heed_tape_reset(t);
}

static heed_tensor *row(heed_tape *t, int n, const double *values)
{
    return heed_constant(t, HEED_SHAPE(n), values);
}

static void align(heed_tape *t, const char *name, heed_tensor *scores)
{
    show(name, scores);
    show("  weights", heed_softmax(t, scores, -1));
}

static void alignment_scores(heed_tape *t)
{
    heed_tensor *s = row(t, 2, (const double[]){ .7, -.1 });
    heed_tensor *h =
        heed_constant(t, HEED_SHAPE(3, 2), (const double[]){ .1, .2, -.3, .4, .5, -.6 });
    printf("\n7. Alignment scores of s = [.7 -.1] with h_1, h_2, h_3 (Luong et al. 2015)\n\n");
    align(t, "dot: s . h_j", heed_matmul(t, h, s));
    heed_tensor *w = heed_constant(t, HEED_SHAPE(2, 2), (const double[]){ .2, -.5, .3, .1 });
    align(t, "general: s W h_j", heed_matmul(t, h, heed_matmul(t, s, w)));
    heed_tensor *wc = heed_constant(t, HEED_SHAPE(2, 4),
                                    (const double[]){ .1, -.2, .3, .4, .5, .6, -.7, .8 });
    heed_tensor *spread = heed_expand(t, s, HEED_SHAPE(3, 2));
    heed_tensor *joined = heed_concatenate(t, 2, (heed_tensor *[]){ spread, h }, 1);
    heed_tensor *hidden = heed_tanh(t, heed_linear(t, joined, wc, NULL));
    align(t, "concat: v . tanh(W [s; h_j])",
          heed_matmul(t, hidden, row(t, 2, (const double[]){ .9, -.4 })));
    heed_tape_reset(t);
}

/* The largest difference between the fused kernel and the steps, over values and gradients. */
static double fused_against_steps(heed_tape *t)
{
    double kept[N * DV + N * DK + M * DK + M * DV], worst = 0;
    steps a = attend(t, NULL);
    sweep(t, &a);
    const heed_tensor *of_steps[] = { a.o, heed_gradient(t, a.q), heed_gradient(t, a.k),
                                      heed_gradient(t, a.v) };
    int count = 0;
    for (int i = 0; i < 4; i++) {
        for (int64_t k = 0; k < heed_size(of_steps[i]); k++)
            kept[count++] = heed_at(of_steps[i], k);
    }
    heed_tape_reset(t);
    steps b = attend(t, NULL);
    heed_tensor *q = heed_reshape(t, b.q, HEED_SHAPE(1, 1, N, DK));
    heed_tensor *k = heed_reshape(t, b.k, HEED_SHAPE(1, 1, M, DK));
    heed_tensor *v = heed_reshape(t, b.v, HEED_SHAPE(1, 1, M, DV));
    b.o = heed_reshape(t, heed_attention(t, q, k, v, NULL, NULL), HEED_SHAPE(N, DV));
    sweep(t, &b);
    const heed_tensor *of_kernel[] = { b.o, heed_gradient(t, b.q), heed_gradient(t, b.k),
                                       heed_gradient(t, b.v) };
    for (int i = 0, at = 0; i < 4; i++) {
        for (int64_t e = 0; e < heed_size(of_kernel[i]); e++)
            worst = fmax(worst, fabs(heed_at(of_kernel[i], e) - kept[at++]));
    }
    return worst;
}

int main(void)
{
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    if (!t) {
        fprintf(stderr, "worked_example: not enough memory\n");
        return 1;
    }
    forward_and_backward(t);
    jacobian(t);
    entropies(t);
    masked(t, "5. A mask: the first query may see keys 1, 3, 4, the second keys 1, 2",
           (const bool[]){ 1, 0, 1, 1, 1, 1, 0, 0 });
    masked(t, "6. A query that may see one key, and one that may see none: 0, not NaN",
           (const bool[]){ 1, 0, 0, 0, 0, 0, 0, 0 });
    alignment_scores(t);
    double worst = fused_against_steps(t);
    printf(
        "\n8. The fused kernel against the steps: the largest difference of O, GQ, GK, GV is "
        "%s 1e-14\n",
        worst < 1e-14 ? "below" : "NOT below");
    bool good = !heed_error(t) && worst < 1e-14;
    if (heed_error(t))
        fprintf(stderr, "worked_example: %s\n", heed_error(t));
    heed_tape_free(t);
    return good ? 0 : 1;
}
