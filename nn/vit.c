/* The Vision Transformer (vit.h): patches, a class token, positions, blocks, classes. */
#include "vit.h"

static bool sound(heed_params *ps, const heed_vit_options *o)
{
    const int64_t most = INT32_MAX;
    if (o->channels < 1 || o->image_height < 1 || o->image_width < 1 || o->channels > most ||
        o->image_height > most || o->image_width > most)
        heed_params_fail(ps, "vit: there are no images of %lld x %lld x %lld",
                         (long long)o->channels, (long long)o->image_height,
                         (long long)o->image_width);
    else if (o->patch_height < 1 || o->patch_width < 1 ||
             o->image_height % o->patch_height != 0 || o->image_width % o->patch_width != 0)
        heed_params_fail(
            ps, "vit: patches of %lld x %lld do not cut an image of %lld x %lld evenly",
            (long long)o->patch_height, (long long)o->patch_width, (long long)o->image_height,
            (long long)o->image_width);
    else if (o->channels > most / o->patch_height / o->patch_width)
        heed_params_fail(
            ps, "vit: a patch of %lld x %lld x %lld is more than 2147483647 numbers",
            (long long)o->channels, (long long)o->patch_height, (long long)o->patch_width);
    else if (o->classes < 1 || o->classes > most)
        heed_params_fail(ps, "vit: classes %lld are not in 1 .. 2147483647",
                         (long long)o->classes);
    else if (o->heads < 1 || o->width < 1 || o->width % o->heads != 0)
        heed_params_fail(ps, "vit: width %lld is not divisible by heads %d",
                         (long long)o->width, o->heads);
    else if (!(o->dropout >= 0 && o->dropout < 1))
        heed_params_fail(ps, "vit: dropout %g is not in [0, 1)", o->dropout);
    return heed_params_error(ps) == NULL;
}

void heed_vit_init(heed_vit *m, heed_params *ps, const char *name, heed_vit_options o)
{
    *m = (heed_vit){ 0 };
    o.channels = o.channels ? o.channels : 1;
    if (!sound(ps, &o))
        return;
    m->options = o;
    const heed_linear_options linear = { .bias = o.bias, .random = o.random };
    heed_block_options block = {
        .place = o.place,
        .norm = { .kind = o.norm, .bias = o.bias },
        .attention = { .heads = o.heads,
                       .key_heads = o.key_heads,
                       .packed = true,
                       .bias = o.bias,
                       .attention_dropout = o.attention_dropout,
                       .dropout = o.dropout,
                       .random = o.random },
        .feedforward = { .hidden = o.hidden,
                         .activation = o.activation,
                         .gated = o.gated,
                         .bias = o.bias,
                         .dropout = o.dropout,
                         .hidden_dropout = o.dropout,
                         .random = o.random },
    };
    int64_t count = o.image_height / o.patch_height * (o.image_width / o.patch_width);
    heed_position_attend(o.positions, &block.attention);
    heed_params_scope(ps, name);
    heed_linear_init(&m->patches, ps, "patches", o.channels * o.patch_height * o.patch_width,
                     o.width, linear);
    if (!o.mean) {
        m->token = heed_parameter_new(ps, "token", HEED_SHAPE(o.width), 0);
        heed_init_normal(m->token, 0.02, o.random);
    }
    heed_position_init(&m->positions, ps, "positions", o.positions, count + !o.mean, o.width,
                       0.02, o.random);
    heed_params_scope(ps, "encoder");
    heed_block_stack_init(&m->encoder, ps, o.width, o.layers, block);
    heed_params_scope_end(ps);
    heed_linear_init(&m->output, ps, "output", o.width, o.classes, linear);
    heed_params_scope_end(ps);
}

static bool check_images(heed_tape *t, const heed_vit *m, const heed_tensor *images)
{
    const heed_vit_options *o = &m->options;
    const int64_t expected[] = { o->channels, o->image_height, o->image_width };
    if (heed_error(t))
        return false;
    bool fits = images && images->ndim == 4;
    for (int i = 0; fits && i < 3; i++)
        fits = images->shape[i + 1] == expected[i];
    if (fits)
        return true;
    char found[80] = "none";
    if (images) {
        heed_shape shape = heed_shape_of(images);
        heed_shape_text(&shape, found, sizeof found);
    }
    heed_fail(t, "vit: images need shape [B,%lld,%lld,%lld], got %s", (long long)o->channels,
              (long long)o->image_height, (long long)o->image_width, found);
    return false;
}

heed_tensor *heed_vit_encode(heed_tape *t, const heed_vit *m, heed_tensor *images)
{
    const heed_vit_options *o = &m->options;
    if (!t || !check_images(t, m, images))
        return NULL;
    heed_scope(t, "vit");
    heed_tensor *x = heed_patches(t, images, o->patch_height, o->patch_width);
    x = heed_linear_forward(t, &m->patches, x); /* [B, N, C] */
    if (m->token) {
        heed_shape one = HEED_SHAPE(images->shape[0], 1, o->width);
        heed_tensor *token = heed_expand(t, heed_use(t, m->token), one);
        x = heed_concatenate(t, 2, (heed_tensor *[]){ token, x }, 1);
    }
    x = heed_position_forward(t, &m->positions, x, 0);
    if (o->dropout != 0)
        x = heed_dropout(t, x, o->dropout);
    x = heed_block_stack_forward(t, &m->encoder, x, NULL);
    heed_scope_end(t);
    return x;
}

heed_tensor *heed_vit_forward(heed_tape *t, const heed_vit *m, heed_tensor *images)
{
    heed_tensor *states = heed_vit_encode(t, m, images);
    heed_tensor *whole = m->token ? heed_select(t, states, 1, 0)
                                  : heed_mean_axes(t, states, 1, (const int[]){ 1 }, false);
    return heed_linear_forward(t, &m->output, whole); /* [B, classes] */
}
