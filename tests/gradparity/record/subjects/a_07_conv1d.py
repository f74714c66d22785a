"""1-D convolution layer (cross correlation, 'valid') one channel at a time."""
import numpy as np

FORM = 2


def forward(signal, kernels, offset):
    # signal (batch, cin, time), kernels (cout, cin, taps), offset (cout,)
    batch, cin, time = signal.shape
    cout, _, taps = kernels.shape
    y = np.zeros((batch, cout, time - taps + 1))
    for n in range(batch):
        for o in range(cout):
            for c in range(cin):
                # np.convolve flips its second argument, so flip it back
                y[n, o] += np.convolve(signal[n, c], kernels[o, c, ::-1], mode="valid")
            y[n, o] += offset[o]
    return y, (signal, kernels)


def backward(gy, cache):
    signal, kernels = cache
    g_signal = np.zeros(signal.shape)
    g_kernels = np.zeros(kernels.shape)
    for n in range(signal.shape[0]):
        for o in range(kernels.shape[0]):
            for c in range(signal.shape[1]):
                g_kernels[o, c] += np.correlate(signal[n, c], gy[n, o], mode="valid")
                g_signal[n, c] += np.convolve(gy[n, o], kernels[o, c], mode="full")
    g_offset = gy.sum(axis=(0, 2))
    return g_signal, g_kernels, g_offset


def arguments():
    rng = np.random.default_rng(0)
    signal = rng.uniform(-1, 1, size=(2, 3, 6))
    kernels = rng.uniform(-1, 1, size=(4, 3, 2))
    offset = rng.uniform(-1, 1, size=4)
    return signal, kernels, offset
