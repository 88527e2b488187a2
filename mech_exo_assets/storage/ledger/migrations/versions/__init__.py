"""One file for each revision, named by its number; Alembic reads them from here."""
