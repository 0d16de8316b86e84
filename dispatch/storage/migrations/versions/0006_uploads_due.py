"""When each store was last counted, and when a partner's counts are due."""

from dispatch.storage.migrate import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_script(__file__)
