"""Checks what the built wheel and sdist contain: `python check_distributions.py DIR`."""

import sys
import tarfile
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

#: What somebody needs who has the sdist alone and wants to test, build or release it.
SDIST = (
    ".ci/run",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "docs/conf.py",
    "docs/index.md",
    "noxfile.py",
    "pyproject.toml",
    "tests/conftest.py",
    "tests/docs/pages.py",
    "tests/typing/ok_package.py",
)


def package_files() -> set[str]:
    files = (CHECKOUT / "lash_trio").rglob("*")
    names = {path.relative_to(CHECKOUT).as_posix() for path in files if path.is_file()}
    # Caches of Python and of tools are no part of it.
    return {name for name in names if "/." not in name and "__pycache__" not in name}


def check_wheel(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
    code = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    problems = [f"{path.name} lacks {name}" for name in package_files() - code]
    problems += [f"{path.name} should not have {name}" for name in code - package_files()]
    if "lash_trio/py.typed" not in code:
        problems.append(f"{path.name} lacks lash_trio/py.typed")
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        problems.append(f"{path.name} lacks the licence")
    return problems


def check_sdist(path: Path) -> list[str]:
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = package_files() | set(SDIST)
    return [f"{path.name} lacks {name}" for name in wanted - names]


def main(directory: Path) -> int:
    (wheel,) = directory.glob("*.whl")
    (sdist,) = directory.glob("*.tar.gz")
    problems = sorted(check_wheel(wheel) + check_sdist(sdist))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
