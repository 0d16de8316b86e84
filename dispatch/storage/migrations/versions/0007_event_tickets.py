"""One-use tickets to streams of events."""

from dispatch.storage.migrate import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_script(__file__)
