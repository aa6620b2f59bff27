"""The SQL store: everything that reads or writes the database."""
