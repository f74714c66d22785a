"""Two implementations can share one mistake; PyTorch's `nn.LSTM` shares none of their code."""

import numpy as np
import pytest
from drawing import draw_batch, draw_params

from gradparity import compare
from lstm_spec import GATES, LayerParams, Params, State, load_backend

torch = pytest.importorskip("torch", reason="PyTorch is an optional oracle: pip install torch")

# PyTorch stacks i, f, g, o and keeps W_ih and W_hh apart, with a bias each.
ORDER = ("i", "f", "g", "o")


def _as_torch(params, hidden):
    lstm = torch.nn.LSTM(params.W_v.shape[0], hidden, len(params.layers), dtype=torch.float64)
    for k, layer in enumerate(params.layers):
        W = np.concatenate([getattr(layer, f"W_{gate}") for gate in ORDER])
        b = np.concatenate([getattr(layer, f"b_{gate}") for gate in ORDER])
        given = (W[:, hidden:], W[:, :hidden], b, 0 * b)
        for name, value in zip(
            ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), given, strict=True
        ):
            getattr(lstm, f"{name}_l{k}").data = torch.tensor(value)
    return lstm


def _gradients(lstm, k, hidden):
    ih, hh, b = (getattr(lstm, f"{n}_l{k}").grad for n in ("weight_ih", "weight_hh", "bias_ih"))
    W = dict(zip(ORDER, torch.cat([hh, ih], dim=1).split(hidden), strict=True))
    b = dict(zip(ORDER, b.split(hidden), strict=True))
    return LayerParams(*[W[gate].numpy() for gate in GATES], *[b[gate].numpy() for gate in GATES])


def _torch_loss_and_grads(params, batch):
    hidden = params.W_v.shape[1]
    lstm = _as_torch(params, hidden)
    W_v, b_v = (torch.tensor(leaf, requires_grad=True) for leaf in params[1:])
    h0, C0 = (
        torch.tensor(s.transpose(0, 2, 1).copy(), requires_grad=True) for s in batch.initial_state
    )
    x = torch.nn.functional.one_hot(torch.tensor(batch.tokens), len(b_v)).double()
    outputs, (h, C) = lstm(x, (h0, C0))
    nats = torch.nn.functional.cross_entropy(
        (outputs @ W_v.T + b_v).permute(0, 2, 1), torch.tensor(batch.targets), reduction="none"
    )
    mask = torch.tensor(batch.mask)
    loss = nats[mask].sum() / mask.sum()
    _, on_last_h, on_last_C = (torch.tensor(c) for c in batch.cotangents)
    on_top = torch.tensor(batch.cotangents.h[-1])
    extra = (on_top.permute(0, 2, 1) * outputs).sum()
    extra = extra + (on_last_h.permute(0, 2, 1) * h).sum() + (on_last_C.permute(0, 2, 1) * C).sum()
    (loss + extra).backward()
    layers = tuple(_gradients(lstm, k, hidden) for k in range(len(params.layers)))
    state = State(*(s.grad.numpy().transpose(0, 2, 1) for s in (h0, C0)))
    return loss.item(), Params(layers, W_v.grad.numpy(), b_v.grad.numpy()), state


@pytest.mark.parametrize("backend", ["numpy", "jax", "jax-manual"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_against_pytorch(backend, layers):
    params = draw_params(layers=layers, hidden=6)
    batch = draw_batch(layers=layers, hidden=6, time=7, dropout=False)
    batch.cotangents.h[:-1] = 0  # PyTorch shows the top layer's outputs only
    result = load_backend(backend).loss_and_grads(params, batch)
    loss, grads, state = _torch_loss_and_grads(params, batch)
    compare(float(result.loss), loss)
    compare(result.grads, grads)
    compare(result.initial_state_grads, state)
