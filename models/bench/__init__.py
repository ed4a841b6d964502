"""Models without weights, for measurements: big enough that a cold prompt takes time, random so that nothing is stored."""
