"""Promises about what a pod may do, and whom it can talk to."""

from __future__ import annotations

import base64

from ci.tree import reach, settings
from tests.manifests.test_rollout import logins, secrets_of

VOLUMES = {"configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


def test_no_container_runs_as_root(both):
    for pod in both.pods().values():
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] > 0
        assert context["runAsGroup"] > 0


def test_every_pod_meets_pod_security_restricted(both):
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    for pod in both.pods().values():
        spec = pod["spec"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        for volume in spec["volumes"]:
            assert volume.keys() - {"name"} <= VOLUMES
        for container in spec["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_no_root_filesystem_can_be_written(both):
    for container in both.containers():
        assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_no_pod_gets_a_token_for_the_api_server(both):
    for pod in both.pods().values():
        assert pod["spec"]["automountServiceAccountToken"] is False
    for account in both.all("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_every_container_says_what_it_needs_and_what_it_may_take(both):
    for container in both.containers():
        for amounts in (container["resources"]["requests"], container["resources"]["limits"]):
            assert amounts.keys() == {"cpu", "memory"}


def test_no_secret_is_readable_in_git(both):
    assert both.all("Secret") == []
    for container in both.containers():
        for variable in container.get("env", []):
            assert "PASSWORD" not in variable["name"] or variable["name"].endswith("_FILE")


def test_every_image_is_one_version_and_survives_a_lost_registry(both):
    for container in both.containers():
        name, _, tag = container["image"].rpartition(":")
        assert name
        assert tag != "latest"
        assert any(character.isdigit() for character in tag)
        assert container["imagePullPolicy"] == "IfNotPresent"


def test_a_sealed_secret_opens_in_its_own_namespace_only(both):
    (sealed,) = both.all("SealedSecret")
    metadata, target = sealed["metadata"], sealed["spec"]["template"]["metadata"]
    name = f"{metadata['namespace']}/{metadata['name']}"
    assert f"{target['namespace']}/{target['name']}" == name
    assert metadata["annotations"]["coworking/sealed-for"] == name
    assert not [key for key in metadata["annotations"] if key.endswith(("-wide", "/managed"))]


def test_a_sealed_value_is_ciphertext_of_a_key_that_is_long_enough(both):
    (sealed,) = both.all("SealedSecret")
    for value in sealed["spec"]["encryptedData"].values():
        raw = base64.b64decode(value, validate=True)
        assert int.from_bytes(raw[:2]) == 512, "an RSA key of 4096 bits"
        assert len(raw) > 2 + 512 + 16


def test_nothing_talks_unless_a_rule_lets_it(both):
    deny = both.one("NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_only_the_service_gets_into_the_database(both):
    policy = both.one("NetworkPolicy", "postgresql")["spec"]
    pod = both.pods()["postgresql"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= pod.items()
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policy
    assert policy["ingress"] == [
        {
            "from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "coworking"}}}],
            "ports": [{"port": 5432, "protocol": "TCP"}],
        }
    ]


def test_the_service_reaches_the_database_and_dns_and_nothing_else(both):
    policy = both.one("NetworkPolicy", "coworking-egress")["spec"]
    for name, pod in both.pods().items():
        if name != "postgresql":
            labels = pod["metadata"]["labels"]
            assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    database, dns = policy["egress"]
    assert database["to"] == [
        {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "postgresql"}}}
    ]
    assert [port["port"] for port in database["ports"]] == [5432]
    (resolver,) = dns["to"]
    assert resolver["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "kube-system"
    }
    assert {port["port"] for port in dns["ports"]} == {53}


def test_the_port_that_serves_is_open_and_the_metrics_to_the_monitoring_alone(both):
    policy = both.one("NetworkPolicy", "coworking-ingress")["spec"]
    monitoring = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    assert policy["ingress"] == [
        {"ports": [{"port": 5153, "protocol": "TCP"}]},
        {
            "from": [{"namespaceSelector": monitoring}],
            "ports": [{"port": 9153, "protocol": "TCP"}],
        },
    ]
    ports = {port["name"]: port["containerPort"] for port in both.service_container()["ports"]}
    assert ports == {"http": 5153, "metrics": 9153}
    assert both.settings()["METRICS_PORT"] == "9153"
    assert both.pods()["coworking"]["metadata"]["labels"].items() >= (
        policy["podSelector"]["matchLabels"].items()
    )


def test_no_service_carries_the_metrics(both):
    for service in both.all("Service"):
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in {"http", "postgresql"}


def test_prod_is_reached_as_settings_yaml_says(prod):
    values = settings.read()
    service = prod.one("Service", "coworking")
    assert reach.door(service) == reach.planned(values)
    assert service["metadata"]["annotations"][f"{reach.PREFIX}ssl-ports"] == "http"
    # A Network Load Balancer of this controller would open the nodes themselves to the ranges.
    assert f"{reach.PREFIX}type" not in service["metadata"]["annotations"]


def test_each_pod_has_the_secret_s_entries_that_it_needs_as_files(both):
    """The access keys are for the pods that serve alone; who logs in has the announced password."""
    password, announced = "DB_PASSWORD", "DB_PASSWORD_NEXT"
    entries = {
        "coworking": [password, announced, "ACCESS_KEY", "ACCESS_KEY_OLD"],
        "postgresql": [password],
    }
    for name, pod in both.pods().items():
        (volume,) = logins(pod)
        found = secrets_of(volume)
        expected = entries.get(name, [password, announced])
        assert [key for each in found for key in each["keys"]] == expected
        for each in found:  # the pods start without the others, and never without the password
            assert each["optional"] is (each["keys"] != [password])
    (mount,) = [m for m in both.service_container()["volumeMounts"] if m["name"] == "password"]
    env = {each["name"]: each["value"] for each in both.service_container()["env"]}
    assert env["ACCESS_KEY_FILE"] == f"{mount['mountPath']}/ACCESS_KEY"


def test_the_login_s_cookie_is_secure_where_tls_ends_at_the_balancer(prod):
    tls = bool(settings.read().prod_certificate)
    assert prod.settings()["COOKIE_SECURE"] == str(tls).lower()


def test_the_service_is_no_superuser_and_the_superuser_has_no_password(both):
    (script,) = both.one("ConfigMap", "postgresql-init")["data"].values()
    assert "SUPERUSER" not in script
    assert "ALTER ROLE postgres PASSWORD NULL;" in script
    container = both.database_container()
    assert "POSTGRES_USER" not in {variable["name"] for variable in container["env"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts["init"] == "/docker-entrypoint-initdb.d"


def test_dev_is_reached_from_inside_only(dev):
    assert {service["spec"]["type"] for service in dev.all("Service")} == {"ClusterIP"}
    assert dev.all("Ingress") == []


def test_the_database_is_never_exposed(both):
    spec = both.one("Service", "postgresql-service")["spec"]
    assert spec["type"] == "ClusterIP"
    assert "externalIPs" not in spec
