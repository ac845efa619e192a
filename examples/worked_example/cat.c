/* The example of S1 §5: "cat", "sat", "mat" as unit vectors, every projection the identity. */
#include "sections.h"
#include "steps.h"

#include <math.h>

static void scaled_dot_product(page *p, heed_tape *t)
{
    static const double identity[] = { 1, 0, 0, 0, 1, 0, 0, 0, 1 };
    static const double halves[] = { .5, 0, 0, 0, .5, 0, 0, 0, .5 };
    heed_tensor *x = cat_sat_mat(t);
    steps a = attend(t, x, x, x, 1 / sqrt(4), NULL);
    page_show(p, (item){ .name = "qk",
                         { "Q K^T, with Q = K = V = X", "Q K^T (Q = K = V = X)" },
                         heed_matmul(t, x, transpose(t, x)),
                         .source = "S1 §5.1",
                         .says = { "the 3 x 3 identity", "3×3 단위 행렬" },
                         .verdict = RIGHT,
                         .said = identity,
                         .count = 9 });
    page_show(p, (item){ .name = "s",
                         { "S = Q K^T/sqrt(4)", NULL },
                         a.s,
                         .source = "S1 §5.1",
                         .says = { "0.5 on the diagonal", "대각선이 0.5" },
                         .verdict = RIGHT,
                         .said = halves,
                         .count = 9 });
    page_show(p, (item){ .name = "exp",
                         { "e^0.5, e^0", NULL },
                         heed_exp(t, row(t, 2, (const double[]){ .5, 0 })),
                         .source = "S1 §5.1",
                         .says = { "about 1.65, and 1", "약 1.65와 1" },
                         .verdict = ROUNDED,
                         .said = (const double[]){ 1.65, 1 },
                         .count = 2 });
    page_show(p, (item){ .name = "p",
                         { "P = softmax(S)", NULL },
                         a.p,
                         .source = "S1 §5.1",
                         .says = { "first about [0.45, 0.275, 0.275]",
                                   "처음에는 약 [0.45, 0.275, 0.275]" },
                         .verdict = ROUNDED,
                         .because = { "0.275 is (1 - 0.45)/2, made of a rounded "
                                      "number; rounded only at the end it is 0.274.",
                                      "0.275는 이미 반올림한 값으로 계산한 "
                                      "(1 - 0.45)/2입니다. 마지막에 한 번만 반올림하면 "
                                      "0.274입니다." },
                         .said = (const double[]){ .45, .275, .275 },
                         .count = 3 });
    page_show(
        p,
        (item){
            .name = "p_again",
            { "P, first row", "P의 첫 행" },
            heed_select(t, a.p, 0, 0),
            .source = "S1 §5.1",
            .says = { "then \"in fact\" [0.622, 0.189, 0.189]",
                      "다시 \"실제\"로는 [0.622, 0.189, 0.189]" },
            .verdict = WRONG,
            .because = { "0.622 is the softmax of two scores, 0.5 and 0; there are "
                         "three. 0.189 is half of what those two leave:",
                         "0.622는 점수가 0.5와 0 둘뿐일 때의 소프트맥스인데, 여기에는 점수가 "
                         "셋 있습니다. 0.189는 그 나머지를 반으로 나눈 값입니다." },
            .said = (const double[]){ .622, .189, .189 },
            .count = 3 });
    heed_tensor *two = heed_softmax(t, row(t, 2, (const double[]){ .5, 0 }), -1);
    page_show(p, (item){ .name = "two", { "softmax([0.5, 0])", NULL }, two });
    page_show(p, (item){ .name = "halved",
                         { "half of the second", "둘째 값의 절반" },
                         heed_scale(t, heed_slice(t, two, 0, 1, 2, 1), .5) });
    page_show(p,
              (item){ .name = "o",
                      { "O = P V", NULL },
                      a.o,
                      .source = "S1 §5.1",
                      .says = { "\"weighted X\"", "\"weighted X\"" },
                      .verdict = NOT_GIVEN,
                      .because = { "It is P with a fourth column of exactly 0: three tokens "
                                   "span three of the four dimensions.",
                                   "P에 정확히 0인 넷째 열을 붙인 것과 같습니다. 토큰 셋은 네 "
                                   "차원 중 세 차원만 만들기 때문입니다." } });
    page_require(p, heed_at(a.o, 3) == 0 && heed_at(a.o, 11) == 0, "O's last column is not 0");
}

static void self_attention(page *p, heed_tape *t)
{
    heed_tensor *w = matrix(t, 4, 1, (const double[]){ .1, .2, .3, .4 });
    heed_tensor *q = heed_matmul(t, cat_sat_mat(t), w);
    steps a = attend(t, q, q, q, 1, NULL);
    page_show(p, (item){ .name = "narrow_q",
                         { "Q = K = V = X W, W = [0.1 0.2 0.3 0.4]^T", NULL },
                         q,
                         .source = "S1 §5.2",
                         .says = { "\"W_Q = [[0.1,0.2,0.3,0.4]]^T etc., values in detail\"",
                                   "\"W_Q = [[0.1,0.2,0.3,0.4]]^T 등, 상세 값 계산\"" },
                         .verdict = NOT_GIVEN,
                         .because = {
                             "This matrix is 4 x 1, so here d_k is 1 and not 4, and the scale "
                             "is 1/sqrt(1).",
                             "이 행렬은 4×1이므로 d_k는 4가 아니라 1이고, 스케일은 "
                             "1/sqrt(1)입니다." } });
    page_show(p, (item){ .name = "narrow_p", { "P = softmax(Q K^T)", NULL }, a.p });
    page_show(p, (item){ .name = "narrow_o", { "O = P V", NULL }, a.o });
}

void show_cat(page *p, heed_tape *t)
{
    scaled_dot_product(p, t);
    self_attention(p, t);
}

/* L = |O - X|^2, with X the target too but held constant there. */
void show_cat_gradients(page *p, heed_tape *t)
{
    heed_tensor *x = heed_watch(t, cat_sat_mat(t));
    heed_tensor *w[3], *m[3];
    for (int i = 0; i < 3; i++) {
        double identity[16] = { [0] = 1, [5] = 1, [10] = 1, [15] = 1 };
        w[i] = watched(t, 4, 4, identity);
        m[i] = heed_keep(t, heed_watch(t, heed_matmul(t, x, w[i])));
    }
    steps a = attend(t, m[0], m[1], m[2], 1 / sqrt(4), NULL);
    heed_tensor *target = cat_sat_mat(t);
    heed_tensor *loss = heed_mse(t, a.o, target, HEED_SUM);
    heed_keep(t, loss);
    heed_backward(t, loss);
    heed_tensor *gq = heed_gradient(t, m[0]), *gp = heed_gradient(t, a.p);
    page_show(p, (item){ .name = "loss",
                         { "L = |O - X|^2", NULL },
                         loss,
                         .source = "S1 §5.4",
                         .says = { "\"L = | O - target | ^2\"", "\"L = | O - target | ^2\"" },
                         .verdict = NOT_GIVEN,
                         .because = { "No target is given either; here it is X.",
                                      "target도 주어지지 않아 여기서는 X로 정했습니다." } });
    page_show(
        p, (item){ .name = "go", { "GO = dL/dO = 2 (O - X)", NULL }, heed_gradient(t, a.o) });
    page_show(p, (item){ .name = "gv", { "GV = P^T GO", NULL }, heed_gradient(t, m[2]) });
    page_show(
        p,
        (item){ .name = "gs", { "GS = P (GP - rowsum(GP P))", NULL }, heed_gradient(t, a.s) });
    heed_tensor *eye = matrix(t, 3, 3, (const double[]){ 1, 0, 0, 0, 1, 0, 0, 0, 1 });
    heed_tensor *diagonal = heed_mul(t, a.p, eye);
    heed_tensor *outer = heed_matmul(t, a.p, transpose(t, a.p));
    page_show(
        p, (item){ .name = "gs_elementwise",
                   { "(GO V^T) ⊙ (diag(P) - P P^T)", NULL },
                   heed_mul(t, gp, heed_sub(t, diagonal, outer)),
                   .source = "S1 §2.3",
                   .says = { "dL/dS is this elementwise product", "∂L/∂S는 이 원소별 곱" },
                   .verdict = WRONG,
                   .because = {
                       "Each row has a Jacobian of its own, diag(p) - p p^T, and is "
                       "multiplied by it as a matrix: the GS above. The elementwise form "
                       "fits only because there are as many queries as keys, and is "
                       "silently off. (The appendix, besides, writes dO/dS for dL/dS.)",
                       "행마다 야코비 행렬 diag(p) - p p^T가 따로 있고, 그 행에 행렬 곱으로 "
                       "곱해야 합니다. 바른 값은 위의 GS입니다. 원소별 곱은 질의와 키의 개수가 "
                       "같아서 모양이 맞을 뿐, 오류 없이 틀린 값을 냅니다. (부록은 ∂L/∂S "
                       "자리에 ∂O/∂S라고 "
                       "적었습니다.)" } });
    page_show(p, (item){ .name = "gq", { "GQ = GS K/sqrt(4)", NULL }, gq });
    page_show(p,
              (item){ .name = "gk", { "GK = GS^T Q/sqrt(4)", NULL }, heed_gradient(t, m[1]) });
    page_show(p, (item){ .name = "gx",
                         { "GX = GQ W_Q^T + GK W_K^T + GV W_V^T", NULL },
                         heed_gradient(t, x),
                         .source = "S1 §3.2",
                         .says = { "the sum of three paths", "세 경로의 합" },
                         .verdict = RIGHT });
    page_show(p, (item){ .name = "gwq", { "GW_Q = X^T GQ", NULL }, heed_gradient(t, w[0]) });
    heed_tensor *turned = heed_matmul(t, transpose(t, gq), target);
    page_show(
        p, (item){ .name = "gwq_turned",
                   { "GQ^T X", NULL },
                   turned,
                   .source = "S1 §3.2",
                   .says = { "dL/dW_Q = (dL/dQ)^T X", "∂L/∂W_Q = (∂L/∂Q)^T X" },
                   .verdict = WRONG,
                   .because = {
                       "It is X^T (dL/dQ); this is its transpose. Here both are the "
                       "same numbers: the example is symmetric and its W square, so it "
                       "cannot tell. Section [attention] is asymmetric and can.",
                       "바른 식은 X^T (∂L/∂Q)이고, 글의 식은 그 전치입니다. 이 예제는 "
                       "대칭이고 W가 정사각 행렬이라 두 값이 같아서 구별할 수 없습니다. 대칭이 "
                       "아닌 [attention] 절에서는 구별됩니다." } });
    page_require(p, largest_difference(turned, heed_gradient(t, w[0])) == 0,
                 "the two forms of GW_Q differ");
}
