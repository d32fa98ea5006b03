"""The write-back: one image tag, changed by one commit on top of a branch that others push to.

    repository = Repository(url, branch, remote_environment(...), folder)
    landing = land(repository, plan, Backoff(...))

`plan` looks at the branch's tip and answers with a change or with a reason to leave it; `land`
pushes the change as a plain fast-forward, and on a lost race asks `plan` again at the new tip.
Nothing is ever rebased or forced, and no work tree is touched.
"""
