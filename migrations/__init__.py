"""Alembic migrations of the SQL schema; run by `hymo db upgrade`."""
