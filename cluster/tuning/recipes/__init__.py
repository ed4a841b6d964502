"""How each family of models is tuned: one small file each, and what that costs."""
