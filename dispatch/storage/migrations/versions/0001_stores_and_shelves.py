"""Stores, shelves, the feed of changes, and imports."""

from dispatch.storage.migrate import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_script(__file__)
