# mdnHead - mixture density network head (isotropic Gaussians)
# translated from the MATLAB version
#
#   [nll, cache] = forward(h, W, b, target)
#   h       nBatch x nHidden
#   W, b    nHidden x nMix*(2+nDim):  mixing | log sigma | centres
#   target  nBatch x nDim
#   nll     nBatch x 1 negative log likelihood of every row
import numpy as np

FORM = 2


def forward(h, W, b, target):
    nBatch, nDim = target.shape
    nMix = W.shape[1] // (2 + nDim)
    out = h.dot(W) + b

    # mixing coefficients
    aMix = out[:, 0:nMix]
    aMix = aMix - np.tile(np.max(aMix, axis=1)[:, None], (1, nMix))
    priors = np.exp(aMix)
    priors = priors / np.tile(np.sum(priors, axis=1)[:, None], (1, nMix))
    # widths
    sigma = np.exp(out[:, nMix:2*nMix])
    # centres
    centres = out[:, 2*nMix:].reshape(nBatch, nMix, nDim)

    diff = centres - target[:, None, :]
    dist2 = np.sum(diff**2, axis=2)
    logNorm = -nDim*np.log(sigma) - 0.5*nDim*np.log(2*np.pi)
    logJoint = np.log(priors) + logNorm - dist2/(2*sigma**2)

    # log-sum-exp over the mixture
    biggest = np.max(logJoint, axis=1)
    logLik = biggest + np.log(np.sum(np.exp(logJoint - biggest[:, None]), axis=1))
    post = np.exp(logJoint - logLik[:, None])

    nll = -logLik
    cache = {'h': h, 'W': W, 'priors': priors, 'sigma': sigma, 'diff': diff,
             'dist2': dist2, 'post': post}
    return nll, cache


def backward(dNll, cache):
    priors = cache['priors']
    sigma = cache['sigma']
    post = cache['post']
    diff = cache['diff']
    nBatch, nMix, nDim = diff.shape
    dOut = np.zeros((nBatch, nMix*(2 + nDim)))

    dOut[:, 0:nMix] = priors - post
    dOut[:, nMix:2*nMix] = post*(nDim - cache['dist2']/sigma**2)
    dCentres = diff*(post/sigma**2)[:, :, None]
    dOut[:, 2*nMix:] = dCentres.reshape(nBatch, nMix*nDim)
    dOut = dOut*dNll[:, None]

    dTarget = -np.sum(dCentres, axis=1)*dNll[:, None]
    dH = dOut.dot(cache['W'].T)
    dW = cache['h'].T.dot(dOut)
    dB = np.sum(dOut, axis=0)
    return dH, dW, dB, dTarget


def arguments():
    rng = np.random.default_rng(0)
    nBatch, nHidden, nMix, nDim = 5, 4, 3, 2
    h = np.tanh(rng.standard_normal((nBatch, nHidden)))
    W = 0.5*rng.standard_normal((nHidden, nMix*(2 + nDim)))
    b = 0.3*rng.standard_normal(nMix*(2 + nDim))
    target = rng.standard_normal((nBatch, nDim))
    return h, W, b, target
