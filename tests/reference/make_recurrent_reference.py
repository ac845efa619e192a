#!/usr/bin/env python3
"""Writes tests/reference/recurrent.safetensors: PyTorch's RNN, LSTM and GRU in f64, two layers, both
directions, with biases, sequences of different lengths (pack_padded_sequence) and initial states, with
outputs, final states and the gradients of everything; the same with one layer, one direction, without biases,
lengths or initial states, so chosen that any two of these settings meet in all four ways; and an LSTM with
peepholes and a GRU with its reset gate before the product, which PyTorch has not, as formulas of one sequence
and one step at a time. tests/test_recurrent_reference.c runs heed on the same weights and compares. Needs
torch and safetensors:

    python3 tests/reference/make_recurrent_reference.py tests/reference/recurrent.safetensors
"""
import sys

import torch
from safetensors.torch import save_file
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

B, T, IN, H, LAYERS = 3, 5, 4, 3, 2
LENGTHS = (3, 5, 2)
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def peephole_lstm(w, x, h, c):
    i, f, g, o = (w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"]).chunk(4)
    p = w["weight_peephole"]
    i, f = torch.sigmoid(i + p[0] * c), torch.sigmoid(f + p[1] * c)
    c = f * c + i * torch.tanh(g)
    return torch.sigmoid(o + p[2] * c) * torch.tanh(c), c


def gru_before(w, x, h, c):
    a = w["weight_ih"] @ x + w["bias_ih"]
    u, b = w["weight_hh"], w["bias_hh"]
    r = torch.sigmoid(a[:H] + u[:H] @ h + b[:H])
    z = torch.sigmoid(a[H:2 * H] + u[H:2 * H] @ h + b[H:2 * H])
    n = torch.tanh(a[2 * H:] + u[2 * H:] @ (r * h) + b[2 * H:])
    return z * h + (1 - z) * n, None


class Formula(torch.nn.Module):
    """Layers of a step, each sequence by itself."""

    def __init__(self, step, gates, peepholes):
        super().__init__()
        self.step = step
        for layer in range(LAYERS):
            for d in ("", "_reverse"):
                shapes = {"weight_ih": (gates * H, IN if layer == 0 else 2 * H), "weight_hh": (gates * H, H),
                          "bias_ih": (gates * H,), "bias_hh": (gates * H,)}
                if peepholes:
                    shapes["weight_peephole"] = (3, H)
                for name, shape in shapes.items():
                    self.register_parameter(f"{name}_l{layer}{d}", torch.nn.Parameter(torch.empty(shape)))

    def sequence(self, xs, h0, c0):
        last_h, last_c = [], []
        for layer in range(LAYERS):
            ways = []
            for d, suffix in enumerate(("", "_reverse")):
                end = f"_l{layer}{suffix}"
                w = {k[:-len(end)]: v for k, v in self.named_parameters() if k.endswith(end)}
                h, c, states = h0[2 * layer + d], c0[2 * layer + d], []
                for x in reversed(xs) if d else xs:
                    h, c = self.step(w, x, h, c)
                    states.append(h)
                ways.append(states[::-1] if d else states)
                last_h.append(h)
                last_c.append(c)
            xs = [torch.cat(pair) for pair in zip(*ways)]
        return xs, last_h, last_c

    def forward(self, x, h0, c0):
        outputs, hs, cs = [], [], []
        for b in range(B):
            y, h, c = self.sequence(list(x[b, :LENGTHS[b]]), h0[:, b], c0[:, b])
            outputs.append(torch.cat([torch.stack(y), torch.zeros(T - LENGTHS[b], 2 * H)]))
            hs.append(torch.stack(h))
            cs.append(torch.stack(c) if c[0] is not None else None)
        return torch.stack(outputs), torch.stack(hs, 1), torch.stack(cs, 1) if cs[0] is not None else None


def run_torch(model, x, h0, c0, lengths, initial):
    lstm = isinstance(model, torch.nn.LSTM)
    state = ((h0, c0) if lstm else h0) if initial else None
    if lengths:
        packed = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
        y, last = model(packed, state)
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=T)
    else:
        y, last = model(x, state)
    return (y, *last) if lstm else (y, last, None)


def run_case(model, lengths, initial):
    for p in model.parameters():
        torch.nn.init.uniform_(p, -1, 1)
    x = torch.randn(B, T, IN, requires_grad=True)
    formula = isinstance(model, Formula)
    rows = 2 * LAYERS if formula else model.num_layers * (2 if model.bidirectional else 1)
    h0 = torch.randn(rows, B, H, requires_grad=True)
    c0 = torch.randn(rows, B, H, requires_grad=True)
    y, h, c = model(x, h0, c0) if formula else run_torch(model, x, h0, c0, lengths, initial)
    results = {"output": y, "h": h} | ({"c": c} if c is not None else {})
    weights = {k: torch.randn_like(v) for k, v in results.items()}
    sum((weights[k] * v).sum() for k, v in results.items()).backward()
    inputs = {"x": x} | ({"h0": h0} if initial else {}) | ({"c0": c0} if initial and c is not None else {})
    tensors = {k: v.detach() for k, v in (results | inputs).items()}
    tensors |= {"weight." + k: v for k, v in weights.items()}
    tensors |= {"gradient." + k: v.grad for k, v in inputs.items()}
    tensors |= {"start." + k: v.detach() for k, v in model.named_parameters()}
    tensors |= {"gradient." + k: v.grad for k, v in model.named_parameters()}
    return tensors


# Layers, both directions, biases, lengths, initial states; and the kinds that are run so.
EVERY = ("rnn_tanh", "rnn_relu", "lstm", "gru")
SETTINGS = {
    "": (LAYERS, True, True, True, True, EVERY),
    "_plain": (1, False, False, False, False, EVERY),
    "_both_biased": (LAYERS, True, True, False, False, ("lstm", "gru")),
    "_layers_started": (LAYERS, False, False, True, True, ("lstm",)),
    "_both_lengths": (1, True, False, True, False, ("lstm", "rnn_relu")),
    "_biased_started": (1, False, True, False, True, ("lstm", "rnn_tanh")),
}
kinds = {
    "rnn_tanh": torch.nn.RNN,
    "rnn_relu": lambda *sizes, **options: torch.nn.RNN(*sizes, nonlinearity="relu", **options),
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
}
out = {"lengths": torch.tensor(LENGTHS, dtype=torch.int32)}


def store(case, tensors):
    out.update({f"{case}.{k}": v.clone().contiguous() for k, v in tensors.items()})


for setting, (layers, both, bias, lengths, initial, run) in SETTINGS.items():
    for kind in run:
        model = kinds[kind](IN, H, num_layers=layers, bidirectional=both, bias=bias, batch_first=True)
        store(kind + setting, run_case(model, lengths, initial))
store("lstm_peepholes", run_case(Formula(peephole_lstm, 4, True), True, True))
store("gru_before", run_case(Formula(gru_before, 3, False), True, True))
save_file(out, sys.argv[1], metadata={"torch": torch.__version__})
print(len(out), "arrays of torch", torch.__version__)
