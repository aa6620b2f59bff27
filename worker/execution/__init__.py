"""A claimed pack on its way to an outcome."""
