"""Everything a scenario needs, in one object; and how an empty cluster becomes a service."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.argocd.application import Application
from ci.argocd.client import ArgoError
from tests.e2e.harness import images
from tests.e2e.harness.cluster import Cluster, Refused, until
from tests.e2e.harness.images import Version
from tests.e2e.harness.repository import Repository

if TYPE_CHECKING:
    from tests.e2e.harness.environment import Settings

ROOT = Path(__file__).resolve().parents[3]
APPLICATIONS = ("coworking-dev", "coworking-prod", "postgres-dev", "postgres-prod")
CLIENT_NAMESPACE = "coworking-e2e"

# Shown in argocd/bootstrap.md, which a test compares: what it takes beside Argo CD and
# sealed-secrets themselves, whose pinned manifests need the network.
STORAGE = ("apply", "-k", "argocd/addons/storage")
FORGET = (
    *("-n", "argocd", "annotate", "configmap", "--all"),
    "kubectl.kubernetes.io/last-applied-configuration-",
)
CONFIGURE = (
    *("apply", "--server-side", "--force-conflicts", "--field-manager=coworking"),
    *("-k", "argocd/config"),
)
RESTART = ("-n", "argocd", "rollout", "restart", "deployment,statefulset")
PROJECTS = ("apply", "-k", "argocd/projects")
ROOT_APPLICATION = ("apply", "-f", "argocd/apps/root.yaml")

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

# Scenarios wait for deadlines to pass; in the copy they are short. What is being shown is what
# follows from them, not that a cluster can count to 300.
SHORTER = (
    (
        "base/coworking/deployment.yaml",
        r"progressDeadlineSeconds: \d+",
        "progressDeadlineSeconds: 30",
    ),
    ("base/coworking/migrate.yaml", r"activeDeadlineSeconds: \d+", "activeDeadlineSeconds: 30"),
    ("base/coworking/migrate.yaml", r"backoffLimit: \d+", "backoffLimit: 0"),
    ("argocd/apps/coworking-dev.yaml", r"limit: \d+", "limit: 1"),
    (
        "overlays/prod/coworking/hpa.yaml",
        r"^  maxReplicas: 5$",
        "  maxReplicas: 5\n  behavior: {scaleDown: {stabilizationWindowSeconds: 15}}",
    ),
)


class World:
    """The cluster with the service in it."""

    def __init__(self, settings: Settings, scratch: Path) -> None:
        self.settings = settings
        self.argocd = settings.argocd
        self.all = Cluster()
        self.dev = Cluster("coworking-dev")
        self.prod = Cluster("coworking-prod")
        self.argo = Cluster("argocd")
        self.client = Cluster(CLIENT_NAMESPACE)
        self.repo = Repository(
            scratch / "tree",
            settings.git_url,
            settings.git_user,
            settings.git_token,
            f"{settings.argocd.url}/api/webhook",
        )
        self.scratch = scratch
        self.figures: list[str] = []

    # --- asking -----------------------------------------------------------------------------------

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
        """Wait until an Application is settled."""
        until(f"{name} is Synced and Healthy", lambda: self.is_settled(name, commit), within=within)

    def deployed(self, environment: str, tag: str, *, within: float = 120) -> None:
        """Wait until an environment serves a tag alone, and its Application is settled."""
        cluster = self.environment(environment)
        until(f"{environment} serves {tag}", lambda: cluster.serving(tag), within=within)
        self.settle(f"coworking-{environment}", within=within)

    def environment(self, name: str) -> Cluster:
        """The namespace of an environment."""
        return {"dev": self.dev, "prod": self.prod}[name]

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
        """Take away what an earlier run left: Applications, namespaces, and their volumes."""
        for name in ("root", *APPLICATIONS):
            if self.argo.exists("application", name):
                self.argo.patch("application", name, {"metadata": {"finalizers": None}})
                self.argo.delete("application", name)
        for namespace in (self.dev.namespace, self.prod.namespace, CLIENT_NAMESPACE):
            self.all.delete("namespace", namespace, "--timeout=150s")
        for volume in self.all.items("persistentvolume"):
            if volume["spec"].get("claimRef", {}).get("namespace") == self.prod.namespace:
                self.all.delete("persistentvolume", volume["metadata"]["name"])

    def prepare_tree(self) -> None:
        """Make the copy of this checkout a fork: its own git URL, its own sealed passwords."""
        self.repo.begin(ROOT)
        self.repo.ci("configure", "--git-url", self.settings.git_url)
        for environment in ("dev", "prod"):
            self.repo.ci("seal-cert", environment)
            self.repo.ci("seal", environment)
            self.repo.set_tag(environment, GOOD[0].tag)
        for path, pattern, replacement in SHORTER:
            self.repo.edit(path, pattern, replacement)
        self.repo.commit("Seal for this cluster, and wait less")
        self.repo.push(force=True, webhook=False)

    def bootstrap(self) -> None:
        """Run the commands of argocd/bootstrap.md that need no network."""
        tree = self.repo.folder
        for arguments in (STORAGE, FORGET, CONFIGURE, RESTART):
            self.kubectl_in(tree, *arguments)
        for workload in ("deployment/argocd-server", "deployment/argocd-repo-server"):
            self.argo.run("rollout", "status", workload, "--timeout=120s")
        self.argo.run(
            "rollout", "status", "statefulset/argocd-application-controller", "--timeout=120s"
        )
        until("Argo CD answers", self._argocd_answers, within=60)
        for arguments in (PROJECTS, ROOT_APPLICATION):
            self.kubectl_in(tree, *arguments)

    def kubectl_in(self, folder: Path, *arguments: str) -> None:
        """Run kubectl in a folder, as a person does."""
        done = subprocess.run(
            self.all.command(*arguments), cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"

    def _argocd_answers(self) -> bool:
        with contextlib.suppress(ArgoError):
            return bool(self.argocd.version()) and bool(self.argocd.applications() is not None)
        return False

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

    def start_client(self) -> None:
        """Start the pod that asks and loads the service from outside its namespaces."""
        self.all.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CLIENT_NAMESPACE}}
        )
        until("the client's namespace is ready", self._has_account, within=30)
        self.client.apply(self.pod("client", "import time; time.sleep(1e6)"))
        until("the client runs", lambda: self._runs(self.client, "client"), within=60)

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
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
            },
        }

    def _has_account(self) -> bool:
        return self.client.exists("serviceaccount", "default")

    def _runs(self, cluster: Cluster, name: str) -> bool:
        with contextlib.suppress(Refused):
            return bool(cluster.get("pod", name)["status"]["phase"] == "Running")
        return False
