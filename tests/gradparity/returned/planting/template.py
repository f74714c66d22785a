"""Templates: source code with places, and how to fill them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from gradparity.lstm.equations import EQUATIONS, Mistake, known_mistakes
from lstm_spec import GATES

PLACE = re.compile(r"<(B\d+)([figov]?)\.(\w+)>")
TOKEN = re.compile(
    r"\b(?:a_[figo]|C_prev|h_prev|[figomCh])\[(?:t(?:[+-]\d)?|T-1)\](?: \(wraps at t = 0\))?"
)
GATE_OF = {"B1": "v", "B2": "v", "B3": "v", "B4": "o", "B6": "g", "B7": "i", "B8": "f"}
WRAPS = " (wraps at t = 0)"


@dataclass(frozen=True)
class Template:
    """A subject's source with places.

    Attributes:
        name, kind, layout: how it is diagnosed.
        source: with places such as `<B8.C_prev>`; the function is called `subject`.
        names: how it writes a quantity: "f[t-1]", "C[t-1] (wraps at t = 0)", "da_f".
        fused: one product serves all four gates, so that B9 is written once.
        edits: mistakes that are in no table: what stands there, what is written instead,
            and the equation and gates that are wrong then.
        without: forms that make no sense here, as T in a cell.
    """

    name: str
    kind: str
    layout: str
    source: str
    names: dict[str, str]
    fused: bool = False
    edits: tuple[tuple[str, str, str, str], ...] = field(default=())
    without: tuple[str, ...] = ()

    def write(self, mistakes: Iterable[Mistake] = ()) -> str:
        """The source with these mistakes in it."""
        written = {}
        for m in mistakes:
            gate = "" if self.fused and m.number == "B9" else m.gate
            written[m.number, gate, m.slot.replace(" ", "_")] = m.form.code
        return PLACE.sub(lambda place: self._filled(place, written), self.source)

    def lines(self, mistake: Mistake) -> set[int]:
        """Numbers of the lines with the place of a mistake."""
        gate = "" if self.fused and mistake.number == "B9" else mistake.gate
        wanted = (mistake.number, gate, mistake.slot.replace(" ", "_"))
        return {
            number
            for number, line in enumerate(self.source.splitlines(), 1)
            for place in PLACE.finditer(line)
            if self._key(place) == wanted
        }

    def mistakes(self) -> list[tuple[Mistake, ...]]:
        """Mistakes of the table that this code can have; fused ones at all gates at once."""
        places = {self._key(place) for place in PLACE.finditer(self.source)}
        found = []
        for m in known_mistakes(2):
            if self.fused and m.number == "B9":
                if m.gate != "f" or "delta" in m.slot:
                    continue
                group = tuple(self._at_gate(m, gate) for gate in GATES)
                key = ("B9", "", m.slot.replace(" ", "_"))
            else:
                group, key = (m,), (m.number, m.gate, m.slot.replace(" ", "_"))
            if key in places and self.code(m.form.code) is not None:
                found.append(group)
        return found

    def _at_gate(self, mistake: Mistake, gate: str) -> Mistake:
        forms = EQUATIONS["B9", gate].slot(mistake.slot).forms
        form = next(f for f in forms if f.code == mistake.form.code)
        return Mistake("B9", gate, mistake.slot, form)

    def code(self, code: str) -> str | None:
        """A form of the table in this template's names, or None if it has none."""
        if code in self.without:
            return None
        if code in self.names:
            return self.names[code]
        missing = False

        def name(token: re.Match[str]) -> str:
            nonlocal missing
            missing |= token[0] not in self.names
            return self.names.get(token[0], "")

        text = TOKEN.sub(name, code).replace("sigma(", "sigmoid(").replace("tanh(", "np.tanh(")
        text = text.replace("np.np.", "np.")
        return None if missing else text

    def _key(self, place: re.Match[str]) -> tuple[str, str, str]:
        number, gate, slot = place.groups()
        if not gate and number in GATE_OF:
            gate = GATE_OF[number]
        return number, gate, slot

    def _filled(self, place: re.Match[str], written: dict) -> str:
        number, gate, slot = self._key(place)
        own_gate = "f" if number == "B9" and not gate else gate
        right = EQUATIONS[number, own_gate].slot(slot.replace("_", " ") if "bias" in slot else slot)
        code = written.get((number, gate, slot), right.right.code)
        return self._phrase(slot, code)

    def _phrase(self, slot: str, code: str) -> str:
        """A form in the grammar of its place."""
        if slot in ("number", "bias_number"):
            return "" if code == "1" else f"({code}) * "
        if slot in ("steps", "bias_steps"):
            return _STEPS[code]
        if slot in ("dh_next", "dC_next"):
            return "0 * " if code == "0" else ""
        if code == "0" and slot in ("h", "x", "dv"):
            code = {"h": "h[t-1]", "x": "x[t]", "dv": "dv"}[slot]
            zero = "0 * "
        else:
            zero = ""
        found = self.code(code)
        assert found is not None, (self.name, code)
        bare = zero + re.sub(r"\[[^\]]*\]", "", found)
        found = zero + found
        return f"({found})" if re.search(r"[-+*/]", bare) and not found.startswith("(") else found


# A statement `<B9f.steps>`: what stands before `dW`, with TARGET and the operator.
_STEPS = {
    "+=": "TARGET +=",
    "=": "TARGET =",
    "last": "if t == T - 1: TARGET +=",
    "t > 0": "if t > 0: TARGET +=",
    "t < T-1": "if t < T - 1: TARGET +=",
}


def targeted(source: str) -> str:
    """Put the name after a `steps` place in the place of TARGET: `<…>{dW_f} x` → `dW_f += x`."""
    return re.sub(r"(.*?)TARGET( \+?=) ?\{(\w+)\}", r"\1\3\2", source)


def list_names(**own: str) -> dict[str, str]:
    """Names of code that keeps a list for each quantity, `f_s[t]`, without the initial state."""
    names = {
        "C[t-1]": "C_prev", "C_prev[t]": "C_prev", "h[t-1]": "h_prev", "h_prev[t]": "h_prev",
        "m[t-1]": "np.tanh(C_prev)",
        "C[t-2]": "([C0] + C_s)[t - 1]", "h[t-2]": "([h0] + h_s)[t - 1]",
    }  # fmt: skip
    for q in ("f", "i", "g", "o", "m", "C", "h"):
        names[f"{q}[t]"] = f"{q}_s[t]"
        names[f"{q}[T-1]"] = f"{q}_s[-1]"
        names[f"{q}[t+1]"] = f"{q}_s[min(t + 1, T - 1)]"
        names[f"{q}[t-1]{WRAPS}"] = f"{q}_s[t - 1]"
        if q in ("f", "i", "g", "o"):
            names[f"{q}[t-1]"] = f"{q}_s[t - 1]"
    names |= {f"a_{k}[t]": f"a_{k}_s[t]" for k in GATES}
    return names | shared_names() | own


def shared_names() -> dict[str, str]:
    """What most code calls alike."""
    names = {
        "dh": "dh", "dC": "dC", "dh_out": "(dh - dh_next)", "dC_local": "(dC - dC_next)",
        "1": "1", "0": "0 * dC",
    }  # fmt: skip
    names |= {f"da_{k}": f"da_{k}" for k in GATES} | {f"d{k}": f"d{k}" for k in GATES}
    names |= {f"W_{k}": f"W_{k}" for k in GATES}
    return names | {"dC_next": "dC_next", "dh*o": "(dh * o_s[t])"}
