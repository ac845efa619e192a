#!/usr/bin/env python3
"""Writes tests/worked_example/expected.txt: what examples/worked_example must print, computed by numpy
from the formulas of docs/attention.md, without heed.

    python3 tests/reference/make_worked_example.py > tests/worked_example/expected.txt
"""
import numpy as np

X = np.array([[1., 2], [3, 5]])
Z = np.array([[1., 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])
WQ = np.array([[1.2, 2.6, -4.5], [-.5, -1.5, 2.6]])
WK = np.array([[.5, .1, -.3], [-.7, .7, .7], [1.6, -1.3, -.5], [-1.6, 1.6, 1.5]])
WV = np.array([[1, -1], [-.5, 3], [-.2, -2.7], [.4, 3.6]])
GO = np.array([[1, -2], [.5, .25]])


def show(name, value):
    print(name)
    for row in np.atleast_2d(value):
        print(" " + "".join(f"{v + 0.0:16.10f}" for v in row))


def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def forward(keep=None):
    q, k, v = X @ WQ, Z @ WK, Z @ WV
    s = q @ k.T / np.sqrt(3)
    if keep is None:
        p = softmax(s)
    else:
        e = np.where(keep, np.exp(s), 0)
        total = e.sum(-1, keepdims=True)
        p = np.divide(e, total, out=np.zeros_like(e), where=total > 0)
    return q, k, v, s, p, p @ v


def backward(q, k, v, p):
    gv = p.T @ GO
    gp = GO @ v.T
    gs = p * (gp - (gp * p).sum(-1, keepdims=True))
    return gv, gp, gs, gs @ k / np.sqrt(3), gs.T @ q / np.sqrt(3)


q, k, v, s, p, o = forward()
gv, gp, gs, gq, gk = backward(q, k, v, p)
print("1. Forward: Q = X W_Q, K = Z W_K, V = Z W_V, S = Q K^T/sqrt(3), P = softmax(S), O = P V\n")
for name, value in (("Q", q), ("K", k), ("V", v), ("S", s), ("P", p), ("O", o)):
    show(name, value)
print("\n2. Backward, with GO = dL/dO given\n")
for name, value in (("GO", GO), ("GV = P^T GO", gv), ("GP = GO V^T", gp),
                    ("GS = P (GP - rowsum(GP P))", gs), ("GQ = GS K/sqrt(3)", gq),
                    ("GK = GS^T Q/sqrt(3)", gk), ("GW_Q = X^T GQ", X.T @ gq),
                    ("GW_K = Z^T GK", Z.T @ gk), ("GW_V = Z^T GV", Z.T @ gv),
                    ("GX = GQ W_Q^T", gq @ WQ.T), ("GZ = GK W_K^T + GV W_V^T", gk @ WK.T + gv @ WV.T)):
    show(name, value)
print("\n3. The softmax's Jacobian at the first row of S: p_i ([i = j] - p_j)\n")
show("J", np.diag(p[0]) - np.outer(p[0], p[0]))
print("\n4. The entropy of each row, H = -sum p ln p, and GS from H_1 + H_2\n")
h = -(p * np.log(p)).sum(-1)
show("H", h)
show("dH/dS = -P (ln P + H)", -p * (np.log(p) + h[:, None]))
for title, keep in (
        ("5. A mask: the first query may see keys 1, 3, 4, the second keys 1, 2",
         [[1, 0, 1, 1], [1, 1, 0, 0]]),
        ("6. A query that may see one key, and one that may see none: 0, not NaN",
         [[1, 0, 0, 0], [0, 0, 0, 0]])):
    q, k, v, s, p, o = forward(np.array(keep, bool))
    gv, gp, gs, gq, gk = backward(q, k, v, p)
    print(f"\n{title}\n")
    for name, value in (("P", p), ("O", o), ("GQ", gq), ("GK", gk), ("GV", gv)):
        show(name, value)
print("\n7. Alignment scores of s = [.7 -.1] with h_1, h_2, h_3 (Luong et al. 2015)\n")
s, hs = np.array([.7, -.1]), np.array([[.1, .2], [-.3, .4], [.5, -.6]])
wg = np.array([[.2, -.5], [.3, .1]])
wc, vc = np.array([[.1, -.2, .3, .4], [.5, .6, -.7, .8]]), np.array([.9, -.4])
joined = np.concatenate([np.tile(s, (3, 1)), hs], 1)
for name, scores in (("dot: s . h_j", hs @ s), ("general: s W h_j", hs @ (s @ wg)),
                     ("concat: v . tanh(W [s; h_j])", np.tanh(joined @ wc.T) @ vc)):
    show(name, scores)
    show("  weights", softmax(scores))
print("\n8. The fused kernel against the steps: the largest difference of O, GQ, GK, GV is below 1e-14")
