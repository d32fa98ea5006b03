"""What a pull request changes in each environment: the comment that a reviewer reads."""
