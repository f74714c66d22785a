import numpy as np

FORM = 1


def loss_and_grads(p, x, eps, beta):
    """Negative ELBO of a Bernoulli VAE (mean over the batch), one sample per row of x."""
    n = x.shape[0]

    # encoder
    he = np.tanh(x @ p['enc_w'] + p['enc_b'])
    mu = he @ p['mu_w'] + p['mu_b']
    logvar = he @ p['lv_w'] + p['lv_b']
    # reparametrisation
    std = np.exp(0.5 * logvar)
    z = mu + std * eps
    # decoder
    hd = np.tanh(z @ p['dec_w'] + p['dec_b'])
    logits = hd @ p['out_w'] + p['out_b']

    # log p(x|z) from logits: max(l,0) - l x + log(1 + e^-|l|)
    bce = np.maximum(logits, 0) - logits * x + np.log1p(np.exp(-np.abs(logits)))
    kl = -0.5 * (1 + logvar - mu ** 2 - np.exp(logvar))
    loss = (bce.sum() + beta * kl.sum()) / n

    g = {}
    dlogits = (1 / (1 + np.exp(-logits)) - x) / n
    g['out_w'] = hd.T @ dlogits
    g['out_b'] = dlogits.sum(0)
    dhd = dlogits @ p['out_w'].T
    dad = dhd * (1 - hd ** 2)
    g['dec_w'] = z.T @ dad
    g['dec_b'] = dad.sum(0)
    dz = dad @ p['dec_w'].T

    dmu = dz + beta * mu / n
    dlogvar = dz * eps * 0.5 * std + beta * 0.5 * (np.exp(logvar) - 1) / n

    g['mu_w'] = he.T @ dmu
    g['mu_b'] = dmu.sum(0)
    g['lv_w'] = he.T @ dlogvar
    g['lv_b'] = dlogvar.sum(0)
    dhe = dmu @ p['mu_w'].T + dlogvar @ p['lv_w'].T
    dae = dhe * (1 - he ** 2)
    g['enc_w'] = x.T @ dae
    g['enc_b'] = dae.sum(0)
    return loss, g


def arguments():
    rng = np.random.default_rng(0)
    n, d, h, k = 3, 6, 5, 2
    w = lambda a, b: rng.standard_normal((a, b)) / np.sqrt(a)
    p = {
        'enc_w': w(d, h), 'enc_b': 0.1 * rng.standard_normal(h),
        'mu_w': w(h, k), 'mu_b': 0.1 * rng.standard_normal(k),
        'lv_w': w(h, k), 'lv_b': 0.1 * rng.standard_normal(k),
        'dec_w': w(k, h), 'dec_b': 0.1 * rng.standard_normal(h),
        'out_w': w(h, d), 'out_b': 0.1 * rng.standard_normal(d),
    }
    x = (rng.random((n, d)) > 0.5).astype(float)
    eps = rng.standard_normal((n, k))
    return p, x, eps, 0.7
