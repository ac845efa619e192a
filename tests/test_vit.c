/* The Vision Transformer: what a patch is, learning, and what is refused. */
#include <check.h>
#include <heed/optim.h>
#include <heed/vit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 4, K = 2, HEIGHT = 4, WIDTH = 6, C = 8, CLASSES = 3 };

static heed_tape *t;
static heed_params *ps;
static heed_random draws;
static heed_vit m;
static double pixels[B * K * HEIGHT * WIDTH];

static void setup(void)
{
    t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    ps = heed_params_new(HEED_F64, NULL);
    draws = (heed_random){ .seed = 4 };
    for (int i = 0; i < B * K * HEIGHT * WIDTH; i++)
        pixels[i] = heed_random_normal(&draws);
}

static void teardown(void)
{
    heed_tape_free(t);
    heed_params_free(ps);
}

static const heed_vit_options sizes = { .image_height = HEIGHT,
                                        .image_width = WIDTH,
                                        .patch_height = 2,
                                        .patch_width = 3,
                                        .channels = K,
                                        .classes = CLASSES,
                                        .width = C,
                                        .layers = 2,
                                        .heads = 2,
                                        .bias = true };

static void make(bool mean, heed_position_kind positions)
{
    heed_vit_options o = sizes;
    o.mean = mean;
    o.positions = positions;
    o.random = &draws;
    heed_vit_init(&m, ps, "vit", o);
    ck_assert_msg(heed_params_error(ps) == NULL, "%s", heed_params_error(ps));
}

static heed_tensor *images(void)
{
    return heed_borrow(t, HEED_F64, HEED_SHAPE(B, K, HEIGHT, WIDTH), pixels);
}

START_TEST(shapes)
{
    make(_i, HEED_POSITIONS_LEARNED);
    heed_shape states = heed_shape_of(heed_vit_encode(t, &m, images()));
    ck_assert_int_eq(states.size[0], B);
    ck_assert_int_eq(states.size[1], _i ? 4 : 5);
    ck_assert_int_eq(states.size[2], C);
    heed_shape logits = heed_shape_of(heed_vit_forward(t, &m, images()));
    ck_assert_int_eq(logits.ndim, 2);
    ck_assert_int_eq(logits.size[1], CLASSES);
}
END_TEST

/* Exchanges the left and the right half of each image. */
static heed_tensor *exchanged(void)
{
    return heed_roll(t, images(), WIDTH / 2, 3);
}

/* Without positions an image is a bag of patches; with them it is not. And no image sees
 * another one. */
START_TEST(patches_have_places)
{
    const heed_position_kind kinds[] = { HEED_POSITIONS_NONE, HEED_POSITIONS_LEARNED };
    make(true, kinds[_i]);
    heed_tensor *y = heed_vit_forward(t, &m, images());
    heed_tensor *z = heed_vit_forward(t, &m, exchanged());
    double size = heed_item(t, heed_norm(t, heed_sub(t, y, z)));
    ck_assert_msg(_i ? size > 1e-6 : size < 1e-12, "the logits differ by %g", size);

    heed_tensor *second = heed_slice(t, images(), 0, 1, 2, 1);
    heed_tensor *alone = heed_vit_forward(t, &m, second);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    for (int k = 0; k < CLASSES; k++)
        ck_assert_double_eq_tol(heed_at(alone, k), heed_at(y, CLASSES + k), 1e-12);
}
END_TEST

START_TEST(learns)
{
    const int32_t labels[B] = { 0, 1, 2, 1 };
    make(_i, HEED_POSITIONS_LEARNED);
    heed_optimizer *o = heed_adam_new(ps, (heed_adam_options){ .lr = 1e-2 });
    double loss = 1;
    for (int step = 0; step < 60; step++) {
        heed_tensor *logits = heed_vit_forward(t, &m, images());
        heed_tensor *mean =
            heed_cross_entropy(t, logits, heed_ids(t, HEED_SHAPE(B), labels), NULL);
        loss = heed_item(t, mean);
        ck_assert_msg(heed_backward(t, mean), "%s", heed_error(t));
        ck_assert(heed_optimizer_step(o, heed_params_gradients(ps)));
        heed_tape_reset(t);
    }
    ck_assert_double_lt(loss, 0.01);
    heed_optimizer_free(o);
}
END_TEST

static void unsound(heed_vit_options o, const char *sentence)
{
    heed_vit_init(&m, ps, "vit", o);
    ck_assert_msg(heed_params_error(ps) && strstr(heed_params_error(ps), sentence),
                  "'%s', not '%s'", heed_params_error(ps), sentence);
    heed_params_clear_error(ps);
}

START_TEST(unsound_options)
{
    heed_vit_options o = sizes;
    o.patch_height = 3;
    unsound(o, "vit: patches of 3 x 3 do not cut an image of 4 x 6 evenly");
    o.patch_height = 0;
    unsound(o, "vit: patches of 0 x 3");
    o = sizes;
    o.image_height = 0;
    unsound(o, "vit: there are no images of 2 x 0 x 6");
    o = sizes;
    o.channels = o.image_height = o.image_width = o.patch_height = o.patch_width = INT32_MAX;
    unsound(o, "vit: a patch of 2147483647 x 2147483647 x 2147483647 is more than");
    o = sizes;
    o.classes = 0;
    unsound(o, "vit: classes 0 are not in");
    o = sizes;
    o.heads = 3;
    unsound(o, "vit: width 8 is not divisible by heads 3");
    o = sizes;
    o.dropout = -0.5;
    unsound(o, "vit: dropout -0.5 is not in [0, 1)");
    o = sizes;
    o.layers = 0;
    unsound(o, "layers 0 is not in");
}
END_TEST

START_TEST(unsound_images)
{
    make(false, HEED_POSITIONS_LEARNED);
    heed_tensor *flat = heed_reshape(t, images(), HEED_SHAPE(B, 1, 2 * HEIGHT, WIDTH));
    ck_assert_ptr_null(heed_vit_forward(t, &m, flat));
    ck_assert_str_eq(heed_error(t), "vit: images need shape [B,2,4,6], got [4,1,8,6]");
    heed_tape_reset(t);
    ck_assert_ptr_null(heed_vit_forward(t, &m, NULL));
    ck_assert(strstr(heed_error(t), "got none"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vit");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, shapes, 0, 2);
    tcase_add_loop_test(tests, patches_have_places, 0, 2);
    tcase_add_loop_test(tests, learns, 0, 2);
    tcase_add_test(tests, unsound_options);
    tcase_add_test(tests, unsound_images);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
