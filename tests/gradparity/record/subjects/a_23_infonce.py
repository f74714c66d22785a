import numpy as np

FORM = 2


def _normalize(z):
    norm = np.linalg.norm(z, axis=1, keepdims=True)
    return z / norm, norm


def _normalize_grad(du, u, norm):
    # project out the radial direction
    return (du - u * np.sum(u * du, axis=1, keepdims=True)) / norm


def _log_softmax(s, axis):
    s = s - s.max(axis=axis, keepdims=True)
    return s - np.log(np.exp(s).sum(axis=axis, keepdims=True))


def forward(img, txt, logit_scale):
    """CLIP loss. logit_scale is a log temperature, shape (1,)."""
    n = len(img)
    u, nu = _normalize(img)
    v, nv = _normalize(txt)
    cos = u @ v.T
    t = np.exp(logit_scale)
    sim = t * cos
    lp_rows = _log_softmax(sim, 1)      # image -> text
    lp_cols = _log_softmax(sim, 0)      # text -> image
    loss = -(np.trace(lp_rows) + np.trace(lp_cols)) / (2 * n)
    return loss, dict(u=u, v=v, nu=nu, nv=nv, cos=cos, t=t,
                      p_rows=np.exp(lp_rows), p_cols=np.exp(lp_cols))


def backward(dloss, c):
    n = c["u"].shape[0]
    eye = np.eye(n)
    dsim = dloss * ((c["p_rows"] - eye) + (c["p_cols"] - eye)) / (2 * n)

    dcos = dsim * c["t"]
    dt = np.sum(dsim * c["cos"])
    dlogit_scale = dt * c["t"]

    du = dcos @ c["v"]
    dv = dcos.T @ c["u"]
    dimg = _normalize_grad(du, c["u"], c["nu"])
    dtxt = _normalize_grad(dv, c["v"], c["nv"])
    return dimg, dtxt, dlogit_scale


def arguments():
    rng = np.random.default_rng(0)
    img = rng.standard_normal((4, 6))
    txt = rng.standard_normal((4, 6))
    logit_scale = np.array([1.2])
    return img, txt, logit_scale
