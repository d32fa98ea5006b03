"""The OpenAPI document and its page: complete, valid, and without another host."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from pydantic.json_schema import GenerateJsonSchema

from coworking.periods import ParameterError
from coworking.web.openapi import document as document_of
from coworking.web.openapi_door import ALWAYS_CLOSED
from coworking.web.v1.queries import Query

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from coworking.app import App

DOCS = Path(__file__).parents[3] / "docs"
# For people and their browsers; nobody programs against these.
PAGES = {"/", "/login", "/logout", "/openapi/swagger/{name}", "/static/{filename}"}


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json or {}
    return found


def paths(app: App) -> set[str]:
    """Every path that the app answers, as the document writes them."""
    return {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) for rule in app.url_map.iter_rules()}


def test_a_request_makes_no_schema_of_its_own(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extension asks for the schema of the parameters at each request: a third of its cost."""
    assert client.get("/api/v1/overview").status_code == 200
    monkeypatch.setattr(GenerateJsonSchema, "generate", None)

    assert client.get("/api/v1/overview?tz=Europe/Berlin").status_code == 200
    assert client.get("/api/v1/overview?tz=nowhere").status_code == 400


def test_every_endpoint_is_described(app: App, document: dict[str, Any]) -> None:
    assert set(document["paths"]) == paths(app) - PAGES - ALWAYS_CLOSED


def test_what_always_needs_a_key_is_described_where_there_are_keys(app: App) -> None:
    with app.test_request_context():
        found: dict[str, Any] = document_of(app, closed=True)
        assert set(found["paths"]) >= ALWAYS_CLOSED
    members = found["paths"]["/api/v1/members"]["get"]
    assert {"200", "400", "401"} <= set(members["responses"])


def test_every_described_path_answers_as_it_says(
    client: FlaskClient, document: dict[str, Any]
) -> None:
    for path, item in document["paths"].items():
        answer = client.get(path)
        described = item["get"]["responses"]["200"]["content"]
        assert (path, answer.status_code) == (path, 200)
        assert answer.mimetype in described


@pytest.mark.parametrize("report", ["overview", "checkins", "heatmap", "impossible"])
def test_an_answer_fits_its_schema(
    client: FlaskClient, document: dict[str, Any], report: str
) -> None:
    responses = document["paths"][f"/api/v1/{report}"]["get"]["responses"]
    schema = {
        **responses["200"]["content"]["application/json"]["schema"],
        "components": document["components"],
    }

    jsonschema.Draft202012Validator(schema).validate(client.get(f"/api/v1/{report}").json)


@pytest.mark.parametrize("report", ["overview", "checkins", "heatmap", "impossible"])
def test_every_status_of_a_report_is_described(document: dict[str, Any], report: str) -> None:
    responses = document["paths"][f"/api/v1/{report}"]["get"]["responses"]

    assert sorted(responses) == ["200", "304", "400", "405", "406", "412", "503"]
    assert set(responses["200"]["content"]) == {"application/json", "text/csv"}


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert all(item["get"]["summary"] for item in document["paths"].values())


def test_the_page_loads_only_from_here(client: FlaskClient) -> None:
    page = client.get("/openapi/")

    assert page.status_code == 200
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert all(source.startswith("/") for source in sources)
    assert all(client.get(source).status_code == 200 for source in sources)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name", ["../templates/__init__.py", "%2e%2e/__init__.py", "js/../../plugins.py"]
)
def test_the_page_s_files_are_only_its_own(client: FlaskClient, name: str) -> None:
    assert client.get(f"/openapi/swagger/{name}").status_code == 404


def test_the_documentation_lists_every_endpoint(app: App) -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")

    assert [path for path in sorted(paths(app) - PAGES) if f"| `{path}` |" not in text] == []


def test_the_documentation_s_examples_answer(client: FlaskClient) -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    examples = re.findall(r"^    curl .*'http://127\.0\.0\.1:5153(/[^']*)'$", text, re.MULTILINE)

    assert len(examples) == 2
    assert [client.get(example).status_code for example in examples] == [200, 200]


def test_the_page_is_there_without_its_slash_too(client: FlaskClient) -> None:
    """It was a redirect to http and the Host header: a dead end behind a proxy that ends TLS."""
    assert client.get("/openapi").data == client.get("/openapi/").data


class MembersQuery(Query):
    """The query of an endpoint that only this module knows."""

    limit: int = 10


def members(query: MembersQuery) -> str:
    return str(query.limit)


def test_a_new_endpoints_query_needs_no_entry_elsewhere(app: App) -> None:
    """A model that only the endpoint itself named once turned a bad parameter into status 500."""
    app.get("/api/v1/members-of-this-test")(members)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    client = app.test_client()
    with pytest.raises(
        ParameterError, match="limit='many' is not valid: input should be"
    ) as caught:
        client.get("/api/v1/members-of-this-test?limit=many")
    assert caught.value.valid == "10"


def test_the_document_says_where_the_service_is(client: FlaskClient) -> None:
    """Below whatever path a proxy gives it."""
    assert client.get("/openapi.json").json["servers"] == [{"url": "/"}]  # type: ignore[index]
    behind = client.get("/openapi.json", environ_overrides={"SCRIPT_NAME": "/reports"}).json
    assert behind is not None
    assert behind["servers"] == [{"url": "/reports"}]
