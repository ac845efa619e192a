#!/usr/bin/env python3
"""Writes tests/reference/encoder.safetensors: BERT with both heads and Vision Transformers, of PyTorch's layers in
f64: outputs, loss and every gradient, for tests/test_encoder_reference.c. Needs torch and safetensors:

    python3 tests/reference/make_encoder_reference.py tests/reference/encoder.safetensors
"""
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
C, H, HIDDEN, LAYERS, CLASSES = 8, 2, 12, 2, 3
B, T, V, LONGEST = 3, 5, 11, 6
K, HEIGHT, WIDTH, PATCH_HEIGHT, PATCH_WIDTH = 2, 4, 6, 2, 3
out = {}


def encoder(first):
    layer = nn.TransformerEncoderLayer(C, H, HIDDEN, dropout=0.0, activation="gelu", batch_first=True,
                                       norm_first=first)
    return nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(C) if first else None, enable_nested_tensor=False)


def names_of_encoder(e, first):
    theirs = {"norm1": "norm_1", "norm2": "norm_2", "linear1": "feedforward.up", "linear2": "feedforward.down",
              "self_attn.out_proj": "attention.output"}
    names = {f"encoder.norm.{kind}": getattr(e.norm, kind) for kind in ("weight", "bias")} if first else {}
    for i, layer in enumerate(e.layers):
        for kind in ("weight", "bias"):
            for their, ours in theirs.items():
                names[f"encoder.blocks.{i}.{ours}.{kind}"] = getattr(layer.get_submodule(their), kind)
            names[f"encoder.blocks.{i}.attention.qkv.{kind}"] = getattr(layer.self_attn, f"in_proj_{kind}")
    return names


def named(prefix, module):
    return {f"{prefix}.{n}": p for n, p in module.named_parameters()}


def spread(names):
    for p in names.values():
        nn.init.normal_(p, std=0.4)


def store(case, values, names):
    for n, x in values.items():
        out[f"{case}.{n}"] = x.detach().contiguous()
    for n, p in names.items():
        out[f"{case}.start.{n}"] = p.detach().clone()
        out[f"{case}.gradient.{n}"] = p.grad.clone()


def bert(case, first):
    tokens, places, kinds = nn.Embedding(V, C), nn.Embedding(LONGEST, C), nn.Embedding(2, C)
    norm, words_norm, e = nn.LayerNorm(C), nn.LayerNorm(C), encoder(first)
    dense, pooler, output = nn.Linear(C, C), nn.Linear(C, C), nn.Linear(C, CLASSES)
    bias = nn.Parameter(torch.zeros(V))
    names = named("m.tokens", tokens) | named("m.positions", places) | named("m.segments", kinds) | named("m.norm", norm)
    names |= {f"m.{n}": p for n, p in names_of_encoder(e, first).items()}
    names |= named("words.dense", dense) | named("words.norm", words_norm) | {"words.bias": bias}
    names |= named("classes.pooler", pooler) | named("classes.output", output)
    spread(names)
    ids, segments = torch.randint(0, V, (B, T)), torch.randint(0, 2, (B, T))
    lengths = torch.tensor([T, T - 2, T - 1])
    lost = torch.arange(T)[None, :] >= lengths[:, None]
    targets = torch.randint(0, V, (B, T)).masked_fill(lost | (torch.rand(B, T) < 0.4), -1)
    labels = torch.randint(0, CLASSES, (B,))
    x = norm(tokens(ids) + places(torch.arange(T)) + kinds(segments))
    states = e(x, src_key_padding_mask=lost)
    logits = words_norm(F.gelu(dense(states))) @ tokens.weight.T + bias
    classes = output(torch.tanh(pooler(states[:, 0])))
    loss = F.cross_entropy(logits.reshape(-1, V), targets.reshape(-1), ignore_index=-1) + F.cross_entropy(classes, labels)
    loss.backward()
    store(case, {"ids": ids.int(), "segments": segments.int(), "lengths": lengths.int(), "targets": targets.int(),
                 "labels": labels.int(), "output": classes, "loss": loss.reshape(1)}, names)


def vit(case, first, mean):
    rows, columns = HEIGHT // PATCH_HEIGHT, WIDTH // PATCH_WIDTH
    count = rows * columns + (not mean)
    cut = nn.Conv2d(K, C, (PATCH_HEIGHT, PATCH_WIDTH), (PATCH_HEIGHT, PATCH_WIDTH))
    token, places, e, output = nn.Parameter(torch.zeros(C)), nn.Embedding(count, C), encoder(first), nn.Linear(C, CLASSES)
    names = {f"m.{n}": p for n, p in (named("positions", places) | named("output", output) |
                                      names_of_encoder(e, first)).items()}
    names |= {} if mean else {"m.token": token}
    spread(names | named("patches", cut))
    images, labels = torch.randn(B, K, HEIGHT, WIDTH), torch.randint(0, CLASSES, (B,))
    x = cut(images).flatten(2).transpose(1, 2)
    if not mean:
        x = torch.cat([token.expand(B, 1, C), x], 1)
    states = e(x + places.weight)
    logits = output(states.mean(1) if mean else states[:, 0])
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    store(case, {"images": images, "labels": labels.int(), "output": logits, "loss": loss.reshape(1)}, names)
    for kind, x in (("start", cut.weight.detach()), ("gradient", cut.weight.grad)):
        out[f"{case}.{kind}.m.patches.weight"] = x.reshape(C, -1).clone()
    for kind, x in (("start", cut.bias.detach()), ("gradient", cut.bias.grad)):
        out[f"{case}.{kind}.m.patches.bias"] = x.clone()


bert("bert", first=False)
bert("bert_pre_norm", first=True)
vit("vit", first=True, mean=False)
vit("vit_mean", first=False, mean=True)
save_file(out, sys.argv[1])
