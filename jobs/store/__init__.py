"""The SQL store: all code that reads or writes the database."""
