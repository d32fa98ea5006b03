"""Argo CD as the verbs see it: a client of its API, and what its answers mean.

api = connect(os.environ)
app = Application.parse(api.application("coworking-prod"))
"""
