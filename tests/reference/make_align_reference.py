#!/usr/bin/env python3
"""Writes tests/reference/align.safetensors: alignment attention in PyTorch, f64, on small random weights:
every score with every normaliser, location and coverage terms over three steps, and local windows; contexts,
weights and all gradients. The sparse normalisers find their thresholds by bisection, unlike heed.
tests/test_align.c runs heed on the same numbers and compares. Needs torch and safetensors:

    python3 tests/reference/make_align_reference.py tests/reference/align.safetensors
"""
import sys

import torch
from safetensors.torch import save_file

B, T, S, D, E, V, A = 2, 3, 5, 3, 4, 2, 4
LENGTHS = [5, 3]
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)

inputs = {
    "query": torch.randn(B, T, D), "keys": torch.randn(B, S, E), "keys_alike": torch.randn(B, S, D),
    "values": torch.randn(B, S, V), "context_weight": torch.randn(B, T, V), "weights_weight": torch.randn(B, T, S),
}
mask = torch.arange(S)[None, :] < torch.tensor(LENGTHS)[:, None]


def threshold(z, power):
    """tau with sum max(z - tau, 0)^power = 1 along the last axis; no gradient."""
    z = z.detach()
    low, high = z.max(-1, keepdim=True).values - 1, z.max(-1, keepdim=True).values
    for _ in range(200):
        middle = (low + high) / 2
        above = ((z - middle).clamp(min=0) ** power).sum(-1, keepdim=True) > 1
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return high


def sparsemax(x):
    s = (x > threshold(x, 1)).double()
    x = torch.where(s > 0, x, 0.0)
    return s * (x - (x.sum(-1, keepdim=True) - 1) / s.sum(-1, keepdim=True))


def entmax15(x):
    z = x / 2
    s = (z > threshold(z, 2)).double()
    z = torch.where(s > 0, z, 0.0)
    k = s.sum(-1, keepdim=True)
    mean = z.sum(-1, keepdim=True) / k
    spread = (s * (z - mean) ** 2).sum(-1, keepdim=True)
    return s * (z - (mean - ((1 - spread) / k).sqrt())) ** 2


NORMALISERS = {"softmax": lambda x: x.softmax(-1), "sparsemax": sparsemax, "entmax15": entmax15}


def concat(w, s, h):
    both = torch.cat([s[:, :, None, :].expand(-1, -1, S, -1), h[:, None, :, :].expand(-1, s.shape[1], -1, -1)], -1)
    return torch.tanh(both @ w["concat.weight"].T + w["concat.bias"]) @ w["energy.weight"][0]


def additive(w, s, h, more=0.0):
    hidden = (s @ w["query.weight"].T)[:, :, None, :] + (h @ w["key.weight"].T + w["key.bias"])[:, None, :, :]
    return torch.tanh(hidden + more) @ w["energy.weight"][0]


SCORES = {
    "dot": lambda w, s, h: torch.einsum("btd,bsd->bts", s, h),
    "general": lambda w, s, h: torch.einsum("btd,de,bse->bts", s, w["general.weight"], h),
    "concat": concat,
    "additive": additive,
    "scaled_dot": lambda w, s, h: torch.einsum("btd,bsd->bts", s, h) / D ** 0.5,
    "cosine": lambda w, s, h: 3 * torch.nn.functional.cosine_similarity(s[:, :, None, :], h[:, None, :, :], dim=-1),
}
SHAPES = {
    "general": {"general.weight": (D, E)},
    "concat": {"concat.weight": (A, D + E), "concat.bias": (A,), "energy.weight": (1, A)},
    "additive": {"query.weight": (A, D), "key.weight": (A, E), "key.bias": (A,), "energy.weight": (1, A)},
}
LOCATION = {"filters": (2, 1, 3), "location.weight": (A, 2), "coverage": (A,)}
PREDICTIVE = {"window.weight": (2, D), "window_from.weight": (1, 2)}


def weigh(scores, seen, normaliser):
    p = NORMALISERS[normaliser](scores.masked_fill(~seen, float("-inf")))
    return torch.where(seen, p, 0.0)


def plain(w, x, h, score, normaliser):
    return weigh(SCORES[score](w, x["query"], h), mask[:, None, :].expand(B, T, S), normaliser)


def looking_back(w, x, h, score, normaliser):
    rows, previous, coverage = [], torch.zeros(B, S), torch.zeros(B, S)
    for i in range(T):
        f = torch.nn.functional.conv1d(previous[:, None, :], w["filters"], padding=1).transpose(1, 2)
        more = f @ w["location.weight"].T + coverage[:, :, None] * w["coverage"]
        e = additive(w, x["query"][:, i:i + 1], h, more[:, None, :, :])
        a = weigh(e, mask[:, None, :], normaliser)
        previous, coverage = a[:, 0], coverage + a[:, 0]
        rows.append(a)
    return torch.cat(rows, 1)


def monotonic(w, x, h, score, normaliser):
    near = (torch.arange(S)[None, :] - torch.arange(T)[:, None]).abs() <= 1
    return weigh(SCORES[score](w, x["query"], h), mask[:, None, :] & near, normaliser)


def predictive(w, x, h, score, normaliser):
    p = torch.tensor(LENGTHS)[:, None] * torch.sigmoid(torch.tanh(x["query"] @ w["window.weight"].T) @ w["window_from.weight"][0])
    d = torch.arange(S) - p[:, :, None]
    a = weigh(SCORES[score](w, x["query"], h), mask[:, None, :] & (d.abs() <= 2), normaliser)
    return a * torch.exp(-d ** 2 / 2)


CASES = [(f"{s}.{n}", plain, s, n, SHAPES.get(s, {})) for s in SCORES for n in NORMALISERS]
CASES += [(f"looking_back.{n}", looking_back, "additive", n, SHAPES["additive"] | LOCATION) for n in NORMALISERS]
CASES += [("monotonic.softmax", monotonic, "general", "softmax", SHAPES["general"]),
          ("predictive.softmax", predictive, "general", "softmax", SHAPES["general"] | PREDICTIVE)]

out = dict(inputs) | {"lengths": torch.tensor(LENGTHS).int()}
for name, form, score, normaliser, shapes in CASES:
    w = {k: torch.randn(shape).requires_grad_() for k, shape in shapes.items()}
    x = {k: v.clone().requires_grad_() for k, v in inputs.items() if "weight" not in k}
    h = x["keys"] if score in SHAPES else x["keys_alike"]
    a = form(w, x, h, score, normaliser)
    c = a @ x["values"]
    ((c * inputs["context_weight"]).sum() + (a * inputs["weights_weight"]).sum()).backward()
    out |= {f"{name}.context": c.detach(), f"{name}.weights": a.detach()}
    out |= {f"{name}.value.{k}": v.detach() for k, v in w.items()}
    out |= {f"{name}.gradient.{k}": v.grad for k, v in w.items()}
    out |= {f"{name}.gradient.x.query": x["query"].grad, f"{name}.gradient.x.keys": h.grad,
            f"{name}.gradient.x.values": x["values"].grad}
    print(f"{name}: {int((a == 0).sum())} of {a.numel()} weights are 0")
save_file({k: v.clone().contiguous() for k, v in out.items()}, sys.argv[1], metadata={"torch": torch.__version__})
