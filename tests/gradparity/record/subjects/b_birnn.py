import numpy as np

FORM = 3

class BiRNN:
	# params: [Wx_fw, Wh_fw, b_fw, Wx_bw, Wh_bw, b_bw, Wout, bout]
	def __init__(self, nin, nhid, nout, rng):
		def init(*shape):
			return rng.standard_normal(shape) * 0.5
		self.params = []
		for direction in range(2):
			self.params += [init(nin, nhid), init(nhid, nhid), init(nhid)]
		self.params += [init(2 * nhid, nout), init(nout)]
		self.grads = [np.zeros_like(p) for p in self.params]
		self.nhid = nhid

	def _scan(self, x, Wx, Wh, b, order):
		hs = [None] * len(x)
		h = np.zeros((x.shape[1], self.nhid))
		for t in order:
			h = np.tanh(np.dot(x[t], Wx) + np.dot(h, Wh) + b)
			hs[t] = h
		return np.array(hs)

	def _scan_back(self, x, hs, dhs, Wx, Wh, order):
		dWx, dWh, db = np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(Wh.shape[0])
		dx = np.zeros(x.shape)
		carry = np.zeros(hs[0].shape)
		order = list(order)
		for k in range(len(order) - 1, -1, -1):
			t = order[k]
			da = (dhs[t] + carry) * (1 - hs[t] ** 2)
			if k > 0:		# first step of the scan starts from zeros
				dWh += np.dot(hs[order[k - 1]].T, da)
			dWx += np.dot(x[t].T, da)
			db += da.sum(axis=0)
			dx[t] = np.dot(da, Wx.T)
			carry = np.dot(da, Wh.T)
		return dx, [dWx, dWh, db]

	def forward(self, x):
		T = x.shape[0]
		p = self.params
		self.x = x
		self.fw = self._scan(x, p[0], p[1], p[2], range(T))
		self.bw = self._scan(x, p[3], p[4], p[5], range(T - 1, -1, -1))
		self.both = np.concatenate((self.fw, self.bw), axis=2)
		return np.dot(self.both, p[6]) + p[7]

	def backward(self, dout):
		T = self.x.shape[0]
		p = self.params
		dWout = np.tensordot(self.both, dout, axes=([0, 1], [0, 1]))
		dbout = dout.sum(axis=(0, 1))
		dboth = np.dot(dout, p[6].T)
		dx1, g1 = self._scan_back(self.x, self.fw, dboth[:, :, :self.nhid], p[0], p[1], range(T))
		dx2, g2 = self._scan_back(self.x, self.bw, dboth[:, :, self.nhid:], p[3], p[4], range(T - 1, -1, -1))
		self.grads = g1 + g2 + [dWout, dbout]
		return dx1 + dx2

def arguments():
	rng = np.random.default_rng(0)
	net = BiRNN(3, 5, 2, rng)
	x = rng.standard_normal((4, 6, 3))
	return net, x
