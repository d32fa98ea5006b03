"""Argo CD's Applications and projects, sealed secrets, and the files that machines write."""
