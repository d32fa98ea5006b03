"""The deployed version, a file in git: its one tag, its order, and the commit that changes it.

    lander = Lander(repository, target, plan, Backoff(...))
    landing = lander.land()

`plan` looks at the branch's tip and answers with a change or with a reason to leave it; the lander
pushes the change as a plain fast-forward, and on a lost race asks `plan` again at the new tip.
Nothing is ever rebased or forced, and no work tree is touched.
"""
