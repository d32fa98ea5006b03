"""Upstream's files at upstream's addresses: an HTTPS proxy with a certificate authority of its own.

What kustomize fetches comes from a folder, byte for byte, and nothing in the tree is edited for it.
Any other address is answered as the real host would answer: 404.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import http.server
import ipaddress
import re
import ssl
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    import socket
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[3]
# Addresses, each with the name of its file in the folder; the group is the version.
ADDRESSES = (
    (
        r"raw\.githubusercontent\.com/argoproj/argo-cd/(v[\d.]+)/manifests/install\.yaml",
        "argo-cd-{}-install.yaml",
    ),
    (
        r"github\.com/bitnami-labs/sealed-secrets/releases/download/(v[\d.]+)/controller\.yaml",
        "sealed-secrets-{}-controller.yaml",
    ),
    (
        r"github\.com/kubernetes-sigs/metrics-server/releases/download/(v[\d.]+)/components\.yaml",
        "metrics-server-{}-components.yaml",
    ),
)
# github.com answers a release's file with a redirect to this host.
RELEASES = "release-assets.githubusercontent.com"


class Answer(NamedTuple):
    """What a host answers: a status, a body, and where a redirect leads."""

    status: int
    body: bytes = b""
    location: str = ""


class Upstream:
    """The proxy, running for as long as the block does.

    Attributes:
        asked: the addresses that were asked for, with their answers' statuses.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, int]] = []
        self.authority = Authority(scratch)
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                self.send_response(200, "Connection established")
                self.end_headers()
                self.close_connection = True
                upstream.serve(self.connection, self.path.partition(":")[0])

            def log_message(self, *_arguments: object) -> None:
                """Tests print nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def variables(self, *direct: str) -> dict[str, str]:
        """The variables by which kubectl's kustomize uses this proxy and trusts it.

        Args:
            direct: hosts that are reached without it, the API server for one.
        """
        return {
            "HTTPS_PROXY": f"http://127.0.0.1:{self._server.server_port}",
            "SSL_CERT_FILE": str(self.authority.file),
            "NO_PROXY": ",".join(("127.0.0.1", "localhost", *direct)),
        }

    def serve(self, connection: socket.socket, host: str) -> None:
        """Answer one request of a client that believes to speak to `host`."""
        try:
            with self.authority.context(host).wrap_socket(connection, server_side=True) as tls:
                with tls.makefile("rb") as request:
                    words = request.readline().split()
                    http.client.parse_headers(request)
                if len(words) != 3:
                    return
                address = f"{host}{words[1].decode()}"
                answer = self.answer(address)
                self.asked.append((address, answer.status))
                tls.sendall(_response(answer))
        except (OSError, ssl.SSLError):
            return  # the client has gone, or doesn't trust us, and says so itself

    def answer(self, address: str) -> Answer:
        """What the real host answers to a GET of an address, without its scheme."""
        host, _, path = address.partition("/")
        released = host == RELEASES
        for pattern, name in ADDRESSES:
            found = re.fullmatch(pattern, f"github.com/{path}" if released else address)
            file = self.folder / name.format(found[1]) if found else None
            if file is None or not file.is_file():
                continue
            if host == "github.com":
                return Answer(302, location=f"https://{RELEASES}/{path}")
            return Answer(200, file.read_bytes())
        return Answer(404, b"404: Not Found")


def _response(answer: Answer) -> bytes:
    head = [
        f"HTTP/1.1 {answer.status} {http.client.responses[answer.status]}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(answer.body)}",
        "Connection: close",
        *([f"Location: {answer.location}"] if answer.location else []),
    ]
    return "\r\n".join([*head, "", ""]).encode() + answer.body


class Authority:
    """A certificate authority for tests; `file` is its certificate, in a folder of its own."""

    def __init__(self, scratch: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="authority-", dir=scratch))
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name(
            [x509.NameAttribute(x509.NameOID.COMMON_NAME, "coworking end-to-end tests")]
        )
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = self._folder / "authority.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, host: str) -> ssl.SSLContext:
        """A server's TLS with a certificate for a host."""
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.issue(host))
                self._contexts[host] = context
            return self._contexts[host]

    def issue(self, host: str) -> Path:
        """A file with a key and its certificate for a host."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        certificate = (
            self._builder(name, key.public_key())
            .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file = self._folder / f"{host}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return file

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )


def names(argocd: Path = ROOT / "argocd") -> list[str]:
    """The names of the files that the tree fetches: one for each address in a kustomization."""
    found = []
    for file in sorted(argocd.rglob("kustomization.yaml")):
        for address in re.findall(r"^ *- https://(\S+)", file.read_text("utf-8"), re.MULTILINE):
            found += [
                name.format(match[1])
                for pattern, name in ADDRESSES
                if (match := re.fullmatch(pattern, address))
            ]
    return found


def host_of(server: str) -> str:
    """The host of an address such as a kubeconfig's `server`."""
    return urlsplit(server).hostname or ""


def _names(host: str) -> list[x509.GeneralName]:
    """A host as clients look for it: pgBackRest seeks an address among the names."""
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    with contextlib.suppress(ValueError):
        names.append(x509.IPAddress(ipaddress.ip_address(host)))
    return names
