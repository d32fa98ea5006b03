"""GitHub's file of code owners, written from the setting `owners`.

    * @your-org/platform @ada

GitHub then asks them to review every pull request, and a branch rule may require their approval:
https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

FILE = ".github/CODEOWNERS"
_HEADER = "# Written by `make configure OWNERS=`, from `owners` in settings.yaml.\n"


def codeowners(root: Path, owners: tuple[str, ...]) -> str | None:
    """The text of the file, or None for no file.

    A file that somebody wrote by hand is theirs: without owners in settings.yaml it stays.

    Raises:
        InputError: there are owners, and a file that `make configure` has not written.
    """
    path = root / FILE
    before = path.read_text(encoding="utf-8") if path.is_file() else None
    is_ours = before is None or before.startswith(_HEADER)
    if not owners:
        return None if is_ours else before
    if not is_ours:
        raise InputError(
            f"{FILE} was written by hand, and the setting owners would replace it",
            hint="Keep one of the two: remove the file and commit, or clear the setting.\n"
            "make configure OWNERS=none",
        )
    return f"{_HEADER}* {' '.join(owners)}\n"
