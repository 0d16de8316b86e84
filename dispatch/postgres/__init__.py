"""The embedded PostgreSQL, shared by every process of a data directory: :func:`acquire` it, and release it."""

from dispatch.postgres.data_dir import PostgresError, in_one_line, prepared
from dispatch.postgres.server import EmbeddedPostgres, acquire

__all__ = ["EmbeddedPostgres", "PostgresError", "acquire", "in_one_line", "prepared"]
