"""The rules: one package a layer, one module a subject."""
