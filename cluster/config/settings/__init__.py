"""Sections of the configuration: the settings of one part of the cluster each, with units, defaults and bounds."""
