"""Promotion: dev's tag to prod, behind named gates that each say what holds and how to mend it.

candidate = Candidate(...)
states = ask(candidate, overridden={"soaked"})
"""
