"""One build of the distribution, and one environment with nothing but its wheel, for all tests of this folder."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the sdist, the wheel built from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)], check=True)
    return out


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    """The one wheel of the build."""
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def sdist(dist: Path) -> Path:
    """The one source archive of the build."""
    (found,) = dist.glob("*.tar.gz")
    return found


@pytest.fixture(scope="session")
def bare_bin(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program folder of a new environment in which the wheel is installed, without any extra."""
    home = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(home, with_pip=True)
    programs = home / ("Scripts" if sys.platform == "win32" else "bin")
    subprocess.run([str(programs / "python"), "-m", "pip", "install", "--quiet", str(wheel)], check=True)
    return programs
