"""Parts of ``scripts/services.py``. Standard library only."""
