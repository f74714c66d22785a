import numpy as np

FORM = 1
N_FEATURES = 4
N_CLASSES = 3


def unpack(theta):
    """theta is one long vector: W row by row, then the biases."""
    cut = N_FEATURES * N_CLASSES
    return theta[:cut].reshape(N_FEATURES, N_CLASSES), theta[cut:]


def loss_and_grads(theta, X, y, reg=0.05, margin=1.0):
    """
    Multi-class SVM, L_i = sum_{j != y_i} max(0, s_j - s_{y_i} + margin)
    plus reg * ||W||^2 (the bias is not decayed).
    """
    W, b = unpack(theta)
    num_train = X.shape[0]
    rows = np.arange(num_train)

    scores = X.dot(W) + b
    correct = scores[rows, y].reshape(-1, 1)
    margins = np.maximum(0, scores - correct + margin)
    margins[rows, y] = 0
    loss = np.sum(margins) / num_train
    loss += reg * np.sum(W * W)

    # 1 where the margin is violated, minus the count in the right class
    coeff = (margins > 0).astype(float)
    coeff[rows, y] = -np.sum(coeff, axis=1)
    coeff /= num_train

    dW = X.T.dot(coeff)
    dW += 2 * reg * W
    db = coeff.sum(axis=0)

    return loss, np.concatenate([dW.ravel(), db])


def arguments():
    rng = np.random.default_rng(0)
    theta = rng.normal(0, 0.6, size=N_FEATURES * N_CLASSES + N_CLASSES)
    X = rng.normal(0, 1.5, size=(6, N_FEATURES))
    y = rng.integers(0, N_CLASSES, size=6)
    return theta, X, y
