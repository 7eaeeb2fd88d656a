"""The released model as batch scoring needs it: fields, encoding, probabilities and reasons."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from churnflow.errors import IntegrityError
from churnflow.modelling.compiled import Compiled, compile_model, is_proved
from churnflow.modelling.reason_words import Wording
from churnflow.modelling.reasons import Reasons
from churnflow.modelling.reference import REFERENCE_FILE, Reference
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.texts import missing_words
from churnflow.serving.fields import Field, field_of


@dataclass(frozen=True)
class Scorer:
    """fields, wordings: of each feature, in the order of the model's columns. reasons: None where they are not known.

    identifier: the column that names a customer, None for none. missing: the words for a missing value, folded.
    """

    model: PortableModel
    quick: Compiled | PortableModel
    fields: tuple[Field, ...]
    wordings: tuple[Wording, ...]
    reasons: Reasons | None
    identifier: str | None
    missing: frozenset[str]


def scorer_of(files: Mapping[str, bytes]) -> Scorer:
    """Return the scorer of the files of a release. Raises IntegrityError where they do not fit each other."""
    try:
        schema = json.loads(files["schema.json"])
        return _scorer(PortableModel.from_bytes(files["model.bin"]), schema, files)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        message = f"the released model can not be used: {error}"
        raise IntegrityError(message, hint="`churnflow verify` names what is broken") from None


def _scorer(model: PortableModel, schema: Mapping[str, Any], files: Mapping[str, bytes]) -> Scorer:
    reference = files.get(REFERENCE_FILE)
    quick = compile_model(model) if is_proved(json.loads(files.get("card.json", b"{}"))) else model
    missing = missing_words(schema.get("missing"))
    columns = {str(column["name"]): column for column in schema["columns"] if column["role"] == "feature"}
    own = [columns[column.name] for column in model.encoding.columns]
    fields = tuple(field_of(column, missing) for column in own)
    for field, column in zip(fields, model.encoding.columns, strict=True):
        if field.kind != column.kind:
            message = f"its schema does not fit its model at {column.name}"
            raise ValueError(message)
    reasons = None if reference is None else Reasons(model, Reference.from_bytes(reference))
    ids = [str(column["name"]) for column in schema["columns"] if column["role"] == "id"]
    wordings = tuple(Wording.of(column, missing) for column in own)
    return Scorer(model, quick, fields, wordings, reasons, ids[0] if ids else None, missing)
