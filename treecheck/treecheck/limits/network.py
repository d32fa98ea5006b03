"""Limits of Services, endpoints, Ingresses and NetworkPolicies."""

from __future__ import annotations

from treecheck.limits.words import (
    CIDR,
    DNS_1035,
    DNS_LABEL,
    DOMAIN_PATH,
    LABEL_KEY,
    LABEL_VALUE,
    PORT,
    PROTOCOL,
    SOME,
    SUBDOMAIN,
    URL_PART,
    Limits,
    each,
    one_of,
    or_empty,
)

_FAMILIES = one_of("IPv4", "IPv6")

LIMITS: Limits = {
    "core.v1.ServiceSpec": {
        "externalTrafficPolicy": one_of("Cluster", "Local", ""),
        "healthCheckNodePort": {"minimum": 0, "maximum": 65535},
        "internalTrafficPolicy": one_of("Cluster", "Local"),
        "ipFamilies": each(_FAMILIES),
        "ipFamilyPolicy": one_of("SingleStack", "PreferDualStack", "RequireDualStack"),
        "loadBalancerClass": LABEL_KEY,
        "sessionAffinity": one_of("ClientIP", "None", ""),
        "trafficDistribution": one_of("PreferClose"),
        "type": one_of("ClusterIP", "NodePort", "LoadBalancer", "ExternalName", ""),
    },
    "core.v1.ServicePort": {
        "appProtocol": LABEL_KEY,
        "name": or_empty(DNS_LABEL),
        "nodePort": {"maximum": 65535},
        "port": PORT,
        "protocol": PROTOCOL,
    },
    "core.v1.EndpointPort": {"port": PORT, "protocol": PROTOCOL, "appProtocol": LABEL_KEY},
    "discovery.v1.EndpointSlice": {"addressType": one_of("IPv4", "IPv6", "FQDN")},
    "discovery.v1.Endpoint": {
        "addresses": {"minItems": 1, "maxItems": 100},
        "deprecatedTopology": {"maxProperties": 16},
        "hostname": DNS_LABEL,
        "nodeName": SUBDOMAIN,
    },
    "discovery.v1.EndpointHints": {"forZones": {"maxItems": 8}},
    "discovery.v1.ForZone": {"name": LABEL_VALUE},
    "discovery.v1.EndpointPort": {
        "appProtocol": LABEL_KEY,
        "name": or_empty(DNS_LABEL),
        "protocol": one_of("TCP", "UDP", "SCTP"),
    },
    "networking.v1.IngressSpec": {"ingressClassName": SUBDOMAIN},
    "networking.v1.IngressClassSpec": {
        "controller": {**DOMAIN_PATH, "maxLength": 250},
    },
    "networking.v1.IngressClassParametersReference": {
        "apiGroup": SUBDOMAIN,
        "kind": URL_PART,
        "name": URL_PART,
        "scope": one_of("Cluster", "Namespace"),
    },
    "networking.v1.HTTPIngressRuleValue": {"paths": SOME},
    "networking.v1.HTTPIngressPath": {
        "pathType": one_of("Exact", "Prefix", "ImplementationSpecific"),
    },
    "networking.v1.IngressServiceBackend": {"name": DNS_1035},
    "networking.v1.ServiceBackendPort": {"number": {"minimum": 0, "maximum": 65535}},
    "networking.v1.IngressTLS": {
        "hosts": each(
            {"pattern": str(SUBDOMAIN["pattern"]).replace("^", r"^(\*\.)?", 1), "maxLength": 253}
        ),
        "secretName": or_empty(SUBDOMAIN),
    },
    "networking.v1.NetworkPolicySpec": {
        "policyTypes": each(one_of("Ingress", "Egress"), maxItems=2),
    },
    "networking.v1.NetworkPolicyPort": {
        "endPort": PORT,
        "protocol": one_of("TCP", "UDP", "SCTP"),
    },
    "networking.v1.IPBlock": {"cidr": CIDR, "except": each(CIDR)},
}
