/* A program of a user's, built against heed as installed, or as a subproject: finds the minimum
 * of f(x) = |x - c|^2 by gradient descent and says whether it got there. */
#include <heed/align.h>
#include <heed/bert.h>
#include <heed/heed.h>
#include <heed/lora.h>
#include <heed/nn.h>
#include <heed/op.h>
#include <heed/optim.h>
#include <heed/params.h>
#include <heed/recurrent.h>
#include <heed/training.h>
#include <heed/vit.h>
#include <math.h>
#include <stdio.h>

int main(void)
{
    const float c[3] = { 1, -2, 3 };
    heed_tape *t = heed_tape_new(NULL);
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_parameter *x = heed_parameter_new(ps, "x", HEED_SHAPE(3), 0);
    heed_optimizer *o = heed_sgd_new(ps, (heed_sgd_options){ .lr = 0.1 });
    for (int step = 0; step < 200; step++) {
        heed_tensor *target = heed_borrow(t, HEED_F32, HEED_SHAPE(3), c);
        heed_tensor *distance = heed_sub(t, heed_use(t, x), target);
        heed_backward(t, heed_sum(t, heed_square(t, distance)));
        if (heed_error(t))
            break;
        heed_optimizer_step(o, heed_params_gradients(ps));
        heed_tape_reset(t);
    }
    float found[3] = { 0 };
    heed_params_get(ps, "x", 3, found);
    printf("heed %s, %s kernels: x = %.3f %.3f %.3f\n", heed_version(), heed_instruction_set(),
           found[0], found[1], found[2]);
    bool good = !heed_error(t) &&
                fabsf(found[0] - 1) + fabsf(found[1] + 2) + fabsf(found[2] - 3) < 1e-3f;
    heed_optimizer_free(o);
    heed_params_free(ps);
    heed_tape_free(t);
    return good ? 0 : 1;
}
