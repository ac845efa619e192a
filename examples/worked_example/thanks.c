/* "Thank you" to "고마워", as S0 walks through it: scores, weights, context, word, and once more
 * until the end of the sentence. Every number is small enough to follow by hand. */
#include "sections.h"
#include "steps.h"

#include <math.h>

/* h_thank, h_you, h_eos: keys and values alike. */
static const double states[] = { 10, 0, 0, 0, 10, 0, 0, 0, 10 };
/* The words 고마워, 안녕 and <EOS> from [c; s]. */
static const double to_words[] = {
    .4, .4, 0, .5, .5, 0, .2, 0, 0, 0, .1, 0, 0, 0, .5, 0, 0, 2
};
enum { STATES = 3, WORDS = 3 };

typedef struct step_names {
    const char *score, *weight, *context, *logit, *probability;
} step_names;

/* One step of the decoder: returns the context. */
static heed_tensor *decode(page *p, heed_tape *t, int step, heed_tensor *s,
                           const step_names *name)
{
    heed_tensor *h = matrix(t, STATES, 3, states);
    heed_tensor *scores = heed_matmul(t, h, s);
    heed_tensor *weights = heed_softmax(t, scores, -1);
    heed_tensor *context = heed_matmul(t, weights, h);
    page_show(p, (item){ .name = name->score,
                         step == 0 ? (words){ "scores s_0 . h [3]", "점수 s_0 . h [3]" }
                                   : (words){ "scores s_1 . h [3]", "점수 s_1 . h [3]" },
                         scores });
    if (step == 0)
        page_show(p, (item){ .name = name->weight,
                             { "alpha_0 = softmax(scores) [3]", NULL },
                             weights,
                             .source = "S0",
                             .says = { "[0.5, 0.5, 0.0]", "[0.5, 0.5, 0.0]" },
                             .verdict = ROUNDED,
                             .because = { "The third weight is small and not 0: softmax gives "
                                          "an exact 0 for no finite score.",
                                          "셋째 가중치는 작을 뿐 0이 아닙니다. 점수가 유한하면 "
                                          "소프트맥스는 정확한 0을 내지 않습니다." },
                             .said = (const double[]){ .5, .5, 0 },
                             .count = 3 });
    else
        page_show(p, (item){ .name = name->weight,
                             { "alpha_1 = softmax(scores) [3]", NULL },
                             weights,
                             .source = "S0",
                             .says = { "[0.1, 0.1, 0.8]", "[0.1, 0.1, 0.8]" },
                             .verdict = RIGHT,
                             .because = { "The third score leads by ln 8.",
                                          "셋째 점수가 ln 8만큼 높습니다." },
                             .said = (const double[]){ .1, .1, .8 },
                             .count = 3 });
    page_show(p, (item){ .name = name->context,
                         step == 0 ? (words){ "c_0 = sum alpha_0 V [3]", NULL }
                                   : (words){ "c_1 = sum alpha_1 V [3]", NULL },
                         context });
    heed_tensor *joined = heed_concatenate(t, 2, (heed_tensor *[]){ context, s }, 0);
    heed_tensor *logits = heed_matmul(t, matrix(t, WORDS, 6, to_words), joined);
    heed_tensor *probabilities = heed_softmax(t, logits, -1);
    page_show(p, (item){ .name = name->logit,
                         step == 0 ? (words){ "W [c_0; s_0]: 고마워, 안녕, <EOS>", NULL }
                                   : (words){ "W [c_1; s_1]: 고마워, 안녕, <EOS>", NULL },
                         logits });
    heed_tensor *chosen = heed_argmax(t, probabilities, 0, false);
    if (step == 0)
        page_show(p, (item){ .name = name->probability,
                             { "softmax: the word is 고마워", "소프트맥스: 고마워를 냅니다" },
                             probabilities,
                             .source = "S0",
                             .says = { "고마워 is predicted", "\"고마워\"라는 단어를 예측" },
                             .verdict = RIGHT });
    else
        page_show(p, (item){ .name = name->probability,
                             { "softmax: the word is <EOS>, the end",
                               "소프트맥스: <EOS>를 내고 마칩니다" },
                             probabilities,
                             .source = "S0",
                             .says = { "<EOS> ends the translation",
                                       "<EOS> 토큰을 출력하며 번역을 마침" },
                             .verdict = RIGHT });
    page_require(p, heed_at(chosen, 0) == (step == 0 ? 0 : 2), "another word is chosen");
    return context;
}

/* The weights that S0 writes, exactly. */
static void exactly(page *p, heed_tape *t)
{
    heed_tensor *scores = row(t, 3, (const double[]){ 20, 20, -20 });
    page_show(p, (item){ .name = "far",
                         { "softmax([20, 20, -20])", NULL },
                         heed_softmax(t, scores, -1) });
    heed_tensor *masked = row(t, 3, (const double[]){ 20, 20, -INFINITY });
    page_show(
        p, (item){ .name = "masked",
                   { "softmax([20, 20, -inf]): exact, by a mask",
                     "softmax([20, 20, -inf]): 마스크를 쓰면 정확한 0" },
                   heed_softmax(t, masked, -1),
                   .source = "S0",
                   .says = { "[0.5, 0.5, 0.0] as a softmax", "소프트맥스로 [0.5, 0.5, 0.0]" },
                   .verdict = RIGHT,
                   .because = { "Exactly so only with a score of -inf.",
                                "점수가 -inf일 때만 정확히 이 값이 됩니다." },
                   .said = (const double[]){ .5, .5, 0 },
                   .count = 3 });
    page_show(p, (item){ .name = "gap",
                         { "ln(0.8/0.1): the lead that makes [0.1, 0.1, 0.8]",
                           "ln(0.8/0.1): [0.1, 0.1, 0.8]이 되는 점수 차이" },
                         heed_log(t, one(t, .8 / .1)) });
}

void show_thanks(page *p, heed_tape *t)
{
    page_say(p,
             (words){ "The encoder has read Thank, you, <EOS>; its states are keys and values.",
                      "인코더가 Thank, you, <EOS>를 읽었고, 그 은닉 상태가 키이자 값입니다." });
    page_show(p, (item){ .name = "states",
                         { "h_thank, h_you, h_eos [3, 3]", NULL },
                         matrix(t, STATES, 3, states) });
    heed_tensor *s0 = row(t, 3, (const double[]){ .9, .9, -.9 });
    page_show(p, (item){ .name = "s_0", { "s_0 [3]: the query", "s_0 [3]: 질의" }, s0 });
    heed_tensor *c0 = decode(
        p, t, 0, s0, &(step_names){ "scores_0", "alpha_0", "c_0", "logits_0", "word_0" });
    /* s_1 = tanh(W s_0 + U y): the first two coordinates of W s_0 cancel, and U y is such that
     * the third is (ln 8)/10. */
    heed_tensor *w = matrix(t, 3, 3, (const double[]){ .5, -.5, 0, -.5, .5, 0, 0, 0, .5 });
    heed_tensor *from_word = row(t, 3, (const double[]){ 0, 0, atanh(log(8) / 10) + .45 });
    heed_tensor *s1 = heed_tanh(t, heed_add(t, heed_matmul(t, w, s0), from_word));
    page_say(p, (words){ "고마워 is the next input, and the state moves on.",
                         "고마워가 다음 입력이 되고, 은닉 상태가 바뀝니다." });
    page_show(p, (item){ .name = "s_1",
                         { "s_1 = tanh(W s_0 + U y) [3]: the next query",
                           "s_1 = tanh(W s_0 + U y) [3]: 다음 질의" },
                         s1 });
    heed_tensor *c1 = decode(
        p, t, 1, s1, &(step_names){ "scores_1", "alpha_1", "c_1", "logits_1", "word_1" });
    page_show(p, (item){ .name = "context_change",
                         { "c_1 - c_0: without attention it would be 0",
                           "c_1 - c_0: 어텐션이 없으면 0입니다" },
                         heed_sub(t, c1, c0),
                         .source = "S0",
                         .says = { "a context of its own for each step",
                                   "매번 새롭게 계산되는 동적 컨텍스트 벡터" },
                         .verdict = RIGHT });
    exactly(p, t);
}
