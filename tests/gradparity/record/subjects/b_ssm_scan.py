"""Diagonal linear state space model.

    a   = exp(-exp(log_rate) * dt)              (S,)
    s_t = a * s_{t-1} + (1 - a) * (u_t B)       (N, S)
    y_t = s_t C + u_t D                         (N, Q)

Outputs: all y (N, T, Q) and the last state (N, S).
"""
import numpy as np

FORM = 2
DT = 0.4


def forward(u, s0, log_rate, B, C, D):
    N, T, _ = u.shape
    rate = np.exp(log_rate)
    a = np.exp(-rate * DT)
    drive = u @ B
    states = np.empty((N, T + 1, len(a)))
    states[:, 0] = s0
    for t in range(T):
        states[:, t + 1] = a * states[:, t] + (1 - a) * drive[:, t]
    y = states[:, 1:] @ C + u @ D
    cache = {"u": u, "rate": rate, "a": a, "drive": drive, "states": states,
             "B": B, "C": C, "D": D}
    return y, states[:, -1].copy(), cache


def backward(dy, ds_last, cache):
    u, a, drive, states = (cache[k] for k in ("u", "a", "drive", "states"))
    B, C, D = cache["B"], cache["C"], cache["D"]
    T = u.shape[1]

    dstates = dy @ C.T                       # direct part only
    dstates[:, -1] += ds_last
    # reverse scan: lambda_t = direct_t + a * lambda_{t+1}
    for t in range(T - 2, -1, -1):
        dstates[:, t] += a * dstates[:, t + 1]

    da = np.sum(dstates * (states[:, :-1] - drive), axis=(0, 1))
    dlog_rate = da * a * (-DT) * cache["rate"]
    ddrive = (1 - a) * dstates
    dB = np.einsum("ntp,nts->ps", u, ddrive)
    dC = np.einsum("nts,ntq->sq", states[:, 1:], dy)
    dD = np.einsum("ntp,ntq->pq", u, dy)
    du = ddrive @ B.T + dy @ D.T
    ds0 = a * dstates[:, 0]
    return du, ds0, dlog_rate, dB, dC, dD


def arguments():
    rng = np.random.default_rng(0)
    N, T, P, S, Q = 2, 5, 3, 4, 6
    u = rng.standard_normal((N, T, P))
    s0 = rng.standard_normal((N, S))
    log_rate = rng.uniform(-1.0, 1.0, S)
    B = rng.standard_normal((P, S))
    C = rng.standard_normal((S, Q))
    D = rng.standard_normal((P, Q))
    return u, s0, log_rate, B, C, D
