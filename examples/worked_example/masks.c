/* Masks: what -1e9 does to a row that may see nothing (S1 §7.1, §10), the causal mask, and
 * padding, which is not the decoder's business alone (S2). */
#include "sections.h"
#include "steps.h"

/* S1's code: scores + mask * -1e9, here with every key masked. */
static heed_tensor *by_adding(heed_tape *t, heed_dtype dtype, heed_tensor *scores,
                              heed_tensor *mask)
{
    heed_tensor *low = heed_cast(t, heed_scale(t, mask, -1e9), dtype);
    return heed_softmax(t, heed_add(t, heed_cast(t, scores, dtype), low), -1);
}

static void nothing_to_see(page *p, heed_tape *t)
{
    heed_tensor *scores = row(t, 3, (const double[]){ 1, 2, 3 });
    heed_tensor *all = row(t, 3, (const double[]){ 1, 1, 1 });
    heed_tensor *last = row(t, 3, (const double[]){ 0, 0, 1 });
    page_show(p,
              (item){ .name = "one_hidden",
                      { "scores 1, 2, 3, the third masked by adding -1e9",
                        "점수 1, 2, 3에서 셋째를 -1e9로 가린 경우" },
                      by_adding(t, HEED_F64, scores, last),
                      .source = "S1 §7.1",
                      .says = { "\"scores += mask * -1e9\"", "\"scores += mask * -1e9\"" },
                      .verdict = RIGHT,
                      .because = { "As long as something remains to be seen.",
                                   "볼 수 있는 키가 하나라도 남아 있을 때만 그렇습니다." } });
    page_show(
        p, (item){ .name = "all_hidden_f64",
                   { "all three masked so, in f64", "셋을 모두 가린 경우, f64" },
                   by_adding(t, HEED_F64, scores, all),
                   .source = "S1 §10",
                   .says = { "the same line of code", "같은 코드" },
                   .verdict = WRONG,
                   .because = { "-1e9 is the same in all three and cancels: these are the "
                                "weights of the scores without any mask.",
                                "세 점수에 똑같이 더해진 -1e9가 상쇄되어, 마스크가 없을 때의 "
                                "가중치가 그대로 나옵니다." } });
    page_show(p, (item){ .name = "all_hidden_f32",
                         { "in f32", "f32로 계산하면" },
                         by_adding(t, HEED_F32, scores, all),
                         .source = "S1 §10",
                         .says = { "the same", "같은 코드" },
                         .verdict = WRONG,
                         .because = {
                             "Next to 1e9 an f32 has steps of 64, in which 1, 2 and 3 "
                             "are lost. An f16 cannot hold 1e9 at all and gives NaN.",
                             "1e9 부근에서 f32의 간격은 64이므로 1, 2, 3은 사라집니다. f16은 "
                             "1e9를 담지 못해 NaN이 됩니다." } });
    heed_tensor *q = heed_watch(t, heed_full(t, HEED_SHAPE(1, 1, 1, 1), 1));
    heed_tensor *k = heed_watch(t, heed_reshape(t, scores, HEED_SHAPE(1, 1, 3, 1)));
    heed_tensor *v = heed_watch(t, heed_scale(t, k, 10));
    heed_tensor *none = heed_mask(t, HEED_SHAPE(1, 1, 1, 3), (const bool[3]){ 0 });
    heed_tensor *weights = heed_attention_weights(t, q, k, none, NULL);
    heed_tensor *o = heed_keep(t, heed_attention(t, q, k, v, none, NULL));
    page_show(p, (item){ .name = "heed_weights",
                         { "heed's weights", "heed의 가중치" },
                         heed_reshape(t, weights, HEED_SHAPE(3)) });
    heed_backward(t, heed_sum(t, o));
    page_show(p, (item){ .name = "heed_output",
                         { "heed's output: exactly 0", "heed의 출력: 정확히 0" },
                         heed_reshape(t, o, HEED_SHAPE(1)) });
    page_show(p, (item){ .name = "heed_gradient",
                         { "its gradient by K: exactly 0", "K에 대한 그래디언트: 정확히 0" },
                         heed_reshape(t, heed_gradient(t, k), HEED_SHAPE(3)) });
    heed_tape_reset(t);
}

static void causal(page *p, heed_tape *t)
{
    heed_tensor *x = cat_sat_mat(t);
    heed_tensor *heads = heed_reshape(t, x, HEED_SHAPE(1, 1, 3, 4));
    const heed_attention_options options = { .causality = HEED_CAUSAL_TOP_LEFT };
    heed_tensor *weights = heed_attention_weights(t, heads, heads, NULL, &options);
    page_show(p, (item){ .name = "causal_p",
                         { "cat, sat, mat with a causal mask: P",
                           "인과 마스크를 적용한 cat, sat, mat의 P" },
                         heed_reshape(t, weights, HEED_SHAPE(3, 3)),
                         .source = "S1 §7.1",
                         .says = { "the upper triangle is -inf, the future is hidden",
                                   "상삼각 -∞, 미래 차단" },
                         .verdict = RIGHT,
                         .because = { "The upper triangle is exactly 0.",
                                      "상삼각은 정확히 0입니다." } });
    heed_tensor *values = heed_watch(t, heads);
    heed_tensor *o = heed_attention(t, heads, heads, values, NULL, &options);
    heed_tensor *second = heed_slice(t, o, 2, 1, 2, 1);
    heed_backward(t, heed_sum(t, second));
    page_show(p,
              (item){ .name = "causal_leak",
                      { "d(row 2 of O)/dV summed over columns: of tokens 1, 2, 3",
                        "O의 둘째 행을 V로 미분한 값: 토큰 1, 2, 3의 행" },
                      heed_reshape(t, heed_gradient(t, values), HEED_SHAPE(3, 4)),
                      .source = "S2",
                      .says = { "at the second step only the first two words are known",
                                "두 번째 단계에서는 \"나는 학교에\"까지만 알고 있어야 한다" },
                      .verdict = RIGHT,
                      .because = { "The third row is exactly 0: nothing leaks.",
                                   "셋째 행이 정확히 0이므로 정보 누수가 없습니다." } });
}

void show_masks(page *p, heed_tape *t)
{
    nothing_to_see(p, t);
    causal(p, t);
}

/* A sentence of two words in a batch with one of three, its third place filled up. */
void show_padding(page *p, heed_tape *t)
{
    heed_tensor *alone = matrix(t, 2, 2, (const double[]){ 1, .5, -.5, 2 });
    heed_tensor *padded = matrix(t, 3, 2, (const double[]){ 1, .5, -.5, 2, 3, -1 });
    const bool real[] = { 1, 1, 0 };
    heed_tensor *keep = heed_expand(t, heed_mask(t, HEED_SHAPE(1, 3), real), HEED_SHAPE(3, 3));
    heed_tensor *wanted = attend(t, alone, alone, alone, 1, NULL).o;
    heed_tensor *masked = attend(t, padded, padded, padded, 1, keep).o;
    heed_tensor *open = attend(t, padded, padded, padded, 1, NULL).o;
    heed_tensor *kept = heed_slice(t, masked, 0, 0, 2, 1);
    page_say(
        p,
        (words){
            "A sentence of two words, in an encoder: alone, and filled up to three "
            "places in a batch.",
            "인코더에서 두 단어짜리 문장을 혼자 계산할 때와, 배치 안에서 세 칸으로 채워 계산할 "
            "때입니다." });
    page_show(p, (item){ .name = "alone", { "alone", "혼자 계산" }, wanted });
    page_show(p, (item){ .name = "masked",
                         { "filled up, with a padding mask", "채운 뒤 패딩 마스크를 적용" },
                         kept });
    page_show(p, (item){ .name = "unmasked",
                         { "filled up, without a mask", "채운 뒤 마스크 없이 계산" },
                         heed_slice(t, open, 0, 0, 2, 1),
                         .source = "S2",
                         .says = { "masking is applied in the decoder only",
                                   "\"마스킹은 decoder에만 적용되는 기법이다\"" },
                         .verdict = WRONG,
                         .because = {
                             "The causal mask is. Padding must be masked in the "
                             "encoder and in cross-attention too, as S1 §7.1 says, or "
                             "a sentence depends on what it is batched with.",
                             "인과 마스크는 그렇습니다. 그러나 S1 §7.1의 말대로 패딩은 "
                             "인코더와 교차 어텐션에서도 가려야 하며, 그러지 않으면 함께 묶인 "
                             "문장에 따라 결과가 달라집니다." } });
    page_require(p, largest_difference(kept, wanted) < 1e-15, "padding changes the sentence");
}
