import numpy as np

FORM = 1

def sigmoid(z):
    return 1/(1+np.exp(-z))

# Autoencoder with tied weights: encoder uses W, decoder uses W transposed
# homework 3, question 2
def loss_and_grads(params, X, weight_decay):
    W, b1, b2 = params
    N = X.shape[0]

    # ---- forward ----
    z1 = np.matmul(X, W) + b1
    a1 = sigmoid(z1)
    z2 = np.matmul(a1, W.T) + b2
    X_hat = sigmoid(z2)

    mse = np.sum((X_hat - X)**2)/(2*N)
    reg = weight_decay/2*np.sum(W**2)
    J = mse + reg

    # ---- backward ----
    delta2 = (X_hat - X)*X_hat*(1 - X_hat)/N
    delta1 = np.matmul(delta2, W)*a1*(1 - a1)

    # W appears twice so there are two terms (+ the weight decay)
    dW_enc = np.matmul(X.T, delta1)
    dW_dec = np.matmul(a1.T, delta2).T
    dW = dW_enc + dW_dec + weight_decay*W
    db1 = np.sum(delta1, axis=0)
    db2 = np.sum(delta2, axis=0)

    return J, (dW, db1, db2)

def arguments():
    rng = np.random.default_rng(0)
    X = rng.random((5, 6))
    W = rng.normal(0, 1, (6, 3))
    b1 = rng.normal(0, 0.5, 3)
    b2 = rng.normal(0, 0.5, 6)
    return [W, b1, b2], X, 0.01
