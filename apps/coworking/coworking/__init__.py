"""Coworking analytics: a small service that answers how a coworking space is used."""

__version__ = "1.0.0"
