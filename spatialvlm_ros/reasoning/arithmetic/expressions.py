"""Calculates an expression over measured names. It is read, never run: what is not on the list below is refused.

Allowed: numbers (also with a unit: "0.5 m", "40 cm"), measured names, + - * /, small constant powers, comparisons,
and/or/not, min, max, sqrt, abs.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.reasoning.arithmetic.draws import DRAWS, Drawn
from spatialvlm_ros.reasoning.faults import ExpressionError

Float = NDArray[np.float64]

MOST_CHARACTERS = 300
MOST_PARTS = 120
MOST_DEPTH = 24
LARGEST = 1e9
MOST_POWER = 4
_MOST_UNDEFINED = 0.05  # of the draws
_UNITS = {"mm": 0.001, "cm": 0.01, "m": 1.0, "km": 1000.0}
_LENGTH = re.compile(r"(?<![\w.])(\d+(?:\.\d*)?|\.\d+)\s*(mm|cm|km|m)\b(?!\s*\()")
_SIGNS = str.maketrans({"\u00d7": "*", "\u00b7": "*", "\u00f7": "/", "\u2212": "-", "\u2013": "-"})
_ALLOWED = "Use numbers, measured names, + - * /, comparisons, and, or, not, min, max, sqrt and abs."


def calculate(text: str, measured: Mapping[str, Drawn]) -> Drawn:
    """The value of an expression, with its error.

    Args:
        text: e.g. ``"abs(m1 - m2) < 0.1 * max(m1, m2)"``.
        measured: the names that may stand in it.

    Raises:
        ExpressionError: too long, another thing than is allowed, an unknown name, units that do not go together, or a
            value that is not defined (a division by zero).
    """
    tree = _parsed(text)
    try:
        result = _value(tree, measured, 0)
    except RecursionError as error:
        raise ExpressionError("the expression is nested too deeply", _shown(text), "Split it.") from error
    undefined = float((~np.isfinite(result.draws)).mean())
    if undefined > _MOST_UNDEFINED:
        raise ExpressionError("the expression has no definite value", _shown(text), "Do not divide by about 0.")
    if undefined:
        finite = result.draws[np.isfinite(result.draws)]
        result = Drawn(
            np.nan_to_num(result.draws, nan=float(np.median(finite)), posinf=finite.max(), neginf=finite.min()),
            result.power,
            result.truth,
        )
    if np.abs(result.draws).max() > LARGEST:
        raise ExpressionError("the value is out of range", _shown(text), f"At most {LARGEST:g}.")
    return result


def _parsed(text: str) -> ast.expr:
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError("the expression is too long", len(text), f"At most {MOST_CHARACTERS} characters.")
    plain = _LENGTH.sub(_in_metres, text.translate(_SIGNS)).strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python thinks of a language model's style
            tree = ast.parse(plain, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError("the expression cannot be read", _shown(text), _ALLOWED) from error
    if sum(1 for _ in ast.walk(tree)) > MOST_PARTS:
        raise ExpressionError("the expression has too many parts", _shown(text), "Split it.")
    return tree.body


def _in_metres(match: re.Match[str]) -> str:
    return f"metres({match[1]} * {_UNITS[match[2]]!r})"


def _shown(text: str) -> str:
    return text[:80]


# ---- one kind of node each ----


def _value(node: ast.expr, measured: Mapping[str, Drawn], depth: int) -> Drawn:
    if depth > MOST_DEPTH:
        raise ExpressionError("the expression is nested too deeply", depth, "Split it.")
    handler = _HANDLERS.get(type(node))
    if handler is None:
        raise ExpressionError("this may not stand in an expression", type(node).__name__, _ALLOWED)
    return handler(node, lambda part: _value(part, measured, depth + 1), measured)


Evaluate = Callable[[ast.expr], Drawn]


def _constant(node: ast.Constant, evaluate: Evaluate, measured: Mapping[str, Drawn]) -> Drawn:
    if isinstance(node.value, bool):
        return Drawn(np.full(DRAWS, float(node.value)), None, truth=True)
    if not isinstance(node.value, (int, float)) or not abs(node.value) <= LARGEST:
        raise ExpressionError("this is no number of a usual size", str(node.value)[:40], _ALLOWED)
    return Drawn.exactly(node.value)


def _name(node: ast.Name, evaluate: Evaluate, measured: Mapping[str, Drawn]) -> Drawn:
    if node.id not in measured:
        known = ", ".join(measured) or "none yet"
        raise ExpressionError("nothing of this name was measured", node.id[:40], f"Measured: {known}.")
    return measured[node.id]


def _unary(node: ast.UnaryOp, evaluate: Evaluate, measured: Mapping[str, Drawn]) -> Drawn:
    inner = evaluate(node.operand)
    if isinstance(node.op, ast.Not):
        return Drawn(1.0 - _truth(inner).draws, None, truth=True)
    if isinstance(node.op, ast.USub):
        return Drawn(-_number(inner).draws, inner.power)
    if isinstance(node.op, ast.UAdd):
        return _number(inner)
    raise ExpressionError("this may not stand in an expression", type(node.op).__name__, _ALLOWED)


def _binary(node: ast.BinOp, evaluate: Evaluate, measured: Mapping[str, Drawn]) -> Drawn:
    if isinstance(node.op, ast.Pow):
        return _power(node, evaluate)
    combine = _BINARY.get(type(node.op))
    if combine is None:
        raise ExpressionError("this may not stand in an expression", type(node.op).__name__, _ALLOWED)
    return combine(_number(evaluate(node.left)), _number(evaluate(node.right)))


def _power(node: ast.BinOp, evaluate: Evaluate) -> Drawn:
    exponent = node.right.value if isinstance(node.right, ast.Constant) else None
    if not isinstance(exponent, (int, float)) or isinstance(exponent, bool) or not 0 < exponent <= MOST_POWER:
        raise ExpressionError("a power must be a small number", ast.unparse(node.right)[:40], f"At most {MOST_POWER}.")
    base = _number(evaluate(node.left))
    with np.errstate(all="ignore"):
        draws = base.draws**exponent
    return Drawn(draws, None if base.power is None else base.power * exponent)


def _boolean(node: ast.BoolOp, evaluate: Evaluate, measured: Mapping[str, Drawn]) -> Drawn:
    parts = np.stack([_truth(evaluate(v)).draws for v in node.values])
    return Drawn(parts.min(axis=0) if isinstance(node.op, ast.And) else parts.max(axis=0), None, truth=True)


def _compare(node: ast.Compare, evaluate: Evaluate, measured: Mapping[str, Drawn]) -> Drawn:
    values = [_number(evaluate(part)) for part in (node.left, *node.comparators)]
    holds = np.ones(DRAWS, dtype=bool)
    for operator, left, right in zip(node.ops, values, values[1:], strict=False):
        compare = _COMPARISONS.get(type(operator))
        if compare is None:
            raise ExpressionError(
                "measurements are compared by < and >", type(operator).__name__, "Write abs(a - b) < tolerance."
            )
        _same_power(left, right)
        holds &= compare(left.draws, right.draws)
    return Drawn(holds.astype(np.float64), None, truth=True)


def _call(node: ast.Call, evaluate: Evaluate, measured: Mapping[str, Drawn]) -> Drawn:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in _FUNCTIONS or node.keywords or not node.args:
        raise ExpressionError("this may not be called", ast.unparse(node.func)[:40], _ALLOWED)
    return _FUNCTIONS[name]([_number(evaluate(a)) for a in node.args])


_HANDLERS: dict[type, Callable[..., Drawn]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.Call: _call,
}


# ---- operations ----


def _number(given: Drawn) -> Drawn:
    if given.truth:
        raise ExpressionError(
            "a truth value is no number", given.value, "Join it with and, or, not; it needs no comparison."
        )
    return given


def _truth(given: Drawn) -> Drawn:
    if not given.truth:
        raise ExpressionError("a number is no truth value", given.value, "Compare it with something.")
    return given


def _same_power(a: Drawn, b: Drawn) -> float | None:
    """The power of metres that both have; a bare number takes the other's."""
    if a.power is None or b.power is None:
        return b.power if a.power is None else a.power
    if abs(a.power - b.power) > 1e-9:
        raise ExpressionError("these units do not go together", f"{a.unit or 'number'} and {b.unit or 'number'}", "")
    return a.power


def _sum(a: Drawn, b: Drawn) -> Drawn:
    return Drawn(a.draws + b.draws, _same_power(a, b))


def _difference(a: Drawn, b: Drawn) -> Drawn:
    return Drawn(a.draws - b.draws, _same_power(a, b))


def _product(a: Drawn, b: Drawn) -> Drawn:
    power = None if a.power is None and b.power is None else (a.power or 0.0) + (b.power or 0.0)
    with np.errstate(all="ignore"):
        return Drawn(a.draws * b.draws, power)


def _quotient(a: Drawn, b: Drawn) -> Drawn:
    power = None if a.power is None and b.power is None else (a.power or 0.0) - (b.power or 0.0)
    with np.errstate(all="ignore"):
        return Drawn(a.draws / b.draws, power)


def _extreme(choose: Callable[..., Float]) -> Callable[[list[Drawn]], Drawn]:
    def extreme(parts: list[Drawn]) -> Drawn:
        power = parts[0].power
        for part in parts[1:]:
            power = _same_power(Drawn(part.draws, power), part)
        return Drawn(choose(np.stack([p.draws for p in parts]), axis=0), power)

    return extreme


def _root(parts: list[Drawn]) -> Drawn:
    (inner,) = _alone(parts)
    if np.median(inner.draws) < 0:
        raise ExpressionError("the root of a negative value", inner.value, "")
    return Drawn(np.sqrt(np.maximum(inner.draws, 0.0)), None if inner.power is None else inner.power / 2)


def _absolute(parts: list[Drawn]) -> Drawn:
    (inner,) = _alone(parts)
    return Drawn(np.abs(inner.draws), inner.power)


def _metres(parts: list[Drawn]) -> Drawn:
    (inner,) = _alone(parts)
    return Drawn(inner.draws, 1.0)


def _alone(parts: list[Drawn]) -> list[Drawn]:
    if len(parts) != 1:
        raise ExpressionError("this takes one value", len(parts), "")
    return parts


_BINARY: dict[type, Callable[[Drawn, Drawn], Drawn]] = {
    ast.Add: _sum,
    ast.Sub: _difference,
    ast.Mult: _product,
    ast.Div: _quotient,
}
_COMPARISONS: dict[type, Callable[[Float, Float], NDArray[np.bool_]]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
_FUNCTIONS: dict[str, Callable[[list[Drawn]], Drawn]] = {
    "min": _extreme(np.min),
    "max": _extreme(np.max),
    "sqrt": _root,
    "abs": _absolute,
    "metres": _metres,
}
