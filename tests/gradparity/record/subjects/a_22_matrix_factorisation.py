import numpy as np

FORM = 1

# r_ui ~ mu + bu[u] + bi[i] + P[u] . Q[i]
# regularisation is paid once for every observed rating (as in Koren et al.)


def loss_and_grads(params, ratings, mu=3.0, lam=0.1):
    P, Q, bu, bi = params
    gP = np.zeros_like(P)
    gQ = np.zeros_like(Q)
    gbu = np.zeros_like(bu)
    gbi = np.zeros_like(bi)

    total = 0.0
    for u, i, r in ratings:
        pred = mu + bu[u] + bi[i]
        for f in range(P.shape[1]):
            pred += P[u, f] * Q[i, f]
        err = r - pred
        total += err ** 2
        total += lam * (np.sum(P[u] ** 2) + np.sum(Q[i] ** 2) + bu[u] ** 2 + bi[i] ** 2)

        gbu[u] += -2 * err + 2 * lam * bu[u]
        gbi[i] += -2 * err + 2 * lam * bi[i]
        for f in range(P.shape[1]):
            gP[u, f] += -2 * err * Q[i, f] + 2 * lam * P[u, f]
            gQ[i, f] += -2 * err * P[u, f] + 2 * lam * Q[i, f]

    return total, [gP, gQ, gbu, gbi]


def arguments():
    rng = np.random.default_rng(0)
    n_users, n_items, n_factors = 4, 5, 3
    P = rng.normal(0, 0.5, (n_users, n_factors))
    Q = rng.normal(0, 0.5, (n_items, n_factors))
    bu = rng.normal(0, 0.2, n_users)
    bi = rng.normal(0, 0.2, n_items)
    ratings = [(0, 0, 5), (0, 2, 3), (1, 1, 4), (1, 2, 1), (2, 4, 2),
               (2, 0, 4), (3, 3, 5), (3, 1, 3), (0, 4, 1), (2, 3, 2)]
    return [P, Q, bu, bi], ratings
