"""What a test does to a real database before the program asks it."""

import sqlalchemy as sql


def execute(address: str, *statements: str) -> None:
    """Run statements as they are written, and keep what they did."""
    engine = sql.create_engine(address, poolclass=sql.NullPool).execution_options(no_parameters=True)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
