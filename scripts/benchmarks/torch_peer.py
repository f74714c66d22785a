"""PyTorch: nn.LSTM (cuDNN on a GPU), nn.Linear and cross_entropy, as its users write it."""

import torch

from benchmarks.cases import Case

ORDER = ("i", "f", "g", "o")  # of the gates in PyTorch's weights


class Torch:
    """One-hot tokens are rows of an identity matrix, which is quicker than `one_hot`."""

    def __init__(self, case: Case, dtype: str, keep_every: int) -> None:
        params, batch = case.draw(dtype)
        torch.set_default_dtype(getattr(torch, dtype))
        self._lstm = torch.nn.LSTM(case.vocab, case.hidden)
        self._readout = torch.nn.Linear(case.hidden, case.vocab)
        self._weights = [*self._lstm.parameters(), *self._readout.parameters()]
        layer = params.layers[0]
        W = torch.cat([torch.from_numpy(getattr(layer, f"W_{gate}")) for gate in ORDER])
        b = torch.cat([torch.from_numpy(getattr(layer, f"b_{gate}")) for gate in ORDER])
        readout = torch.from_numpy(params.W_v), torch.from_numpy(params.b_v)
        given = (W[:, case.hidden :], W[:, : case.hidden], b, torch.zeros_like(b), *readout)
        with torch.no_grad():
            for weight, value in zip(self._weights, given, strict=True):
                weight.copy_(value)
        self._eye = torch.eye(case.vocab)
        self._tokens = torch.from_numpy(batch.tokens).to(self._eye.device)
        self._targets = torch.from_numpy(batch.targets).to(self._eye.device).reshape(-1)

    def compile(self) -> None:
        """Nothing to do."""

    def step(self) -> float:
        """Loss and gradients."""
        for weight in self._weights:
            weight.grad = None
        outputs, _ = self._lstm(self._eye[self._tokens])
        logits = self._readout(outputs).flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits, self._targets)
        loss.backward()
        return loss.item()

    @torch.inference_mode()
    def sample(self, length: int) -> int:
        """Greedy sampling."""
        token, state = torch.zeros((1, 1), dtype=torch.long), None
        for _ in range(length):
            outputs, state = self._lstm(self._eye[token], state)
            token = self._readout(outputs).argmax(2)
        return int(token)


def verdict(case: Case, fast: bool) -> bool:
    """`gradcheck` of the same model's loss by all its weights, float64."""
    contender = Torch(case, "float64", 0)

    def loss(*weights: torch.Tensor) -> torch.Tensor:
        names = [name for name, _ in contender._lstm.named_parameters()]
        lstm = dict(zip(names, weights[:4], strict=True))
        x = contender._eye[contender._tokens]
        outputs, _ = torch.func.functional_call(contender._lstm, lstm, (x,))
        logits = torch.nn.functional.linear(outputs, *weights[4:]).flatten(0, 1)
        return torch.nn.functional.cross_entropy(logits, contender._targets)

    return torch.autograd.gradcheck(loss, tuple(contender._weights), fast_mode=fast)
