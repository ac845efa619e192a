#!/usr/bin/env python3
"""Writes tests/worked_example/expected.txt: every number that examples/worked_example must print, computed by
numpy from the formulas, without heed. A line is SECTION/NAME: NUMBERS, in row-major order.

    python3 tests/reference/make_worked_example.py > tests/worked_example/expected.txt
"""
import numpy as np

LINES = []


def put(name, value):
    numbers = " ".join(repr(float(v) + 0.0) for v in np.ravel(value))
    LINES.append(f"{name}: {numbers}")


def softmax(s, axis=-1):
    e = np.exp(s - s.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def attend(q, k, v, scale, keep=None):
    """S, P, O; a row of keep that hides everything gives 0."""
    s = scale * (q @ k.T)
    e = np.exp(s - s.max(-1, keepdims=True))
    if keep is not None:
        e = np.where(np.array(keep, bool), e, 0)
    total = e.sum(-1, keepdims=True)
    p = np.divide(e, total, out=np.zeros_like(e), where=total > 0)
    return s, p, p @ v


def softmax_backward(p, gp):
    return p * (gp - (gp * p).sum(-1, keepdims=True))


def entropy(p):
    return -(p * np.log(np.where(p > 0, p, 1))).sum(-1)


# ---- attention ----

X = np.array([[1., 2], [3, 5]])
Z = np.array([[1., 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])
WQ = np.array([[1.2, 2.6, -4.5], [-.5, -1.5, 2.6]])
WK = np.array([[.5, .1, -.3], [-.7, .7, .7], [1.6, -1.3, -.5], [-1.6, 1.6, 1.5]])
WV = np.array([[1, -1], [-.5, 3], [-.2, -2.7], [.4, 3.6]])
GO = np.array([[1, -2], [.5, .25]])


def asymmetric(keep=None):
    q, k, v = X @ WQ, Z @ WK, Z @ WV
    s, p, o = attend(q, k, v, 1 / np.sqrt(3), keep)
    gv, gp = p.T @ GO, GO @ v.T
    gs = softmax_backward(p, gp)
    return q, k, v, s, p, o, gv, gp, gs, gs @ k / np.sqrt(3), gs.T @ q / np.sqrt(3)


q, k, v, s, p, o, gv, gp, gs, gq, gk = asymmetric()
h = entropy(p)
for name, value in (("q", q), ("k", k), ("v", v), ("s", s), ("p", p), ("o", o), ("go", GO), ("gv", gv),
                    ("gp", gp), ("gs", gs), ("gq", gq), ("gk", gk), ("gwq", X.T @ gq), ("gwk", Z.T @ gk),
                    ("gwv", Z.T @ gv), ("gx", gq @ WQ.T), ("gz", gk @ WK.T + gv @ WV.T),
                    ("gwq_turned", gq.T @ X), ("jacobian", np.diag(p[0]) - np.outer(p[0], p[0])),
                    ("entropy", h), ("entropy_gs", -p * (np.log(p) + h[:, None]))):
    put("attention/" + name, value)
for prefix, keep in (("mask", [[1, 0, 1, 1], [1, 1, 0, 0]]), ("none", [[1, 0, 0, 0], [0, 0, 0, 0]])):
    q, k, v, s, p, o, gv, gp, gs, gq, gk = asymmetric(keep)
    for name, value in (("p", p), ("o", o), ("gq", gq), ("gk", gk), ("gv", gv)):
        put(f"attention/{prefix}_{name}", value)

# ---- cat, sat, mat ----

CAT = np.eye(4)[:3]
s, p, o = attend(CAT, CAT, CAT, 1 / 2)
two = softmax(np.array([.5, 0]))
put("cat/qk", CAT @ CAT.T)
put("cat/s", s)
put("cat/exp", np.exp([.5, 0]))
put("cat/p", p)
put("cat/p_again", p[0])
put("cat/two", two)
put("cat/halved", two[1] / 2)
put("cat/o", o)
column = CAT @ np.array([[.1], [.2], [.3], [.4]])
put("cat/narrow_q", column)
narrow = attend(column, column, column, 1)
put("cat/narrow_p", narrow[1])
put("cat/narrow_o", narrow[2])

go = 2 * (o - CAT)
gp = go @ CAT.T
gs = softmax_backward(p, gp)
gq, gk, gv = gs @ CAT / 2, gs.T @ CAT / 2, p.T @ go
put("gradients/loss", ((o - CAT) ** 2).sum())
put("gradients/go", go)
put("gradients/gv", gv)
put("gradients/gs", gs)
put("gradients/gs_elementwise", gp * (np.diag(np.diag(p)) - p @ p.T))
put("gradients/gq", gq)
put("gradients/gk", gk)
put("gradients/gx", gq + gk + gv)
put("gradients/gwq", CAT.T @ gq)
put("gradients/gwq_turned", gq.T @ CAT)

# ---- scaling ----

put("scaling/dots", [1, 0])
put("scaling/scaled", softmax(np.array([1, 0]) / 2))
put("scaling/unscaled", softmax(np.array([1., 0])))
put("scaling/ends", np.array([10, -1]) / np.sqrt(3))
put("scaling/ratio", np.exp(11 / np.sqrt(3)))
put("scaling/middle", softmax(np.array([[10, 0, -1], [10, 5, -1], [10, 9, -1]]) / np.sqrt(3)))
# p_1 (1 - p_1) with x = e^-s: 2x/(1 + 2x)^2
put("scaling/slope", [2 * np.exp(-s) / (1 + 2 * np.exp(-s)) ** 2 for s in (1, 10, 30)])
q, k = np.array([.3, -.2, .5, .1]), np.array([.4, .6, -.1, .2])
cosine = q @ k / np.linalg.norm(q) / np.linalg.norm(k)
put("scaling/dot", [q @ k, 10 * (q @ k)])
put("scaling/cosine", [cosine, cosine])


# ---- saturation: the draws of Philox4x32-10 (Salmon et al. 2011) and of Box and Muller ----

class Draws:
    def __init__(self, seed, stream=0):
        self.seed, self.stream, self.count = seed, stream, 0

    def normal(self, *shape):
        n = int(np.prod(shape))
        at = np.arange(self.count, self.count + n, dtype=np.uint64)
        self.count += n
        low, half = np.uint64(0xffffffff), np.uint64(32)
        stream = np.full(n, self.stream, np.uint64)
        x = [at & low, at >> half, stream & low, stream >> half]
        k0, k1 = self.seed & 0xffffffff, self.seed >> 32
        for _ in range(10):
            a, b = np.uint64(0xD2511F53) * x[0], np.uint64(0xCD9E8D57) * x[2]
            x = [(b >> half) ^ x[1] ^ np.uint64(k0), b & low, (a >> half) ^ x[3] ^ np.uint64(k1), a & low]
            k0, k1 = (k0 + 0x9E3779B9) & 0xffffffff, (k1 + 0xBB67AE85) & 0xffffffff
        eleven = np.uint64(11)
        u = (((x[0] << half | x[1]) >> eleven).astype(float) + 1) * 2. ** -53
        w = ((x[2] << half | x[3]) >> eleven).astype(float) * 2. ** -53
        return (np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * w)).reshape(shape)


variance, entropies = [], []
for stream, width in enumerate((4, 64, 512)):
    draws = Draws(1, stream)
    q, k = draws.normal(64, width), draws.normal(64, width)
    dots = q @ k.T
    for scores in (dots, dots / np.sqrt(width)):
        variance.append(scores.var(ddof=1))
        entropies.append(entropy(softmax(scores)).mean())
put("saturation/variance", variance)
put("saturation/entropy", entropies)
initial = []
for deviation in (1, np.sqrt(2 / 576)):
    draws = Draws(2)
    x = draws.normal(16, 512)
    q, k = (x @ (deviation * draws.normal(512, 64)) for _ in range(2))
    initial.append(entropy(softmax(q @ k.T / 8)).mean())
put("saturation/initial", initial)

# ---- heads ----

halves = CAT[:, :2], CAT[:, 2:]
heads = [attend(x, x, x, 1 / np.sqrt(2)) for x in halves]
WO = np.array([[1, .5, -.2, 0], [.3, -1, .4, .7], [-.6, .2, 1, .1], [0, .8, -.5, .9]])
joined = np.concatenate([heads[0][2], heads[1][2]], 1)
go = np.array([[1, -2, .5, .25], [0, 1, -1, .5], [.75, 0, 2, -.5]])
put("heads/p_1", heads[0][1])
put("heads/p_2", heads[1][1])
put("heads/concat", joined)
put("heads/output", joined @ WO)
put("heads/block_sum", joined @ WO)
put("heads/added", heads[0][2] + heads[1][2])
put("heads/gconcat", go @ WO.T)
put("heads/ghead_2", (go @ WO.T)[:, 2:])
put("heads/in_turn", o)

put("sizes/head", [64, 512])
put("sizes/product", 4096)
put("sizes/one_head", 98304)
put("sizes/all_heads", 786432)
put("sizes/modules", [4 * 512 ** 2] * 5 + [4 * 512 ** 2 + 4 * 512] * 5)
put("sizes/tuning", [512, 1024])

# ---- masks, padding ----

scores = np.array([1., 2, 3])
put("masks/one_hidden", softmax(scores + np.array([0, 0, 1]) * -1e9))
put("masks/all_hidden_f64", softmax(scores + np.ones(3) * -1e9))
put("masks/all_hidden_f32", softmax(scores.astype(np.float32) + np.float32(-1e9) * np.ones(3, np.float32)))
put("masks/heed_weights", np.zeros(3))
put("masks/heed_output", 0)
put("masks/heed_gradient", np.zeros(3))
causal = attend(CAT, CAT, CAT, 1 / 2, np.tri(3))[1]
put("masks/causal_p", causal)
put("masks/causal_leak", np.repeat(causal[1][:, None], 4, 1))
alone = np.array([[1, .5], [-.5, 2]])
padded = np.vstack([alone, [[3, -1]]])
put("padding/alone", attend(alone, alone, alone, 1)[2])
put("padding/masked", attend(alone, alone, alone, 1)[2])
put("padding/unmasked", attend(padded, padded, padded, 1)[2][:2])

# ---- the code ----

q = np.array([[.2, -.4, .7], [1.1, .3, -.5], [.6, -.2, .1]])
k = np.array([[.5, .1, -.3], [-.2, .8, .4], [.9, -.6, .2]])
x = np.array([[1, .5], [-.5, 2], [3, -1]])
w, other = np.array([[.3, -.7], [1.1, .4]]), np.array([[-.2, .9], [.5, .6]])
put("code/stable", softmax(np.array([10000., 9999, 0])))
put("code/scores", q @ k.swapaxes(-1, -2) / np.sqrt(3))
put("code/scores_numpy", np.matmul(q, k.transpose(-2, -1)) / np.sqrt(3))
put("code/tied", x @ w @ (x @ w).T / np.sqrt(2))
put("code/untied", x @ w @ (x @ other).T / np.sqrt(2))
put("code/eye", softmax(np.eye(3) / np.sqrt(3)))

# ---- positions ----


def positions(places, width):
    places, j = np.asarray(places, float)[:, None], np.arange(width)
    angle = places / 10000 ** (2 * (j // 2) / width)
    return np.where(j % 2 == 0, np.sin(angle), np.cos(angle))


def rotate(x, place, pairs):
    y = np.array(x, float)
    for i, (a, b) in enumerate(pairs):
        angle = place * 10000 ** (-2 * i / len(x))
        y[a] = x[a] * np.cos(angle) - x[b] * np.sin(angle)
        y[b] = x[a] * np.sin(angle) + x[b] * np.cos(angle)
    return y


put("positions/table", positions(range(4), 4))
put("positions/naive", [np.sin(1 / 10000 ** (2 * j / 4)) for j in range(4)])
put("positions/length", [2, 2, 2])
x = np.array([[1, 0, .5, -1], [0, 2, -.5, 1], [1, 1, 0, .5]])
swapped, pe = x[[1, 0, 2]], positions(range(3), 4)
for name, value in (("plain", x), ("plain_swapped", swapped), ("placed", x + pe), ("placed_swapped", swapped + pe)):
    put("order/" + name, attend(value, value, value, .5)[2])
BANANA = np.array([.12, -.87, .33, .55])
adjacent, across = [(0, 1), (2, 3)], [(0, 2), (1, 3)]
put("rotary/adjacent", rotate(BANANA, 1, adjacent))
put("rotary/halves", rotate(BANANA, 1, across))
q, k = [.3, -.2, .5, .1], [.4, .6, -.1, .2]
put("rotary/relative", [rotate(q, m, adjacent) @ rotate(k, n, adjacent) for m, n in ((3, 1), (7, 5), (102, 100))])

# ---- banana ----


def layernorm(x):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5)


SENTENCE = "나는 학교에 간다"
put("banana/tokens", [len(SENTENCE.split()), len(SENTENCE), len(SENTENCE.encode())])
put("banana/embedding", BANANA)
put("banana/one_hot", BANANA)
x = BANANA + positions([1], 4)[0]
put("banana/placed", x)
put("banana/moments", [BANANA.mean(), BANANA.var()])
put("banana/norm", layernorm(BANANA))
w1 = np.array([[1, 0, -1, .5], [-.5, 1, 0, .2], [.3, -.6, 1, 1]]).T
w2 = np.array([[1, -1, .5], [0, .3, 1], [-.4, .2, 0], [.6, 0, -1]]).T
inner = np.maximum(0, x @ w1 + [.1, -.2, 0])
f = inner @ w2 + [0, .1, 0, -.1]
put("banana/inner", inner)
put("banana/feedforward", f)
put("banana/twentieth", f)
put("banana/residual", x + f)
put("banana/add_norm", layernorm(x + f))

# ---- thanks ----

H = 10 * np.eye(3)
TO_WORDS = np.array([[.4, .4, 0, .5, .5, 0], [.2, 0, 0, 0, .1, 0], [0, 0, .5, 0, 0, 2]])
put("thanks/states", H)
contexts = []
for step, s in enumerate(([.9, .9, -.9], [0, 0, np.log(8) / 10])):
    s = np.array(s)
    weights = softmax(H @ s)
    contexts.append(weights @ H)
    logits = TO_WORDS @ np.concatenate([contexts[-1], s])
    for name, value in (("s", s), ("scores", H @ s), ("alpha", weights), ("c", contexts[-1]), ("logits", logits),
                        ("word", softmax(logits))):
        put(f"thanks/{name}_{step}", value)
put("thanks/context_change", contexts[1] - contexts[0])
put("thanks/far", softmax(np.array([20., 20, -20])))
put("thanks/masked", [.5, .5, 0])
put("thanks/gap", np.log(8))

# ---- loss ----

p, target = np.array([.2, .7, .1]), np.array([1, 0, 0])
after = softmax(np.log(p) - (p - target))
put("loss/loss", -np.log(.2))
put("loss/smooth", -((.9 * target + .1 / 3) * np.log(p)).sum())
put("loss/gradient", p - target)
put("loss/after_p", after)
put("loss/after_loss", -np.log(after[0]))

# ---- alignment ----

s, hs = np.array([.7, -.1]), np.array([[.1, .2], [-.3, .4], [.5, -.6]])
wg = np.array([[.2, -.5], [.3, .1]])
wc, vc = np.array([[.1, -.2, .3, .4], [.5, .6, -.7, .8]]), np.array([.9, -.4])
joined = np.concatenate([np.tile(s, (3, 1)), hs], 1)
for name, scores in (("dot", hs @ s), ("general", hs @ (s @ wg)), ("concat", np.tanh(joined @ wc.T) @ vc)):
    put("alignment/" + name, scores)
    put(f"alignment/{name}_weights", softmax(scores))
    put(f"alignment/{name}_context", softmax(scores) @ hs)
put("alignment/parameters", [0, 4, 10])
put("alignment/four", softmax(np.vstack([hs, [[.9, .1]]]) @ s))

# ---- annotation ----


def fill(index, *shape):
    k = np.arange(np.prod(shape))
    return (((k * 7 + index * 5) % 15 - 7) / 10).reshape(shape)


def lstm(xs, first):
    """Parameters are registered in PyTorch's order: weight_ih, weight_hh, bias_ih, bias_hh."""
    wi, wh, bi, bh = fill(first, 8, 2), fill(first + 1, 8, 2), fill(first + 2, 8), fill(first + 3, 8)
    h, c, hs = np.zeros(2), np.zeros(2), []
    for x in xs:
        i, f, g, o = np.split(wi @ x + bi + wh @ h + bh, 4)
        i, f, o = (1 / (1 + np.exp(-z)) for z in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        hs.append(h)
    return np.array(hs)


table = np.array([[.5, -.2], [1, .3], [-.4, .8], [.1, .1], [.9, -.6]])
xs = table[[0, 1, 2, 3, 0, 4]]
forward, backward = lstm(xs, 0), lstm(xs[::-1], 4)[::-1]
put("annotation/embeddings", xs)
put("annotation/annotations", np.concatenate([forward, backward], 1))
put("annotation/last", forward[-1])

# ---- views ----


def bell(n):
    x = np.linspace(-8, 8, n)
    return softmax(-x * x / 2) @ (x * x)


def line(n):
    x = 2 * (np.arange(n) + .5) / n
    return softmax(x) @ (x * x)


put("continuous/bell", [bell(n) for n in (9, 17, 33)])
put("continuous/bell_error", [abs(bell(n) - 1) for n in (9, 17)])
put("continuous/line", [line(n) for n in (5, 17, 129)])
put("continuous/line_error", [abs(line(n) - 2) for n in (5, 17, 129)])
keys = np.array([[.9, .1, .2], [.2, .9, .3], [.1, .4, .9]])
scores = keys @ [.3, 1, .2]
weights = np.array([softmax(scores / temperature) for temperature in (1, .3, .1, .01)])
put("retrieval/scores", scores)
put("retrieval/weights", weights)
put("retrieval/found", weights @ [[10, 1], [20, 2], [30, 3]])

print("\n".join(LINES))
