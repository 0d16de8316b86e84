"""The embedded PostgreSQL, shared by every process of a data directory: :func:`acquire` it, and release it.

    server.py       the server: starting, sharing, stopping
    programs.py     the programs of the wheel, and the account that runs them
    data_dir.py     the data directory, and what is said when it cannot be used
"""

from dispatch.postgres.data_dir import PostgresError, in_one_line, prepared
from dispatch.postgres.server import EmbeddedPostgres, acquire

__all__ = ["EmbeddedPostgres", "PostgresError", "acquire", "in_one_line", "prepared"]
