"""Items are looked up by what they stand for."""

from dispatch.storage.migrate import run_script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_script(__file__)
