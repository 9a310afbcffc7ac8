"""Trains a logistic regression on the diagnostic table. Python's standard library only.

Metrics go to Strongroom's MLflow endpoint as they arise, with the token that the job was given.
"""
import argparse
import csv
import json
import math
import os
import random
import ssl
import time
import urllib.request


class Tracking:
    """The three MLflow calls that a training script needs."""

    def __init__(self):
        self.base = os.environ["MLFLOW_TRACKING_URI"].rstrip("/") + "/api/2.0/mlflow/"
        self.token = os.environ["MLFLOW_TRACKING_TOKEN"]
        self.run_id = os.environ["MLFLOW_RUN_ID"]
        self.tls = ssl.create_default_context(cafile=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"))

    def post(self, path, body):
        request = urllib.request.Request(
            self.base + path,
            json.dumps(dict(body, run_id=self.run_id)).encode(),
            {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, context=self.tls, timeout=60) as answer:
            answer.read()

    def param(self, key, value):
        self.post("runs/log-parameter", {"key": key, "value": str(value)})

    def metrics(self, step, **values):
        now = int(time.time() * 1000)
        rows = [{"key": key, "value": value, "timestamp": now, "step": step} for key, value in values.items()]
        self.post("runs/log-batch", {"metrics": rows})


def read_table(path):
    with open(path, encoding="utf-8", newline="") as source:
        rows = csv.reader(line for line in source if not line.startswith("#"))
        names = next(rows)
        table = [[float(cell) for cell in row] for row in rows]
    return names[:-1], [row[:-1] for row in table], [int(row[-1]) for row in table]


def scale(features):
    columns = list(zip(*features))
    means = [sum(column) / len(column) for column in columns]
    deviations = [math.sqrt(sum((cell - mean) ** 2 for cell in column) / len(column)) or 1.0 for column, mean in zip(columns, means)]
    return means, deviations


def standardise(row, means, deviations):
    return [(cell - mean) / deviation for cell, mean, deviation in zip(row, means, deviations)]


def probability(weights, bias, row):
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, bias + sum(w * x for w, x in zip(weights, row))))))


def evaluate(weights, bias, rows, labels):
    loss = right = 0.0
    for row, label in zip(rows, labels):
        p = min(max(probability(weights, bias, row), 1e-12), 1 - 1e-12)
        loss -= math.log(p if label else 1 - p)
        right += (p >= 0.5) == bool(label)
    return loss / len(rows), right / len(rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--learning-rate", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--note", default="")
    arguments = parser.parse_args()

    tracking = Tracking()
    for key, value in sorted(vars(arguments).items()):
        if value != "":
            tracking.param(key, value)

    names, features, labels = read_table("data.csv")
    order = list(range(len(features)))
    random.Random(arguments.seed).shuffle(order)
    held_out = order[: len(order) // 5]
    training = order[len(order) // 5 :]
    means, deviations = scale([features[i] for i in training])
    rows = [standardise(row, means, deviations) for row in features]
    train_rows, train_labels = [rows[i] for i in training], [labels[i] for i in training]
    test_rows, test_labels = [rows[i] for i in held_out], [labels[i] for i in held_out]
    print(f"{len(train_rows)} rows to train on, {len(test_rows)} held out, {len(names)} features", flush=True)

    weights, bias = [0.0] * len(names), 0.0
    for epoch in range(1, arguments.epochs + 1):
        errors = [probability(weights, bias, row) - label for row, label in zip(train_rows, train_labels)]
        for j in range(len(weights)):
            gradient = sum(e * row[j] for e, row in zip(errors, train_rows)) / len(errors)
            weights[j] -= arguments.learning_rate * (gradient + 1e-3 * weights[j])
        bias -= arguments.learning_rate * sum(errors) / len(errors)
        if epoch % 10 == 0 or epoch == arguments.epochs:
            loss, _ = evaluate(weights, bias, train_rows, train_labels)
            _, accuracy = evaluate(weights, bias, test_rows, test_labels)
            tracking.metrics(epoch, loss=loss, accuracy=accuracy)
            print(f"epoch {epoch:3d}  loss {loss:.4f}  accuracy on held-out rows {accuracy:.4f}", flush=True)

    os.makedirs("outputs", exist_ok=True)
    with open("outputs/model.json", "w", encoding="utf-8") as target:
        json.dump({"features": names, "means": means, "deviations": deviations, "weights": weights, "bias": bias}, target)
    print("wrote outputs/model.json", flush=True)


if __name__ == "__main__":
    main()
