"""The functions of the compiled gated sum: arithmetic that a compiler does 8 or 16 at a time.

exp and log are polynomials (Cephes), because they must be plain arithmetic for that; they are good
to 2e-7. What is given for nan is nan.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from xtalgraph.compiling import inlined

SOFTPLUS, SILU, RELU = 0, 1, 2

F = np.float32


@intrinsic
def as_float(typing_context, bits):
    """Read the 32 bits of an integer as a float."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@inlined
def exp_of(x):
    """Give exp(x) for x in [-43, 43]; what is beyond is taken for the end.

    So the product of two of these is still a number.
    """
    x = min(F(43.0), max(F(-43.0), x))  # in this order nan stays nan
    k = np.floor(x * F(1.44269504088896341) + F(0.5))
    x = x - k * F(0.693359375) + k * F(2.12194440e-4)
    p = F(1.9875691500e-4)
    p = p * x + F(1.3981999507e-3)
    p = p * x + F(8.3334519073e-3)
    p = p * x + F(4.1665795894e-2)
    p = p * x + F(1.6666665459e-1)
    p = p * x + F(5.0000001201e-1)
    p = p * x * x + x + F(1.0)
    return p * as_float(np.int32((np.int32(k) + np.int32(127)) << np.int32(23)))


@inlined
def log_of_one_plus(x):
    """Give log(1 + x) for x in [0, 1]."""
    # log(1 + x) = 2 artanh(x / (2 + x)), with a series that ends at 3e-8 on [0, 1]
    r = x / (F(2.0) + x)
    s = r * r
    p = F(1.0 / 13.0)
    p = p * s + F(1.0 / 11.0)
    p = p * s + F(1.0 / 9.0)
    p = p * s + F(1.0 / 7.0)
    p = p * s + F(1.0 / 5.0)
    p = p * s + F(1.0 / 3.0)
    p = p * s + F(1.0)
    return F(2.0) * r * p


@inlined
def gate_of(kind, gate, message):
    """Give σ(gate), g(message) and its derivative g'(message).

    A caller that leaves the derivative pays nothing for it.
    """
    a = F(1.0) + exp_of(-gate)
    if kind == SILU:
        b = F(1.0) + exp_of(-message)
        both = F(1.0) / (a * b)  # σ(gate) σ(message): one division for the two
        s = both * a
        return both * b, message * s, s * (F(1.0) + message * (F(1.0) - s))
    if kind == SOFTPLUS:
        e = exp_of(-abs(message))
        s = F(1.0) / (F(1.0) + e)
        derivative = s if message >= F(0.0) else e * s
        return F(1.0) / a, max(F(0.0), message) + log_of_one_plus(e), derivative
    return F(1.0) / a, max(F(0.0), message), F(1.0) if message > F(0.0) else F(0.0)
