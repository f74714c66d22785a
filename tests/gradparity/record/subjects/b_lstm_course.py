import numpy as np

FORM = 1

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def softmax(x):
    e_x = np.exp(x - np.max(x, axis=0))
    return e_x / e_x.sum(axis=0)

def lstm_cell_forward(xt, h_prev, c_prev, parameters):
    """
    xt -- input at step t, (n_x, m)
    h_prev, c_prev -- (n_h, m)
    """
    concat = np.concatenate((h_prev, xt), axis=0)
    ft = sigmoid(np.dot(parameters["W_f"], concat) + parameters["b_f"])
    it = sigmoid(np.dot(parameters["W_i"], concat) + parameters["b_i"])
    cct = np.tanh(np.dot(parameters["W_c"], concat) + parameters["b_c"])
    c_next = ft * c_prev + it * cct
    ot = sigmoid(np.dot(parameters["W_o"], concat) + parameters["b_o"])
    h_next = ot * np.tanh(c_next)
    yt_pred = softmax(np.dot(parameters["W_y"], h_next) + parameters["b_y"])
    return h_next, c_next, yt_pred, (concat, ft, it, cct, ot)

def lstm_cell_backward(dh, dc, c_prev, c_next, cache, parameters, gradients):
    concat, ft, it, cct, ot = cache
    n_h = dh.shape[0]

    dot = dh * np.tanh(c_next) * ot * (1 - ot)
    dc = dc + dh * ot * (1 - np.tanh(c_next) ** 2)
    dcct = dc * it * (1 - cct ** 2)
    dit = dc * cct * it * (1 - it)
    dft = dc * c_prev * ft * (1 - ft)

    gradients["dW_f"] += np.dot(dft, concat.T)
    gradients["dW_i"] += np.dot(dit, concat.T)
    gradients["dW_c"] += np.dot(dcct, concat.T)
    gradients["dW_o"] += np.dot(dot, concat.T)
    gradients["db_f"] += np.sum(dft, axis=1, keepdims=True)
    gradients["db_i"] += np.sum(dit, axis=1, keepdims=True)
    gradients["db_c"] += np.sum(dcct, axis=1, keepdims=True)
    gradients["db_o"] += np.sum(dot, axis=1, keepdims=True)

    dh_prev = (np.dot(parameters["W_f"][:, :n_h].T, dft) + np.dot(parameters["W_i"][:, :n_h].T, dit)
               + np.dot(parameters["W_c"][:, :n_h].T, dcct) + np.dot(parameters["W_o"][:, :n_h].T, dot))
    dc_prev = dc * ft
    return dh_prev, dc_prev

def loss_and_grads(parameters, X, Y):
    """ X -- (n_x, m, T_x), Y -- one-hot labels (n_y, m, T_x) """
    n_x, m, T_x = X.shape
    n_h = parameters["W_f"].shape[0]
    h = [np.zeros((n_h, m))]
    c = [np.zeros((n_h, m))]
    y_pred, caches = [], []
    cost = 0
    for t in range(T_x):
        h_next, c_next, yt, cache = lstm_cell_forward(X[:, :, t], h[t], c[t], parameters)
        h.append(h_next)
        c.append(c_next)
        y_pred.append(yt)
        caches.append(cache)
        cost = cost - np.sum(Y[:, :, t] * np.log(yt)) / m

    gradients = {}
    for key in parameters:
        gradients["d" + key] = np.zeros(parameters[key].shape)
    dh_prevt = np.zeros((n_h, m))
    dc_prevt = np.zeros((n_h, m))
    for t in reversed(range(T_x)):
        dyt = (y_pred[t] - Y[:, :, t]) / m
        gradients["dW_y"] += np.dot(dyt, h[t + 1].T)
        gradients["db_y"] += np.sum(dyt, axis=1, keepdims=True)
        dh = np.dot(parameters["W_y"].T, dyt) + dh_prevt
        dh_prevt, dc_prevt = lstm_cell_backward(dh, dc_prevt, c[t], c[t + 1], caches[t],
                                                parameters, gradients)
    return cost, gradients

def arguments():
    rng = np.random.default_rng(0)
    n_x, n_h, n_y, m, T_x = 3, 5, 2, 4, 4
    parameters = {}
    for gate in ("f", "i", "c", "o"):
        parameters["W_" + gate] = rng.standard_normal((n_h, n_h + n_x)) * 0.5
        parameters["b_" + gate] = rng.standard_normal((n_h, 1)) * 0.5
    parameters["W_y"] = rng.standard_normal((n_y, n_h))
    parameters["b_y"] = rng.standard_normal((n_y, 1))
    X = rng.standard_normal((n_x, m, T_x))
    Y = np.eye(n_y)[rng.integers(0, n_y, (m, T_x))].transpose(2, 0, 1)
    return parameters, X, Y
