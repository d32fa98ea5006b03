"""`set-image` against a real repository: what it writes, and what it leaves alone."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.ci.verbs import in_this_process

if TYPE_CHECKING:
    from pathlib import Path

Remote = Any
FILE = "overlays/dev/coworking/image/kustomization.yaml"


def test_it_changes_the_one_tag_and_keeps_every_other_byte(
    remote: Remote, kustomization: str, registry: str
) -> None:
    commit = remote.person.ship()
    answer = remote.set_image(f"57-{commit[:8]}")
    assert answer.status == 0
    seconds = answer.json.pop("seconds")
    assert 0 < seconds < 30
    assert answer.json == {
        "result": "pushed",
        "attempts": 1,
        "tip": remote.tip,
        "previous": "none",
        "current": f"57-{commit[:8]}",
        "commit": remote.tip,
        "branch": "main",
    }
    assert remote.file() == kustomization.replace("none ", f'"57-{commit[:8]}" ')
    assert remote.git("log", "-1", "--format=%B").strip() == (
        f"deploy(dev): coworking none -> 57-{commit[:8]} [skip ci]\n\n"
        f"Source-Commit: {commit}\nBuild: 57\nImage: {registry}:57-{commit[:8]}"
    )
    assert remote.git("log", "-1", "--format=%P").strip() == commit
    assert remote.git("diff", "--numstat", commit, "main").split() == ["1", "1", FILE]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("images:\r\n- name: coworking\r\n  newName: REG\r\n  newTag: '1'\r\n", "'{tag}'"),
        ('images:\n- {newTag: "a", newName: REG, name: coworking}', '"{tag}"'),
        ("\ufeffimages:\n- name: coworking\n  newName: REG\n  newTag: 12345e6", '"{tag}"'),
        ("images:\n- name: coworking\n  newName: REG\n  newTag:    1.10   # é\n\n\n", '"{tag}"'),
    ],
    ids=["CRLF and single quotes", "flow style", "byte order mark, no last newline", "unquoted"],
)
def test_line_ends_quotes_and_marks_stay_and_a_tag_is_always_quoted(
    remote: Remote, registry: str, before: str, after: str
) -> None:
    before = before.replace("REG", registry)
    remote.person.commit(FILE, before)
    commit = remote.person.commit()
    remote.person.push()
    remote.deploy(7, commit)
    old = next(word for word in ("'1'", '"a"', "12345e6", "1.10") if word in before)
    assert remote.file() == before.replace(old, after.format(tag=f"7-{commit[:8]}"))


@pytest.mark.parametrize(
    "name", ['a "b" c', "back\\slash", "\N{LATIN SMALL LETTER U WITH DIAERESIS}"]
)
def test_a_folder_may_have_any_printable_name(
    remote: Remote, kustomization: str, name: str
) -> None:
    folder = f"overlays/dev/{name}"
    remote.person.commit(f"{folder}/kustomization.yaml", kustomization)
    commit = remote.person.commit()
    remote.person.push()

    remote.deploy(7, commit, overlay=folder)

    assert f'"7-{commit[:8]}"' in remote.file(f"{folder}/kustomization.yaml")
    changed = remote.git("diff", "-z", "--name-only", commit, "main")
    assert changed == f"{folder}/kustomization.yaml\0"


def test_the_same_tag_again_is_a_noop(remote: Remote) -> None:
    commit = remote.person.ship()
    remote.deploy(7, commit)
    tip = remote.tip
    answer = remote.deploy(7, commit)
    assert (answer.json["result"], answer.json["tip"], remote.tip) == ("noop", tip, tip)


def test_it_never_touches_the_workspace_that_it_is_called_in(
    remote: Remote, tmp_path: Path
) -> None:
    remote.person.ship()
    commit = remote.person.ship()
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=1", remote.url, shallow], check=True)
    subprocess.run(["git", "checkout", "-q", "--detach"], cwd=shallow, check=True)
    (shallow / "apps/app.txt").write_text("half done")
    (shallow / "new").write_text("untracked")

    def state() -> list[tuple[str, bytes]]:
        return sorted((str(f), f.read_bytes()) for f in shallow.rglob("*") if f.is_file())

    before = state()
    env = {"GIT_DIR": str(shallow / ".git"), "GIT_WORK_TREE": str(shallow)}
    assert remote.deploy(7, commit, cwd=shallow, env=env).json["result"] == "pushed"
    assert state() == before


def test_a_file_keeps_its_mode(remote: Remote) -> None:
    remote.person.git("update-index", "--chmod=+x", FILE)
    remote.person.git("commit", "-qm", "Make it executable")
    remote.person.push()
    remote.deploy(7, remote.person.git("rev-parse", "HEAD"))
    assert remote.git("ls-tree", "main", FILE).startswith("100755 ")


@pytest.mark.parametrize(
    "tag",
    [
        "57",
        "latest",
        "57-xyz12345",
        "0-1f2e3d4c",
        "57-1F2E3D4C",
        "57-1f2e",
        "-1-1f2e3d4c",
        "",
        "57-1f2e3d4c\n",
    ],
)
def test_it_takes_only_a_pipelines_tags(remote: Remote, tag: str) -> None:
    answer = remote.set_image(tag)
    assert (answer.status, answer.json["code"]) == (2, 2)
    assert repr(tag) in answer.json["error"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"registry": "docker.io/coworking"}, "'docker.io/coworking' is not the address"),
        ({"registry": "1.dkr.ecr.us-east-1.amazonaws.com/coworking"}, "is not the address"),
        (
            {"registry": "183302320810.dkr.ecr.us-east-1.amazonaws.com/other"},
            "takes image 'coworking' from",
        ),
        ({"account": "111122223333"}, "is in account 183302320810, not in 111122223333"),
        ({"region": "eu-west-1"}, "is in region us-east-1, not in eu-west-1"),
        ({"overlay": "../dev"}, "'../dev' is not a folder inside the repository"),
        ({"overlay": "/etc"}, "'/etc' is not a folder inside the repository"),
        ({"overlay": "overlays/prod"}, "overlay 'overlays/prod' has no kustomization.yaml"),
        ({"image": "coworker"}, "`images:` has no entry with the name 'coworker'"),
        ({"branch": "release"}, "has no branch 'release'"),
        ({"branch": "--upload-pack=id"}, "is not the name of a branch"),
        ({"url": "ext::sh -c id"}, "is not the URL of a git repository"),
        ({"url": "https://bot:s3cret@example.org/x.git"}, "has a user name or password in it"),
        ({"url": "ssh://git:s3cret@example.org/x.git"}, "has a user name or password in it"),
        ({"url": "ftp://bot:s3cret@example.org/x.git"}, "has a user name or password in it"),
        ({"url": "https:/bot:s3cret@example.org/x.git"}, "has a user name or password in it"),
        ({"url": "bot:s3cret@example.org/x.git"}, "has a user name or password in it"),
        ({"url": "htps://s3cret@example.org/x.git"}, "has a user name or password in it"),
        ({"url": "https://[example"}, "can't be read"),
        ({"git_config": "/no/such/file"}, "'/no/such/file' can't be used: it is not a file"),
        ({"git_config": __file__}, "can't be used: fatal: bad config line 1"),
        ({"overlay": "."}, "'.' is not a folder inside the repository"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(
    remote: Remote, options: dict[str, str], sentence: str
) -> None:
    commit = remote.person.ship()
    answer = remote.set_image(f"7-{commit[:8]}", **options)
    assert (answer.status, answer.json["result"], answer.json["code"]) == (2, "failed", 2)
    assert sentence in answer.json["error"]
    assert "s3cret" not in answer.stdout + answer.stderr
    assert remote.tip == commit


@pytest.mark.parametrize("option", ["set-image --budget", "promote --soak"])
@pytest.mark.parametrize("value", ["nan", "inf", "1e300", "-1"])
def test_a_time_that_no_clock_can_wait_for_is_refused(option: str, value: str) -> None:
    done = in_this_process(*option.split(), value)
    assert done.returncode == 2
    assert f"{float(value)} is not in the range 0<=x<=" in done.stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("images: [", "not one YAML document"),
        ("[" * 1500, "nested too deeply"),
        ("images:\n- name: coworking\n  newTag: a\n---\nimages: []\n", "not one YAML document"),
        ("images: {}\n", "no list `images:`"),
        ("- 1\n", "the document is not a mapping"),
        ("images:\n- name: coworking\n", "has no newTag"),
        ("images:\n- name: coworking\n  newTag:\n", "not one plain or quoted word"),
        ("images:\n- name: coworking\n  newTag: |\n    a\n", "not one plain or quoted word"),
        (
            'images:\n- name: coworking\n  newTag: "a\\nBuild: 9"\n',
            "not one plain or quoted word",
        ),
        ("images:\n- name: coworking\n  newTag: [a]\n", "is not a string"),
        ("images:\n- name: coworking\n  newTag: a\n  newTag: b\n", "the key 'newTag' twice"),
        ("images:\n- &x {name: coworking, newTag: a}\n- *x\n", "2 entries with the name"),
        ("x: &x {name: coworking, newTag: a}\nimages:\n- *x\n", "is anchored"),
        (
            "images:\n- name: coworking\n  newTag: a\n  digest: sha256:00\n",
            "'digest' beside its tag",
        ),
        ("images: &i\n- name: coworking\n  newTag: a\nothers: *i\n", "is anchored"),
        ("#" * 300_000, "more than 262144"),
        # What follows kustomize takes, and deploys something else than the tag.
        (
            "images:\n- &b {name: b, digest: c}\n- <<: *b\n  name: coworking\n  newTag: a\n",
            "a merge key `<<`",
        ),
        ("images:\n- name: coworking\n  newTag: a\n  newtag: b\n", "the key 'newtag' twice"),
        ("images:\n- name: coworking\n  newTag: a\n- Name: coworking\n", "2 entries with the name"),
        (
            "images:\n- name: coworking\n  newTag: a\n- name: cowork.*\n  newTag: b\n",
            "'cowork.*' of images is a pattern that means 'coworking' too",
        ),
        ("images:\n- name: coworking\n  newTag: a\nimageTags: []\n", "it has `imageTags:` too"),
    ],
)
def test_a_file_that_cannot_be_edited_safely_is_left_alone(
    remote: Remote, text: str, sentence: str
) -> None:
    commit = remote.person.commit(FILE, text)
    remote.person.push()
    answer = remote.set_image(f"7-{commit[:8]}")
    assert answer.status == 2
    assert sentence in answer.json["error"]
    assert FILE in answer.json["error"]
    assert remote.tip == commit


def test_a_symbolic_link_in_the_files_place_is_refused(remote: Remote) -> None:
    file = remote.person.folder / FILE
    file.rename(file.with_name("real.yaml"))
    file.symlink_to("real.yaml")
    commit = remote.person.commit()
    remote.person.push()
    answer = remote.set_image(f"7-{commit[:8]}")
    assert answer.status == 2
    assert "has no kustomization.yaml" in answer.json["error"]
