"""Credentials are found by what they have in them, before their whole form is looked for."""

from __future__ import annotations

import pytest

from treecheck.kube.secrets import FORMS, recognised

# In pieces, so that nobody takes this file for one with credentials.
EXAMPLES = {
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "an AWS access key": "AKI" + "A0123456789ABCDEF",
    "a GitHub token": "gh" + "p_" + "a1" * 20,
    "a GitLab token": "glp" + "at-" + "a1" * 12,
    "a Slack token": "xo" + "xb-" + "1234567890-abc",
    "a Stripe key": "sk_" + "live_" + "a1" * 10,
    "a Google API key": "AI" + "za" + "a" * 35,
    "a JSON web token": ".".join(["ey" + "J" + "a" * 12] * 2 + ["b" * 12]),
    "a password in a URL": "postgres://shop:" + "horse-1@db/shop",
}


@pytest.mark.parametrize("name", FORMS)
def test_it_recognises_each_form_within_a_longer_text(name):
    assert recognised(f"first: line\nkey: {EXAMPLES[name]}\nlast: line") == name


def test_it_recognises_none_in_a_plain_text():
    assert recognised("image: https://ghcr.io/shop/web:1.2\nkey: value") == ""
