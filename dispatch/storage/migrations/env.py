"""What Alembic runs to migrate: each migration is a transaction of its own, with its row of alembic_version in it."""

from alembic import context

_attributes = context.config.attributes

context.configure(
    connection=_attributes["connection"],
    transaction_per_migration=True,
    on_version_apply=_attributes["on_version_apply"],
)
with context.begin_transaction():
    context.run_migrations()
