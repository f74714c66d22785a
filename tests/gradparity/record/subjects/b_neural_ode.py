# Neural ODE: dz/dt = tanh(z W1 + t u + b1) W2 + b2, classical RK4 with fixed steps,
# "discretise then optimise", i.e. exact gradient of the discrete solver.
import numpy as np

FORM = 1


def loss_and_grads(params, z0, target, t_end=1.0, n_steps=3):
    W1, u, b1, W2, b2 = params
    gW1, gu, gb1, gW2, gb2 = grads = tuple(np.zeros_like(p) for p in params)

    def field(z, t):
        a = np.tanh(z @ W1 + t * u + b1)

        def pull(g):
            np.add(gW2, a.T @ g, out=gW2)
            np.add(gb2, g.sum(axis=0), out=gb2)
            d = (g @ W2.T) * (1 - a * a)
            np.add(gW1, z.T @ d, out=gW1)
            np.add(gu, t * d.sum(axis=0), out=gu)
            np.add(gb1, d.sum(axis=0), out=gb1)
            return d @ W1.T

        return a @ W2 + b2, pull

    def rk4(z, t, h):
        k1, pull1 = field(z, t)
        k2, pull2 = field(z + h / 2 * k1, t + h / 2)
        k3, pull3 = field(z + h / 2 * k2, t + h / 2)
        k4, pull4 = field(z + h * k3, t + h)

        def pull(g):
            dz4 = pull4(h / 6 * g)
            dz3 = pull3(h / 3 * g + h * dz4)
            dz2 = pull2(h / 3 * g + h / 2 * dz3)
            dz1 = pull1(h / 6 * g + h / 2 * dz2)
            return g + dz1 + dz2 + dz3 + dz4

        return z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), pull

    h = t_end / n_steps
    z, pulls = z0, []
    for n in range(n_steps):
        z, pull = rk4(z, n * h, h)
        pulls.append(pull)

    err = z - target
    loss = 0.5 * np.mean(np.sum(err ** 2, axis=1))
    g = err / len(err)
    for pull in reversed(pulls):
        g = pull(g)
    return loss, grads


def arguments():
    rng = np.random.default_rng(0)
    batch, dim, hidden = 4, 2, 5
    params = (rng.normal(size=(dim, hidden)), rng.normal(size=hidden), rng.normal(size=hidden),
              rng.normal(size=(hidden, dim)), rng.normal(size=dim))
    return params, rng.normal(size=(batch, dim)), rng.normal(size=(batch, dim))
