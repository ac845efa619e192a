/* The loss of S0: the word should be "a", and the model says "am". */
#include "sections.h"
#include "steps.h"

void show_loss(page *p, heed_tape *t)
{
    heed_tensor *shares = row(t, 3, (const double[]){ .2, .7, .1 });
    heed_tensor *logits = heed_watch(t, heed_log(t, shares));
    heed_tensor *label = heed_ids(t, HEED_SCALAR, (const int32_t[]){ 0 });
    heed_tensor *loss = heed_keep(t, heed_cross_entropy(t, logits, label, NULL));
    heed_keep(t, logits);
    page_say(p,
             (words){ "The words a, am, student have probabilities 0.2, 0.7, 0.1, chosen for "
                      "the example; \"a\" is right.",
                      "예시로 단어 a, am, student의 확률을 0.2, 0.7, 0.1로 정했습니다. 정답은 "
                      "\"a\"입니다." });
    page_show(p, (item){ .name = "loss",
                         { "cross-entropy: -ln p(a)", "크로스 엔트로피: -ln p(a)" },
                         loss,
                         .source = "S0",
                         .says = { "\"am\" for \"a\", with high probability",
                                   "\"a\" 대신 \"am\"을 (높은 확률로) 예측" },
                         .verdict = NOT_GIVEN });
    heed_tensor *smooth = heed_cross_entropy(t, heed_detach(t, logits), label,
                                             &(heed_cross_entropy_options){ .smoothing = .1 });
    page_show(p, (item){ .name = "smooth",
                         { "with label smoothing 0.1", "라벨 스무딩 0.1을 적용하면" },
                         smooth });
    heed_backward(t, loss);
    heed_tensor *g = heed_gradient(t, logits);
    page_show(p, (item){ .name = "gradient",
                         { "its gradient by the logits: p - [1, 0, 0]",
                           "로짓에 대한 그래디언트: p - [1, 0, 0]" },
                         g });
    heed_tensor *stepped = heed_sub(t, logits, g);
    page_show(p, (item){ .name = "after_p",
                         { "p after one step of -gradient",
                           "그래디언트의 반대 방향으로 한 걸음 옮긴 뒤의 p" },
                         heed_softmax(t, stepped, -1) });
    page_show(p, (item){ .name = "after_loss",
                         { "and the loss", "그때의 손실" },
                         heed_cross_entropy(t, stepped, label, NULL),
                         .source = "S0",
                         .says = { "parameters move so that the loss falls",
                                   "손실 값을 최소화하는 방향으로 업데이트" },
                         .verdict = RIGHT });
}
