"""Score file: init() once, run(data) for each request. Python's standard library only."""
import json
import math
import os

model = None


def init():
    global model
    folder = os.environ["AZUREML_MODEL_DIR"]
    with open(os.path.join(folder, "model.json"), encoding="utf-8") as source:
        model = json.load(source)


def run(data):
    rows = json.loads(data)["data"]
    answers = []
    for row in rows:
        if len(row) != len(model["features"]):
            raise ValueError("each row needs %d numbers" % len(model["features"]))
        z = model["bias"] + sum(
            weight * (cell - mean) / deviation
            for weight, cell, mean, deviation in zip(model["weights"], row, model["means"], model["deviations"])
        )
        answers.append(1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, z)))))
    return {"benign": answers}
