"""Tiny models to tune: a teacher, a student that can do everything but the task, and one that sees. For tests and demonstrations:
they know a shop's dozen phrases and nothing else.
"""
