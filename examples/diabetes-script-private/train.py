"""A ridge-penalised logistic regression by Newton's method, on one shard of a hospital's patients: docs/scripts.md."""

import numpy as np

PENALTY = 5.0


def train(data, weights, settings):
    values = (data["features"] - weights["features.mean"]) / weights["features.scale"]
    rows = np.hstack([np.nan_to_num(values), np.ones((len(values), 1))])
    found = np.append(weights["weights"], weights["bias"]).astype(np.float64)
    for _ in range(8):
        risk = 1 / (1 + np.exp(-rows @ found))
        slope = rows.T @ (risk - data["label"]) + PENALTY * found
        curve = (rows * (risk * (1 - risk))[:, None]).T @ rows + PENALTY * np.eye(len(found))
        found -= np.linalg.solve(curve, slope)
    return {"weights": found[:-1], "bias": found[-1:]}
