"""Everything a scenario needs, in one object; and how an empty cluster becomes a service."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.argocd.application import Application
from ci.argocd.client import ArgoCD, ArgoError
from ci.argocd.login import Login
from tests.e2e.harness import bootstrap, images
from tests.e2e.harness.argo_access import ArgoAccess
from tests.e2e.harness.cluster import Cluster, Refused, until
from tests.e2e.harness.emptiness import make_empty
from tests.e2e.harness.images import Version
from tests.e2e.harness.plan import Plan
from tests.e2e.harness.repository import Repository
from tests.e2e.harness.upstream import Upstream, host_of

if TYPE_CHECKING:
    from tests.e2e.harness.environment import Settings

ROOT = Path(__file__).resolve().parents[3]
APPLICATIONS = ("coworking-dev", "coworking-prod", "postgres-dev", "postgres-prod")
CLIENT_NAMESPACE = "coworking-e2e"

# The webhook's address in argocd/bootstrap.md, and a webhook that shows what it is told.
ON_CALL = "https://hooks.example.com/on-call"
RECEIVER = """\
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(self.headers["Content-Type"], body.decode(), flush=True)
        self.send_response(200)
        self.end_headers()
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""

# Versions that differ in their tag alone, and those that each break in one way.
GOOD = tuple(Version(f"good-{n}") for n in range(1, 7))
CRASHES = Version(
    "crashes",
    "if sys.argv[1:2] == ['serve']:\n"
    "    print('e2e: the configuration is broken', flush=True); sys.exit(3)\n"
    "service()\n",
)
NEVER_READY = Version(
    "never-ready",
    "import http.server\n"
    "class Handler(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        self.send_response(200 if self.path == '/health_check' else 503)\n"
    "        self.end_headers()\n"
    "if sys.argv[1:2] != ['serve']: service()\n"
    "http.server.HTTPServer(('', 5153), Handler).serve_forever()\n",
)
MIGRATION_FAILS = Version(
    "migration-fails",
    "if sys.argv[1:2] == ['migrate']:\n"
    "    sys.exit('e2e: column users.nickname already exists')\n"
    "service()\n",
)
MIGRATION_HANGS = Version(
    "migration-hangs",
    "import time\nif sys.argv[1:2] == ['migrate']: time.sleep(3600)\nservice()\n",
)
VERSIONS = (*GOOD, CRASHES, NEVER_READY, MIGRATION_FAILS, MIGRATION_HANGS)

# A patch more for argocd/apps, which gives all Applications the same number of retries.
RETRY_ONCE = """\
  - target: {kind: Application, name: coworking-dev}
    patch: '[{"op": "replace", "path": "/spec/syncPolicy/retry/limit", "value": 1}]'
"""
# Scenarios wait for deadlines to pass; in the copy they are short. What is being shown is what
# follows from them, not that a cluster can count to 300.
SHORTER = (
    (
        "base/coworking/deployment.yaml",
        r"progressDeadlineSeconds: \d+",
        "progressDeadlineSeconds: 30",
    ),
    ("base/coworking/migrate.yaml", r"activeDeadlineSeconds: \d+", "activeDeadlineSeconds: 60"),
    ("base/coworking/migrate.yaml", r"backoffLimit: \d+", "backoffLimit: 0"),
    (
        "argocd/apps/kustomization.yaml",
        r"\Z",
        RETRY_ONCE,
    ),
    (
        "base/coworking/several-pods/hpa.yaml",
        r"^  maxReplicas: 5$",
        "  maxReplicas: 5\n  behavior: {scaleDown: {stabilizationWindowSeconds: 15}}",
    ),
)


class World:
    """The cluster with the service in it."""

    def __init__(self, settings: Settings, scratch: Path) -> None:
        self.settings = settings
        self.all = Cluster()
        self.dev = Cluster("coworking-dev")
        self.prod = Cluster("coworking-prod")
        self.argo = Cluster("argocd")
        self.client = Cluster(CLIENT_NAMESPACE)
        self.repo = Repository(
            scratch / "tree", settings.git_url, settings.git_user, settings.git_token
        )
        self.access = ArgoAccess(self.argo, scratch)
        self.scratch = scratch
        self.figures: list[str] = []
        self.fetched: list[tuple[str, int]] = []
        self.plan = Plan(self)

    # --- asking -----------------------------------------------------------------------------------

    @property
    def argocd(self) -> ArgoCD:
        """Argo CD, spoken to as admin; before `bootstrap` has logged in, nothing answers."""
        access = self.access
        return ArgoCD(Login(access.url, access.token, str(access.certificate)))

    def app(self, name: str) -> Application:
        """An Application as Argo CD sees it."""
        return Application.parse(self.argocd.application(name))

    def is_settled(self, name: str, commit: str = "") -> bool:
        """Whether an Application is Synced and Healthy, and its last sync succeeded.

        With a commit: that one is what it is compared with.
        """
        app = self.app(name)
        done = app.operation is not None and app.operation.phase == "Succeeded" and not app.busy
        seen = not commit or app.revision == commit
        return done and seen and (app.sync, app.health) == ("Synced", "Healthy")

    def settle(self, name: str, *, within: float = 120, commit: str = "") -> None:
        """Wait until an Application is settled.

        New pods have no metrics for some seconds, and Argo CD calls their autoscaler degraded.
        """
        until(f"{name} is Synced and Healthy", lambda: self.is_settled(name, commit), within=within)

    def deployed(self, environment: str, tag: str, *, within: float = 120) -> None:
        """Wait until an environment serves a tag alone, and its Application is settled."""
        cluster = self.environment(environment)
        until(f"{environment} serves {tag}", lambda: cluster.serving(tag), within=within)
        self.settle(f"coworking-{environment}", within=within)

    def environment(self, name: str) -> Cluster:
        """The namespace of an environment."""
        return {"dev": self.dev, "prod": self.prod}.get(name) or Cluster(f"coworking-{name}")

    def tag(self, environment: str) -> str:
        """The tag that an environment's Deployment has."""
        deployment = self.environment(environment).get("deployment", "coworking")
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        return str(image).rpartition(":")[2]

    def release(self, environment: str, tag: str, *, within: float = 120) -> None:
        """Deploy a tag by git and wait until it serves and its Application is settled."""
        self.repo.release(environment, tag)
        self.deployed(environment, tag, within=within)

    def get(self, environment: str, path: str) -> str:
        """GET a path of the service through its Service, from a pod of another namespace."""
        script = (
            "import sys, urllib.request as u\n"
            "print(u.urlopen(sys.argv[1], timeout=10).read().decode())"
        )
        url = f"http://coworking.coworking-{environment}:5153{path}"
        return self.client.execute("client", "python", "-c", script, url).strip()

    def figure(self, text: str) -> None:
        """Keep a figure for the summary."""
        self.figures.append(text)

    def measure(self, text: str, what: Any) -> float:
        """Run `what`, keep its seconds for the summary, and return them."""
        began = time.monotonic()
        what()
        seconds = time.monotonic() - began
        self.figure(f"{seconds:6.1f} s  {text}")
        return seconds

    # --- making -----------------------------------------------------------------------------------

    @property
    def image(self) -> str:
        """The image's name without a tag, as the overlays have it."""
        file = ROOT / "overlays" / "dev" / "coworking" / "image" / "kustomization.yaml"
        for line in file.read_text().splitlines():
            if "newName:" in line:
                return line.split("newName:")[1].split("#")[0].strip()
        raise AssertionError(f"{file} has no newName")

    def load(self, *versions: Version) -> None:
        """Make versions of the image available to pods."""
        archive = self.scratch / "images.tar"
        images.make_archive(self.settings.image, archive, self.image, versions)
        images.load(self.settings.load_image, archive)
        archive.unlink()

    def reset(self) -> None:
        """Take away what an earlier run left, Argo CD and sealed-secrets with it."""
        found = {each["metadata"]["name"] for each in self.all.items("namespace")}
        ours = {name for name in found if name.startswith("coworking-")}
        make_empty(sorted(ours | {self.dev.namespace}), self.settings.upstream)

    def prepare_tree(self) -> None:
        """Make the copy of this checkout a fork, pushed, whose images are there (fork.md)."""
        self.repo.begin(ROOT)
        self.repo.ci(
            *("configure", "--git-url", self.settings.git_url),
            *("--kubernetes", self.settings.kubernetes),
        )
        for environment in ("dev", "prod"):
            self.repo.set_tag(environment, GOOD[0].tag)
        for path, pattern, replacement in SHORTER:
            self.repo.edit(path, pattern, replacement)
        self.repo.commit("Name the first images, and wait less")
        self.repo.push(force=True, webhook=False)
        bootstrap.type_line("make --silent .venv/run.stamp", self.repo.folder, {})

    def bootstrap(self) -> None:
        """Type the lines of argocd/bootstrap.md, and log in to Argo CD as it says."""
        self.type_bootstrap()
        self.access.open()
        self.repo.use(self.access)

    def type_bootstrap(self, *programs: str) -> None:
        """Type the lines of argocd/bootstrap.md, and keep what they fetched.

        Args:
            programs: the lines to type begin with one of these; none: all lines.
        """
        with Upstream(self.settings.upstream, self.scratch) as upstream:
            variables = upstream.variables(*self.direct())
            for line in bootstrap.runnable(bootstrap.lines()):
                if line.startswith(programs or ("",)):
                    self.measure(
                        f"bootstrap.md: {line}",
                        lambda text=line: self.type_line(text, **variables),
                    )
                    self.plan.after_line(line)
        self.fetched = upstream.asked

    def type_line(self, line: str, **variables: str) -> str:
        """Type a line of a page into a shell in the copy; returns what it printed."""
        return bootstrap.type_line(line, self.repo.folder, variables)

    def direct(self) -> tuple[str, ...]:
        """The hosts that no proxy stands before: the API server, and git's."""
        config = ("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
        return host_of(self.all.run(*config)), host_of(self.settings.git_url)

    def recover(self) -> None:
        """Bring both environments back to a good version, whatever a failed scenario left."""
        self.repo.reset()
        for environment in ("dev", "prod"):
            name = f"coworking-{environment}"
            with contextlib.suppress(ArgoError):
                self.argocd.terminate(name)
            automated = {"spec": {"syncPolicy": {"automated": {"enabled": None}}}}
            self.argo.patch("application", name, automated)
            self.repo.set_tag(environment, GOOD[0].tag)
        if self.repo.git("status", "--porcelain"):
            self.repo.commit("Recover from a failed scenario")
        self.repo.push()
        for environment in ("dev", "prod"):
            self.deployed(environment, GOOD[0].tag)

    def start_client(self, namespace: str = CLIENT_NAMESPACE) -> None:
        """Start the pod that asks and loads the service from outside its namespaces."""
        there = Cluster(namespace)
        self.all.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        until("it has an account", lambda: there.exists("serviceaccount", "default"), within=30)
        there.apply(self.pod("client", "import time; time.sleep(1e6)"))
        until("the client runs", lambda: self._runs(there, "client"), within=60)

    def start_receiver(self) -> None:
        """Start a webhook that prints what it gets, and name it to Argo CD as bootstrap.md does."""
        self.start_script("receiver", RECEIVER)
        address = self.client.get("pod", "receiver")["status"]["podIP"]
        line = bootstrap.line_with(ON_CALL)
        self.type_line(line.replace(ON_CALL, f"http://{address}:8080"))

    def start_script(self, name: str, script: str) -> None:
        """Start a pod that runs a Python script, beside the client."""
        self.client.apply(self.pod(name, script))
        until(f"the pod {name} runs", lambda: self._runs(self.client, name), within=60)

    def pod(self, name: str, script: str, **labels: str) -> dict[str, Any]:
        """A pod of the service's image that runs a Python script, as Pod Security wants it."""
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "restartPolicy": "Never",
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 10001,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "python",
                        "image": f"{self.image}:{GOOD[0].tag}",
                        "command": ["python", "-c", script],
                        # Else what it measures on a busy node is its own waiting.
                        "resources": {"requests": {"cpu": "50m"}},
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
            },
        }

    def _runs(self, cluster: Cluster, name: str) -> bool:
        with contextlib.suppress(Refused):
            return bool(cluster.get("pod", name)["status"]["phase"] == "Running")
        return False
