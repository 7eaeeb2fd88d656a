"""The step that asks a database for the customers, once: what it answered is kept, and later steps read that."""

import pandas as pd

from churnflow import StepResult, precheck, reports
from churnflow.modelling.databases import query_database, wrong_address
from churnflow.modelling.frames import TYPED
from churnflow.modelling.read_options import ReadOptions


@reports("rows", "columns")
@precheck(wrong_address)
def extract(
    database: str,
    query: str | None = None,
    table: str | None = None,
    password_env: str | None = None,
    as_of: str | None = None,
) -> StepResult:
    """Ask a database for a table of customers, and keep the answer as an artifact.

    Outputs: `extract`, every value as text, with a word on which columns are numbers in the database. database: the
    address as SQLAlchemy writes it, without a password, such as postgresql+psycopg://user@host/db. query or table: what
    to read. password_env: the environment variable that holds the password, where the driver does not know it. as_of:
    any text, such as a date; the database is asked again when it, or anything else here, changes, and else the kept
    answer counts. Raises InputError for whatever goes wrong.
    """
    found = query_database(database, ReadOptions(table=table, query=query), password_env)
    frame = pd.DataFrame({name: pd.Series(found.column(name), dtype="str") for name in found.header})
    # As text every digit is kept; that the database has them as numbers is said beside.
    frame.attrs[TYPED] = sorted(found.typed)
    return StepResult(
        outputs={"extract": frame},
        metrics={"rows": len(frame), "columns": len(frame.columns)},
        facts={"read as": found.form.shown(), **({"as of": as_of} if as_of else {})},
    )
