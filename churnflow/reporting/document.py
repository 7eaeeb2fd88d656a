"""temp"""
from dataclasses import dataclass
from typing import Any
@dataclass
class ReportInput:
    run: Any; checkpoints: Any; served: Any; plots: Any; initial: Any; build: Any; final: Any
