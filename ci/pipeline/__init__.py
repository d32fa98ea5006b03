"""The steps of a build, as `ci/buildspec.yaml` calls them: `python -m ci pipeline STEP`.

What a step needs it reads from the variables that CodeBuild and the build project set, so the
buildspec holds the order of the steps and nothing else.
"""
