"""ConfigMaps and Secrets: which exist, which keys they have, and who refers to them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from treecheck.kube.copies import is_copied, is_copy
from treecheck.model import as_list, as_mapping, as_text, each

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, PodTemplate, Resource

# The API server keeps this one in every namespace (root-ca-cert-publisher).
EVERYWHERE = {("ConfigMap", "kube-root-ca.crt"): frozenset({"ca.crt"})}
# What kubeadm, EKS and k3s make in kube-system: kinds -> names.
OF_KUBE_SYSTEM = {
    "ConfigMap": frozenset(
        {
            "aws-auth", "coredns", "extension-apiserver-authentication", "kube-proxy",
            "kube-proxy-config", "kubeadm-config", "kubelet-config",
        }
    ),
    "ServiceAccount": frozenset({"aws-node", "coredns", "kube-proxy"}),
}  # fmt: skip
SEVERAL = 2  # ConfigMaps that are missing in a namespace: more than an oversight
# Lets the sealed-secrets controller add keys to a Secret that it did not make.
PATCH = "sealedsecrets.bitnami.com/patch"


# In a file's name.
_FORM = re.compile(r"\.(?:dist|example|sample|template|tpl)\.ya?ml\Z")
# What brings Secrets to a cluster from git without showing what is in them.
_ENCRYPTED = frozenset(
    {"ClusterExternalSecret", "ExternalSecret", "SealedSecret", "SecretProviderClass"}
)


@dataclass(frozen=True, slots=True)
class Store:
    """A ConfigMap or Secret that will exist.

    Attributes:
        keys: its keys, or None where they can't be known from the tree.
        values: the plain values that are known; a Secret's never are.
        resource: what makes it, or None when the facts say that it exists.
    """

    keys: frozenset[str] | None
    values: dict[str, str]
    resource: Resource | None


@dataclass(frozen=True, slots=True)
class Reference:
    """A pod's reference to a ConfigMap or Secret, or to one key of it (`key` is then not "").

    `mounted` is where a file of it is mounted alone, by subPath, or "".
    """

    kind: str
    name: str
    key: str
    optional: bool
    path: FieldPath
    use: str
    mounted: str = ""


def comes_with_cluster(kind: str, namespace: str, name: str) -> bool:
    """Whether a cluster's own installation makes it."""
    return namespace == "kube-system" and name in OF_KUBE_SYSTEM.get(kind, ())


def find_store(cluster: Cluster, kind: str, namespace: str, name: str) -> Store | None:
    """The ConfigMap or Secret of this name, whatever makes it; None if nothing does."""
    own = cluster.get(kind, namespace, name)
    if own is not None:
        return _patched(cluster, _of_manifest(own), own)
    if (kind, name) in EVERYWHERE:
        return Store(EVERYWHERE[kind, name], {}, None)
    if comes_with_cluster(kind, namespace, name):
        return Store(None, {}, None)
    outside = cluster.facts.secrets if kind == "Secret" else cluster.facts.config_maps
    if f"{namespace}/{name}" in outside:
        return Store(None, {}, None)
    made = _made_secret(cluster, namespace, name) if kind == "Secret" else None
    if made is None and (
        is_copied(cluster, kind, namespace, name)
        or _may_be_made_at_run_time(cluster, kind, namespace, name)
    ):
        return Store(None, {}, None)
    return made


def _may_be_made_at_run_time(cluster: Cluster, kind: str, namespace: str, name: str) -> bool:
    """Whether a Role lets a program make it: it may create the kind, and it names this one.

    RBAC can't limit `create` by name, so such a Role has `create` in one rule and the name, for
    `get` or `update`, in another; an init container or an operator makes its own Secret so.
    Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources
    """
    resources = f"{kind.lower()}s"
    for role in cluster.of_kind("Role", namespace=namespace):
        rules = [
            each
            for each in map(as_mapping, as_list(role.body.get("rules")))
            if resources in as_list(each.get("resources"))
        ]
        if any("create" in as_list(each.get("verbs")) for each in rules) and any(
            name in as_list(each.get("resourceNames")) for each in rules
        ):
            return True
    return False


def _of_manifest(resource: Resource) -> Store:
    if resource.body.get("type") == "kubernetes.io/service-account-token":
        return Store(None, {}, resource)  # the cluster writes the token into it
    if is_copy(resource) or _is_filled(resource):
        return Store(None, {}, resource)
    data = as_mapping(resource.body.get("data"))
    keys = {*data, *as_mapping(resource.body.get("binaryData"))}
    keys |= set(as_mapping(resource.body.get("stringData")))
    values = {k: v for k, v in data.items() if isinstance(v, str)}
    return Store(frozenset(keys), values if resource.kind == "ConfigMap" else {}, resource)


def _is_filled(resource: Resource) -> bool:
    """Whether a Secret is written without anything in it: a program fills it."""
    fields = ("binaryData", "data", "stringData")
    return resource.kind == "Secret" and not any(resource.body.get(field) for field in fields)


def _patched(cluster: Cluster, store: Store, own: Resource) -> Store:
    """A manifest's keys, and those that a SealedSecret adds to a Secret that allows it.

    Source: https://github.com/bitnami-labs/sealed-secrets#patching-existing-secrets
    """
    if own.kind != "Secret" or own.annotations.get(PATCH) != "true" or store.keys is None:
        return store
    sealed = _made_secret(cluster, own.namespace, own.name)
    added = sealed.keys if sealed and sealed.keys else frozenset()
    return Store(store.keys | added, store.values, own)


def _keys_of(certificate: Resource) -> frozenset[str]:
    """The keys of the Secret that cert-manager makes: https://cert-manager.io/docs/reference/api-docs."""
    forms = {
        as_text(as_mapping(each).get("type"))
        for each in as_list(certificate.spec.get("additionalOutputFormats"))
    }
    stores = set(as_mapping(certificate.spec.get("keystores")))
    more = {"CombinedPEM": {"tls-combined.pem"}, "DER": {"key.der"}}
    files = {
        "pkcs12": {"keystore.p12", "truststore.p12"},
        "jks": {"keystore.jks", "truststore.jks"},
    }
    added = [names for key, names in (more | files).items() if key in forms | stores]
    return frozenset({"tls.crt", "tls.key", "ca.crt"}.union(*added))


def _keys_of_external(external: Resource) -> frozenset[str] | None:
    """The keys of the Secret that external-secrets makes; None where a store decides them.

    Source: https://external-secrets.io/latest/guides/templating/#templatefrom.
    """
    target = as_mapping(external.spec.get("target"))
    template = as_mapping(target.get("template"))
    fetched = frozenset(as_text(one.get("secretKey")) for _, one in each(external, "spec", "data"))
    merged = template.get("mergePolicy") == "Merge" or "data" not in template
    owned = target.get("creationPolicy", "Owner") == "Owner"
    if not owned or "templateFrom" in template or ("dataFrom" in external.spec and merged):
        return None
    made = frozenset(as_mapping(template.get("data")))
    return made | fetched if merged else made


def _made_secret(cluster: Cluster, namespace: str, name: str) -> Store | None:
    """A Secret that a controller makes: sealed-secrets, cert-manager, external-secrets."""
    for sealed in cluster.of_kind("SealedSecret", namespace=namespace):
        template = as_mapping(sealed.spec.get("template"))
        made = as_text(as_mapping(template.get("metadata")).get("name")) or sealed.name
        if made == name:
            keys = {
                *as_mapping(sealed.spec.get("encryptedData")),
                *as_mapping(template.get("data")),
            }
            return Store(frozenset(keys), {}, sealed)
    for certificate in cluster.of_kind("Certificate", namespace=namespace):
        if certificate.spec.get("secretName") == name:
            return Store(_keys_of(certificate), {}, certificate)
    for external in cluster.of_kind("ExternalSecret", namespace=namespace):
        target = as_text(as_mapping(external.spec.get("target")).get("name")) or external.name
        if target == name:
            return Store(_keys_of_external(external), {}, external)
    for everywhere in cluster.of_kind("ClusterExternalSecret"):
        template = as_mapping(everywhere.spec.get("externalSecretSpec"))
        own = as_text(everywhere.spec.get("externalSecretName")) or everywhere.name
        if name == (as_text(as_mapping(template.get("target")).get("name")) or own):
            return Store(None, {}, everywhere)  # in the namespaces that it selects by their labels
    return None


def references(pod: PodTemplate) -> Iterator[Reference]:
    """Every reference of a pod to a ConfigMap or Secret."""
    for path, container in pod.containers():
        name = as_text(container.get("name"))
        yield from _of_environment(path, container, f"container {name}")
    for place, pull in each(pod.spec, "imagePullSecrets"):
        path = (*pod.spec_path, *place)
        yield _reference("Secret", pull, "", path, "imagePullSecrets")
    for spot, volume in each(pod.spec, "volumes"):
        yield from _of_volume((*pod.spec_path, *spot), volume, pod)


def _of_environment(path: FieldPath, container: Manifest, use: str) -> Iterator[Reference]:
    for place, entry in each(container, "env"):
        source = as_mapping(entry.get("valueFrom"))
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if field in source:
                ref = as_mapping(source[field])
                where = (*path, *place, "valueFrom", field)
                yield _reference(kind, ref, as_text(ref.get("key")), where, use)
    for spot, entry in each(container, "envFrom"):
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if field in entry:
                yield _reference(kind, as_mapping(entry[field]), "", (*path, *spot, field), use)


def _reference(kind: str, ref: Manifest, key: str, path: FieldPath, use: str) -> Reference:
    name = as_text(ref.get("name"))
    return Reference(kind, name, key, ref.get("optional") is True, path, use)


def _of_volume(path: FieldPath, volume: Manifest, pod: PodTemplate) -> Iterator[Reference]:
    use = f"volume {as_text(volume.get('name'))}"
    sources = [(path, volume)]
    projected = as_list(as_mapping(volume.get("projected")).get("sources"))
    sources += [
        ((*path, "projected", "sources", index), as_mapping(source))
        for index, source in enumerate(projected)
    ]
    for where, source in sources:
        for field, kind, name_key in (
            ("configMap", "ConfigMap", "name"),
            ("secret", "Secret", "secretName" if source is volume else "name"),
        ):
            if field in source:
                ref = as_mapping(source[field])
                named = {"name": ref.get(name_key), "optional": ref.get("optional")}
                yield from _of_files(kind, named, ref, (*where, field), use)
                if source is volume and not as_list(ref.get("items")):
                    yield from _of_sub_paths(kind, named, as_text(volume.get("name")), pod)


def _of_files(
    kind: str, named: Manifest, ref: Manifest, path: FieldPath, use: str
) -> Iterator[Reference]:
    yield _reference(kind, named, "", path, use)
    for place, item in each(ref, "items"):
        yield _reference(kind, named, as_text(item.get("key")), (*path, *place), use)


def _of_sub_paths(kind: str, named: Manifest, volume: str, pod: PodTemplate) -> Iterator[Reference]:
    """A `subPath` of such a volume is the name of a file, so of a key."""
    for path, container in pod.containers():
        for place, mount in each(container, "volumeMounts"):
            key = as_text(mount.get("subPath"))
            if mount.get("name") == volume and key and "/" not in key:
                where = (*path, *place, "subPath")
                found = _reference(kind, named, key, where, f"container {container.get('name')}")
                yield replace(found, mounted=as_text(mount.get("mountPath")))


def made_by_hand(cluster: Cluster, namespace: str) -> str:
    """Why a Secret may be there all the same, as a sentence; "" where the tree keeps Secrets.

    Where it has none of a namespace, and encrypts none anywhere, people make them by hand.
    """
    if namespace in cluster.once("kept secrets", lambda: _kept(cluster)):
        return ""
    return (
        f"no Secret of namespace {namespace} is in this tree, so which ones somebody makes there "
        "by hand can't be known"
    )


def kept_elsewhere(cluster: Cluster, namespace: str) -> str:
    """Why a ConfigMap may be there all the same, as a sentence, or "".

    Plain files ask for several ConfigMaps of a namespace, and the tree has none of it: whoever
    applies the files has them elsewhere.
    """
    names, some = cluster.once("config maps", lambda: _config_maps(cluster.tree)).get(
        namespace, (frozenset(), True)
    )
    if some or len(names) < SEVERAL:
        return ""
    return (
        f"the files ask for {len(names)} ConfigMaps of namespace {namespace}, and this tree has "
        "none of it, so which ones somebody keeps elsewhere can't be known"
    )


def _config_maps(tree: Iterable[Resource]) -> dict[str, tuple[frozenset[str], bool]]:
    """Namespace -> (the ConfigMaps that plain files there ask for, whether the tree has any)."""
    asked: dict[str, set[str]] = {}
    made = {one.namespace for one in tree if one.kind == "ConfigMap"}
    for resource in tree:
        if resource.pod is not None and resource.part.loose:
            found = {ref.name for ref in references(resource.pod) if ref.kind == "ConfigMap"}
            asked.setdefault(resource.namespace, set()).update(found)
    return {place: (frozenset(names), place in made) for place, names in asked.items()}


def keeps_secrets(cluster: Cluster, namespace: str) -> bool:
    """Whether the tree has any Secret of a namespace, in whatever form."""

    def found() -> set[str]:
        return {
            each.namespace
            for each in (*cluster.tree, *cluster.resources)
            if each.encrypted or each.kind in {*_ENCRYPTED, "Secret", "Certificate"}
        }

    return namespace in cluster.once("namespaces with secrets", found)


def _is_form(resource: Resource) -> bool:
    """Whether a file is there to be copied and filled in: `secret.template.yaml`."""
    file = resource.origin.file
    return file is not None and _FORM.search(file.name) is not None


def _kept(cluster: Cluster) -> Container[str]:
    """The namespaces whose Secrets the tree has, in whatever form."""
    all_of_them = [each for each in (*cluster.tree, *cluster.resources) if not _is_form(each)]
    if any(each.kind in _ENCRYPTED or each.encrypted for each in all_of_them):
        return cluster.namespaces()
    return {each.namespace for each in all_of_them if each.kind in {"Secret", "Certificate"}}
