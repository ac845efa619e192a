/* Attention forward and backward, number by number: two queries, four keys, everything
 * asymmetric, so that a transposed formula or a swapped axis shows. docs/attention.md derives
 * what is printed here. Each value is computed by plain ops, its gradient by the sweep; at the
 * end the fused kernel repeats it all. */
#include "sections.h"
#include "steps.h"

#include <math.h>

enum { N = 2, M = 4, DK = 3, DV = 2 };

static const double x[] = { 1, 2, 3, 5 };
static const double z[] = { 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1 };
static const double wq[] = { 1.2, 2.6, -4.5, -.5, -1.5, 2.6 };
static const double wk[] = { .5, .1, -.3, -.7, .7, .7, 1.6, -1.3, -.5, -1.6, 1.6, 1.5 };
static const double wv[] = { 1, -1, -.5, 3, -.2, -2.7, .4, 3.6 };
static const double go[] = { 1, -2, .5, .25 };

typedef struct projected {
    heed_tensor *x, *z, *wq, *wk, *wv, *q, *k, *v;
    steps a;
} projected;

/* keep: which of the four keys each query may see, or NULL for all. */
static projected project(heed_tape *t, const bool *keep)
{
    projected m = { .x = watched(t, N, 2, x),
                    .z = watched(t, M, 4, z),
                    .wq = watched(t, 2, DK, wq),
                    .wk = watched(t, 4, DK, wk),
                    .wv = watched(t, 4, DV, wv) };
    m.q = heed_keep(t, heed_watch(t, heed_matmul(t, m.x, m.wq)));
    m.k = heed_watch(t, heed_matmul(t, m.z, m.wk));
    m.v = heed_keep(t, heed_watch(t, heed_matmul(t, m.z, m.wv)));
    heed_tensor *mask = keep ? heed_mask(t, HEED_SHAPE(N, M), keep) : NULL;
    m.a = attend(t, m.q, m.k, m.v, 1 / sqrt(DK), mask);
    return m;
}

/* The sweep from L = <GO, O>, whose gradient by O is GO. */
static void sweep(heed_tape *t, heed_tensor *o)
{
    heed_backward(t, heed_sum(t, heed_mul(t, o, matrix(t, N, DV, go))));
}

static void show(page *p, const char *name, const char *what, const heed_tensor *value)
{
    page_show(p, (item){ .name = name, .what = { what, NULL }, .value = value });
}

static void forward_and_backward(page *p, heed_tape *t)
{
    projected m = project(t, NULL);
    page_say(p,
             (words){ "Two queries, four keys, key width 3, value width 2. Forward: Q = X "
                      "W_Q, K = Z W_K, V = Z W_V, S = Q K^T/sqrt(3), P = softmax(S), O = P V",
                      "질의 2개, 키 4개, 키 차원 3, 값 차원 2입니다. 순전파: Q = X W_Q, K = Z "
                      "W_K, V = Z W_V, S = Q K^T/sqrt(3), P = softmax(S), O = P V" });
    show(p, "q", "Q", m.q);
    show(p, "k", "K", m.k);
    show(p, "v", "V", m.v);
    show(p, "s", "S", m.a.s);
    show(p, "p", "P", m.a.p);
    show(p, "o", "O", m.a.o);
    sweep(t, m.a.o);
    page_say(p, (words){ "Backward: GA stands for dL/dA, and GO is given.",
                         "역전파: GA는 dL/dA를 뜻하며, GO는 주어진 값입니다." });
    show(p, "go", "GO", heed_gradient(t, m.a.o));
    show(p, "gv", "GV = P^T GO", heed_gradient(t, m.v));
    show(p, "gp", "GP = GO V^T", heed_gradient(t, m.a.p));
    show(p, "gs", "GS = P (GP - rowsum(GP P))", heed_gradient(t, m.a.s));
    show(p, "gq", "GQ = GS K/sqrt(3)", heed_gradient(t, m.q));
    show(p, "gk", "GK = GS^T Q/sqrt(3)", heed_gradient(t, m.k));
    show(p, "gwq", "GW_Q = X^T GQ", heed_gradient(t, m.wq));
    show(p, "gwk", "GW_K = Z^T GK", heed_gradient(t, m.wk));
    show(p, "gwv", "GW_V = Z^T GV", heed_gradient(t, m.wv));
    show(p, "gx", "GX = GQ W_Q^T", heed_gradient(t, m.x));
    show(p, "gz", "GZ = GK W_K^T + GV W_V^T", heed_gradient(t, m.z));
    heed_tensor *gq = heed_gradient(t, m.q);
    page_show(p,
              (item){ .name = "gwq_turned",
                      { "GQ^T X", NULL },
                      heed_matmul(t, transpose(t, gq), matrix(t, N, 2, x)),
                      .source = "S1 §3.2",
                      .says = { "dL/dW_Q = (dL/dQ)^T X", "∂L/∂W_Q = (∂L/∂Q)^T X" },
                      .verdict = WRONG,
                      .because = { "W_Q is 2 x 3 and so is its gradient, X^T GQ above; this "
                                   "is the transpose.",
                                   "W_Q는 2×3이므로 그래디언트도 2×3인 위의 X^T GQ입니다. 글의 "
                                   "식은 그 전치입니다." } });
    heed_tape_reset(t);
}

/* Row by row: J_ij = dp_i/ds_j. */
static void jacobian(page *p, heed_tape *t)
{
    double rows[M * M];
    for (int i = 0; i < M; i++) {
        projected m = project(t, NULL);
        heed_tensor *first = heed_select(t, m.a.p, 0, 0);
        heed_backward(t, heed_select(t, first, 0, i));
        for (int j = 0; j < M; j++)
            rows[i * M + j] = heed_at(heed_gradient(t, m.a.s), j);
        heed_tape_reset(t);
    }
    page_say(p, (words){ "The softmax's Jacobian at the first row of S: p_i ([i = j] - p_j)",
                         "S의 첫 행에서 구한 소프트맥스의 야코비 행렬: p_i ([i = j] - p_j)" });
    show(p, "jacobian", "J", matrix(t, M, M, rows));
    heed_tape_reset(t);
}

static void entropies(page *p, heed_tape *t)
{
    projected m = project(t, NULL);
    page_say(
        p,
        (words){ "The entropy of each row, H = -sum p ln p, and GS from H_1 + H_2 (S1 §8 "
                 "proposes entropy as a regulariser)",
                 "각 행의 엔트로피 H = -sum p ln p와 H_1 + H_2에서 구한 GS (S1 §8은 엔트로피를 "
                 "규제로 제안합니다)" });
    heed_tensor *h = heed_keep(t, heed_entropy(t, m.a.p, -1));
    heed_backward(t, heed_sum(t, h));
    show(p, "entropy", "H", h);
    show(p, "entropy_gs", "dH/dS = -P (ln P + H)", heed_gradient(t, m.a.s));
    heed_tape_reset(t);
}

static void masked(page *p, heed_tape *t, words title, const char *const names[5],
                   const bool *keep)
{
    projected m = project(t, keep);
    page_say(p, title);
    sweep(t, m.a.o);
    show(p, names[0], "P", m.a.p);
    show(p, names[1], "O", m.a.o);
    show(p, names[2], "GQ", heed_gradient(t, m.q));
    show(p, names[3], "GK", heed_gradient(t, m.k));
    show(p, names[4], "GV", heed_gradient(t, m.v));
    heed_tape_reset(t);
}

/* The largest difference between the fused kernel and the steps, over values and gradients. */
static double fused_against_steps(heed_tape *t)
{
    double kept[N * DV + N * DK + M * DK + M * DV], worst = 0;
    projected m = project(t, NULL);
    sweep(t, m.a.o);
    const heed_tensor *of_steps[] = { m.a.o, heed_gradient(t, m.q), heed_gradient(t, m.k),
                                      heed_gradient(t, m.v) };
    int count = 0;
    for (int i = 0; i < 4; i++) {
        for (int64_t e = 0; e < heed_size(of_steps[i]); e++)
            kept[count++] = heed_at(of_steps[i], e);
    }
    heed_tape_reset(t);
    m = project(t, NULL);
    heed_tensor *q = heed_reshape(t, m.q, HEED_SHAPE(1, 1, N, DK));
    heed_tensor *k = heed_reshape(t, m.k, HEED_SHAPE(1, 1, M, DK));
    heed_tensor *v = heed_reshape(t, m.v, HEED_SHAPE(1, 1, M, DV));
    heed_tensor *fused = heed_attention(t, q, k, v, NULL, NULL);
    heed_tensor *o = heed_keep(t, heed_reshape(t, fused, HEED_SHAPE(N, DV)));
    sweep(t, o);
    const heed_tensor *of_kernel[] = { o, heed_gradient(t, m.q), heed_gradient(t, m.k),
                                       heed_gradient(t, m.v) };
    for (int i = 0, at = 0; i < 4; i++) {
        for (int64_t e = 0; e < heed_size(of_kernel[i]); e++)
            worst = fmax(worst, fabs(heed_at(of_kernel[i], e) - kept[at++]));
    }
    return worst;
}

void show_attention(page *p, heed_tape *t)
{
    forward_and_backward(p, t);
    jacobian(p, t);
    entropies(p, t);
    masked(p, t,
           (words){ "A mask: the first query may see keys 1, 3, 4, the second keys 1, 2",
                    "마스크: 첫 질의는 키 1, 3, 4를, 둘째 질의는 키 1, 2를 볼 수 있습니다." },
           (const char *const[]){ "mask_p", "mask_o", "mask_gq", "mask_gk", "mask_gv" },
           (const bool[]){ 1, 0, 1, 1, 1, 1, 0, 0 });
    masked(p, t,
           (words){ "A query that may see one key, and one that may see none: 0, not NaN",
                    "키를 하나만 볼 수 있는 질의와 하나도 볼 수 없는 질의: NaN이 아니라 "
                    "0입니다." },
           (const char *const[]){ "none_p", "none_o", "none_gq", "none_gk", "none_gv" },
           (const bool[]){ 1, 0, 0, 0, 0, 0, 0, 0 });
    page_say(p, (words){ "The fused kernel against these steps: the largest difference of O, "
                         "GQ, GK, GV is below 1e-14.",
                         "융합 커널과 위 단계들의 차이는 O, GQ, GK, GV 모두에서 1e-14보다 "
                         "작습니다." });
    page_require(p, fused_against_steps(t) < 1e-14, "the fused kernel differs from the steps");
}
