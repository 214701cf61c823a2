"""What compose.yml promises: it is valid, guarded, pinned, and serves as the lab's own server modes do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsonschema
import pytest
import yaml
from every import every
from modes import USUAL
from natively import COMPOSE, REPOSITORY, made_secrets, seconds, stack, variables_in

from loadlab.servers import SERVERS, Site

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMAS: Final = Path(__file__).parent / "schemas"
EXAMPLE: Final = variables_in((COMPOSE / ".env.example").read_text()) | {"LOADLAB_SECRETS": "./secrets"}
WHOLE: Final = stack(EXAMPLE)
SERVICES: Final[Mapping[str, Mapping[str, Any]]] = WHOLE["services"]
APPS: Final = {name.removeprefix("app-"): service for name, service in SERVICES.items() if name.startswith("app-")}
PINNED: Final = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-\w+)*")
# What a container's place and the image change in a command line of the lab's.
# Of the place where it is served; the lab's own configuration does without the control socket, as the stack does.
PLACE: Final = ("--bind", "--host", "--port", "--config", "-m", "--factory", "--no-control-socket")


def test_the_file_is_valid_by_the_specifications_schema() -> None:
    schema = json.loads((SCHEMAS / "compose.schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(yaml.safe_load((COMPOSE / "compose.yml").read_text()))


@pytest.mark.process
def test_docker_compose_itself_takes_the_file(tmp_path: Path) -> None:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed here")
    variables = made_secrets(tmp_path)
    settings = tmp_path / "settings"
    settings.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    argv = ["docker-compose", "--file", str(COMPOSE / "compose.yml"), "--env-file", str(settings), "config"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    taken = yaml.safe_load(done.stdout.replace("$$", "$"))  # it writes a file that it could read again
    assert {name: service["command"] for name, service in taken["services"].items() if "command" in service} == {
        name: service["command"] for name, service in stack(variables)["services"].items() if "command" in service
    }


@pytest.mark.process
def test_docker_compose_without_secrets_says_how_to_make_them(tmp_path: Path) -> None:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed here")
    argv = ["docker-compose", "--file", str(COMPOSE / "compose.yml"), "--env-file", str(COMPOSE / ".env.example")]
    done = subprocess.run([*argv, "config"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Run ./make-secrets first" in done.stderr


def test_the_example_names_every_variable_of_the_file_and_no_other() -> None:
    used = set(re.findall(r"\$\{(\w+)", (COMPOSE / "compose.yml").read_text()))
    assert used == {name for name in EXAMPLE if not name.startswith("COMPOSE_")}


def test_the_example_has_no_secret_in_it() -> None:
    assert variables_in((COMPOSE / ".env.example").read_text())["LOADLAB_SECRETS"] == ""


@every("name", list(SERVICES))
def test_a_service_is_locked_down(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])  # not root
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert not [key for key in service if key in {"privileged", "cap_add", "network_mode", "pid", "devices"}]


@every("name", sorted(set(SERVICES) - {"migrate"}))
def test_a_service_is_asked_for_its_health_and_ended_in_order(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert seconds(service["stop_grace_period"]) >= 10
    for needed, how in service.get("depends_on", {}).items():
        assert how["condition"] == (
            "service_healthy" if "healthcheck" in SERVICES[needed] else "service_completed_successfully"
        )


def test_the_database_and_its_pooler_are_reached_from_inside_alone() -> None:
    assert WHOLE["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "pgbouncer", "postgres-exporter", "pgbouncer-exporter", "locust-worker", "migrate"):
        assert SERVICES[name]["networks"] == ["inside"]
        assert "ports" not in SERVICES[name]


def test_every_image_is_pinned_or_built_here_once() -> None:
    built = [service["image"] for service in SERVICES.values() if "build" in service]
    assert len(built) == len(set(built)) > 0  # several that make the same image at once get into each other's way
    images = {service["image"] for service in SERVICES.values()} - set(built)
    bases = set(re.findall(r"^FROM (\S+)", (COMPOSE / "Dockerfile").read_text(), re.MULTILINE))
    assert bases
    assert [image for image in images | bases if not PINNED.fullmatch(image)] == []
    assert SERVICES["postgres"]["image"] in bases


def test_no_secret_is_in_an_environment_or_on_a_command_line() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASS|TOKEN|SECRET", name):
                assert value.startswith("/run/secrets/"), name
        assert set(service.get("secrets", ())) <= set(WHOLE["secrets"])


def test_every_usual_server_mode_is_in_the_stack() -> None:
    assert set(APPS) == set(USUAL)
    assert all(service["profiles"] == ["all", mode] for mode, service in APPS.items())


def arguments_of(argv: list[str]) -> set[tuple[str, str]]:
    """The options of a command line with their values, however they are written, without those of its place."""
    words = [part for word in argv for part in (word.split("=", 1) if word.startswith("--") else [word])]
    pairs = zip(words, [*words[1:], ""], strict=True)
    given = {(word, "" if value.startswith("--") else value) for word, value in pairs if word.startswith("--")}
    return {(word, value) for word, value in given if word not in PLACE}


@every("mode", USUAL)
def test_a_server_mode_is_served_as_the_lab_serves_it(mode: str) -> None:
    server = SERVERS[mode]()
    ours = arguments_of(server.argv(Site(), 8000))
    # runserver's address stands alone, after its flag.
    assert {word for word, _ in arguments_of(APPS[mode]["command"])} == {word for word, _ in ours}
    assert mode == "threaded" or arguments_of(APPS[mode]["command"]) == ours
    assert APPS[mode]["stop_signal"] in {server.stop_signal.name, "SIGTERM"}


def test_prometheus_asks_every_mode_of_the_stack_and_both_exporters() -> None:
    configuration = yaml.safe_load((REPOSITORY / "dashboards/prometheus/prometheus.yml").read_text())
    jobs = [each for job in configuration["scrape_configs"] for each in job["static_configs"]]
    targets = {target.partition(":")[0] for each in jobs for target in each["targets"]}
    assert targets == {f"app-{mode}" for mode in USUAL} | {"postgres-exporter", "pgbouncer-exporter", "localhost"}


def mounted(service: str) -> dict[str, str]:
    mounts = [mount.split(":")[:2] for mount in SERVICES[service]["volumes"]]
    return {target: source for source, target in mounts if source.startswith(".")}


def test_what_is_mounted_is_there() -> None:
    for name, service in SERVICES.items():
        for source in mounted(name).values() if "volumes" in service else ():
            assert (COMPOSE / source).exists(), source


def test_prometheus_is_given_all_rules_where_it_looks() -> None:
    rules = {path.name for path in (REPOSITORY / "dashboards/prometheus").glob("*.yml")} - {"prometheus.yml"}
    given = {target for target in mounted("prometheus") if target.startswith("/etc/prometheus/rules/")}
    assert given == {f"/etc/prometheus/rules/{name}" for name in rules}


def test_grafana_is_given_every_dashboard_where_it_looks() -> None:
    provisioning = REPOSITORY / "dashboards/provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards/loadlab.yml").read_text())["providers"]
    assert set(provider) <= {
        *("name", "orgId", "folder", "folderUid", "type", "disableDeletion", "updateIntervalSeconds"),
        *("allowUiUpdates", "options"),
    }
    dashboards = {f"{provider['options']['path']}/{path.name}" for path in (REPOSITORY / "dashboards").glob("*.json")}
    assert dashboards
    assert dashboards == set(mounted("grafana")) - {"/etc/grafana/provisioning"}


def test_grafanas_data_source_is_the_stacks_prometheus() -> None:
    path = REPOSITORY / "dashboards/provisioning/datasources/prometheus.yml"
    (source,) = yaml.safe_load(path.read_text())["datasources"]
    assert set(source) <= {
        *("name", "uid", "type", "access", "url", "isDefault", "editable", "jsonData", "orgId", "version"),
    }
    assert source["url"] == "http://prometheus:9090"
    for dashboard in (REPOSITORY / "dashboards").glob("*.json"):
        uids = set(re.findall(r'"uid": "([^"]+)"', dashboard.read_text()))
        assert uids <= {source["uid"], "${datasource}", dashboard.stem, "-- Grafana --"}, dashboard.name


def test_grafana_refuses_all_passwords_but_the_one_that_was_made() -> None:
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/secrets/grafana_password"
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert environment["GF_USERS_ALLOW_SIGN_UP"] == "false"
