"""Closures of stores by date."""

from dispatch.storage.migrate import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_script(__file__)
