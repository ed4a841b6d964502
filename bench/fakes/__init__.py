"""Workers for load generators: they answer at a set pace and compute nothing."""
