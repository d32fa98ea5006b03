"""The command lines of this repository: finding them, and asking each tool whether it knows them.

lines.py finds them, shell.py splits them, check.py has a checker for each tool:
`aws` by the awscli package's own parsers and models, `kubectl` by the binary of our requirements,
`argocd` and `eksctl` by the lists of flags in argocd.yaml and eksctl.yaml.
"""
