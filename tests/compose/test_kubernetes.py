"""The example for Kubernetes: valid by its schemas, locked down, and the same commands and rules as elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsonschema
import kubernetes_validate
import pytest
import yaml
from every import every
from natively import COMPOSE, made_secrets, stack, variables_in

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = COMPOSE / "kubernetes"
VERSIONS: Final = ("1.28", "1.33", "1.37")
OPERATORS: Final = {"ServiceMonitor", "PrometheusRule"}
KUSTOMIZATION: Final = yaml.safe_load((FOLDER / "kustomization.yml").read_text())
RESOURCES: Final[list[dict[str, Any]]] = [
    document for name in KUSTOMIZATION["resources"] for document in yaml.safe_load_all((FOLDER / name).read_text())
]
WORKLOADS: Final = {
    document["metadata"]["name"]: document for document in RESOURCES if document["kind"] in {"Deployment", "Job"}
}


def named(document: dict[str, Any]) -> str:
    return f"{document['kind']}-{document['metadata']['name']}"


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document for document in RESOURCES if document["kind"] == kind}


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, workload in WORKLOADS.items():
        pod = workload["spec"]["template"]["spec"]
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            yield f"{name}/{container['name']}", container


@every("version", VERSIONS)
@every("document", [each for each in RESOURCES if each["kind"] not in OPERATORS], ids=named)
def test_a_resource_is_valid_by_the_schema_of_kubernetes(document: dict[str, Any], version: str) -> None:
    assert kubernetes_validate.validate(document, version, strict=True) == version


@every("document", [each for each in RESOURCES if each["kind"] in OPERATORS], ids=named)
def test_a_resource_is_valid_by_the_schema_of_prometheus_operator(document: dict[str, Any]) -> None:
    path = Path(__file__).parent / "schemas" / f"{document['kind'].lower()}.schema.json"
    jsonschema.Draft202012Validator(json.loads(path.read_text())).validate(document)


def test_every_file_of_the_folder_is_applied() -> None:
    assert {path.name for path in FOLDER.glob("*.yml")} == {*KUSTOMIZATION["resources"], "kustomization.yml"}


@every("name", list(WORKLOADS))
def test_a_pod_is_locked_down(name: str) -> None:
    pod = WORKLOADS[name]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


@pytest.mark.parametrize(("name", "container"), [pytest.param(*each, id=each[0]) for each in containers()])
def test_a_container_is_locked_down_and_limited(name: str, container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert "memory" in container["resources"]["limits"]
    assert container["image"] == KUSTOMIZATION["images"][0]["name"]
    of_a_deployment = WORKLOADS[name.partition("/")[0]]["kind"] == "Deployment"
    assert not of_a_deployment or "migrations" in name or {"readinessProbe", "livenessProbe"} <= set(container)


def test_the_commands_are_those_of_compose() -> None:
    variables = variables_in((COMPOSE / ".env.example").read_text()) | {"LOADLAB_SECRETS": "./secrets"}
    services = stack(variables)["services"]
    ours = {name.rpartition("/")[0]: container["command"] for name, container in containers() if "await" not in name}
    assert ours["site"] == services["app-gevent"]["command"]
    assert ours["migrate"] == services["migrate"]["command"]
    assert ours["locust-worker"] == services["locust-worker"]["command"]
    master = services["locust-master"]["command"][-1].partition("exec ")[2].replace("app-gevent", "site")
    assert ours["locust-master"] == master.split()


def test_the_site_is_told_what_it_needs() -> None:
    variables = variables_in((COMPOSE / ".env.example").read_text()) | {"LOADLAB_SECRETS": "./secrets"}
    site = stack(variables)["services"]["app-gevent"]["environment"]
    assert set(of_kind("ConfigMap")["site"]["data"]) | {"LOADLAB_SITE_HOSTS"} == set(site)


def keys_of_secrets(node: Any) -> Iterator[str]:
    """Every key of the secret `loadlab` that something below the node asks for."""
    if isinstance(node, dict):
        if node.get("name") == "loadlab" and "key" in node:
            yield node["key"]
        if node.get("secretName") == "loadlab":
            yield from (item["key"] for item in node["items"])
        for value in node.values():
            yield from keys_of_secrets(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys_of_secrets(value)


@pytest.mark.process
def test_secrets_are_referred_to_and_are_those_that_make_secrets_makes(tmp_path: Path) -> None:
    made_secrets(tmp_path)
    asked = set(keys_of_secrets(RESOURCES))
    assert asked == {"database_password", "metrics_token"}
    assert asked <= {path.name for path in (tmp_path / "secrets").iterdir()}
    assert of_kind("Secret") == {}


@pytest.mark.process
def test_the_rules_are_those_of_the_dashboards() -> None:
    made = subprocess.run([sys.executable, FOLDER / "rules.py"], check=True, capture_output=True, text=True)
    assert (FOLDER / "rules.yml").read_text() == made.stdout
    for rules in of_kind("PrometheusRule").values():
        names = [group["name"] for group in rules["spec"]["groups"]]
        assert len(set(names)) == len(names)  # as the operator's list of them demands


def test_services_and_policies_and_the_monitor_select_pods_that_there_are() -> None:
    labels = [workload["spec"]["template"]["metadata"]["labels"] for workload in WORKLOADS.values()]
    for service in of_kind("Service").values():
        assert any(service["spec"]["selector"].items() <= each.items() for each in labels)
    names = {each["app.kubernetes.io/name"] for each in labels}
    text = json.dumps(list(of_kind("NetworkPolicy").values()))
    assert all(name in text for name in names)
    (monitor,) = of_kind("ServiceMonitor").values()
    selected = monitor["spec"]["selector"]["matchLabels"].items()
    (service,) = (each for each in of_kind("Service").values() if selected <= each["metadata"]["labels"].items())
    assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert set(monitor["spec"]["targetLabels"]) <= set(service["metadata"]["labels"])


def test_policies_allow_ports_that_somebody_listens_on() -> None:
    served = {port["containerPort"] for _, container in containers() for port in container.get("ports", ())}
    of_others = {53, int(of_kind("ConfigMap")["site"]["data"]["PGPORT"])}  # names and rows
    allowed = {
        port["port"]
        for policy in of_kind("NetworkPolicy").values()
        for rule in (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ()))
        for port in rule["ports"]
    }
    assert allowed == served | of_others


def test_traffic_that_no_policy_names_is_forbidden() -> None:
    closed = of_kind("NetworkPolicy")["nothing-else"]["spec"]
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in closed
    common = closed["podSelector"]["matchLabels"].items()
    for workload in WORKLOADS.values():
        assert common <= workload["spec"]["template"]["metadata"]["labels"].items()
