import numpy as np

FORM = 3

# LSTM for one sample at a time. Rows of x are the time steps.

def sigm(v): return 1./(1.+np.exp(-v))
def dsigm(y): return y*(1.-y)
def dtanh(y): return 1.-y*y


class LstmCell(object):

    def __init__(self, inSize, hidSize, rng):
        self.inSize = inSize
        self.hidSize = hidSize
        z = inSize + hidSize
        self.Wf = rng.uniform(-.6, .6, (hidSize, z));  self.bf = rng.uniform(0, 1, (hidSize, 1))
        self.Wi = rng.uniform(-.6, .6, (hidSize, z));  self.bi = rng.uniform(-.3, .3, (hidSize, 1))
        self.Wg = rng.uniform(-.6, .6, (hidSize, z));  self.bg = rng.uniform(-.3, .3, (hidSize, 1))
        self.Wo = rng.uniform(-.6, .6, (hidSize, z));  self.bo = rng.uniform(-.3, .3, (hidSize, 1))
        self.clearGradients()

    def clearGradients(self):
        self.dWf = np.zeros_like(self.Wf); self.dbf = np.zeros_like(self.bf)
        self.dWi = np.zeros_like(self.Wi); self.dbi = np.zeros_like(self.bi)
        self.dWg = np.zeros_like(self.Wg); self.dbg = np.zeros_like(self.bg)
        self.dWo = np.zeros_like(self.Wo); self.dbo = np.zeros_like(self.bo)

    def stepForward(self, xt, h, c):
        s = {}
        s['z'] = np.vstack((xt, h))
        s['cOld'] = c
        s['f'] = sigm(self.Wf.dot(s['z']) + self.bf)
        s['i'] = sigm(self.Wi.dot(s['z']) + self.bi)
        s['g'] = np.tanh(self.Wg.dot(s['z']) + self.bg)
        s['o'] = sigm(self.Wo.dot(s['z']) + self.bo)
        s['c'] = s['f']*c + s['i']*s['g']
        s['ct'] = np.tanh(s['c'])
        s['h'] = s['o']*s['ct']
        return s

    def stepBackward(self, s, dh, dc):
        dc = dc + dh*s['o']*dtanh(s['ct'])
        do = dh*s['ct']*dsigm(s['o'])
        df = dc*s['cOld']*dsigm(s['f'])
        di = dc*s['g']*dsigm(s['i'])
        dg = dc*s['i']*dtanh(s['g'])
        self.dWf += np.outer(df, s['z']);  self.dbf += df
        self.dWi += np.outer(di, s['z']);  self.dbi += di
        self.dWg += np.outer(dg, s['z']);  self.dbg += dg
        self.dWo += np.outer(do, s['z']);  self.dbo += do
        dz = self.Wf.T.dot(df) + self.Wi.T.dot(di) + self.Wg.T.dot(dg) + self.Wo.T.dot(do)
        return dz[:self.inSize], dz[self.inSize:], dc*s['f']

    def forward(self, x):
        h = np.zeros((self.hidSize, 1))
        c = np.zeros((self.hidSize, 1))
        self.states = []
        for row in x:
            s = self.stepForward(row.reshape(-1, 1), h, c)
            h, c = s['h'], s['c']
            self.states.append(s)
        return np.hstack([s['h'] for s in self.states]).T

    def backward(self, dout):
        self.clearGradients()
        dxs = []
        dh = np.zeros((self.hidSize, 1))
        dc = np.zeros((self.hidSize, 1))
        for s, d in zip(self.states[::-1], dout[::-1]):
            dxt, dh, dc = self.stepBackward(s, dh + d.reshape(-1, 1), dc)
            dxs.insert(0, dxt.ravel())
        return np.array(dxs)


def arguments():
    rng = np.random.default_rng(0)
    cell = LstmCell(3, 4, rng)
    return cell, rng.normal(0, 1, (5, 3))
