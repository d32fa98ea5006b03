"""What these tests share: recorded Applications, and a server that speaks Argo CD's API."""

from tests.ci.argocd_server import argo, git, recorded

__all__ = ["argo", "git", "recorded"]
