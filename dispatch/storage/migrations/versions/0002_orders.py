"""Orders, their reservations and events, movements of stock."""

from dispatch.storage.migrate import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_script(__file__)
