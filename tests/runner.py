"""Builds what tests need and runs them; tests/run.sh calls it once the packages are there.

Parts, in the order in which all of them run:
  layers    the include rules between the layers
  format    clang-format
  unit      the unit tests
  fuzz      the fuzz targets, each on its corpus
  blackbox  the real binary against real clients and servers
  package   the Debian package: build, lintian, install and purge in a copy-on-write view of this system
  asan      unit, fuzz and black-box tests under AddressSanitizer and UndefinedBehaviorSanitizer
  tsan      what has threads under ThreadSanitizer
  tidy      clang-tidy on the files that changed, and on all of them with "tidy:all"

Other names: a unit test or fuzz target (unit_http, fuzz_replay_config), a black-box file or test (test_retry,
test_retry.py::test_name, or the test's name alone); with "asan:" or "tsan:" before it, under that sanitizer.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
BLACKBOX = ROOT / "tests" / "blackbox"
PROCESSORS = os.cpu_count() or 1
PART_TIME_LIMIT = 20 * 60  # seconds, each command

COMMON = ["-Dtests=enabled", "-Dwerror=true"]
SANITIZED = ["-Doptimization=1", "-Ddebug=true", "-Db_ndebug=false", "-Db_lto=false", "-Db_lundef=false"]
BUILDS = {
    # As `meson setup` builds it for users; the unit tests need no more than a quick build.
    "release": ("build-release", []),
    "unit": ("build-test", ["-Doptimization=1", "-Db_lto=false"]),
    "asan": ("build-asan", ["-Db_sanitize=address,undefined", *SANITIZED]),
    "tsan": ("build-tsan", ["-Db_sanitize=thread", *SANITIZED]),
}
# What shares memory between threads: server states and health, the line sink, the mailbox, the workers.
TSAN_UNITS = ["unit_base", "unit_balance", "unit_net"]
TSAN_BLACKBOX = ["test_balancing.py", "test_signals.py", "test_health.py", "test_metrics.py", "test_tls_clients.py"]

SANITIZER_ENVIRONMENT = {
    # What is freed stays for a while, to catch its use; a small quarantine leaves the tests of memory their meaning.
    "ASAN_OPTIONS": "abort_on_error=0:detect_stack_use_after_return=1:strict_string_checks=1:quarantine_size_mb=48",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


class Tally:
    """Tests that passed, failed and were skipped, and what took how long."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.durations = []

    def add(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped


TALLY = Tally()
CONFIGURED = set()  # kinds of build


class Part:
    """Prints a part's beginning, its result and how long it took."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        print(f"== {self.name}", flush=True)
        self.began, self.before = time.monotonic(), (TALLY.passed, TALLY.failed, TALLY.skipped)

    def __exit__(self, kind, error, trace):
        duration = time.monotonic() - self.began
        now = (TALLY.passed, TALLY.failed, TALLY.skipped)
        passed, failed, skipped = (after - before for after, before in zip(now, self.before))
        if kind is None:
            print(f"-- {self.name}: {passed} passed, {failed} failed, {skipped} skipped, {duration:.0f} s", flush=True)
            TALLY.durations.append((self.name, duration, failed))


def run(command, environment=None, quiet=False, cwd=ROOT):
    """Runs a command in a process group of its own, which ends with it. Returns (exit status, output if quiet)."""
    output = subprocess.PIPE if quiet else None
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        text, _ = process.communicate(timeout=PART_TIME_LIMIT)
        return process.returncode, text or ""
    except subprocess.TimeoutExpired:
        print(f"{command[0]} ran for more than {PART_TIME_LIMIT} s", flush=True)
        return 124, ""
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def check(name, command):
    """A check that is one test."""
    with Part(name):
        status, _ = run(command)
        TALLY.add(passed=status == 0, failed=status != 0)


def configure(kind):
    """Once a run: sets the build directory up, or gives one of an older checkout today's options."""
    if kind in CONFIGURED:
        return True
    directory, options = BUILDS[kind]
    # Reconfigured even if the options are the same: what tests there are is asked of meson before ninja builds.
    again = ["--reconfigure"] if (ROOT / directory / "build.ninja").exists() else []
    status, text = run(["meson", "setup", *again, directory, *COMMON, *options], quiet=True)
    if status == 0:
        CONFIGURED.add(kind)
    else:
        print(f"{text}\nmeson setup {directory} failed; if the directory is of another machine, remove it", flush=True)
        TALLY.add(failed=1)
    return status == 0


def build(kind, targets):
    """Configures and builds; a failure is one failed test and False."""
    directory = BUILDS[kind][0]
    with Part(f"build {directory}: {' '.join(map(os.path.basename, targets))}"):
        if not configure(kind):
            return False
        status, text = run(["ninja", "-C", directory, *targets], quiet=True)
        if status != 0:
            print(text[-20000:], flush=True)
            TALLY.add(failed=1)
        return status == 0


def meson_tests(kind):
    """The tests' names and executables, by suite."""
    status, text = run(["meson", "introspect", "--tests", str(ROOT / BUILDS[kind][0])], quiet=True)
    assert status == 0, text
    tests = {"unit": {}, "fuzz": {}}
    for test in json.loads(text):
        suite = test["suite"][0].split(":")[-1]
        tests[suite][test["name"]] = os.path.relpath(test["cmd"][0], ROOT / BUILDS[kind][0])
    return tests


def run_meson_tests(kind, names, label):
    """Runs unit tests and corpus replays; counts doctest's cases, and one for each other executable."""
    directory = BUILDS[kind][0]
    tests = meson_tests(kind)
    programs = {**tests["unit"], **tests["fuzz"]}
    if not build(kind, [programs[name] for name in names]):
        return
    with Part(label):
        environment = {**SANITIZER_ENVIRONMENT, "MESON_TESTTHREADS": str(PROCESSORS)}
        command = ["meson", "test", "-C", directory, "--no-rebuild", "--print-errorlogs", "--timeout-multiplier=3"]
        status, _ = run([*command, *names], environment)
        results = ROOT / directory / "meson-logs" / "testlog.json"
        count_meson_results(results, status, names)


def count_meson_results(path, status, names):
    cases = re.compile(r"test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed \|\s*(\d+) skipped")
    seen = failures = 0
    for line in path.read_text().splitlines():
        record = json.loads(line)
        seen += 1
        match = cases.search(record.get("stdout", ""))
        passed, failed, skipped = (int(match.group(i)) for i in (2, 3, 4)) if match else (0, 0, 0)
        if record["result"] not in ("OK", "EXPECTEDFAIL"):
            failed = max(failed, 1)
        elif not match:
            passed = 1
        failures += failed
        TALLY.add(passed, failed, skipped)
    if seen != len(names) or (status != 0 and failures == 0):
        print(f"{seen} of {len(names)} test programs ran, status {status}", flush=True)
        TALLY.add(failed=1)


def run_blackbox(kind, arguments, label):
    """Runs pytest over the binary of a build."""
    directory = ROOT / BUILDS[kind][0]
    if not build(kind, ["azulb"]):
        return
    with Part(label):
        report = directory / "blackbox.xml"
        report.unlink(missing_ok=True)
        command = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        # A test that fails is tried once more, and -rR names it: one pause of a busy machine should not fail a change, and is not hidden either.
        command += ["-n", str(max(2, PROCESSORS)), "--reruns", "1", "-rR", *arguments]
        environment = {
            **SANITIZER_ENVIRONMENT,
            "AZULB_BINARY": str(directory / "azulb"),
            "AZULB_TEST_CACHE": str(ROOT / "build-release"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        status, _ = run(command, environment, cwd=BLACKBOX)
        count_pytest_results(report, status)


def count_pytest_results(path, status):
    failed = 0
    if path.exists():
        for suite in xml.etree.ElementTree.parse(path).getroot().iter("testsuite"):
            total, failures, errors, skipped = (
                int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")
            )
            failed += failures + errors
            TALLY.add(total - failures - errors - skipped, failures + errors, skipped)
    if status != 0 and failed == 0:
        print(f"pytest ended with status {status}", flush=True)
        TALLY.add(failed=1)


# ---- parts
def part_layers():
    check("layers", ["/usr/bin/python3", "tests/check_layers.py"])


def part_format():
    check("format", ["tests/check_format.sh"])


def part_unit(kind="unit"):
    if configure(kind):
        run_meson_tests(kind, sorted(meson_tests(kind)["unit"]), f"unit tests ({BUILDS[kind][0]})")


def part_fuzz(kind="unit"):
    if configure(kind):
        run_meson_tests(kind, sorted(meson_tests(kind)["fuzz"]), f"fuzz corpora ({BUILDS[kind][0]})")


def part_blackbox():
    run_blackbox("release", [], "black-box tests")


def part_package():
    directory = ROOT / "build-deb"
    with Part("build the Debian package"):
        status, text = run(["packaging/build-deb.sh", str(directory)], quiet=True)
        if status != 0:
            print(text[-20000:], flush=True)
        TALLY.add(passed=status == 0, failed=status != 0)
    if status != 0:
        return
    changes, package = (max(map(str, directory.glob(f"azulb_*.{kind}"))) for kind in ("changes", "deb"))
    check("lintian", ["lintian", "--allow-root", "--fail-on", "error,warning", changes])
    if may_mount():
        check("install and purge the package", ["tests/package/install.sh", package])
    else:
        print("no mounts are allowed here: installing the package is left out", flush=True)
        TALLY.add(skipped=1)


def may_mount():
    return run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], quiet=True)[0] == 0


def part_asan():
    if not configure("asan"):
        return
    tests = meson_tests("asan")
    run_meson_tests("asan", sorted([*tests["unit"], *tests["fuzz"]]), "unit tests and fuzz corpora (build-asan)")
    run_blackbox("asan", ["-m", "not slow"], "black-box tests (build-asan)")


def part_tsan():
    if not configure("tsan"):
        return
    run_meson_tests("tsan", TSAN_UNITS, "unit tests with threads (build-tsan)")
    files = [name for name in TSAN_BLACKBOX if (BLACKBOX / name).exists()]
    run_blackbox("tsan", ["-m", "not slow", *files], "black-box tests with workers (build-tsan)")


def part_tidy(everything=False):
    if configure("unit"):
        check("clang-tidy", ["/usr/bin/python3", "tests/tidy.py", "build-test", *(["--all"] if everything else [])])


PARTS = {
    "layers": part_layers,
    "format": part_format,
    "unit": part_unit,
    "fuzz": part_fuzz,
    "blackbox": part_blackbox,
    "package": part_package,
    "asan": part_asan,
    "tsan": part_tsan,
    "tidy": part_tidy,
    "tidy:all": lambda: part_tidy(True),
    "asan:unit": lambda: part_unit("asan"),
    "asan:fuzz": lambda: part_fuzz("asan"),
    "tsan:unit": lambda: part_unit("tsan"),
}
EVERYTHING = ["layers", "format", "unit", "fuzz", "blackbox", "package", "asan", "tsan", "tidy"]


def part_named(name):
    """What runs for `name`, or None."""
    if name in PARTS:
        return PARTS[name]
    kind, _, rest = name.rpartition(":") if name.split(":")[0] in ("asan", "tsan") else ("", "", name)
    if re.fullmatch(r"(unit|fuzz)_\w+", rest):
        kind = kind or "unit"
        rest = rest if rest.startswith(("unit_", "fuzz_replay_")) else rest.replace("fuzz_", "fuzz_replay_", 1)

        def run_one():
            if not configure(kind):
                return
            tests = meson_tests(kind)
            if rest not in tests["unit"] and rest not in tests["fuzz"]:
                print(f"no such test: {rest}; there are {', '.join([*tests['unit'], *tests['fuzz']])}")
                TALLY.add(failed=1)
                return
            run_meson_tests(kind, [rest], name)

        return run_one
    kind = kind or "release"
    file = re.sub(r"^(tests/)?(blackbox/)?", "", rest.split("::")[0])
    file = file if file.endswith(".py") else file + ".py"
    if file.startswith("test_") and (BLACKBOX / file).exists():
        selected = [file + rest[len(rest.split("::")[0]) :]]
        return lambda: run_blackbox(kind, selected, name)
    if rest.startswith("test_") and any(f"def {rest}(" in path.read_text() for path in BLACKBOX.glob("test_*.py")):
        return lambda: run_blackbox(kind, ["-k", rest], name)
    return None


def main(names):
    if "--help" in names or "-h" in names:
        print(__doc__)
        return 0
    parts = [(name, part_named(name)) for name in names or EVERYTHING]
    unknown = [name for name, part in parts if part is None]
    if unknown:
        print(f"no such part or test: {', '.join(unknown)}\n\n{__doc__}", file=sys.stderr)
        return 2
    began = time.monotonic()
    for _, part in parts:
        part()
    print()
    for name, duration, failed in TALLY.durations:
        print(f"{duration:6.0f} s  {name}{'  FAILED' if failed else ''}")
    print(f"{time.monotonic() - began:6.0f} s  in all\n")
    skipped = f", {TALLY.skipped} skipped" if TALLY.skipped else ""
    print(f"{TALLY.passed} passed, {TALLY.failed} failed{skipped}")
    return 1 if TALLY.failed or not TALLY.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
