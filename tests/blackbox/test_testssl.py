"""testssl.sh's verdicts on azulb with both kinds of key.

What is the site's own is not asked: its certificates' age and authority, headers such as Strict-Transport-Security.
"""

import subprocess

import pytest

from support.azulb import is_sanitized
from support.scripted_server import OK, always

pytestmark = [pytest.mark.slow, pytest.mark.skipif(is_sanitized(), reason="it counts seconds")]


@pytest.fixture(scope="module")
def target(module_azulb, module_scripted, certificates):
    pairs = [certificates.ec.pair, certificates.rsa.pair]
    return module_azulb(module_scripted(always(OK)), listener={"tls": {"certificates": pairs}})


def verdicts(target, directory, *options):
    """What testssl.sh finds, as {what: (severity, words)}; anything that is not good fails the test."""
    report = directory / "testssl.csv"
    command = ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--csvfile", report, "--nodns", "none"]
    command += ["--ip", "127.0.0.1", *options, f"localhost:{target.port}"]
    subprocess.run(command, capture_output=True, timeout=85, cwd=directory)
    found = {}
    for line in report.read_text().splitlines()[1:]:
        name, _, _, severity, words, *_ = line.strip('"').split('","')
        if name != "engine_problem":  # of the machine's own openssl
            found[name] = (severity, words)
    bad = {name: found[name] for name in found if found[name][0] not in ("OK", "INFO")}
    assert not bad
    return found


def test_no_weak_protocol_or_cipher(target, tmp_path):
    found = verdicts(target, tmp_path, "--protocols", "--std", "--pfs", "--server-preference")
    for name in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
        assert found[name][1] == "not offered", name
    for name in ("NULL", "aNULL", "EXPORT", "LOW", "3DES_IDEA", "AVERAGE"):
        assert found[f"cipherlist_{name}"][1] == "not offered", name
    for name in ("TLS1_2", "TLS1_3", "cipherlist_STRONG", "PFS", "cipher_order"):
        assert found[name][0] == "OK", name


def test_no_known_vulnerability(target, tmp_path):
    found = verdicts(target, tmp_path, "--vulnerable")
    for name in (
        "heartbleed", "CCS", "ticketbleed", "ROBOT", "secure_renego", "secure_client_renego", "CRIME_TLS", "BREACH",
        "POODLE_SSL", "fallback_SCSV", "SWEET32", "FREAK", "DROWN", "LOGJAM", "BEAST", "LUCKY13", "RC4",
    ):  # fmt: skip
        assert found[name][0] == "OK", name
