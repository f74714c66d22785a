"""Two layer perceptron with a tanh hidden layer, trained on squared error."""
import numpy as np

FORM = 1


def loss_and_grads(params, X, Y):
    W1, b1, W2, b2 = params
    n = X.shape[0]

    # forward
    a1 = X.dot(W1) + b1
    h = np.tanh(a1)
    pred = h.dot(W2) + b2
    diff = pred - Y
    loss = 0.5 * np.sum(diff ** 2) / n

    # backward
    dpred = diff / n
    dW2 = h.T.dot(dpred)
    db2 = dpred.sum(axis=0)
    dh = dpred.dot(W2.T)
    da1 = dh * (1 - h ** 2)
    dW1 = X.T.dot(da1)
    db1 = da1.sum(axis=0)

    return loss, (dW1, db1, dW2, db2)


def arguments():
    rng = np.random.default_rng(0)
    W1 = 0.5 * rng.standard_normal((4, 6))
    b1 = 0.1 * rng.standard_normal(6)
    W2 = 0.5 * rng.standard_normal((6, 3))
    b2 = 0.1 * rng.standard_normal(3)
    X = rng.standard_normal((5, 4))
    Y = rng.standard_normal((5, 3))
    return (W1, b1, W2, b2), X, Y
