/* What S2 does with the word "바나나" and the sentence "나는 학교에 간다": tokens, embedding,
 * position, residual connection, normalisation, feed-forward. */
#include "sections.h"
#include "steps.h"

#include <heed/nn.h>

#include <string.h>

static const double table[] = { .5, -.2, .1, .3, .12, -.87, .33, .55, -.4, .6, .2, -.1 };

static void tokens(page *p, heed_tape *t)
{
    static const char sentence[] = "나는 학교에 간다";
    int words_found = 1, characters = 0;
    for (const char *at = sentence; *at; at++) {
        words_found += *at == ' ';
        characters += ((unsigned char)*at & 0xc0) != 0x80;
    }
    const double counts[] = { words_found, characters, (double)strlen(sentence) };
    page_show(p, (item){ .name = "tokens",
                         { "words, characters, bytes of \"나는 학교에 간다\"",
                           "\"나는 학교에 간다\"의 어절, 글자(공백 포함), 바이트 수" },
                         row(t, 3, counts),
                         true,
                         .source = "S2",
                         .says = { "\"no more than 4 vectors\"", "\"단순히 4개의 벡터 집합\"" },
                         .verdict = WRONG,
                         .because = { "The same article lists three: 나는, 학교에, 간다.",
                                      "같은 글에서 나는, 학교에, 간다의 셋을 들고 있습니다." },
                         .said = (const double[]){ 4 },
                         .count = 1 });
}

static heed_tensor *embedded(page *p, heed_tape *t)
{
    heed_tensor *rows = matrix(t, 3, 4, table);
    heed_tensor *id = heed_ids(t, HEED_SHAPE(1), (const int32_t[]){ 1 });
    heed_tensor *banana = heed_embedding(t, rows, id);
    page_show(p, (item){ .name = "embedding",
                         { "바나나: row 1 of the table", "바나나: 표의 1번 행" },
                         banana,
                         .source = "S2",
                         .says = { "바나나 is [0.12, -0.87, 0.33, 0.55]",
                                   "바나나 → [0.12, -0.87, 0.33, 0.55]" },
                         .verdict = RIGHT,
                         .said = table + 4,
                         .count = 4 });
    heed_tensor *hot = heed_one_hot(t, id, 3);
    page_show(p, (item){ .name = "one_hot",
                         { "one-hot · table: the same", "원-핫 벡터와 표의 곱: 같은 값" },
                         heed_matmul(t, hot, rows),
                         .source = "S4",
                         .says = { "the embedding is a linear layer that is trained",
                                   "임베딩 또한 선형 레이어를 사용하여 학습" },
                         .verdict = RIGHT });
    return banana;
}

void show_banana(page *p, heed_tape *t)
{
    tokens(p, t);
    heed_tensor *banana = embedded(p, t);
    heed_tensor *x = heed_add(t, banana, heed_sinusoidal_positions(t, 1, 1, 4));
    page_show(p,
              (item){ .name = "placed",
                      { "바나나 + PE(1)", NULL },
                      x,
                      .source = "S2",
                      .says = { "embedding plus position", "임베딩 벡터에 위치 벡터를 더함" },
                      .verdict = NOT_GIVEN });
    const int last = -1;
    heed_tensor *moments[] = { heed_mean_axes(t, banana, 1, &last, false),
                               heed_variance_axes(t, banana, 1, &last, false, 0) };
    page_show(p, (item){ .name = "moments",
                         { "mean and variance of 바나나", "바나나의 평균과 분산" },
                         heed_concatenate(t, 2, moments, 0) });
    page_show(
        p, (item){ .name = "norm",
                   { "LayerNorm(바나나), epsilon 1e-5", NULL },
                   heed_layernorm(t, banana, NULL, NULL, 1e-5),
                   .source = "S2",
                   .says = { "normalised by mean and variance", "평균과 분산을 구해서 정규화" },
                   .verdict = NOT_GIVEN });
    heed_tensor *w1 =
        matrix(t, 3, 4, (const double[]){ 1, 0, -1, .5, -.5, 1, 0, .2, .3, -.6, 1, 1 });
    heed_tensor *b1 = row(t, 3, (const double[]){ .1, -.2, 0 });
    heed_tensor *w2 =
        matrix(t, 4, 3, (const double[]){ 1, -1, .5, 0, .3, 1, -.4, .2, 0, .6, 0, -1 });
    heed_tensor *b2 = row(t, 4, (const double[]){ 0, .1, 0, -.1 });
    heed_tensor *inner = heed_relu(t, heed_linear(t, x, w1, b1));
    heed_tensor *f = heed_linear(t, inner, w2, b2);
    page_show(p, (item){ .name = "inner",
                         { "max(0, x W_1 + b_1) of x = 바나나 + PE(1)",
                           "x = 바나나 + PE(1)의 max(0, x W_1 + b_1)" },
                         inner });
    page_show(
        p,
        (item){ .name = "feedforward", { "F(x) = max(0, x W_1 + b_1) W_2 + b_2", NULL }, f });
    heed_tensor *copies = heed_expand(t, x, HEED_SHAPE(20, 4));
    heed_tensor *twenty = heed_linear(t, heed_relu(t, heed_linear(t, copies, w1, b1)), w2, b2);
    page_show(p, (item){ .name = "twentieth",
                         { "F of the last of 20 such tokens",
                           "같은 토큰 20개를 함께 넣었을 때 마지막 토큰의 F" },
                         heed_slice(t, twenty, 0, 19, 20, 1),
                         .source = "S2",
                         .says = { "10 tokens or 20, each goes through the same network",
                                   "10개의 토큰이든 20개의 토큰이든 똑같은 FFN" },
                         .verdict = RIGHT });
    heed_tensor *sum = heed_add(t, x, f);
    page_show(p, (item){ .name = "residual", { "x + F(x)", NULL }, sum });
    page_show(
        p, (item){ .name = "add_norm",
                   { "LayerNorm(x + F(x))", NULL },
                   heed_layernorm(t, sum, NULL, NULL, 1e-5),
                   .source = "S2",
                   .says = { "Add & Norm: input and output added, then normalised",
                             "Add & Norm은 \"입력 + 출력\"을 합쳐서 정규화" },
                   .verdict = RIGHT,
                   .because = { "This order is called post-norm; most models of today "
                                "normalise the input of F instead (pre-norm).",
                                "이 순서를 post-norm이라 합니다. 요즘 모델은 대부분 F의 입력을 "
                                "정규화합니다(pre-norm)." } });
}
