"""AWS as a first deploy meets it: moto, and in front of it what moto does not have.

moto has no CodeConnections and no CodeBuild credentials, and its CloudFormation knows neither build
projects nor secrets; it is taught both, so that the template is deployed as it is. Requests are
checked against botocore's own description of the service, and an operation that is not played here
is an error that names it.
"""

from __future__ import annotations

import json
import struct
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
import botocore.parsers
import botocore.session
import botocore.validate
import requests

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT = "123456789012"  # moto's
REGION = "us-east-1"
CONNECTIONS = "CodeConnections_20231201"
CODEBUILD = "CodeBuild_20161006"


class Amazon:
    """One AWS account.

    Attributes:
        connections: those to GitHub, by name.
        credentials: CodeBuild's.
        fails: an HTTP status with which every request ends, or 0.
        url: what AWS_ENDPOINT_URL is set to.
    """

    def __init__(self) -> None:
        # Its import takes a second, which each worker would take to collect the tests.
        from moto.cloudformation import parsing  # noqa: PLC0415
        from moto.server import ThreadedMotoServer  # noqa: PLC0415

        self.connections: dict[str, dict[str, Any]] = {}
        self.credentials: list[dict[str, Any]] = []
        self.fails = 0
        self.called: list[str] = []
        self._kinds = mock.patch.object(parsing, "get_model_map", _kinds(parsing.get_model_map()))
        self._kinds.start()
        self._moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._moto.start()
        host, port = self._moto.get_host_and_port()
        self.moto = f"http://{host}:{port}"
        requests.post(f"{self.moto}/moto-api/reset", timeout=10).raise_for_status()
        self._front = ThreadingHTTPServer(("127.0.0.1", 0), _Front)
        self._front.amazon = self  # type: ignore[attr-defined] - the handler's way to it
        threading.Thread(target=self._front.serve_forever, args=[0.02], daemon=True).start()
        self.url = f"http://127.0.0.1:{self._front.server_port}"

    def stop(self) -> None:
        """End both servers."""
        self._front.shutdown()
        self._front.server_close()
        self._moto.stop()
        self._kinds.stop()

    def client(self, service: str) -> Any:
        """A client of an administrator of the account."""
        session = boto3.Session("x", "x", region_name=REGION)
        return session.client(service, endpoint_url=self.url)

    def complete_connection(self, name: str) -> None:
        """What the owner does on AWS's web page."""
        self.connections[name]["ConnectionStatus"] = "AVAILABLE"

    # --- what moto does not have ------------------------------------------------------------------

    def play(self, service: str, operation: str, given: dict[str, Any]) -> dict[str, Any] | None:
        """Answer an operation that moto does not have, or None for moto's."""
        if service == CONNECTIONS:
            _validate("codeconnections", operation, given)
            return self._connections(operation, given)
        if service == CODEBUILD and operation.endswith("SourceCredentials"):
            _validate("codebuild", operation, given)
            return self._credentials(operation, given)
        return None

    def _connections(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        if operation == "CreateConnection":
            arn = f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/{uuid.uuid4()}"
            self.connections[given["ConnectionName"]] = {
                "ConnectionName": given["ConnectionName"],
                "ConnectionArn": arn,
                "ProviderType": given["ProviderType"],
                "OwnerAccountId": ACCOUNT,
                "ConnectionStatus": "PENDING",
            }
            return {"ConnectionArn": arn}
        assert operation == "ListConnections", f"not played: codeconnections {operation}"
        # A page has one, so that whoever reads only the first page misses the others.
        wanted = given.get("ProviderTypeFilter")
        found = [c for c in self.connections.values() if wanted in (None, c["ProviderType"])]
        start = int(given.get("NextToken", "0"))
        more = {"NextToken": str(start + 1)} if start + 1 < len(found) else {}
        return {"Connections": found[start : start + 1], **more}

    def _credentials(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        arn = f"arn:aws:codebuild:{REGION}:{ACCOUNT}:token/github"
        if operation == "ImportSourceCredentials":
            if self.credentials and not given.get("shouldOverwrite", True):
                raise Refused("ResourceAlreadyExistsException", "it exists already")
            self.credentials = [
                {"arn": arn, "serverType": given["serverType"], "authType": given["authType"]}
            ]
            return {"arn": arn}
        assert operation == "ListSourceCredentials", f"not played: codebuild {operation}"
        return {"sourceCredentialsInfos": self.credentials}


class Made:
    """A resource of a stack, of a kind that moto's CloudFormation does not know."""

    type = ""

    def __init__(self, name: str, arn: str) -> None:
        self.physical_resource_id, self.arn = name, arn

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether !GetAtt finds it."""
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """What !GetAtt finds."""
        assert attribute_name == "Arn"
        return self.arn

    def is_created(self) -> bool:
        """At once."""
        return True


class Project(Made):
    """A build project; `!Ref` is its name."""

    @classmethod
    def create_from_cloudformation_json(
        cls,
        _: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
        **__: Any,
    ) -> Project:
        """Make it, as CloudFormation does."""
        from moto.codebuild.models import codebuild_backends  # noqa: PLC0415

        given = cloudformation_json["Properties"]
        made = codebuild_backends[account_id][region_name].create_project(
            *(given["Name"], given.get("Description"), given["Source"], given["Artifacts"]),
            *(given["Environment"], given["ServiceRole"], [], given.get("Cache"), 30, 60),
            *(given.get("SourceVersion"), given.get("LogsConfig"), None),
        )
        return cls(given["Name"], made["arn"])


class Secret(Made):
    """A secret without a value, as the template makes it; `!Ref` is its ARN."""

    @classmethod
    def create_from_cloudformation_json(
        cls,
        _: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
        **__: Any,
    ) -> Secret:
        """Make it, as CloudFormation does."""
        from moto.secretsmanager.models import secretsmanager_backends  # noqa: PLC0415

        given = cloudformation_json["Properties"]
        assert not {"SecretString", "GenerateSecretString"} & set(given)
        made = secretsmanager_backends[account_id][region_name].create_secret(
            given["Name"], None, None, None, [], None, None, [], force_overwrite=False
        )
        arn = str(json.loads(made)["ARN"])
        return cls(arn, arn)


def _kinds(known: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    mine = {"AWS::CodeBuild::Project": Project, "AWS::SecretsManager::Secret": Secret}
    return lambda: known | mine


class Refused(Exception):  # noqa: N818 - what AWS does
    """AWS refuses: its code and message."""


def _validate(service: str, operation: str, given: dict[str, Any]) -> None:
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape
    report = botocore.validate.ParamValidator().validate(given, shape)
    if report.has_errors():
        raise Refused("ValidationException", report.generate_report())


class _Front(BaseHTTPRequestHandler):
    """Plays what moto lacks, in JSON or in CBOR as it was asked; passes all else on."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        amazon: Amazon = self.server.amazon  # type: ignore[attr-defined] - set by Amazon
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if amazon.fails:
            return self._send(amazon.fails, b"{}", "application/x-amz-json-1.1")
        # /service/NAME/operation/NAME, or a header `com.amazonaws.NAME.OPERATION`
        parts = self.path.strip("/").split("/")
        is_cbor = len(parts) == 4 and parts[0] == "service"
        target = [parts[1], parts[3]] if is_cbor else _target(self.headers)
        amazon.called.append(".".join(target) or f"{self.command} {self.path}")
        if len(target) == 2:
            given = _read(body, is_cbor=is_cbor)
            try:
                answer = amazon.play(*target, given)
                status = 200
            except Refused as refused:
                answer = {"__type": refused.args[0], "message": refused.args[1]}
                status = 400
            if answer is not None:
                if is_cbor:
                    return self._send(status, cbor(answer), "application/cbor")
                data = json.dumps(answer).encode()
                return self._send(status, data, "application/x-amz-json-1.1")
        return self._pass_on(amazon.moto, body)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST  # noqa: N815 - http.server's names

    def _pass_on(self, moto: str, body: bytes) -> None:
        headers = {k: v for k, v in self.headers.items() if k.lower() != "content-length"}
        answer = requests.request(
            self.command, moto + self.path, headers=headers, data=body, timeout=60
        )
        error = {k: v for k, v in answer.headers.items() if k.lower().startswith("x-amzn")}
        self._send(
            answer.status_code, answer.content, answer.headers.get("Content-Type", ""), **error
        )

    def _send(self, status: int, data: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": kind} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        if kind == "application/cbor":
            self.send_header("smithy-protocol", "rpc-v2-cbor")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


def _target(headers: Any) -> list[str]:
    words = headers.get("X-Amz-Target", "").rsplit(".", 2)[-2:]
    return words if len(words) == 2 else []


def _read(body: bytes, *, is_cbor: bool) -> dict[str, Any]:
    if not is_cbor:
        return dict(json.loads(body or b"{}"))
    parser = botocore.parsers.BaseCBORParser()
    return dict(parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)))


def cbor(value: Any) -> bytes:
    """Encode what these answers have (RFC 8949): texts, lists and maps.

    >>> cbor({"a": ["b"]}).hex()
    'a16161816162'
    """
    if isinstance(value, str):
        data = value.encode()
        return _head(3, len(data)) + data
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    assert isinstance(value, dict), value
    return _head(5, len(value)) + b"".join(cbor(key) + cbor(one) for key, one in value.items())


def _head(major: int, size: int) -> bytes:
    if size < 24:
        return bytes([major << 5 | size])
    return bytes([major << 5 | 25]) + struct.pack(">H", size)
