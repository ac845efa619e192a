#!/usr/bin/env python3
"""Writes tests/reference/modules.safetensors: norms over channels and a low-rank adapter in PyTorch, f64, for
tests/test_channel_norm.c and tests/test_lora.c. A norm takes three steps of SGD in training mode on half the squared
distance to targets, then runs in evaluation mode, with gradients. Needs torch and safetensors:

    python3 tests/reference/make_modules_reference.py tests/reference/modules.safetensors
"""
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
B, C, T, H, W = 3, 4, 5, 2, 3
out = {}


def keep(case, **tensors):
    for name, x in tensors.items():
        out[f"{case}.{name}"] = x.detach().clone().contiguous()


def norm(case, m, *shape):
    with torch.no_grad():
        for p in m.parameters():
            p.normal_()
    keep(case, **{"start." + n: p for n, p in m.named_parameters()})
    optimizer = torch.optim.SGD(m.parameters(), lr=0.1)
    for step in range(3):
        x, target = (torch.randn(*shape) * 2 + 1).requires_grad_(), torch.randn(*shape)
        optimizer.zero_grad()
        y = m(x)
        (0.5 * (y - target).square().sum()).backward()
        keep(case, **{f"x{step}": x, f"target{step}": target, f"y{step}": y, f"gx{step}": x.grad})
        optimizer.step()
    m.eval()
    x, target = torch.randn(*shape).requires_grad_(), torch.randn(*shape)
    optimizer.zero_grad()
    y = m(x)
    (0.5 * (y - target).square().sum()).backward()
    keep(case, x3=x, target3=target, y3=y, gx3=x.grad)
    keep(case, **{"end." + n: p for n, p in m.named_parameters()})
    keep(case, **{"end." + n: b for n, b in m.named_buffers() if b.ndim})


norm("batchnorm_rows", torch.nn.BatchNorm1d(C), B, C)
norm("batchnorm_1d", torch.nn.BatchNorm1d(C, eps=1e-3, momentum=0.3), B, C, T)
norm("batchnorm_2d", torch.nn.BatchNorm2d(C), B, C, H, W)
norm("groupnorm", torch.nn.GroupNorm(2, C), B, C, T)
norm("instancenorm", torch.nn.InstanceNorm2d(C, affine=True), B, C, H, W)

IN, OUT, R, ALPHA = 6, 5, 2, 3.0
leaves = {"x": (B, T, IN), "w": (OUT, IN), "b": (OUT,), "lora_a": (R, IN), "lora_b": (OUT, R)}
leaves = {name: torch.randn(*shape).requires_grad_() for name, shape in leaves.items()}
x, w, b, lora_a, lora_b = leaves.values()
y = F.linear(x, w, b) + ALPHA / R * F.linear(F.linear(x, lora_a), lora_b)
gy = torch.randn_like(y)
y.backward(gy)
keep("lora", **leaves, y=y, gy=gy, **{"g" + n: v.grad for n, v in leaves.items() if n != "w"},
     merged=w + ALPHA / R * lora_b @ lora_a)

save_file(out, sys.argv[1])
