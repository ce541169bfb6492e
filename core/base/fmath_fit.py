#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the polynomials of fmath_constants.h. Needs numpy and mpmath; run by hand when a form changes.

Each polynomial P is the weighted minimax fit of a function f on an interval, found by Lawson's
algorithm (least squares whose weights grow where the error is large) on 2,000 Chebyshev points. The
coefficients are rounded to binary32 from the lowest power up; after each, the others are fitted again.
The weight turns the error of P into the relative error of the final function.
"""
import mpmath as mp
import numpy as np

mp.mp.prec = 100
POINTS = 2000
ROUNDS = 400


def lawson(x, f, w, powers):
    """Coefficients c of sum c_k x^powers_k that make max |w (f - P)| small."""
    lam = np.full(len(x), 1.0 / len(x))
    best, best_error = None, np.inf
    basis = np.stack([x**p for p in powers], axis=1)
    for _ in range(ROUNDS):
        root = np.sqrt(lam) * w
        c = np.linalg.lstsq(basis * root[:, None], f * root, rcond=None)[0]
        error = np.abs(w * (f - basis @ c))
        if error.max() < best_error:
            best, best_error = c, error.max()
        lam = lam * error
        lam /= lam.sum()
    return best


def fit(name, f, weight, low, high, count):
    x = (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (np.arange(POINTS) + 0.5) / POINTS)
    fx = np.array([float(f(mp.mpf(v))) for v in x])
    wx = np.array([abs(float(weight(mp.mpf(v)))) for v in x])
    fixed = []
    rest = fx.copy()
    for k in range(count):
        c = lawson(x, rest, wx, list(range(k, count)))
        fixed.append(np.float32(c[0]))
        rest = rest - float(fixed[-1]) * x**k
    print(f"/* {name}: fit error 2^{np.log2(np.max(np.abs(wx * rest))):.1f} */")
    for k, c in enumerate(fixed):
        mantissa, exponent = float(c).hex().split("p")
        text = f"{mantissa.rstrip('0')}p{int(exponent)}f"
        print(f"#define I8X_FMATH_{name}{k} " + (f"({text})" if c < 0 else text))



def odd(f):
    """s = x^2 -> f(x) / x and x, for odd functions fitted in x^2."""
    return lambda s: f(mp.sqrt(s))


half_ln2 = float(mp.log(2) / 2) * 1.0005
fit("E", lambda r: (mp.exp(r) - 1 - r) / r**2, lambda r: r * r * mp.exp(-r), -half_ln2, half_ln2, 5)
low, high = float(mp.sqrt(0.5)) - 1, float(mp.sqrt(2)) - 1
fit("L", lambda r: (mp.log1p(r) - r + r * r / 2) / r**3, lambda r: r**3 / mp.log1p(r), low, high, 8)
fit("T", odd(lambda x: (mp.tanh(x) - x) / x**3), odd(lambda x: x**3 / mp.tanh(x)), 0, 0.625**2, 5)
fit("F", odd(lambda x: mp.erf(x) / x - 1), odd(lambda x: x / mp.erf(x)), 0, 0.84375**2, 6)
fit("G", lambda t: (mp.log(mp.erfc(t)) + t) / t, lambda t: t * mp.erfc(t) / mp.erf(t), 0.84375, 3.9375, 7)
