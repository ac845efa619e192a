/* The Vision Transformer: an image as a sentence of patches, read by an encoder (Dosovitskiy et
 * al. 2021).
 *
 *     heed_vit_init(&vit, ps, "vit", options);
 *     heed_tensor *logits = heed_vit_forward(t, &vit, images);
 *     heed_tensor *loss = heed_cross_entropy(t, logits, labels, NULL);
 *
 * Shapes: B batch, K channels, N patches, C width. */
#ifndef HEED_VIT_H
#define HEED_VIT_H

#include <heed/heed.h>
#include <heed/nn.h>
#include <heed/params.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zeros are pre-norm blocks with gelu, a class token and learned positions: the paper's, with
 * bias. */
typedef struct heed_vit_options {
    int64_t image_height, image_width;
    int64_t patch_height, patch_width; /* divide them */
    int64_t channels;                  /* K; 0: 1 */
    int64_t classes;
    int64_t width;  /* C */
    int64_t hidden; /* of the feed-forward network; 0: 4 C */
    int layers;
    int heads;     /* divides C */
    int key_heads; /* 0: heads */
    bool mean;     /* the mean of the patches is classified, not a token of its own */
    heed_position_kind positions;
    heed_norm_place place;
    heed_norm_kind norm;
    heed_activation activation;
    bool gated;
    bool bias;
    double dropout, attention_dropout;
    heed_random *random; /* NULL: zeros, for a model about to be loaded */
} heed_vit_options;

typedef struct heed_vit {
    heed_vit_options options;
    heed_linear_module patches; /* [C, K patch_height patch_width] */
    heed_parameter *token;      /* [C], before all patches; NULL with mean */
    heed_position_module positions;
    heed_block_stack encoder;
    heed_linear_module output; /* [classes, C] */
} heed_vit;

/* Unsound options are refused in a sentence (heed_params_error): "vit: patches of 3 x 3 do not
 * cut an image of 8 x 8 evenly". */
HEED_API void heed_vit_init(heed_vit *m, heed_params *ps, const char *name,
                            heed_vit_options options);
/* images [B, K, image_height, image_width] -> states [B, 1 + N, C], the class token's first;
 * with mean [B, N, C]. Patches go from left to right and top to bottom. */
HEED_API heed_tensor *heed_vit_encode(heed_tape *t, const heed_vit *m, heed_tensor *images);
/* images -> logits [B, classes] */
HEED_API heed_tensor *heed_vit_forward(heed_tape *t, const heed_vit *m, heed_tensor *images);

#ifdef __cplusplus
}
#endif

#endif
