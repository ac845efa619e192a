#!/usr/bin/env python3
"""Writes tests/reference/gpt.safetensors: an independent PyTorch GPT in f64 on small random weights, its
loss and gradients, and its weights after three AdamW steps with clipping. tests/test_gpt_reference.c runs
heed on the same weights and compares. Needs torch and safetensors:

    python3 tests/reference/make_gpt_reference.py tests/reference/gpt.safetensors
"""
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

V, T, C, L, H, B = 7, 5, 8, 2, 2, 3
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def weights():
    shapes = {"tokens.weight": (V, C), "positions.weight": (T, C)}
    for i in range(L):
        b = f"blocks.{i}."
        shapes |= {
            b + "norm_1.weight": (C,), b + "norm_1.bias": (C,),
            b + "attention.qkv.weight": (3 * C, C), b + "attention.qkv.bias": (3 * C,),
            b + "attention.output.weight": (C, C), b + "attention.output.bias": (C,),
            b + "norm_2.weight": (C,), b + "norm_2.bias": (C,),
            b + "feedforward.up.weight": (4 * C, C), b + "feedforward.up.bias": (4 * C,),
            b + "feedforward.down.weight": (C, 4 * C), b + "feedforward.down.bias": (C,),
        }
    shapes |= {"norm.weight": (C,), "norm.bias": (C,)}
    w = {}
    for name, shape in shapes.items():
        w[name] = 0.4 * torch.randn(shape)
        if "norm" in name and name.endswith("weight"):
            w[name] += 1
    return w


def loss_of(w, ids, targets):
    x = w["tokens.weight"][ids] + w["positions.weight"][: ids.shape[1]]
    for i in range(L):
        p = {k[len(f"blocks.{i}."):]: v for k, v in w.items() if k.startswith(f"blocks.{i}.")}
        h = F.layer_norm(x, (C,), p["norm_1.weight"], p["norm_1.bias"], 1e-5)
        q, k, v = F.linear(h, p["attention.qkv.weight"], p["attention.qkv.bias"]).chunk(3, -1)
        heads = []
        for n in range(H):
            s = slice(n * C // H, (n + 1) * C // H)
            a = q[..., s] @ k[..., s].transpose(1, 2) / (C // H) ** 0.5
            a = a.masked_fill(~torch.ones(T, T).tril().bool(), float("-inf"))
            heads.append(a.softmax(-1) @ v[..., s])
        x = x + F.linear(torch.cat(heads, -1), p["attention.output.weight"], p["attention.output.bias"])
        h = F.layer_norm(x, (C,), p["norm_2.weight"], p["norm_2.bias"], 1e-5)
        h = F.gelu(F.linear(h, p["feedforward.up.weight"], p["feedforward.up.bias"]))
        x = x + F.linear(h, p["feedforward.down.weight"], p["feedforward.down.bias"])
    x = F.layer_norm(x, (C,), w["norm.weight"], w["norm.bias"], 1e-5)
    z = x @ w["tokens.weight"].T
    return F.cross_entropy(z.reshape(-1, V), targets.reshape(-1))


w = {k: v.requires_grad_() for k, v in weights().items()}
ids = torch.randint(V, (B, T))
targets = torch.randint(V, (B, T))
out = {"ids": ids.int(), "targets": targets.int()}
out |= {"start." + k: v.detach().clone() for k, v in w.items()}

matrices = [v for v in w.values() if v.dim() > 1]
vectors = [v for v in w.values() if v.dim() == 1]
optimizer = torch.optim.AdamW(
    [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
    lr=1e-2, betas=(0.9, 0.99))
losses, norms = [], []
for step in range(3):
    optimizer.zero_grad()
    loss = loss_of(w, ids, targets)
    loss.backward()
    losses.append(loss.detach())
    if step == 0:
        out |= {"gradient." + k: v.grad.clone() for k, v in w.items()}
    norms.append(torch.nn.utils.clip_grad_norm_(list(w.values()), 0.5))
    optimizer.step()
out |= {"end." + k: v.detach().clone() for k, v in w.items()}
out["losses"], out["norms"] = torch.stack(losses), torch.stack(norms)
save_file({k: v.contiguous() for k, v in out.items()}, sys.argv[1], metadata={"torch": torch.__version__})
print("losses", [f"{x.item():.12f}" for x in losses], "norms", [f"{x.item():.12f}" for x in norms])
