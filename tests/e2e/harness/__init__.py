"""What the scenarios share: the cluster, Argo CD, the git remote, the images, and a load."""
