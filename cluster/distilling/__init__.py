"""Distillation from the outside: a student learns from a teacher's answers, through the cluster's public HTTP API alone."""
