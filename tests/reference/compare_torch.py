#!/usr/bin/env python3
"""Compares every op, value and gradient, with PyTorch in f64 on random inputs.

    python3 tests/reference/compare_torch.py build/libheed.so [--seed N] [--only TEXT]

Needs numpy and torch, which heed itself does not. Functions are called through the shared library, with the
argument types read from core/operations.h, so each row below is one line: an op's name, the call in heed, the same in
PyTorch, and the inputs. The gradient compared is that of <w, y> with random w, by every floating input. Tolerance:
|a - b| <= 1e-12 + 1e-10 |b|. A function of operations.h without a row is an error, unless it is listed as
having no counterpart.
"""
import argparse
import ctypes as c
import math
import pathlib
import re
import sys
import warnings

import numpy as np
import torch
import torch.nn.functional as F

warnings.filterwarnings("ignore", "reduction: 'mean' divides")
HEADER = pathlib.Path(__file__).resolve().parents[2] / "core" / "operations.h"
F64, I32, BOOL = 1, 2, 3
DTYPES = {0: np.float32, F64: np.float64, I32: np.int32, BOOL: np.bool_, 4: np.uint8}
END = 2**63 - 1


class Shape(c.Structure):
    _fields_ = [("ndim", c.c_int), ("size", c.c_int64 * 8)]


class Tensor(c.Structure):
    _fields_ = [("dtype", c.c_int), ("ndim", c.c_int), ("data", c.c_void_p), ("shape", c.c_int64 * 8),
                ("strides", c.c_int64 * 8)]


class TapeOptions(c.Structure):
    _fields_ = [("dtype", c.c_int), ("allocator", c.c_void_p), ("chunk", c.c_size_t)]


class CrossEntropy(c.Structure):
    _fields_ = [("reduction", c.c_int), ("ignore", c.c_bool), ("ignore_index", c.c_int32),
                ("smoothing", c.c_double), ("weights", c.c_void_p)]


class Convolution(c.Structure):
    _fields_ = [("stride", c.c_int64 * 2), ("padding", c.c_int64 * 2), ("dilation", c.c_int64 * 2),
                ("groups", c.c_int64), ("causal", c.c_bool)]


class Pooling(c.Structure):
    _fields_ = [("size", c.c_int64 * 2), ("stride", c.c_int64 * 2), ("padding", c.c_int64 * 2)]


class Ctc(c.Structure):
    _fields_ = [("reduction", c.c_int), ("blank", c.c_int32), ("zero_infinity", c.c_bool)]


class Attention(c.Structure):
    _fields_ = [("scale", c.c_double), ("causality", c.c_int), ("dropout", c.c_double), ("composed", c.c_bool),
                ("cap", c.c_double), ("windowed", c.c_bool), ("left", c.c_int64), ("right", c.c_int64),
                ("prefix", c.c_int64), ("bias", c.c_void_p), ("slopes", c.c_void_p), ("sinks", c.c_void_p),
                ("score", c.c_void_p), ("user", c.c_void_p)]


class LinearAttention(c.Structure):
    _fields_ = [("feature", c.c_int), ("causal", c.c_bool)]


class Rope(c.Structure):
    _fields_ = [("pairs", c.c_int), ("base", c.c_double), ("width", c.c_int64), ("linear", c.c_double),
                ("ntk", c.c_double), ("offset", c.c_int64)]


def shape(*size):
    return Shape(len(size), (c.c_int64 * 8)(*size))


def argument_type(text):
    """The ctypes type of a parameter, from its declaration."""
    if "*" in text or "[" in text:
        return c.c_void_p if "char" not in text else c.c_char_p
    for name, kind in (("double", c.c_double), ("int64_t", c.c_int64), ("bool", c.c_bool), ("heed_shape", Shape)):
        if name in text:
            return kind
    return c.c_int  # int and enums


class Heed:
    """heed's functions on one f64 tape, without their prefix; tensors are addresses."""

    def __init__(self, path):
        self.lib = c.CDLL(path)
        self.functions = {}
        text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
        for kind, name, arguments in re.findall(r"HEED_API\s+(heed_tensor \*|bool )(heed_\w+)\(([^;]*?)\);", text):
            function = getattr(self.lib, name, None)
            if not function:
                sys.exit(f"{path} has no {name}")
            function.restype = c.c_bool if kind == "bool " else c.c_void_p
            function.argtypes = [argument_type(a) for a in arguments.split(",")]
            self.functions[name[5:]] = function
        for name in ("heed_tape_new", "heed_copy_in", "heed_watch", "heed_gradient", "heed_sum", "heed_mul"):
            getattr(self.lib, name).restype = c.c_void_p
        self.lib.heed_error.restype = c.c_char_p
        self.lib.heed_at.restype = c.c_double
        self.tape = c.c_void_p(self.lib.heed_tape_new(c.byref(TapeOptions(F64, None, 0))))
        self.lib.heed_set_training.argtypes = [c.c_void_p, c.c_bool]

    def __getattr__(self, name):
        function = self.functions[name]

        def call(*arguments):
            ready = []
            for a in arguments:
                if isinstance(a, c.Structure) and not isinstance(a, Shape):
                    a = c.cast(c.pointer(a), c.c_void_p)
                elif isinstance(a, (list, tuple)):
                    pointers = a and a[0] is not None and a[0] > 2**32
                    sizes = name in ("pad", "split")
                    a = ((c.c_void_p if pointers else c.c_int64 if sizes else c.c_int) * max(len(a), 1))(*a)
                    a = c.cast(a, c.c_void_p)
                elif isinstance(a, str):
                    a = a.encode()
                ready.append(a)
            return function(self.tape, *ready)
        return call

    def put(self, array):
        array = np.ascontiguousarray(array)
        dtype = {v: k for k, v in DTYPES.items()}[array.dtype.type]
        self.lib.heed_copy_in.argtypes = [c.c_void_p, c.c_int, Shape, c.c_void_p]
        return self.lib.heed_copy_in(self.tape, dtype, shape(*array.shape), array.ctypes.data_as(c.c_void_p))

    def get(self, tensor):
        x = c.cast(tensor, c.POINTER(Tensor)).contents
        out = np.empty([x.shape[k] for k in range(x.ndim)], DTYPES[x.dtype])
        self.lib.heed_copy_out(self.tape, c.c_void_p(tensor), out.ctypes.data_as(c.c_void_p))
        return out

    def outputs(self, name, count, *arguments):
        """A function whose last argument is an array of results."""
        out = (c.c_void_p * count)()
        getattr(self, name)(*arguments, c.cast(out, c.c_void_p))
        return list(out)

    def with_ids(self, name, *arguments):
        """A function whose last argument receives places."""
        ids = c.c_void_p()
        return getattr(self, name)(*arguments, c.cast(c.pointer(ids), c.c_void_p)), ids.value

    def error(self):
        sentence = self.lib.heed_error(self.tape)
        return sentence.decode() if sentence else None


# ---- inputs ----

def r(*size, low=-1.0, high=1.0, gap=0.0):
    def make(g):
        x = g.uniform(low, high, size)
        return np.where(np.abs(x) < gap, np.where(x < 0, -gap, gap) + x, x)
    return make


def positive(*size):
    return r(*size, low=0.5, high=2.0)


def ids(*size, high):
    return lambda g: g.integers(0, high, size).astype(np.int32)


def mask(*size):
    return lambda g: g.random(size) < 0.6


def given(value, dtype=np.int32):
    return lambda g: np.array(value, dtype)


def distribution(*size):
    def make(g):
        x = g.uniform(0.1, 1, size)
        return x / x.sum(-1, keepdims=True)
    return make


ROWS = []


def row(name, heed, other, *inputs):
    ROWS.append((name, heed, other, inputs))


def long(x):
    return x.long()


# ---- arithmetic ----
row("add", lambda h, a, b: h.add(a, b), lambda a, b: a + b, r(2, 3), r(3))
row("sub", lambda h, a, b: h.sub(a, b), lambda a, b: a - b, r(2, 1), r(3))
row("mul", lambda h, a, b: h.mul(a, b), lambda a, b: a * b, r(2, 3), r(2, 1))
row("div", lambda h, a, b: h.div(a, b), lambda a, b: a / b, r(2, 3), positive(3))
row("pow", lambda h, a, b: h.pow(a, b), lambda a, b: a ** b, positive(2, 3), r(3, low=-2, high=2))
row("lerp", lambda h, a, b, w: h.lerp(a, b, w), torch.lerp, r(2, 3), r(2, 3), r(2, 3))
row("maximum", lambda h, a, b: h.maximum(a, b), torch.maximum, r(4, 5), r(4, 5))
row("minimum", lambda h, a, b: h.minimum(a, b), torch.minimum, r(4, 5), r(4, 5))
row("scale", lambda h, x: h.scale(x, -1.7), lambda x: -1.7 * x, r(5))
row("shift", lambda h, x: h.shift(x, 0.3), lambda x: x + 0.3, r(5))
row("power", lambda h, x: h.power(x, 2.5), lambda x: x ** 2.5, positive(5))
row("power", lambda h, x: h.power(x, 3), lambda x: x ** 3, r(5))
row("clamp", lambda h, x: h.clamp(x, -0.4, 0.3), lambda x: x.clamp(-0.4, 0.3), r(20))
for name in ("neg", "square", "abs", "sign", "floor", "ceil", "round", "exp", "expm1", "sin", "cos", "tan", "tanh",
             "erf", "sigmoid"):
    row(name, lambda h, x, n=name: getattr(h, n)(x), getattr(torch, name), r(4, 5, low=-3, high=3, gap=0.01))
for name in ("reciprocal", "log", "log1p", "sqrt", "rsqrt"):
    row(name, lambda h, x, n=name: getattr(h, n)(x), getattr(torch, name), positive(4, 5))

# ---- activations ----
wide = r(6, 7, low=-8, high=8, gap=0.01)
row("softplus", lambda h, x: h.softplus(x), lambda x: F.softplus(x, threshold=1e9), wide)
row("relu", lambda h, x: h.relu(x), F.relu, wide)
row("leaky_relu", lambda h, x: h.leaky_relu(x, 0.2), lambda x: F.leaky_relu(x, 0.2), wide)
row("elu", lambda h, x: h.elu(x, 1.3), lambda x: F.elu(x, 1.3), wide)
row("gelu", lambda h, x: h.gelu(x), F.gelu, wide)
row("gelu_tanh", lambda h, x: h.gelu_tanh(x), lambda x: F.gelu(x, approximate="tanh"), wide)
row("silu", lambda h, x: h.silu(x), F.silu, wide)
row("mish", lambda h, x: h.mish(x), F.mish, wide)
# torch's own takes 1/6 from f32 in the gradient
row("hard_sigmoid", lambda h, x: h.hard_sigmoid(x), lambda x: (x / 6 + 0.5).clamp(0, 1), wide)
row("hard_swish", lambda h, x: h.hard_swish(x), F.hardswish, wide)

# ---- comparisons, logic, choice ----
for name, other in (("equal", torch.eq), ("not_equal", torch.ne), ("less", torch.lt), ("less_equal", torch.le),
                    ("greater", torch.gt), ("greater_equal", torch.ge)):
    row(name, lambda h, a, b, n=name: getattr(h, n)(a, b), other, ids(4, 5, high=3), ids(5, high=3))
    row(name, lambda h, a, b, n=name: getattr(h, n)(a, b), other, r(4, 5), r(4, 5))
odd = given([1, math.nan, -math.inf, math.inf, 0], np.float64)
row("isnan", lambda h, x: h.isnan(x), torch.isnan, odd)
row("isinf", lambda h, x: h.isinf(x), torch.isinf, odd)
for name in ("logical_and", "logical_or", "logical_xor"):
    row(name, lambda h, a, b, n=name: getattr(h, n)(a, b), getattr(torch, name), mask(4, 5), mask(5))
row("logical_not", lambda h, x: h.logical_not(x), torch.logical_not, mask(4, 5))
row("where", lambda h, m, a, b: h.where(m, a, b), torch.where, mask(2, 3), r(2, 3), r(3))
row("where", lambda h, m, a, b: h.where(m, a, b), torch.where, mask(2, 3), ids(2, 3, high=9), ids(3, high=9))
row("masked_fill", lambda h, x, m: h.masked_fill(x, m, -7.0), lambda x, m: x.masked_fill(m, -7.0), r(2, 3), mask(3))
row("cast", lambda h, x: h.cast(x, I32), lambda x: x.to(torch.int32), r(20, low=-9, high=9))
row("cast", lambda h, x: h.cast(x, F64), lambda x: x.to(torch.float64), ids(7, high=9))

# ---- reductions ----
for keep in (False, True):
    k = {"keepdim": keep}
    row("sum_axes", lambda h, x, k=keep: h.sum_axes(x, 2, [0, -1], k), lambda x, k=k: x.sum((0, -1), **k), r(2, 3, 4))
    row("mean_axes", lambda h, x, k=keep: h.mean_axes(x, 1, [1], k), lambda x, k=k: x.mean(1, **k), r(2, 3, 4))
    row("prod_axes", lambda h, x, k=keep: h.prod_axes(x, 1, [1], k), lambda x, k=k: x.prod(1, **k), r(2, 3, 4))
    row("max_axes", lambda h, x, k=keep: h.max_axes(x, 2, [0, 1], k), lambda x, k=k: x.amax((0, 1), **k), r(2, 3, 4))
    row("min_axes", lambda h, x, k=keep: h.min_axes(x, 1, [2], k), lambda x, k=k: x.amin(2, **k), r(2, 3, 4))
    row("variance_axes", lambda h, x, k=keep: h.variance_axes(x, 1, [1], k, 1.0), lambda x, k=k: x.var(1, correction=1, **k), r(2, 5))
    row("deviation_axes", lambda h, x, k=keep: h.deviation_axes(x, 1, [1], k, 0.0), lambda x, k=k: x.std(1, correction=0, **k), r(2, 5))
    row("logsumexp_axes", lambda h, x, k=keep: h.logsumexp_axes(x, 1, [0], k), lambda x, k=k: x.logsumexp(0, **k), r(4, 3, high=20))
    for p in (1.0, 2.0, 3.5, math.inf):
        row("norm_axes", lambda h, x, p=p, k=keep: h.norm_axes(x, p, 1, [1], k), lambda x, p=p, k=k: torch.linalg.vector_norm(x, p, 1, **k), r(3, 4, gap=0.05))
    row("any_axes", lambda h, x, k=keep: h.any_axes(x, 1, [1], k), lambda x, k=k: x.any(1, **k), mask(5, 2))
    row("all_axes", lambda h, x, k=keep: h.all_axes(x, 1, [1], k), lambda x, k=k: x.all(1, **k), mask(5, 2))
    row("argmax", lambda h, x, k=keep: h.argmax(x, 1, k), lambda x, k=k: x.argmax(1, **k), r(3, 5))
    row("argmin", lambda h, x, k=keep: h.argmin(x, 0, k), lambda x, k=k: x.argmin(0, **k), r(3, 5))
for name, other in (("sum", torch.sum), ("mean", torch.mean), ("prod", torch.prod), ("max", torch.amax), ("min", torch.amin),
                    ("variance", torch.var), ("deviation", torch.std), ("logsumexp", lambda x: torch.logsumexp(x, (0, 1))),
                    ("norm", torch.linalg.vector_norm)):
    row(name, lambda h, x, n=name: getattr(h, n)(x), other, r(3, 4, gap=0.05))
row("prod", lambda h, x: h.prod(x), torch.prod, given([2.0, 0.0, -3.0], np.float64))
row("prod", lambda h, x: h.prod(x), torch.prod, given([2.0, 0.0, -3.0, 0.0], np.float64))
row("any", lambda h, x: h.any(x), torch.any, mask(3, 2))
row("all", lambda h, x: h.all(x), torch.all, mask(3, 2))
row("sum_to", lambda h, x: h.sum_to(x, shape(3, 1)), lambda x: x.sum_to_size(3, 1), r(2, 3, 4))
row("cumsum", lambda h, x: h.cumsum(x, 1), lambda x: x.cumsum(1), r(2, 5, 2))
row("cumprod", lambda h, x: h.cumprod(x, -1), lambda x: x.cumprod(-1), r(3, 5))
row("cumprod", lambda h, x: h.cumprod(x, 0), lambda x: x.cumprod(0), given([2.0, 0.0, 3.0, 0.0, 5.0], np.float64))

# ---- shape ----
row("reshape", lambda h, x: h.reshape(x, shape(4, -1)), lambda x: x.reshape(4, -1), r(2, 6))
row("permute", lambda h, x: h.permute(x, [2, 0, 1]), lambda x: x.permute(2, 0, 1), r(2, 3, 4))
row("swap", lambda h, x: h.swap(x, 0, -1), lambda x: x.swapaxes(0, -1), r(2, 3, 4))
row("squeeze", lambda h, x: h.squeeze(x, 1), lambda x: x.squeeze(1), r(2, 1, 4))
row("unsqueeze", lambda h, x: h.unsqueeze(x, -1), lambda x: x.unsqueeze(-1), r(2, 4))
row("expand", lambda h, x: h.expand(x, shape(3, 2, -1)), lambda x: x.expand(3, 2, -1), r(2, 4))
row("broadcast", lambda h, a, b: h.outputs("broadcast", 2, 2, [a, b])[0], lambda a, b: torch.broadcast_tensors(a, b)[0], r(3, 1), r(4))
row("slice", lambda h, x: h.slice(x, 1, 1, END, 2), lambda x: x[:, 1::2], r(2, 6))
row("slice", lambda h, x: h.slice(x, 0, -1, END, -2), lambda x: x[[4, 2, 0]], r(5, 2))
row("select", lambda h, x: h.select(x, 1, -1), lambda x: x[:, -1], r(2, 3, 4))
row("contiguous", lambda h, x: h.contiguous(h.swap(x, 0, 1)), lambda x: x.T.contiguous(), r(2, 3))
row("concatenate", lambda h, a, b: h.concatenate(2, [a, b], 1), lambda a, b: torch.cat([a, b], 1), r(2, 3), r(2, 1))
row("stack", lambda h, a, b: h.stack(2, [a, b], 1), lambda a, b: torch.stack([a, b], 1), r(2, 3), r(2, 3))
row("split", lambda h, x: h.outputs("split", 2, x, 2, [2, 4], 1)[1], lambda x: x.split([2, 4], 1)[1], r(2, 6))
row("chunk", lambda h, x: h.outputs("chunk", 3, x, 3, 0)[1], lambda x: x.tensor_split(3, 0)[1], r(7, 2))
row("pad", lambda h, x: h.pad(x, [1, 2], [0, 3], 0, 0.5), lambda x: F.pad(x, (2, 3, 1, 0), value=0.5), r(2, 3))
row("pad", lambda h, x: h.pad(x, [0, 2], [0, 1], 1, 0.0), lambda x: F.pad(x, (2, 1), mode="reflect"), r(2, 4))
row("pad", lambda h, x: h.pad(x, [0, 2], [0, 1], 2, 0.0), lambda x: F.pad(x, (2, 1), mode="replicate"), r(2, 4))
row("pad", lambda h, x: h.pad(x, [0, -1], [0, -2], 0, 0.0), lambda x: F.pad(x, (-1, -2)), r(2, 5))
row("flip", lambda h, x: h.flip(x, 2, [0, 2]), lambda x: x.flip(0, 2), r(2, 3, 4))
row("roll", lambda h, x: h.roll(x, -2, 1), lambda x: x.roll(-2, 1), r(2, 5))
row("repeat", lambda h, x: h.repeat(x, 3, 0), lambda x: x.repeat_interleave(3, 0), r(2, 3))
row("tile", lambda h, x: h.tile(x, shape(2, 1, 3)), lambda x: x.tile(2, 1, 3), r(2, 3))
row("unfold", lambda h, x: h.unfold(x, 1, 3, 2), lambda x: x.unfold(1, 3, 2), r(2, 7))
row("fold", lambda h, x: h.fold(x, 1, 1, 5), lambda x: F.fold(x.swapaxes(1, 2), (1, 5), (1, 3))[:, 0, 0], r(2, 3, 3))
row("patches", lambda h, x: h.patches(x, 2, 3), lambda x: F.unfold(x, (2, 3), stride=(2, 3)).swapaxes(1, 2), r(2, 3, 4, 6))
row("split_heads", lambda h, x: h.split_heads(x, 2), lambda x: x.reshape(2, 3, 2, 4).swapaxes(1, 2), r(2, 3, 8))
row("join_heads", lambda h, x: h.join_heads(x), lambda x: x.swapaxes(1, 2).reshape(2, 3, 8), r(2, 2, 3, 4))

# ---- linear algebra ----
for a, b in (((2, 3), (3, 4)), ((2, 1, 2, 3), (3, 3, 2)), ((3,), (3,)), ((3,), (2, 3, 2)), ((2, 2, 3), (3,))):
    row("matmul", lambda h, x, y: h.matmul(x, y), torch.matmul, r(*a), r(*b))
row("linear", lambda h, x, w, b: h.linear(x, w, b), F.linear, r(2, 5, 3), r(4, 3), r(4))
row("linear", lambda h, x, w: h.linear(x, w, None), F.linear, r(2, 3), r(4, 3))
row("outer", lambda h, a, b: h.outer(a, b), torch.outer, r(3), r(4))
for equation, *sizes in (("bhtd,bhsd->bhts", (2, 2, 3, 4), (2, 2, 5, 4)), ("ii->i", (3, 3)), ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
                         ("...ij,...jk->...ik", (2, 1, 2, 3), (3, 3, 2)), ("i,j->ji", (2,), (3,)), ("ijk->", (2, 3, 2)), ("ij,ij->i", (2, 3), (2, 3)),
                         ("bij,bjk", (2, 2, 3), (2, 3, 2)), ("iij,jk->ik", (3, 3, 2), (2, 4))):
    row("einsum", lambda h, *x, e=equation: h.einsum(e, len(x), list(x)), lambda *x, e=equation: torch.einsum(e, *x), *[r(*s) for s in sizes])
row("tril", lambda h, x: h.tril(x, 1), lambda x: x.tril(1), r(2, 4, 5))
row("triu", lambda h, x: h.triu(x, -1), lambda x: x.triu(-1), r(2, 4, 5))
row("diagonal", lambda h, x: h.diagonal(x, 1, 0, 2), lambda x: x.diagonal(1, 0, 2), r(3, 2, 4))
row("trace", lambda h, x: h.trace(x), torch.trace, r(4, 4))

# ---- indexing ----
row("embedding", lambda h, w, i: h.embedding(w, i), lambda w, i: F.embedding(long(i), w), r(5, 3), ids(2, 4, high=5))
row("scatter_rows", lambda h, x, i: h.scatter_rows(x, i, 5), lambda x, i: torch.zeros(5, 3, dtype=x.dtype).index_add(0, long(i), x), r(4, 3), ids(4, high=5))
row("gather", lambda h, x, i: h.gather(x, i, 1), lambda x, i: x.gather(1, long(i)), r(3, 5), ids(2, 4, high=5))
row("gather", lambda h, x, i: h.gather(x, i, 0), lambda x, i: x.gather(0, long(i)), r(3, 5, 2), ids(4, 5, 2, high=3))
row("index_select", lambda h, x, i: h.index_select(x, i, 1), lambda x, i: x.index_select(1, long(i)), r(2, 5, 3), ids(4, high=5))
row("scatter", lambda h, x, s: h.scatter(x, h.given, s, 1), lambda x, s: x.scatter(1, torch.tensor([[3, 0], [1, 4]]), s), r(2, 5), r(2, 2))
row("scatter_add", lambda h, x, i, s: h.scatter_add(x, i, s, 0), lambda x, i, s: x.scatter_add(0, long(i), s), r(3, 4), ids(5, 4, high=3), r(5, 4))
row("masked_select", lambda h, x, m: h.masked_select(x, m), lambda x, m: x.masked_select(m), r(4, 5), mask(4, 5))
row("nonzero", lambda h, x: h.nonzero(x), torch.nonzero, mask(4, 5))
row("one_hot", lambda h, i: h.one_hot(i, 4), lambda i: F.one_hot(long(i), 4).double(), ids(2, 3, high=4))
row("argsort", lambda h, x: h.argsort(x, 1, False), lambda x: torch.argsort(x, dim=1, stable=True), r(3, 6))
row("argsort", lambda h, x: h.argsort(x, 0, True), lambda x: torch.argsort(x, dim=0, descending=True, stable=True), r(6, 2))
row("sort", lambda h, x: h.with_ids("sort", x, 1, False)[0], lambda x: x.sort(1)[0], r(3, 6))
row("sort", lambda h, x: h.with_ids("sort", x, 1, True)[1], lambda x: x.sort(1, descending=True)[1], r(3, 6))
row("top_k", lambda h, x: h.with_ids("top_k", x, 2, 1, True)[0], lambda x: x.topk(2, 1)[0], r(3, 6))
row("top_k", lambda h, x: h.with_ids("top_k", x, 3, 0, False)[1], lambda x: x.topk(3, 0, largest=False)[1], r(6, 2))

# ---- convolution, pooling ----


def convolution(stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, causal=False):
    pair = c.c_int64 * 2
    return Convolution(pair(*stride), pair(*padding), pair(*dilation), groups, causal)


def pooling(size, stride=(0, 0), padding=(0, 0)):
    pair = c.c_int64 * 2
    return Pooling(pair(*size), pair(*stride), pair(*padding))


row("conv1d", lambda h, x, w, b: h.conv1d(x, w, b, None), F.conv1d, r(2, 3, 8), r(4, 3, 3), r(4))
row("conv1d", lambda h, x, w, b: h.conv1d(x, w, b, convolution((2, 0), (1, 0), (2, 0), 2)),
    lambda x, w, b: F.conv1d(x, w, b, 2, 1, 2, 2), r(2, 4, 9), r(6, 2, 3), r(6))
row("conv1d", lambda h, x, w: h.conv1d(x, w, None, convolution(dilation=(2, 0), causal=True)),
    lambda x, w: F.conv1d(F.pad(x, (4, 0)), w, dilation=2), r(2, 2, 7), r(3, 2, 3))
row("conv2d", lambda h, x, w, b: h.conv2d(x, w, b, convolution((2, 1), (1, 2), (1, 2), 2)),
    lambda x, w, b: F.conv2d(x, w, b, (2, 1), (1, 2), (1, 2), 2), r(2, 4, 6, 7), r(2, 2, 3, 2), r(2))
row("conv2d", lambda h, x, w: h.conv2d(x, w, None, None), F.conv2d, r(2, 3, 4, 4), r(5, 3, 1, 1))
row("avg_pool1d", lambda h, x: h.avg_pool1d(x, pooling((3, 0), (2, 0), (1, 0))), lambda x: F.avg_pool1d(x, 3, 2, 1), r(2, 3, 9))
row("avg_pool2d", lambda h, x: h.avg_pool2d(x, pooling((2, 3), (2, 1), (1, 1))), lambda x: F.avg_pool2d(x, (2, 3), (2, 1), (1, 1)), r(2, 3, 6, 7))
row("max_pool1d", lambda h, x: h.max_pool1d(x, pooling((3, 0), (2, 0), (1, 0))), lambda x: F.max_pool1d(x, 3, 2, 1), r(2, 3, 9))
row("max_pool2d", lambda h, x: h.max_pool2d(x, pooling((2, 3), (2, 1), (1, 1))), lambda x: F.max_pool2d(x, (2, 3), (2, 1), (1, 1)), r(2, 3, 6, 7))

# ---- normalisation ----
def sparsemax(x):  # along axis 1
    z = x.sort(1, descending=True).values
    k = torch.arange(1, z.shape[1] + 1)[:, None]
    tau = (z.cumsum(1) - 1) / k
    return (x - tau.gather(1, (z > tau).sum(1, keepdim=True) - 1)).clamp(min=0)


def entmax15(x):
    z = x.sort(1, descending=True).values / 2
    k = torch.arange(1, z.shape[1] + 1)[:, None]
    mean = z.cumsum(1) / k
    tau = mean - ((1 - ((z ** 2).cumsum(1) - k * mean ** 2)).clamp(min=1e-300) / k).sqrt()
    return (x / 2 - tau.gather(1, (z > tau).sum(1, keepdim=True) - 1)).clamp(min=0) ** 2


row("softmax", lambda h, x: h.softmax(x, 1), lambda x: x.softmax(1), r(2, 5, 3))
row("sparsemax", lambda h, x: h.sparsemax(x, 1), sparsemax, r(2, 6, 3, low=-2, high=2))
row("entmax15", lambda h, x: h.entmax15(x, 1), entmax15, r(2, 6, 3, low=-3, high=3))
row("log_softmax", lambda h, x: h.log_softmax(x, -1), lambda x: x.log_softmax(-1), r(2, 5))
row("layernorm", lambda h, x, g, b: h.layernorm(x, g, b, 1e-5), lambda x, g, b: F.layer_norm(x, (5,), g, b, 1e-5), r(3, 5), r(5), r(5))
row("rmsnorm", lambda h, x, g: h.rmsnorm(x, g, 1e-5), lambda x, g: x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * g, r(3, 5), r(5))
row("groupnorm", lambda h, x, g, b: h.groupnorm(x, 2, g, b, 1e-5), lambda x, g, b: F.group_norm(x, 2, g, b, 1e-5), r(2, 4, 3, 2), r(4), r(4))
row("instancenorm", lambda h, x, g, b: h.instancenorm(x, g, b, 1e-5), lambda x, g, b: F.instance_norm(x, None, None, g, b, eps=1e-5), r(2, 4, 5), r(4), r(4))
row("batchnorm", lambda h, x, g, b: h.batchnorm(x, g, b, None, None, 1e-5), lambda x, g, b: F.batch_norm(x, None, None, g, b, True, eps=1e-5), r(3, 4, 2), r(4), r(4))
row("batchnorm", lambda h, x, g, b, m, v: h.batchnorm(x, g, b, m, v, 1e-5), lambda x, g, b, m, v: (x - m[:, None]) / (v[:, None] + 1e-5).sqrt() * g[:, None] + b[:, None],
    r(3, 4, 2), r(4), r(4), r(4), positive(4))
row("l2norm", lambda h, x: h.l2norm(x, 1, 1e-12), lambda x: F.normalize(x, dim=1), r(3, 4))

# ---- losses ----
for reduction, how in enumerate(("mean", "sum", "none")):
    for ignore in (-100, 1):
        for smoothing in (0.0, 0.1):
            row("cross_entropy", lambda h, x, y, w, a=(reduction, True, ignore, smoothing): h.cross_entropy(x, y, CrossEntropy(*a, w)),
                lambda x, y, w, a=(ignore, how, smoothing): F.cross_entropy(x, long(y), w.detach(), ignore_index=a[0], reduction=a[1], label_smoothing=a[2]),
                r(6, 4), ids(6, high=4), ("constant", positive(4)))
            row("cross_entropy", lambda h, x, y, a=(reduction, True, ignore, smoothing): h.cross_entropy(x, y, CrossEntropy(*a, None)),
                lambda x, y, a=(ignore, how, smoothing): F.cross_entropy(x, long(y), ignore_index=a[0], reduction=a[1], label_smoothing=a[2]),
                r(6, 4), ids(6, high=4))
    for smoothing in (0.0, 0.1):
        row("soft_cross_entropy", lambda h, x, p, w, a=(reduction, False, 0, smoothing): h.soft_cross_entropy(x, p, CrossEntropy(*a, w)),
            lambda x, p, w, a=(how, smoothing): F.cross_entropy(x, p, w.detach(), reduction=a[0], label_smoothing=a[1]), r(3, 4), distribution(3, 4), ("constant", positive(4)))
    row("nll", lambda h, x, y, w, a=reduction: h.nll(x, y, CrossEntropy(a, True, 2, 0.0, w)),
        lambda x, y, w, a=how: F.nll_loss(x, long(y), w.detach(), ignore_index=2, reduction=a), r(6, 4), ids(6, high=4), ("constant", positive(4)))
    for name, other in (("mse", F.mse_loss), ("l1", F.l1_loss), ("binary_cross_entropy", F.binary_cross_entropy_with_logits)):
        row(name, lambda h, x, y, n=name, a=reduction: getattr(h, n)(x, y, a), lambda x, y, o=other, a=how: o(x, y, reduction=a), r(3, 4), r(3, 4, low=0.01, high=0.99))
    row("huber", lambda h, x, y, a=reduction: h.huber(x, y, 0.4, a), lambda x, y, a=how: F.huber_loss(x, y, reduction=a, delta=0.4), r(5, 4), r(5, 4))
    row("kl_divergence", lambda h, q, p, a=reduction: h.kl_divergence(q, p, a), lambda q, p, a=how: F.kl_div(q, p, reduction=a), r(3, 4), distribution(3, 4))
    row("cosine_embedding", lambda h, a, b, m, k=reduction: h.cosine_embedding(a, b, m, 0.1, k),
        lambda a, b, m, k=how: F.cosine_embedding_loss(a, b, torch.where(m, 1.0, -1.0).double(), 0.1, reduction=k), r(6, 4), r(6, 4), mask(6))
    row("ctc", lambda h, x, y, a=reduction: h.ctc(h.log_softmax(x, -1), y, h.lengths, h.target_lengths, Ctc(a, 0, False)),
        lambda x, y, a=how: F.ctc_loss(x.log_softmax(-1), long(y), torch.tensor([7, 6, 5]), torch.tensor([3, 2, 0]), reduction=a), r(7, 3, 4, high=3), lambda g: g.integers(1, 4, (3, 3)).astype(np.int32))
row("entropy", lambda h, p: h.entropy(p, -1), lambda p: -(p * p.log()).sum(-1), distribution(3, 4))

# ---- attention ----
for causal in (0, 1):
    for composed in (False, True):
        row("attention", lambda h, q, k, v, a=(0.0, causal, 0.0, composed): h.attention(q, k, v, None, Attention(*a)),
            lambda q, k, v, a=causal: F.scaled_dot_product_attention(q, k, v, is_causal=bool(a)), r(2, 2, 3, 4), r(2, 2, 5, 4), r(2, 2, 5, 3))
row("attention", lambda h, q, k, v, m: h.attention(q, k, v, m, None), lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
    r(2, 2, 3, 4), r(2, 2, 5, 4), r(2, 2, 5, 3), lambda g: np.concatenate([np.ones((3, 1), bool), g.random((3, 4)) < 0.5], 1))


def packed(x):
    q, k, v = (part.reshape(2, 3, 2, 2).swapaxes(1, 2) for part in x.split(4, -1))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).swapaxes(1, 2).reshape(2, 3, 4)


row("attention_packed", lambda h, x: h.attention_packed(x, 2, None, Attention(0.0, 1, 0.0, False)), packed, r(2, 3, 12))



def windowed(q, k, v, bias, slopes, sinks):
    """Everything at once: a cap, ALiBi, a bias, a window with a prefix, sinks."""
    place, key = torch.arange(3)[:, None], torch.arange(5)
    scores = 4 * torch.tanh(q @ k.mT / 2 / 4) + bias - slopes[:, None, None] * (place - key).abs()
    scores = scores.masked_fill(~(((key >= place - 1) & (key <= place + 2)) | (key < 1)), -math.inf)
    whole = torch.cat([scores, sinks[:, None, None].expand(2, 2, 3, 1)], -1).softmax(-1)
    return whole[..., :-1], whole[..., :-1] @ v


for composed in (False, True):
    row("attention", lambda h, q, k, v, b, s, z, a=composed: h.attention(q, k, v, None, Attention(0.0, 0, 0.0, a, 4.0, True, 1, 2, 1, b, s, z)),
        lambda *x: windowed(*x)[1], r(2, 2, 3, 4), r(2, 2, 5, 4), r(2, 2, 5, 3), r(2, 3, 5), positive(2), r(2))
row("attention_weights", lambda h, q, k, b, s, z: h.attention_weights(q, k, None, Attention(0.0, 0, 0.0, False, 4.0, True, 1, 2, 1, b, s, z)),
    lambda q, k, b, s, z: windowed(q, k, torch.zeros(2, 2, 5, 1).double(), b, s, z)[0], r(2, 2, 3, 4), r(2, 2, 5, 4), r(2, 3, 5), positive(2), r(2))


def linear_attention(q, k, v, causal):
    p = (F.elu(q) + 1) @ (F.elu(k) + 1).mT
    p = p.tril() if causal else p
    return p @ v / p.sum(-1, keepdim=True)


for causal in (False, True):
    row("linear_attention", lambda h, q, k, v, a=causal: h.linear_attention(q, k, v, None, LinearAttention(0, a)),
        lambda q, k, v, a=causal: linear_attention(q, k, v, a), r(2, 2, 4, 3), r(2, 2, 4, 3), r(2, 2, 4, 2))


def rope(x, halves):
    angle = (torch.arange(x.shape[-2]) + 3.0).double()[:, None] * 100.0 ** (-torch.arange(0, 6, 2).double() / 6)
    a, b = (x[..., :3], x[..., 3:]) if halves else (x[..., ::2], x[..., 1::2])
    turned = a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()
    return torch.cat(turned, -1) if halves else torch.stack(turned, -1).flatten(-2)


for halves in (0, 1):
    row("rope", lambda h, x, a=halves: h.rope(x, Rope(a, 100.0, 0, 0.0, 0.0, 3)), lambda x, a=halves: rope(x, a), r(2, 4, 6))


# ---- recurrent ----


def lstm(a, b, cell, p):
    i, f, g, o = (a + b).chunk(4, -1)
    new = torch.sigmoid(f + p[1] * cell) * cell + torch.sigmoid(i + p[0] * cell) * g.tanh()
    return torch.stack([torch.sigmoid(o + p[2] * new) * new.tanh(), new])


def gru(a, b, state):
    (ar, az, an), (br, bz, bn) = a.chunk(3, -1), b.chunk(3, -1)
    z = torch.sigmoid(az + bz)
    return (1 - z) * torch.tanh(an + torch.sigmoid(ar + br) * bn) + z * state


row("lstm_gates", lambda h, a, b, x, p: h.lstm_gates(a, b, x, p, None, None), lstm, r(2, 12), r(2, 12), r(2, 3), r(3, 3))
row("gru_gates", lambda h, a, b, x: h.gru_gates(a, b, x, None), gru, r(2, 9), r(2, 9), r(2, 3))

# Draws: their distributions are tested in tests/test_random.c and tests/test_tape.c.
WITHOUT = {"dropout", "uniform", "normal", "bernoulli", "permutation", "multinomial",
           "attention_watched"}  # computes nothing


def agree(ours, theirs):
    theirs = np.asarray(theirs)
    if ours.shape != theirs.shape:
        return f"shape {ours.shape} instead of {theirs.shape}"
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= 1e-12 + 1e-10 * np.abs(b))
    if same.all():
        return None
    at = np.unravel_index(np.argmin(same), same.shape)
    return f"{a[at]!r} instead of {b[at]!r} at {tuple(map(int, at))}"


def compare(h, name, heed, other, inputs, generator):
    h.lib.heed_tape_reset(h.tape)
    h.__dict__["given"] = h.put(np.array([[3, 0], [1, 4]], np.int32))
    h.__dict__["lengths"] = h.put(np.array([7, 6, 5], np.int32))
    h.__dict__["target_lengths"] = h.put(np.array([3, 2, 0], np.int32))
    constant = [isinstance(make, tuple) for make in inputs]
    arrays = [(make[1] if isinstance(make, tuple) else make)(generator) for make in inputs]
    floats = [i for i, x in enumerate(arrays) if x.dtype == np.float64 and not constant[i]]
    ours = [h.put(x) for x in arrays]
    theirs = [torch.tensor(x, requires_grad=i in floats) for i, x in enumerate(arrays)]
    for i in floats:
        h.lib.heed_watch(h.tape, c.c_void_p(ours[i]))
    y, z = heed(h, *ours), other(*theirs)
    if not y:
        return h.error() or "NULL", 0
    value = h.get(y)
    trouble = agree(value, z.detach().numpy())
    if trouble:
        return f"value: {trouble}", 0
    compared = value.size
    if value.dtype == np.float64 and z.requires_grad and value.size:
        w = generator.uniform(-1, 1, value.shape)
        loss = h.sum(h.mul(y, h.put(w)))
        if not h.lib.heed_backward(h.tape, c.c_void_p(loss)):
            return h.error(), 0
        expected = torch.autograd.grad(z, [theirs[i] for i in floats], torch.tensor(w), allow_unused=True)
        for i, g in zip(floats, expected):
            address = h.lib.heed_gradient(h.tape, c.c_void_p(ours[i]))
            gx = h.get(address) if address else np.zeros_like(arrays[i])
            trouble = agree(gx, g.numpy() if g is not None else np.zeros_like(arrays[i]))
            if trouble:
                return f"gradient of input {i}: {trouble}", 0
            compared += gx.size
    return h.error(), compared


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="TEXT")
    options = parser.parse_args()
    h = Heed(options.library)
    numbers, failures, tried = 0, 0, 0
    missing = set(h.functions) - {r[0] for r in ROWS} - WITHOUT
    for number, (name, heed, other, inputs) in enumerate(ROWS):
        if options.only not in name:
            continue
        tried += 1
        trouble, compared = compare(h, name, heed, other, inputs, np.random.default_rng((options.seed, number)))
        numbers += compared
        if trouble:
            failures += 1
            print(f"{name}: {trouble}")
    if missing and not options.only:
        failures += 1
        print("no row for", ", ".join(sorted(missing)))
    print(f"{tried} rows of {len({r[0] for r in ROWS})} functions: {numbers} numbers compared with torch "
          f"{torch.__version__}, {failures} failures")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
