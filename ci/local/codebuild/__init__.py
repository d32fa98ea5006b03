"""CodeBuild's semantics on your own machine, for trying and testing a buildspec.

spec = parse(Path("ci/buildspec.yaml"))
outcome = Runner(spec, source, environment).run()
"""
