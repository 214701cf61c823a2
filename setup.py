"""Puts the folders that stand beside the package into its wheel, where loadlab/system/packaged.py finds them.

All else is said in pyproject.toml.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

DATA = "_data"
SHIPPED = (
    "locustfiles/*.py",
    "plans/*.toml",
    "dashboards/*.json",
    "dashboards/prometheus/*.yml",
    "dashboards/provisioning/*/*.yml",
)


class BuildWithData(build_py):
    """Builds the package with the scenarios, plans and dashboards as its data."""

    def _get_data_files(self) -> list[tuple[str, str, str, list[str]]]:
        """As setuptools wants them: (package, folder of the sources, folder in the build, names)."""
        shipped = sorted(path for pattern in SHIPPED for path in Path().glob(pattern))
        built = Path(self.build_lib, "loadlab", DATA)
        data = [("loadlab", str(path.parent), str(built / path.parent), [path.name]) for path in shipped]
        return [*super()._get_data_files(), *data]


setup(cmdclass={"build_py": BuildWithData})
