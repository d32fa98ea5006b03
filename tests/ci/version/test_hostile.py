"""Secrets, hostile configuration, signatures, and being killed in the middle."""

from __future__ import annotations

import base64
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from ci.git.remote import Token
from ci.hidden import hide
from tests.ci.signatures import needs_ssh_keygen, new_key

Remote = Any
Server = Any
ROOT = Path(__file__).parents[3]
FILE = "overlays/dev/coworking/image/kustomization.yaml"


@pytest.fixture
def spy(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """A `git` that writes down its arguments and its copy's configuration, then does its work."""
    folder = tmp_path / "spy"
    folder.mkdir()
    log = tmp_path / "spy.log"
    wrapper = folder / "git"
    wrapper.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{log}"\ncat ./config >>"{log}" 2>/dev/null\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    wrapper.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}, log


TRACES = ("GIT_TRACE", "GIT_TRACE_CURL", "GIT_TRACE_PACKET", "GIT_TRACE2_EVENT", "GIT_TRACE_SETUP")


@pytest.mark.parametrize("case", ["accepted", "401", "from a file"])
def test_the_token_shows_nowhere(
    remote: Remote,
    server: Server,
    spy: tuple[dict[str, str], Path],
    tmp_path: Path,
    case: str,
) -> None:
    commit = remote.person.ship()
    secret = "wr0ng-t0ken-with-many-digits" if case == "401" else server.token
    wrapped, log = spy
    trace = tmp_path / "trace.log"
    env = {**wrapped, **dict.fromkeys(TRACES, str(trace)), "GIT_TRACE_REDACT": "0"}
    env |= {"GIT_CURL_VERBOSE": "1", "TMPDIR": str(tmp_path / "scratch")}
    (tmp_path / "scratch").mkdir()
    if case == "from a file":
        (tmp_path / "token").write_text(f"\n  {secret} \r\n")
        env["GIT_TOKEN_FILE"] = str(tmp_path / "token")
    else:
        env["GIT_TOKEN"] = secret
    answer = remote.set_image(f"7-{commit[:8]}", url=server.url, env=env)
    assert answer.status == (5 if case == "401" else 0)
    assert base64.b64encode(f"x-access-token:{secret}".encode()).decode() in server.seen[-1]
    seen = answer.stdout + answer.stderr + log.read_text()
    assert not trace.exists()
    assert "copy.git" in seen
    for form in (secret, base64.b64encode(f"x-access-token:{secret}".encode()).decode()):
        assert form not in seen
    assert list((tmp_path / "scratch").iterdir()) == []
    assert secret not in remote.git("log", "-1", "--format=raw")


@pytest.mark.parametrize("user", ["x-access-token", "bot", "ab", "a"])
@pytest.mark.parametrize("secret", ["ghp_0123456789abcdef", "glpat-0123456789", "t0ken-of-48"])
def test_whatever_a_remote_repeats_the_token_is_taken_out_of_it(user: str, secret: str) -> None:
    header = base64.b64encode(f"{user}:{secret}".encode()).decode()
    Token.read({"GIT_TOKEN": secret})
    shown = hide(f"remote: 'Basic {header}' is {secret}, not {user}")
    assert secret not in shown
    assert header not in shown
    assert shown.endswith(f"is [hidden], not {user}")


def test_without_a_token_nobody_is_asked(remote: Remote, server: Server) -> None:
    answer = remote.set_image("7-1f2e3d4c", url=server.url, env={"GIT_ASKPASS": "/bin/cat"})
    assert (answer.status, answer.json["attempts"]) == (5, 1)
    assert "could not read Username" in answer.json["error"]


def test_a_redirect_to_another_host_does_not_get_the_token(remote: Remote, server: Server) -> None:
    commit = remote.person.ship()
    with type(server)(server.root, server.token) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, args=[0.02], daemon=True).start()
        server.moved_to = elsewhere.url
        env = {"GIT_TOKEN": server.token}
        answer = remote.set_image(f"7-{commit[:8]}", url=server.url, env=env)
        elsewhere.shutdown()
    assert answer.status == 5
    assert set(elsewhere.seen) == {""}


def test_the_hooks_of_a_local_repository_never_see_the_token(
    remote: Remote, tmp_path: Path
) -> None:
    commit = remote.person.ship()
    remote.hook("post-receive", f'env >"{tmp_path}/seen"')
    remote.deploy(7, commit, env={"GIT_TOKEN": "s3cret-t0ken"})
    assert "GIT_DIR" in (tmp_path / "seen").read_text()
    assert "s3cret" not in (tmp_path / "seen").read_text()


@pytest.mark.parametrize("text", ["two\nlines", "nul\0", None])
def test_a_token_file_that_holds_no_token_is_named(
    remote: Remote, tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "token").write_text(text)
    answer = remote.set_image("7-1f2e3d4c", env={"GIT_TOKEN_FILE": str(tmp_path / "token")})
    assert (answer.status, answer.json["code"]) == (2, 2)
    assert "GIT_TOKEN_FILE" in answer.json["error"]


HOSTILE = """\
[user]
    name = Nobody
    email = nobody@example.org
    signingKey = none
[commit]
    gpgSign = true
[core]
    hooksPath = {hooks}
    autocrlf = true
    sshCommand = false
    editor = false
    fsmonitor = {hooks}/pre-push
    attributesFile = {hooks}/attributes
[url "file:///nowhere/"]
    insteadOf = file://
    pushInsteadOf = file://
[push]
    default = nothing
    gpgSign = true
[init]
    templateDir = {hooks}
    defaultObjectFormat = sha256
[credential]
    helper = "!touch {hooks}/asked; echo password=x"
[trace2]
    eventTarget = {hooks}/trace
[protocol]
    allow = never
[filter "x"]
    clean = false
    required = true
"""


def test_a_hostile_global_configuration_is_ignored(remote: Remote, tmp_path: Path) -> None:
    commit = remote.person.ship()
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "attributes").write_text("* filter=x\n")
    for name in ("pre-push", "reference-transaction", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {hooks}/ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    before = sorted(hooks.iterdir())
    (tmp_path / ".gitconfig").write_text(HOSTILE.format(hooks=hooks))
    env = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "GIT_CONFIG_GLOBAL": str(tmp_path / ".gitconfig"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": str(hooks),
        "GIT_CONFIG_PARAMETERS": f"'core.hooksPath={hooks}'",
        "GIT_EXEC_PATH": str(hooks),
        "GIT_TEMPLATE_DIR": str(hooks),
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
        "GIT_AUTHOR_NAME": "Nobody",
        "GIT_ALLOW_PROTOCOL": "none",
        "LANG": "de_DE.UTF-8",
    }
    answer = remote.deploy(7, commit, env=env)
    assert answer.json["result"] == "pushed"
    assert remote.git("log", "-1", "--format=%an").strip() == "coworking-deploy"
    assert sorted(hooks.iterdir()) == before


def test_a_named_configuration_gives_the_author_but_runs_no_hook(
    remote: Remote, tmp_path: Path
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-push").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-push").chmod(0o755)
    config = tmp_path / "config"
    config.write_text(f"[user]\nname = Release\nemail = r@example.org\n[core]\nhooksPath={hooks}\n")
    remote.deploy(7, remote.person.ship(), git_config=config)
    assert remote.git("log", "-1", "--format=%an <%ae>").strip() == "Release <r@example.org>"


def test_a_named_configurations_ssh_is_used(remote: Remote, tmp_path: Path) -> None:
    """As a deploy key needs it; our own ssh won over it, and the key was never shown."""
    config = tmp_path / "config"
    config.write_text(f"[core]\nsshCommand = exec {tmp_path}/ssh\n")
    wrapper = tmp_path / "ssh"
    wrapper.write_text('#!/bin/sh\nfor command; do :; done; exec sh -c "$command"\n')
    wrapper.chmod(0o755)
    url = f"ssh://git@example.invalid{remote.path}"
    assert remote.deploy(7, remote.person.ship(), url=url, git_config=config).status == 0


@needs_ssh_keygen
def test_a_signed_commit_verifies(remote: Remote, tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    config = tmp_path / "config"
    config.write_text(
        f"[user]\nname = Bot\nemail = bot@example.org\nsigningKey = {key}\n[gpg]\nformat = ssh\n"
    )
    allowed = tmp_path / "allowed"
    allowed.write_text(f"bot@example.org {key.with_suffix('.pub').read_text()}")
    remote.deploy(7, remote.person.ship(), sign=True, git_config=config)
    remote.git("-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-commit", "main")


def test_a_commit_that_cannot_be_signed_is_not_pushed(remote: Remote, tmp_path: Path) -> None:
    commit = remote.person.ship()
    config = tmp_path / "config"
    config.write_text(f"[user]\nsigningKey = {tmp_path}/none\n[gpg]\nformat = ssh\n")
    answer = remote.set_image(f"7-{commit[:8]}", sign=True, git_config=config)
    assert answer.status == 2
    assert "can't be signed" in answer.json["error"]
    assert remote.tip == commit


def test_a_commit_of_an_impossible_date_and_build_is_read_all_the_same(
    remote: Remote, kustomization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A year after 9999 and a number of 5,000 digits ended every later build in a stack trace."""
    monkeypatch.setenv("GIT_COMMITTER_DATE", "@253402300800 +0000")
    remote.person.commit(FILE, kustomization.replace("none", "manual"))
    message = f"By hand\n\nSource-Commit: {remote.tip}\nBuild: {'9' * 5000}"
    remote.person.git("commit", "-q", "--amend", "-m", message)
    remote.person.push()
    assert remote.deploy(7, remote.person.ship()).json["result"] == "pushed"


def test_a_shallow_clone_is_refused_by_name(remote: Remote, tmp_path: Path) -> None:
    remote.person.ship()
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=1", remote.url, shallow], check=True)
    answer = remote.set_image("7-1f2e3d4c", url=shallow)
    assert answer.status == 2
    assert f"{shallow} is a shallow clone" in answer.json["error"]


def test_told_to_end_it_leaves_nothing_behind(remote: Remote, tmp_path: Path) -> None:
    """A build that was stopped left its copy of the repository, and its push went on."""
    commit = remote.person.ship()
    remote.hook("pre-receive", f"touch {tmp_path}/begun; sleep 30")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    running = subprocess.Popen(
        remote.arguments(f"7-{commit[:8]}"), cwd=ROOT, env=os.environ | {"TMPDIR": str(scratch)}
    )
    deadline = time.monotonic() + 20
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    running.terminate()
    assert running.wait(10) == 128 + signal.SIGTERM
    assert list(scratch.iterdir()) == []
    wait_until_nobody_speaks_to(remote.path)
    assert remote.tip == commit


def wait_until_nobody_speaks_to(repository: Path) -> None:
    """Wait until no process has the repository's path in its command line."""
    deadline = time.monotonic() + 20
    while any(
        str(repository) in word
        for process in psutil.process_iter(["cmdline"])
        for word in process.info["cmdline"] or []
    ):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("kills", [3, pytest.param(16, marks=pytest.mark.slow)])
def test_killed_at_any_moment_it_leaves_the_remote_whole(
    remote: Remote, tmp_path: Path, kills: int
) -> None:
    """Kills are spread over the whole run, from the interpreter's start to after the push."""
    scratch = tmp_path / "scratch"  # what is killed removes nothing
    scratch.mkdir()
    commits = [remote.person.commit() for _ in range(kills)]
    remote.person.push()
    moments = random.Random(3)
    landed = 0
    for build, commit in enumerate(commits, 1):
        running = subprocess.Popen(
            remote.arguments(f"{build}-{commit[:8]}"),
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(scratch)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            running.wait(moments.uniform(0.05, 0.45))
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        landed += running.returncode == 0
        assert remote.file().count("newTag") == 2
    # A push that outlived its parent may still be under way: it ends by itself.
    wait_until_nobody_speaks_to(remote.path)
    remote.git("fsck", "--strict", "--no-dangling")
    last = remote.deploy(99, commits[-1])
    assert last.json["current"] == f"99-{commits[-1][:8]}"
    assert landed < remote.git("log", "--format=%s", "main").count("deploy(dev)") <= kills + 1
