#!/usr/bin/env python3
"""Writes tests/reference/transformer.safetensors: whole Transformers of PyTorch's layers in f64, logits, loss and
every gradient, for tests/test_transformer_reference.c. Needs torch and safetensors:

    python3 tests/reference/make_transformer_reference.py tests/reference/transformer.safetensors
"""
import math
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
B, S, T, C, H, HIDDEN, LAYERS, V, W = 2, 5, 4, 8, 2, 12, 2, 11, 7
out = {}


def positions(count):
    p, i = torch.arange(count)[:, None], torch.arange(C // 2)[None, :]
    angle = p / 10000 ** (2 * i / C)
    return torch.stack([torch.sin(angle), torch.cos(angle)], -1).reshape(count, C)


def block(name, layer, ours, cross):
    """Our names of a layer's parameters: those of a packed projection are rows of it."""
    def pair(theirs, mine):
        for kind in ("weight", "bias"):
            names[f"{name}.{mine}.{kind}"] = (getattr(getattr(layer, theirs), kind), slice(None))
    names = ours
    attention = [("self_attn", "attention")] + ([("multihead_attn", "cross_attention")] if cross else [])
    for theirs, mine in attention:
        m = getattr(layer, theirs)
        rows = {"qkv": slice(0, 3 * C)} if mine == "attention" else {"q": slice(0, C), "kv": slice(C, 3 * C)}
        for part, which in rows.items():
            names[f"{name}.{mine}.{part}.weight"] = (m.in_proj_weight, which)
            names[f"{name}.{mine}.{part}.bias"] = (m.in_proj_bias, which)
        names[f"{name}.{mine}.output.weight"] = (m.out_proj.weight, slice(None))
        names[f"{name}.{mine}.output.bias"] = (m.out_proj.bias, slice(None))
    pair("norm1", "norm_1")
    if cross:
        pair("norm2", "norm_cross")
    pair("norm3" if cross else "norm2", "norm_2")
    pair("linear1", "feedforward.up")
    pair("linear2", "feedforward.down")


def case(name, first, activation, tied):
    options = dict(dropout=0.0, activation=activation, batch_first=True, norm_first=first)
    norm = (lambda: nn.LayerNorm(C)) if first else (lambda: None)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(C, H, HIDDEN, **options), LAYERS, norm(),
                                    enable_nested_tensor=False)
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(C, H, HIDDEN, **options), LAYERS, norm())
    target = nn.Embedding(V, C)
    source = target if tied else nn.Embedding(W, C)
    output = None if tied else nn.Linear(C, V)
    whole = nn.ModuleList([m for m in (encoder, decoder, source, target, output) if m is not None])
    for p in whole.parameters():
        nn.init.normal_(p, std=0.4)
    ours = {}
    for i in range(LAYERS):
        block(f"encoder.blocks.{i}", encoder.layers[i], ours, False)
        block(f"decoder.blocks.{i}", decoder.layers[i], ours, True)
    for side, stack in (("encoder", encoder), ("decoder", decoder)):
        if first:
            for kind in ("weight", "bias"):
                ours[f"{side}.norm.{kind}"] = (getattr(stack.norm, kind), slice(None))
    ours |= {"embedding.weight": (target.weight, slice(None))} if tied else {
        "source_embedding.weight": (source.weight, slice(None)), "target_embedding.weight": (target.weight, slice(None)),
        "output.weight": (output.weight, slice(None)), "output.bias": (output.bias, slice(None))}

    ids = torch.randint(0, source.num_embeddings, (B, S))
    inputs, targets = torch.randint(0, V, (B, T)), torch.randint(0, V, (B, T))
    lengths = torch.tensor([S, S - 2])
    lost = torch.arange(S)[None, :] >= lengths[:, None]
    hidden = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)
    scale = math.sqrt(C)
    states = encoder(source(ids) * scale + positions(S), src_key_padding_mask=lost)
    x = decoder(target(inputs) * scale + positions(T), states, tgt_mask=hidden, memory_key_padding_mask=lost)
    logits = x @ target.weight.T if tied else output(x)
    loss = F.cross_entropy(logits.reshape(-1, V), targets.reshape(-1))
    loss.backward()
    for n, x in {"ids": ids.int(), "inputs": inputs.int(), "targets": targets.int(), "lengths": lengths.int(),
                 "logits": logits, "loss": loss.reshape(1)}.items():
        out[f"{name}.{n}"] = x.detach().contiguous()
    for n, (p, rows) in ours.items():
        out[f"{name}.start.{n}"] = p.detach()[rows].contiguous().clone()
        out[f"{name}.gradient.{n}"] = p.grad[rows].contiguous().clone()


case("paper", first=False, activation="relu", tied=True)
case("today", first=True, activation="gelu", tied=False)
save_file(out, sys.argv[1])
