#!/usr/bin/env python3
"""Writes tests/reference/attention.safetensors: attention in PyTorch, f64, values and gradients, for
tests/test_attention.c. Where scaled_dot_product_attention or nn.MultiheadAttention has the variant, they are the
reference; a cap and sinks, which they have not, are written out. T5's buckets come from its authors' formula.
Needs torch and safetensors:

    python3 tests/reference/make_attention_reference.py tests/reference/attention.safetensors
"""
import math
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
B, H, T, S, D, DV = 2, 2, 4, 5, 4, 3
out = {}


def leaf(*shape):
    return torch.randn(*shape).requires_grad_()


def keep(case, **tensors):
    for name, x in tensors.items():
        out[f"{case}.{name}"] = x.detach().clone().contiguous()


def case(name, f, kv=H, queries=T, keys=S, **more):
    x = {"q": leaf(B, H, queries, D), "k": leaf(B, kv, keys, D), "v": leaf(B, kv, keys, DV), **more}
    y = f(**x)
    gy = torch.randn_like(y)
    y.backward(gy)
    keep(name, **x, y=y, gy=gy, **{"g" + n: t.grad for n, t in x.items() if t.requires_grad})


def sdpa(q, k, v, bias=None, mask=None, **options):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias if mask is None else mask, **options)


def written(q, k, v, cap=0.0, bias=0.0, sinks=None, hidden=None):
    s = q @ k.transpose(-1, -2) / math.sqrt(D)
    if cap:
        s = cap * torch.tanh(s / cap)
    s = s + bias
    if hidden is not None:
        s = s.masked_fill(hidden, -math.inf)
    if sinks is not None:
        column = sinks.view(1, H, 1, 1).expand(B, H, s.shape[2], 1)
        return torch.softmax(torch.cat([s, column], -1), -1)[..., :-1] @ v
    return torch.softmax(s, -1) @ v


place = torch.arange(S)
back = place[:, None] - place[None, :]  # p - j
case("plain", sdpa)
case("causal", lambda q, k, v: sdpa(q, k, v, is_causal=True), queries=S)
case("grouped", lambda q, k, v: sdpa(q, k, v, enable_gqa=True), kv=1)
mask = torch.rand(B, 1, T, S) > 0.3
mask[..., 0] = True
case("masked", sdpa, mask=mask)
case("bias", sdpa, bias=leaf(B, H, T, S))
case("bias_heads", lambda q, k, v, bias: sdpa(q, k, v, bias.expand(B, H, T, S)), bias=leaf(H, 1, S))
case("bias_all", lambda q, k, v, bias: sdpa(q, k, v, bias.expand(B, H, T, S)), bias=leaf(T, S))
infinite = torch.zeros(T, S).masked_fill(torch.rand(T, S) < 0.3, -math.inf)
infinite[:, 2] = 0.5
case("bias_infinite", sdpa, bias=infinite)
slopes = 2.0 ** (-8.0 * torch.arange(1, H + 1) / H)
causal = torch.zeros(S, S).masked_fill(back < 0, -math.inf)
case("alibi", lambda q, k, v: sdpa(q, k, v, bias=causal - slopes.view(H, 1, 1) * back.abs()), queries=S)
case("window", lambda q, k, v: sdpa(q, k, v, mask=(back >= -1) & (back <= 2)), queries=S)
case("prefix", lambda q, k, v: sdpa(q, k, v, mask=(back >= 0) & (back <= 1) | (place < 2)), queries=S)
case("cap", lambda q, k, v: written(q, k, v, cap=0.7))
case("sinks", lambda q, k, v, sinks: written(q, k, v, sinks=sinks), sinks=leaf(H))
case("all", lambda q, k, v, sinks, bias: written(q, k, v, 0.9, bias, sinks, (back < 0) | (back > 3)),
     queries=S, sinks=leaf(H), bias=leaf(H, S, S))

# ---- nn.MultiheadAttention ----
C, W = 8, 5
for name, cross in (("mha", False), ("mha_cross", True)):
    m = torch.nn.MultiheadAttention(C, H, batch_first=True, kdim=W if cross else None, vdim=W if cross else None)
    for p in m.parameters():
        torch.nn.init.normal_(p, std=0.5)
    x, source = leaf(B, T, C), leaf(B, S, W)
    memory = source if cross else x
    bias = torch.randn(T, memory.shape[1])
    padding = torch.zeros(B, memory.shape[1], dtype=torch.bool)
    padding[1, -2:] = True
    # torch wants masks of one kind: the padding as -inf
    lost = torch.zeros(B, memory.shape[1]).masked_fill(padding, -math.inf)
    y, weights = m(x, memory, memory, attn_mask=bias, key_padding_mask=lost, average_attn_weights=False)
    gy = torch.randn_like(y)
    y.backward(gy)
    keep(name, x=x, y=y, gy=gy, gx=x.grad, bias=bias, weights=weights)
    if cross:
        keep(name, source=source, gsource=source.grad)
    biases = torch.chunk(m.in_proj_bias, 3), torch.chunk(m.in_proj_bias.grad, 3)
    pairs = {"output.weight": m.out_proj.weight, "output.bias": m.out_proj.bias}
    if cross:
        for i, part in enumerate("qkv"):
            weight = getattr(m, part + "_proj_weight")
            keep(name, **{f"start.{part}.weight": weight, f"gradient.{part}.weight": weight.grad,
                          f"start.{part}.bias": biases[0][i], f"gradient.{part}.bias": biases[1][i]})
    else:
        pairs |= {"qkv.weight": m.in_proj_weight, "qkv.bias": m.in_proj_bias}
    for n, p in pairs.items():
        keep(name, **{"start." + n: p, "gradient." + n: p.grad})


# ---- T5's buckets ----
def bucket(relative, both_ways, buckets, max_distance):
    result, n = 0, -relative
    if both_ways:
        buckets //= 2
        result = (n < 0).long() * buckets
        n = n.abs()
    else:
        n = n.clamp(min=0)
    exact = buckets // 2
    large = exact + (torch.log(n.clamp(min=1).double() / exact) / math.log(max_distance / exact)
                     * (buckets - exact)).long()
    return result + torch.where(n < exact, n, large.clamp(max=buckets - 1))


far = torch.arange(-200, 201)
out["buckets.both"] = bucket(far, True, 32, 128).int()
out["buckets.past"] = bucket(far, False, 32, 128).int()

save_file(out, sys.argv[1])
