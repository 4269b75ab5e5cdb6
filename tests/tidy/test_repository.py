"""What may not stand in any tracked file, and what the files must agree on."""

from __future__ import annotations

import re
import tomllib

from tests.tidy.project import ROOT, text, tracked

# Addresses of package registries and paths of one machine: a clone must build anywhere, from any mirror.
_HOSTS = ["py" + "pi.org", "python" + "hosted.org", "registry." + "npmjs", "deb." + "debian.org", "npm" + "mirror"]
_MACHINE = re.compile(r"(?<![\w.~])/(?:root|work|farm|opt/[a-z]+|home/[a-z]+)/\w")
_PICTURES = (".png", ".ico", ".woff2", ".zst", ".tar", ".bin")


def words(path: str) -> str:
    return "" if path.endswith(_PICTURES) else text(path)


def test_no_registry_and_no_path_of_one_machine_is_named() -> None:
    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path in tracked()
        for number, line in enumerate(words(path).splitlines(), 1)
        if any(host in line for host in _HOSTS) or _MACHINE.search(line)
    ]
    assert not found, "\n".join(found)


def test_locks_carry_a_hash_for_every_package_and_no_address() -> None:
    for name in ("build", "run", "dev"):
        lock = text(f"requirements/{name}.txt")
        packages = re.findall(r"^[\w.-]+==[^\n]*\\\n    --hash=sha256:[0-9a-f]{64}", lock, re.MULTILINE)
        assert len(packages) == len(re.findall(r"^[\w.-]+==", lock, re.MULTILINE)) > 0
        assert "://" not in lock


def test_locks_cover_what_is_declared() -> None:
    project = tomllib.loads(text("pyproject.toml"))
    extras = project["project"]["optional-dependencies"]
    assert set(extras) == {"speech", "ocr", "llm", "server", "postgres", "objects"}
    groups = project["dependency-groups"]
    declared = {
        "run": [*project["project"]["dependencies"], *(word for extra in extras.values() for word in extra)],
        "build": [*groups["build"], *project["build-system"]["requires"]],
        "dev": groups["dev"],
    }
    for name, wanted in declared.items():
        locked = set(re.findall(r"^([\w.-]+)==", text(f"requirements/{name}.txt"), re.MULTILINE))
        names = {re.split(r"[^\w.-]", word)[0].lower().replace("_", "-") for word in wanted}
        assert names <= locked


def test_system_packages_are_listed_once() -> None:
    lists = re.findall(r"^\[(\w+)\]$", text("system-packages.txt"), re.MULTILINE)
    assert lists == ["run", "test", "bench"]
    names = re.findall(r"^([a-z0-9][a-z0-9.+-]*)", text("system-packages.txt"), re.MULTILINE)
    assert len(names) == len(set(names))


def test_ci_runs_what_the_readme_tells() -> None:
    assert text(".ci/run").strip().splitlines()[-1] == "exec make test"
    assert "make test" in text("README.md")
    assert "make demo" in text("README.md")


def test_architecture_names_tests_that_exist() -> None:
    page = text("ARCHITECTURE.md")
    assert page.count("\n") < 300
    named = set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page))
    assert named
    for path, test in named:
        assert (ROOT / path).is_file(), path
        assert not test or f"def {test}(" in text(path), f"{path}::{test}"
    numbers = re.findall(r"^\| (\d+) \|", page, re.MULTILINE)
    assert numbers == [str(n) for n in range(1, 15)]
