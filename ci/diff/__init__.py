"""What a pull request changes in each environment: the comment that a reviewer reads."""

from ci.diff.verb import command

__all__ = ["command"]
