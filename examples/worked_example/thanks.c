/* "Thank you" to "고마워", as S0 walks through it: scores, weights, context, word, and once more
 * until the end of the sentence. */
#include "thanks.h"

#include "sections.h"
#include "steps.h"

#include <math.h>

enum { SHOWN = 5 }; /* scores, weights, context, logits, probabilities */

static const double alpha_0[] = { .5, .5, 0 }, alpha_1[] = { .1, .1, .8 };
static const item first_items[SHOWN] = {
    { .name = "scores_0", .what = { "scores s_0 . h [3]", "점수 s_0 . h [3]" } },
    { .name = "alpha_0",
      .what = { "alpha_0 = softmax(scores) [3]", "alpha_0 = softmax(점수) [3]" },
      .source = "S0",
      .says = { "[0.5, 0.5, 0.0]", "[0.5, 0.5, 0.0]" },
      .verdict = ROUNDED,
      .because = { "The third weight is small and not 0: worked out exactly, softmax gives 0 "
                   "for no "
                   "finite score.",
                   "셋째 가중치는 작을 뿐 0이 아닙니다. 점수가 유한하면 소프트맥스의 참값은 "
                   "0이 될 수 "
                   "없습니다." },
      .said = alpha_0,
      .count = 3 },
    { .name = "c_0",
      .what = { "c_0 = sum alpha_0 V [3]", "c_0 = alpha_0로 가중한 V의 합 [3]" } },
    { .name = "logits_0", .what = { "W [c_0; s_0]: 고마워, 안녕, <EOS>", NULL } },
    { .name = "word_0",
      .what = { "softmax: the word is 고마워", "소프트맥스: 고마워를 냅니다" },
      .source = "S0",
      .says = { "고마워 is predicted", "\"고마워\"라는 단어를 예측" },
      .verdict = RIGHT },
};
static const item next_items[SHOWN] = {
    { .name = "scores_1", .what = { "scores s_1 . h [3]", "점수 s_1 . h [3]" } },
    { .name = "alpha_1",
      .what = { "alpha_1 = softmax(scores) [3]", "alpha_1 = softmax(점수) [3]" },
      .source = "S0",
      .says = { "[0.1, 0.1, 0.8]", "[0.1, 0.1, 0.8]" },
      .verdict = RIGHT,
      .because = { "The third score leads by ln 8.", "셋째 점수가 ln 8만큼 높습니다." },
      .said = alpha_1,
      .count = 3 },
    { .name = "c_1",
      .what = { "c_1 = sum alpha_1 V [3]", "c_1 = alpha_1로 가중한 V의 합 [3]" } },
    { .name = "logits_1", .what = { "W [c_1; s_1]: 고마워, 안녕, <EOS>", NULL } },
    { .name = "word_1",
      .what = { "softmax: the word is <EOS>, the end", "소프트맥스: <EOS>를 내고 마칩니다" },
      .source = "S0",
      .says = { "<EOS> ends the translation", "<EOS> 토큰을 출력하며 번역을 마침" },
      .verdict = RIGHT },
};

static void show_step(page *p, const item *items, const thanks_step *step)
{
    const heed_tensor *values[SHOWN] = { step->scores, step->weights, step->context,
                                         step->logits, step->probabilities };
    for (int i = 0; i < SHOWN; i++) {
        item shown = items[i];
        shown.value = values[i];
        page_show(p, shown);
    }
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
                   .said = alpha_0,
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
    page_show(
        p,
        (item){ .name = "states", { "h_thank, h_you, h_eos [3, 3]", NULL }, thanks_states(t) });
    thanks_step first = thanks_first(t);
    page_show(p, (item){ .name = "s_0", { "s_0 [3]: the query", "s_0 [3]: 질의" }, first.s });
    show_step(p, first_items, &first);
    thanks_step next = thanks_next(t, &first);
    page_say(p, (words){ "고마워 is the next input, and the state moves on.",
                         "고마워가 다음 입력이 되고, 은닉 상태가 바뀝니다." });
    page_show(p, (item){ .name = "s_1",
                         { "s_1 = tanh(W s_0 + U y) [3]: the next query",
                           "s_1 = tanh(W s_0 + U y) [3]: 다음 질의" },
                         next.s });
    show_step(p, next_items, &next);
    page_require(p, thanks_word(t, &first) == 0 && thanks_word(t, &next) == 2,
                 "another word is chosen");
    page_show(p, (item){ .name = "context_change",
                         { "c_1 - c_0: without attention it would be 0",
                           "c_1 - c_0: 어텐션이 없으면 0입니다" },
                         heed_sub(t, next.context, first.context),
                         .source = "S0",
                         .says = { "a context of its own for each step",
                                   "매번 새롭게 계산되는 동적 컨텍스트 벡터" },
                         .verdict = RIGHT });
    exactly(p, t);
}
