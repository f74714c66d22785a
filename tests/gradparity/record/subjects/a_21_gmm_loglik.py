"""Mean log-likelihood of a diagonal Gaussian mixture, to be maximised
with gradient ascent instead of EM."""
import numpy as np
from scipy.special import logsumexp

FORM = 1
LOG_2PI = np.log(2 * np.pi)


def loss_and_grads(params, data):
    alpha = params["alpha"]          # (K,)  unnormalised log weights
    mu = params["mu"]                # (K, D)
    log_sigma = params["log_sigma"]  # (K, D)
    N = data.shape[0]

    log_pi = alpha - logsumexp(alpha)
    sigma = np.exp(log_sigma)
    diff = data[:, None, :] - mu[None, :, :]                 # (N, K, D)
    z = diff / sigma[None]
    log_comp = -0.5 * np.sum(z ** 2 + 2 * log_sigma[None] + LOG_2PI, axis=2)
    log_joint = log_pi[None] + log_comp                      # (N, K)
    log_px = logsumexp(log_joint, axis=1)
    nll = -np.mean(log_px)

    # responsibilities are d log_px / d log_joint
    resp = np.exp(log_joint - log_px[:, None])
    d_joint = -resp / N

    d_log_pi = d_joint.sum(axis=0)
    d_alpha = d_log_pi - np.exp(log_pi) * d_log_pi.sum()

    d_mu = np.einsum("nk,nkd->kd", d_joint, z / sigma[None])
    d_log_sigma = np.einsum("nk,nkd->kd", d_joint, z ** 2 - 1.0)

    return nll, {"alpha": d_alpha, "mu": d_mu, "log_sigma": d_log_sigma}


def arguments():
    rng = np.random.default_rng(0)
    K, D, N = 3, 2, 6
    params = {
        "alpha": rng.standard_normal(K),
        "mu": rng.standard_normal((K, D)),
        "log_sigma": 0.3 * rng.standard_normal((K, D)),
    }
    data = rng.standard_normal((N, D)) * 1.5
    return params, data
