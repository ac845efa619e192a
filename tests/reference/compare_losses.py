"""Every loss of heed against PyTorch's, in f64: values and gradients, over random inputs and all combinations
of reductions and options. Needs torch; takes the path of libheed.so:

    python compare_losses.py build/libheed.so
"""

import ctypes
import itertools
import sys

import torch
import torch.nn.functional as F

F64, I32, BOOL = 1, 2, 3
REDUCTIONS = ("mean", "sum", "none")
TOLERANCE = 1e-10


class Shape(ctypes.Structure):
    _fields_ = [("ndim", ctypes.c_int), ("size", ctypes.c_int64 * 8)]


class TapeOptions(ctypes.Structure):
    _fields_ = [("dtype", ctypes.c_int), ("allocator", ctypes.c_void_p), ("chunk", ctypes.c_size_t)]


class ClassOptions(ctypes.Structure):
    _fields_ = [("reduction", ctypes.c_int), ("ignore", ctypes.c_bool), ("ignore_index", ctypes.c_int32),
                ("smoothing", ctypes.c_double), ("weights", ctypes.c_void_p)]


class CtcOptions(ctypes.Structure):
    _fields_ = [("reduction", ctypes.c_int), ("blank", ctypes.c_int32), ("zero_infinity", ctypes.c_bool)]


class Heed:
    """One tape in f64; calls by name, tensors as pointers."""

    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        self.lib.heed_error.restype = ctypes.c_char_p
        self.lib.heed_size.restype = ctypes.c_int64
        self.lib.heed_copy_out.restype = ctypes.c_bool
        self.lib.heed_backward.restype = ctypes.c_bool
        self.tape = self.call_raw("heed_tape_new", ctypes.byref(TapeOptions(dtype=F64)))

    def call_raw(self, name, *arguments):
        function = getattr(self.lib, name)
        function.restype = ctypes.c_void_p
        return ctypes.c_void_p(function(*arguments))

    def call(self, name, *arguments):
        y = self.call_raw(name, self.tape, *arguments)
        error = self.lib.heed_error(self.tape)
        if error:
            raise RuntimeError(error.decode())
        return y

    def tensor(self, x):
        """A copy of a torch tensor; one that requires a gradient is watched."""
        code, dtype = {torch.float64: (F64, x.dtype), torch.int64: (I32, torch.int32),
                       torch.bool: (BOOL, x.dtype)}[x.dtype]
        data = x.detach().to(dtype).contiguous()
        shape = Shape(x.dim(), (ctypes.c_int64 * 8)(*x.shape))
        y = self.call("heed_copy_in", code, shape, ctypes.c_void_p(data.data_ptr()))
        return self.call("heed_watch", y) if x.requires_grad else y

    def values(self, y, like):
        out = torch.zeros(like.shape, dtype=torch.float64)
        assert self.lib.heed_size(y) == out.numel(), "another size"
        assert self.lib.heed_copy_out(self.tape, y, ctypes.c_void_p(out.data_ptr()))
        return out


def difference(a, b):
    """The largest |a - b| relative to b's largest; what is not finite must be the same."""
    if not torch.equal(a.isnan(), b.isnan()) or not torch.equal(a.isinf(), b.isinf()):
        return float("inf")
    finite = b.isfinite()
    if not finite.any():
        return 0.0
    return float((a[finite] - b[finite]).abs().max() / b[finite].abs().max().clamp(min=1e-300))


def compare(heed, build, expected, inputs):
    """build makes the loss from heed's tensors; expected is torch's. Both are weighed alike and swept."""
    heed.call_raw("heed_tape_reset", heed.tape)
    tensors = [heed.tensor(x) for x in inputs]
    y = build(tensors)
    worst = difference(heed.values(y, expected), expected.detach())
    own = [(x, h) for x, h in zip(inputs, tensors) if x.requires_grad]
    weights = torch.rand(expected.shape, dtype=torch.float64) + 0.5
    total = heed.call("heed_sum", heed.call("heed_mul", y, heed.tensor(weights)))
    assert heed.lib.heed_backward(heed.tape, total), heed.lib.heed_error(heed.tape)
    gradients = torch.autograd.grad((expected * weights).sum(), [x for x, _ in own])
    for (_, h), g in zip(own, gradients):
        worst = max(worst, difference(heed.values(heed.call("heed_gradient", h), g), g))
    return worst


def normal(*shape, scale=1):
    return (scale * torch.randn(*shape, dtype=torch.float64)).requires_grad_()


def distribution(*shape):
    return torch.randn(*shape, dtype=torch.float64).softmax(-1).requires_grad_()


def labelled(heed, name, reduction, ignore, smoothing, weighted):
    x = normal(5, 7, 6)
    labels = torch.randint(0, 6, (5, 7))
    weights = torch.rand(6, dtype=torch.float64) + 0.1 if weighted else None
    if ignore is not None:
        labels[0, ::2] = ignore
    given = {"weight": weights, "ignore_index": -100 if ignore is None else ignore, "reduction": reduction}
    flat, flat_labels = x.reshape(-1, 6), labels.reshape(-1)
    if name == "heed_nll":
        expected = F.nll_loss(flat, flat_labels, **given)
    else:
        expected = F.cross_entropy(flat, flat_labels, label_smoothing=smoothing, **given)
    if reduction == "none":
        expected = expected.reshape(5, 7)

    def build(h):
        options = ClassOptions(REDUCTIONS.index(reduction), ignore is not None, ignore or 0, smoothing,
                               heed.tensor(weights) if weighted else None)
        return heed.call(name, h[0], h[1], ctypes.byref(options))
    return compare(heed, build, expected, [x, labels])


def soft(heed, reduction, smoothing, weighted):
    x, p = normal(5, 6), distribution(5, 6)
    weights = torch.rand(6, dtype=torch.float64) + 0.1 if weighted else None
    expected = F.cross_entropy(x, p, weight=weights, label_smoothing=smoothing, reduction=reduction)

    def build(h):
        options = ClassOptions(REDUCTIONS.index(reduction), False, 0, smoothing,
                               heed.tensor(weights) if weighted else None)
        return heed.call("heed_soft_cross_entropy", h[0], h[1], ctypes.byref(options))
    return compare(heed, build, expected, [x, p])


def plain(heed, name, function, inputs, reduction, *scalars, **given):
    expected = function(*inputs, reduction=reduction, **given)
    extra = [ctypes.c_double(s) for s in scalars]
    return compare(heed, lambda h: heed.call(name, *h, *extra, REDUCTIONS.index(reduction)), expected, inputs)


def cosine(heed, reduction, margin):
    a, b, same = normal(9, 4), normal(9, 4), torch.rand(9) < 0.5
    expected = F.cosine_embedding_loss(a, b, torch.where(same, 1, -1), margin=margin, reduction=reduction)
    return compare(heed, lambda h: heed.call("heed_cosine_embedding", *h, ctypes.c_double(margin),
                                             REDUCTIONS.index(reduction)), expected, [a, b, same])


def entropy(heed, axis):
    p = distribution(4, 5)
    expected = torch.special.entr(p).sum(axis)
    return compare(heed, lambda h: heed.call("heed_entropy", h[0], axis), expected, [p])


def ctc(heed, reduction, blank, zero_infinity, impossible, time=30, longest=9):
    """Through log_softmax: PyTorch's gradient by the log-probabilities is right only after it."""
    classes, batch = 5, 6
    x = normal(time, batch, classes)
    labels = torch.tensor([k for k in range(classes) if k != blank])
    targets = labels[torch.randint(0, classes - 1, (batch, longest))]
    target_lengths = torch.randint(0, longest + 1, (batch,))
    target_lengths[0], target_lengths[1] = 0, longest
    targets[1, 1] = targets[1, 0]
    input_lengths = torch.randint(2 * longest, time + 1, (batch,))
    if impossible:
        input_lengths[1] = longest
    given = {"blank": blank, "reduction": reduction, "zero_infinity": zero_infinity}
    expected = F.ctc_loss(x.log_softmax(-1), targets, input_lengths, target_lengths, **given)

    def build(h):
        options = CtcOptions(REDUCTIONS.index(reduction), blank, zero_infinity)
        log_p = heed.call("heed_log_softmax", h[0], -1)
        return heed.call("heed_ctc", log_p, h[1], h[2], h[3], ctypes.byref(options))
    return compare(heed, build, expected, [x, targets, input_lengths, target_lengths])


def table(heed):
    """name, the worst difference of each combination"""
    for name in ("heed_cross_entropy", "heed_nll"):
        smoothings = (0.0, 0.3) if name == "heed_cross_entropy" else (0.0,)
        yield name, [labelled(heed, name, *o) for o in
                     itertools.product(REDUCTIONS, (None, -100, 2), smoothings, (False, True))]
    yield "heed_soft_cross_entropy", [soft(heed, *o) for o in
                                      itertools.product(REDUCTIONS, (0.0, 0.3), (False, True))]
    for name, function in ("heed_mse", F.mse_loss), ("heed_l1", F.l1_loss), ("heed_kl_divergence", F.kl_div):
        yield name, [plain(heed, name, function, [normal(4, 5), distribution(4, 5)], r) for r in REDUCTIONS]
    yield "heed_huber", [plain(heed, "heed_huber", F.huber_loss, [normal(4, 5), normal(4, 5)], r, d, delta=d)
                         for r, d in itertools.product(REDUCTIONS, (0.5, 1.0, 10.0))]
    name, function = "heed_binary_cross_entropy", F.binary_cross_entropy_with_logits
    yield name, [plain(heed, name, function, [normal(4, 5, scale=s), distribution(4, 5)], r)
                 for r, s in itertools.product(REDUCTIONS, (1, 100))]
    yield "heed_cosine_embedding", [cosine(heed, r, m) for r, m in itertools.product(REDUCTIONS, (0.0, 0.3))]
    yield "heed_entropy", [entropy(heed, axis) for axis in (0, 1, -1)]
    yield "heed_ctc", [ctc(heed, r, blank, zero, False) for r, blank, zero in
                       itertools.product(REDUCTIONS, (0, 2, 4), (False, True))]
    yield "heed_ctc, impossible", [ctc(heed, r, 0, True, True) for r in REDUCTIONS]
    yield "heed_ctc, long", [ctc(heed, "mean", 0, False, False, time=400, longest=120)]


def main():
    torch.manual_seed(1)
    heed = Heed(sys.argv[1])
    good = True
    for name, differences in table(heed):
        worst = max(differences)
        good = good and worst <= TOLERANCE
        print(f"{name:28} {len(differences):3} combinations, worst {worst:.1e}"
              f"{'' if worst <= TOLERANCE else '  FAILED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
