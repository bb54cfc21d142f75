"""The one loop that a multinomial fit spends its time in, compiled.

A BLAS multiplies matrices with five rows at a fraction of its speed, and NumPy passes over the
probabilities a dozen times. Here a piece of rows goes through logits, softmax and gradient while
it lies in the first-level cache; every inner loop runs along rows, which are contiguous, so that
all of them become vector instructions.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_PIECE = 512


# One signature: other memory layouts would be compiled anew, which takes seconds.
@njit(
    "float64(float32[:, ::1], float32[:, ::1], int32[::1], float32[::1], float64[:, ::1])",
    nogil=True,
    fastmath=True,
    cache=True,
)
def loss_and_gradient(
    weights: np.ndarray,
    features: np.ndarray,
    labels: np.ndarray,
    row_weights: np.ndarray,
    gradient: np.ndarray,
) -> float:
    """Sum over rows of the cross-entropy of a linear softmax, and its gradient.

    Parameters
    ----------
    weights
        (class, feature) float32.
    features
        (feature, row) float32, C-contiguous.
    labels
        (row,) int32.
    row_weights
        (row,) float32, or of length 0 for weights of 1.
    gradient
        (class, feature) float64, added to.
    """
    n_classes, n_features = weights.shape
    n_rows = features.shape[1]
    z = np.empty((n_classes, _PIECE), np.float32)
    exponent = np.empty(_PIECE, np.int32)
    power = exponent.view(np.float32)
    top = np.empty(_PIECE, np.float32)
    norm = np.empty(_PIECE, np.float32)
    weighted = len(row_weights) > 0
    one, half, zero = np.float32(1), np.float32(0.5), np.float32(0)
    log2_e = np.float32(1.4426950408889634)
    c1, c2, c3 = np.float32(0.69314718056), np.float32(0.24022650696), np.float32(0.05550410866)
    c4, c5 = np.float32(0.00961812911), np.float32(0.00133335581)
    loss = 0.0
    for a in range(0, n_rows, _PIECE):
        m = min(_PIECE, n_rows - a)
        # Logits, four features at a time: one read and write of z for four products.
        for k in range(n_classes):
            zk = z[k, :m]
            zk[:] = 0
            j = 0
            while j + 4 <= n_features:
                w0, w1 = weights[k, j], weights[k, j + 1]
                w2, w3 = weights[k, j + 2], weights[k, j + 3]
                x0, x1 = features[j, a : a + m], features[j + 1, a : a + m]
                x2, x3 = features[j + 2, a : a + m], features[j + 3, a : a + m]
                for i in range(m):
                    zk[i] += w0 * x0[i] + w1 * x1[i] + w2 * x2[i] + w3 * x3[i]
                j += 4
            while j < n_features:
                w0 = weights[k, j]
                x0 = features[j, a : a + m]
                for i in range(m):
                    zk[i] += w0 * x0[i]
                j += 1
        for i in range(m):
            top[i] = z[0, i]
        for k in range(1, n_classes):
            for i in range(m):
                top[i] = max(top[i], z[k, i])
        for i in range(m):
            of_label = z[labels[a + i], i] - top[i]
            loss -= of_label * (row_weights[a + i] if weighted else one)
        # exp(t) = 2^n 2^r with |r| <= 1/2: 2^n from the bits of its exponent, 2^r by Taylor.
        norm[:m] = 0
        for k in range(n_classes):
            zk = z[k, :m]
            for i in range(m):
                t = max((zk[i] - top[i]) * log2_e, np.float32(-126))
                whole = np.floor(t + half)
                exponent[i] = (np.int32(whole) + np.int32(127)) << np.int32(23)
                r = t - whole
                zk[i] = one + r * (c1 + r * (c2 + r * (c3 + r * (c4 + r * c5))))
            for i in range(m):
                e = zk[i] * power[i]
                zk[i] = e
                norm[i] += e
        if weighted:
            for i in range(m):
                loss += row_weights[a + i] * np.log(norm[i])
        else:
            # One logarithm for 32 rows: each norm lies between 1 and n_classes.
            product = 1.0
            for i in range(m):
                product *= norm[i]
                if i & 31 == 31:
                    loss += np.log(product)
                    product = 1.0
            loss += np.log(product)
        # The residual: probability less one-hot label, times the row's weight.
        for i in range(m):
            norm[i] = one / norm[i]
        for k in range(n_classes):
            zk = z[k, :m]
            for i in range(m):
                zk[i] *= norm[i]
        for i in range(m):
            z[labels[a + i], i] -= one
        if weighted:
            for k in range(n_classes):
                zk = z[k, :m]
                for i in range(m):
                    zk[i] *= row_weights[a + i]
        # Gradient: four classes at a time share the reading of a feature, then four features
        # that of a class.
        k = 0
        while k + 4 <= n_classes:
            r0, r1, r2, r3 = z[k, :m], z[k + 1, :m], z[k + 2, :m], z[k + 3, :m]
            for j in range(n_features):
                x0 = features[j, a : a + m]
                s0, s1, s2, s3 = zero, zero, zero, zero
                for i in range(m):
                    s0 += r0[i] * x0[i]
                    s1 += r1[i] * x0[i]
                    s2 += r2[i] * x0[i]
                    s3 += r3[i] * x0[i]
                gradient[k, j] += s0
                gradient[k + 1, j] += s1
                gradient[k + 2, j] += s2
                gradient[k + 3, j] += s3
            k += 4
        while k < n_classes:
            r0 = z[k, :m]
            j = 0
            while j + 4 <= n_features:
                x0, x1 = features[j, a : a + m], features[j + 1, a : a + m]
                x2, x3 = features[j + 2, a : a + m], features[j + 3, a : a + m]
                s0, s1, s2, s3 = zero, zero, zero, zero
                for i in range(m):
                    s0 += r0[i] * x0[i]
                    s1 += r0[i] * x1[i]
                    s2 += r0[i] * x2[i]
                    s3 += r0[i] * x3[i]
                gradient[k, j] += s0
                gradient[k, j + 1] += s1
                gradient[k, j + 2] += s2
                gradient[k, j + 3] += s3
                j += 4
            while j < n_features:
                x0 = features[j, a : a + m]
                s0 = zero
                for i in range(m):
                    s0 += r0[i] * x0[i]
                gradient[k, j] += s0
                j += 1
            k += 1
    return loss
