"""Migrations of the database, packaged with the code that needs them."""
