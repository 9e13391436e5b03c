"""OCSP responses that are stapled to handshakes: to whom, which, and for how long."""

import datetime
import pathlib
import re

import pytest

from support.scripted_server import OK, always
from support.tls import SClient, tls_fetch
from support.waiting import wait_until

VERSIONS = pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
NONE = "no response sent"


@pytest.fixture
def updated(tmp_path, certificates):
    """Factory: updated(bytes) puts a response for certificates.ec in place, as updaters do it; returns its path."""
    path = tmp_path / "ec.ocsp"

    def replace(data):
        new = path.with_suffix(".new")
        new.write_bytes(data)
        new.rename(path)
        return str(path)

    return replace


def good(certificates, days=7):
    return pathlib.Path(certificates.authority.ocsp_response(certificates.ec, days)).read_bytes()


def valid_until(response, seconds):
    """The same response with an end that many seconds from now. (The CA's signature is the clients' to verify.)"""
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    times = list(re.finditer(rb"\d{14}Z", response))
    begin, stop = times[-1].span()
    return response[:begin] + end.strftime("%Y%m%d%H%M%SZ").encode() + response[stop:]


def shown(proxy, *options, name="both.test"):
    """What a client sees that asks for a response: its end, or NONE."""
    output = SClient(proxy.address, "-status", *options, name=name).output
    if NONE in output:
        return NONE
    assert "Cert Status: good" in output, output
    return re.search(r"Next Update: (.*)", output).group(1)


def start(tls_azulb, scripted, certificates, path):
    pair = {**certificates.ec.pair, "ocsp": path}
    return tls_azulb(scripted(always(OK)), tls={"certificates": [pair]})


@VERSIONS
def test_a_response_is_stapled_to_its_own_certificate_only(tls_azulb, scripted, certificates, version):
    c = certificates
    stapled = {**c.ec.pair, "ocsp": c.authority.ocsp_response(c.ec)}
    proxy = tls_azulb(scripted(always(OK)), tls={"certificates": [stapled, c.rsa.pair, c.first.pair]})
    assert shown(proxy, version, "-sigalgs", "ecdsa_secp256r1_sha256") != NONE
    assert shown(proxy, version, "-sigalgs", "rsa_pss_rsae_sha256") == NONE
    assert shown(proxy, version, name="first.test") == NONE
    assert "OCSP response" not in SClient(proxy.address, version).output


def test_a_new_response_is_stapled_without_a_restart(tls_azulb, scripted, certificates, updated):
    proxy = start(tls_azulb, scripted, certificates, updated(good(certificates, days=3)))
    first = shown(proxy)
    for days in (5, 7):
        updated(good(certificates, days))
        wait_until(lambda: shown(proxy) not in (first, NONE), what="the new response")
        first = shown(proxy)
    assert proxy.stderr().count(" is stapled") == 3
    assert " warn " not in "".join(line for line in proxy.stderr().splitlines() if "ocsp" in line)


@pytest.mark.parametrize("fault", ["text", "empty", "another certificate's", "ended"])
def test_a_wrong_response_is_told_and_the_one_before_goes_on(tls_azulb, scripted, certificates, updated, fault):
    proxy = start(tls_azulb, scripted, certificates, updated(good(certificates)))
    first = shown(proxy)
    assert first != NONE
    data, words = {
        "text": (b"no response", "is not an OCSP response"),
        "empty": (b"", "is not an OCSP response"),
        "another certificate's": (
            pathlib.Path(certificates.authority.ocsp_response(certificates.rsa)).read_bytes(), "is of another certificate",
        ),
        "ended": (valid_until(good(certificates), -10), "was valid until"),
    }[fault]  # fmt: skip
    path = updated(data)
    wait_until(lambda: words in proxy.stderr(), what="a warning")
    line = next(line for line in proxy.stderr().splitlines() if words in line)
    assert " warn " in line and path in line and "listener http" in line and "still stapled" in line
    assert shown(proxy) == first
    pathlib.Path(path).unlink()
    wait_until(lambda: "no such file" in proxy.stderr(), what="a warning")
    assert shown(proxy) == first
    updated(good(certificates, days=5))
    wait_until(lambda: shown(proxy) not in (first, NONE), what="the response that mends it")


def test_a_response_that_ends_is_stapled_no_more_and_told(tls_azulb, scripted, certificates, updated):
    response = good(certificates)
    proxy = start(tls_azulb, scripted, certificates, updated(valid_until(response, 8)))
    assert shown(proxy) != NONE
    wait_until(lambda: shown(proxy) == NONE, 20, "the end")
    wait_until(lambda: "nothing is stapled" in proxy.stderr(), what="a warning")
    assert tls_fetch(proxy.address).status == 200
    updated(response)
    wait_until(lambda: shown(proxy) != NONE, what="the new response")


@pytest.mark.parametrize("fault", ["ended", "another certificate's"])
def test_a_start_with_a_response_of_no_use_is_told_and_serves(tls_azulb, scripted, certificates, updated, fault):
    response = good(certificates)
    if fault == "ended":
        path = updated(valid_until(response, -10))
    else:
        path = certificates.authority.ocsp_response(certificates.rsa)
    proxy = start(tls_azulb, scripted, certificates, path)
    assert shown(proxy) == NONE
    line = next(line for line in proxy.stderr().splitlines() if "OCSP" in line)
    assert " warn " in line and "nothing is stapled" in line
    assert tls_fetch(proxy.address).status == 200
