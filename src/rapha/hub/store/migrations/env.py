"""Alembic's entry: runs on the connection it is handed (see rapha.hub.store.migrating.migrate)."""

from alembic import context

from rapha.hub.store.tables import Table

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Table.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
