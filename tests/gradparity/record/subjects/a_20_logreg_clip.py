import numpy as np

FORM = 1


def clip_by_global_norm(grads, max_norm):
    total = np.sqrt(sum(np.sum(g ** 2) for g in grads.values()))
    if total > max_norm:
        factor = max_norm / (total + 1e-6)
        grads = {name: g * factor for name, g in grads.items()}
    return grads


def loss_and_grads(params, X, y, l2=0.01, max_norm=5.0):
    """Logistic regression, y in {-1, +1}.

    mean log(1 + exp(-y f(x))) + l2/2 |w|^2, computed with logaddexp so that
    large margins do not overflow.
    """
    w = params["weights"]
    c = params["intercept"]
    n_samples = X.shape[0]

    f = X @ w + c
    yf = y * f
    loss = np.logaddexp(0.0, -yf).mean() + 0.5 * l2 * (w @ w)

    # d/df log(1+exp(-yf)) = -y * sigmoid(-yf)
    sig = np.exp(-np.logaddexp(0.0, yf))
    df = -y * sig / n_samples

    grads = {
        "weights": X.T @ df + l2 * w,
        "intercept": np.sum(df, keepdims=True),
    }
    grads = clip_by_global_norm(grads, max_norm)
    return loss, grads


def arguments():
    rng = np.random.default_rng(0)
    params = {
        "weights": rng.standard_normal(4),
        "intercept": rng.standard_normal(1),
    }
    X = rng.standard_normal((6, 4))
    y = np.where(rng.random(6) < 0.5, -1, 1)
    return params, X, y
