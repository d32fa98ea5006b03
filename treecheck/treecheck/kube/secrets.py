"""What looks like a credential."""

from __future__ import annotations

import math
import re
from collections import Counter

# Forms that credentials are issued in, by what issues them.
FORMS: dict[str, re.Pattern[str]] = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an AWS access key": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a GitHub token": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})\b"),
    "a GitLab token": re.compile(r"\bglpat-[\w-]{20,}"),
    "a Slack token": re.compile(r"\bxox[abprs]-[\w-]{10,}"),
    "a Stripe key": re.compile(r"\b[rs]k_live_[0-9A-Za-z]{16,}"),
    "a Google API key": re.compile(r"\bAIza[\w-]{35}\b"),
    "a JSON web token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    "a password in a URL": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@'\"]*:[^\s@/'\"$<{]{3,}@"),
}
# What each has in it, from a fixed letter on, which is a tenth of the work to look for.
_SIGNS: dict[str, re.Pattern[str]] = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an AWS access key": re.compile(r"A(?:KIA|SIA)[0-9A-Z]{16}"),
    "a GitHub token": re.compile(r"g(?:h[pousr]_|ithub_pat_)"),
    "a GitLab token": re.compile(r"glpat-"),
    "a Slack token": re.compile(r"xox[abprs]-"),
    "a Stripe key": re.compile(r"k_live_"),
    "a Google API key": re.compile(r"AIza"),
    "a JSON web token": re.compile(r"\.eyJ"),
    "a password in a URL": re.compile(r"://[^\s:/@'\"]*:[^\s@/'\"$<{]{3,}@"),
}
# A value that a tool replaces by the secret before it is applied: it names the secret only.
REFERENCE = re.compile(
    r"(op|vault|bao|awssm|awsssm|gcpsm|azurekeyvault|keyvault|secretsmanager|ssm|secretref|file"
    r"|ref\+\w+)(\+\w+)?://\S+|vault:\S+#\S+|<path:[^>]+>|\$\{[A-Za-z_][\w.:-]*\}|\{\{.*\}\}"
    r"|ENC\[AES256_GCM,.*\]",
    re.DOTALL,
)
# Words after `password` that make the name one of a rule or a place, and not of a password.
_ABOUT = (
    "FILE|PATH|NAME|URL|URI|LENGTH|MIN|MAX|POLICY|TTL|EXPIRY|EXPIRES|EXPIRATION|DAYS|ENABLED"
    "|REQUIRED|RESET|AUTHENTICATION|AUTH|HASH|HASHERS|ALGORITHM|ENCODER|REF|KEYREF|PROVIDER|TYPE"
    "|ROTATION|MODE|FORMAT|FIELD|HEADER|ID|PREFIX|COMMAND|CMD|HELP|HINT|LABEL|TEXT|CHANGE"
)
_KEYS = (
    r"(API|SECRET|PRIVATE|ACCESS|SECRET_?ACCESS|LICEN[CS]E|ENCRYPTION|SIGNING|SESSION|COOKIE|JWT"
    r"|HMAC|MASTER|FERNET)[_-]?KEY"
)
# Words after `token` and `secret` that say which one of several it is.
_WHICH = (
    "PROD|PRODUCTION|STAGE|STAGING|DEV|TEST|LIVE|SANDBOX|OLD|NEW|NEXT|PREVIOUS|PRIMARY|SECONDARY"
    "|ADMIN|READER|WRITER|RO|RW|REPLICA|VALUE|\\d+"
)
SECRET_NAME = re.compile(
    rf"(^|[_.-])((PASS(WORD|WD|PHRASE)?|PWD|SECRET|TOKEN|{_KEYS}|CREDENTIALS?)$"
    rf"|[A-Z0-9]+PASS(WORD|WD)$|(SECRET|TOKEN)([_.-]({_WHICH}))+$"
    rf"|(PASS(WORD|WD|PHRASE)|{_KEYS})([_.-](?!({_ABOUT})([_.-]|$))[A-Z0-9]+)+$)",
    re.IGNORECASE,
)
NO_VALUE = re.compile(
    r"^(|true|false|yes|no|on|off|\d{1,3}|none|null|unused|changeme|\$\(.*\)|\$\{.*\}|<.*>|[/.].*)$",
    re.IGNORECASE,
)
ENCODED = re.compile(r"[A-Za-z0-9+/=_-]{24,}")
HEX = re.compile(r"[0-9a-f]+")
ENTROPY = 4.3  # bits a character: above any text in words, below what 24 random characters have

# `password=x` inside a text; a reference such as $(NAME) or <name> is not a value.
ASSIGNED = re.compile(
    r"((?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|credentials?)=)"
    r"(?![$<({])[^\s\"',;&)]{3,}",
    re.IGNORECASE,
)


def recognised(text: str) -> str:
    """The form of credential that a text holds, or an empty text."""
    for name, form in FORMS.items():
        if _SIGNS[name].search(text) and form.search(text):
            return name
    return ""


def is_secret(name: str, value: str) -> bool:
    """Whether a value is secret by the name that it stands under."""
    return SECRET_NAME.search(name) is not None and NO_VALUE.match(value) is None


def without_forms(text: str) -> str:
    """A text without what has the form of a credential, or is assigned to the name of one.

    >>> without_forms("https://shop:horse-1@git.example.com needs token=abcdef")
    '(hidden)git.example.com needs token=(hidden)'
    """
    for form in FORMS.values():
        text = form.sub("(hidden)", text)
    return ASSIGNED.sub(r"\1(hidden)", text)


def is_random(text: str) -> bool:
    """Whether a text looks drawn at random: long, of base64's characters, and of high entropy.

    Hexadecimal texts are left alone: digests and commits are not secrets.
    """
    if not ENCODED.fullmatch(text) or HEX.fullmatch(text):
        return False
    counts = Counter(text)
    bits = -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
    mixed = re.search(r"[a-z]", text) and re.search(r"[A-Z]", text) and re.search(r"\d", text)
    return bits >= ENTROPY and mixed is not None
