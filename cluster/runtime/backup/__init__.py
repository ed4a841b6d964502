"""Backups of what a cluster can't make anew: its database, its files, and, if asked for, its secrets."""
