"""Builds the benchmark's programs, and azulb, with the project's own build."""

import os
import subprocess

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = ("bench_relay", "bench_backend", "bench_load")


class BuildError(Exception):
    pass


def _run(command, log):
    with open(log, "ab") as output:
        if subprocess.run(command, stdout=output, stderr=output).returncode != 0:
            raise BuildError(f"{' '.join(command)} failed: see {log}")


def _directory_of(directory, program):
    for candidate in (directory, os.path.join(directory, "bench"), os.path.join(directory, "src")):
        if os.access(os.path.join(candidate, program), os.X_OK):
            return candidate
    return None


def build(directory, want_azulb, progress):
    """Returns (directory of the programs, path of azulb or None). An azulb that does not build is only reported."""
    os.makedirs(directory, exist_ok=True)
    log = os.path.join(directory, "bench-build.log")
    if not os.path.exists(os.path.join(directory, "build.ninja")):
        progress(f"configuring {directory}")
        _run(["meson", "setup", directory, SOURCE, "-Dbench=true", "-Dtests=disabled", "--buildtype=release"], log)
    progress("building the benchmark's programs")
    _run(["ninja", "-C", directory, *(f"bench/{program}" for program in PROGRAMS)], log)
    azulb = None
    if want_azulb:
        progress("building azulb")
        try:
            _run(["ninja", "-C", directory, "azulb"], log)
            azulb = os.path.join(_directory_of(directory, "azulb") or directory, "azulb")
        except BuildError as error:
            progress(str(error))
    return _directory_of(directory, PROGRAMS[0]), azulb
