"""A project whose releases are made in a moment: a model with few numbers, as a file tells them."""

from typing import Any

WORKFLOW = """name: versions
task: Release what a file says
phases:
  build:
    - step: pack
      uses: packing:pack
      with: {source: data/told.json}
      produces: {candidate: release}
  decision:
    - gate: ship
      ship: 0
      fix: 0
    - checkpoint: shipped
"""
STEPS = '''
"""Makes a release of a model with few numbers, as a rehearsal would of a trained one."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from churnflow import StepResult
from churnflow.modelling.card import candidate_files, reference_of
from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.scorer import PortableModel


def pack(source: Path) -> StepResult:
    """Return the files of the release that a JSON file describes."""
    told = json.loads(source.read_text())
    encoding = Encoding(tuple(Column(name, "number") for name in told["features"]))
    weights = np.full(encoding.width, told["weight"])
    arrays = {"weights": weights, "bias": np.array([0.1])}
    model = PortableModel("linear", "linear", encoding, arrays, (1.0, 0.0), told["threshold"], "yes", "no")
    columns = [
        {"name": name, "role": "feature", "kind": "number", "integer": False, "required": True, "low": 0, "high": 9}
        for name in told["features"]
    ]
    columns.append({"name": "left", "role": "target", "kind": "category", "required": True, "levels": ["no", "yes"]})
    schema = {"schema": "churnflow/table@1", "target": "left", "positive": "yes", "negative": "no", "id": None}
    frame = pd.DataFrame({name: np.arange(40.0) for name in told["features"]})
    files = candidate_files(model, {**schema, "columns": columns}, {}, {}, reference_of(model, frame, frame))
    return StepResult(outputs={"candidate": files})
'''
FIRST: dict[str, Any] = {"features": ["tenure", "bill"], "weight": 0.5, "threshold": 0.5}
