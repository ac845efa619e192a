/* Low-rank adapters (LoRA: Hu et al. 2021): fine-tuning a model by few parameters. Beside the
 * weight W [out, in] of a linear layer come A [r, in] and B [out, r], and the layer computes
 *
 *     y = x W^T + b + (alpha/r) (dropout(x) A^T) B^T                            (equation 3)
 *
 * with W frozen. Models and their forward functions stay as they are: heed_linear_forward finds
 * the adapter beside the weight.
 *
 *     heed_params_load(ps, "base.safetensors");
 *     heed_params_freeze(ps, "*", true);
 *     heed_lora_attach(ps, "*.qkv.weight", (heed_lora_options){ .rank = 8, .random = &r });
 *     ... train ...
 *     heed_params_save_matching(ps, "adapters.safetensors", HEED_LORA_PARAMETERS, NULL);
 *
 * A copy of the set carries the adapters' numbers and may stand in for it (heed_shadow).
 * docs/fine-tuning.md shows a whole program. */
#ifndef HEED_LORA_H
#define HEED_LORA_H

#include <heed/heed.h>
#include <heed/params.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The pattern of adapters' names, for heed_params_save_matching and its kin; with a ! in front
 * that of everything else. */
#define HEED_LORA_PARAMETERS "*lora_*"

typedef struct heed_lora_options {
    int64_t rank;        /* r: 1 .. min(in, out) */
    double alpha;        /* 0: r, so that the factor is 1 */
    double dropout;      /* of what A is given, while training */
    heed_random *random; /* NULL: A stays 0, for adapters about to be loaded */
} heed_lora_options;

/* Puts an adapter beside the weight of each linear layer whose name matches the pattern (as in
 * heed_params_freeze), and freezes that weight; biases and all else stay as they are. The
 * weight "blocks.0.attention.qkv.weight" gets "blocks.0.attention.qkv.lora_a", normal of
 * variance 1/in; "...lora_b", zeros, so that nothing changes at first; and the factor alpha/r
 * as a buffer "...lora_scale", so that it is saved with them. Other parameters that match, tables
 * of embeddings among them, get none. Comes between steps and outside of scopes. Returns how
 * many; 0 and the set's error when that would be none, when a rank does not fit, or when one of
 * the weights has an adapter. */
HEED_API int heed_lora_attach(heed_params *ps, const char *pattern, heed_lora_options options);

/* Adds (alpha/r) B A to every weight that has an adapter and leaves the layer without one: it
 * computes the same function up to rounding, at the cost of the plain layer. A and B stay in
 * the set, frozen, with B = 0; "!" HEED_LORA_PARAMETERS saves the model without them. Weights
 * stay frozen until heed_params_freeze thaws them. Another adapter of the same rank may then be
 * attached; it begins anew in A, and with B = 0. (An optimizer that has not made a step in
 * between still has the moments of the one before.) A copy of the set has numbers but no adapters:
 * merged in it is nothing. Between steps. Returns how many. */
HEED_API int heed_lora_merge(heed_params *ps);

#ifdef __cplusplus
}
#endif

#endif
