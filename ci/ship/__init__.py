"""The engineer who ships: a build's steps, the write-back, promotion, a hotfix, what ran when."""
