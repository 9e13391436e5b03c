"""What --check says of TLS: certificates, keys and bundles that are wrong are told with place and reason, at once."""

import pathlib
import re
import subprocess

import pytest

from support.azulb import BINARY
from support.certificates import openssl

UPSTREAM = '[upstream.app]\nservers = ["127.0.0.1:3001"]\n'


def check(tmp_path, text):
    path = tmp_path / "checked.toml"
    path.write_text(text)
    result = subprocess.run(
        [str(BINARY), "-c", str(path), "--check"], capture_output=True, text=True, errors="replace", timeout=20
    )
    return result.returncode, result.stdout + result.stderr


def listener(cert, key, rest="", ocsp=None):
    more = f', ocsp = "{ocsp}"' if ocsp else ""
    return (
        f'[listener.https]\naddress = "127.0.0.1:8443"\n[listener.https.tls]\n'
        f'certificates = [{{ cert = "{cert}", key = "{key}"{more} }}]\n{rest}{UPSTREAM}'
    )


def fault(tmp_path, text, line):
    status, output = check(tmp_path, text)
    assert status == 1, output
    assert re.search(rf"checked\.toml:{line}:\d+", output), output
    return output


@pytest.fixture
def files(tmp_path, certificates):
    """The paths of wrong files, by what is wrong."""
    leaf = certificates.ec

    def write(name, text):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    pem, chained = pathlib.Path(leaf.cert).read_text(), pathlib.Path(certificates.chained.cert).read_text()
    locked = str(tmp_path / "locked.key")
    openssl("pkey", "-in", leaf.key, "-aes256", "-passout", "pass:word", "-out", locked)
    return {
        "missing": str(tmp_path / "missing"),
        "empty": write("empty", ""),
        "text": write("text", "no certificate\n"),
        "damaged": write("damaged", pem.replace("M", "!", 5)),
        "damaged chain": write("damaged-chain", chained[: len(chained) - 200]),
        "locked": locked,
        "directory": str(tmp_path),
    }


def test_right_files_pass(tmp_path, certificates):
    c = certificates
    rest = f'client_ca = "{c.authority.bundle}"\nclient_verify = "required"\nciphers = "ECDHE+AESGCM"\n'
    text = listener(c.ec.cert, c.ec.key, rest, c.authority.ocsp_response(c.ec))
    text += f'[upstream.app.tls]\nca = "{c.authority.bundle}"\ncert = "{c.client.cert}"\nkey = "{c.client.key}"\n'
    status, output = check(tmp_path, text)
    assert status == 0, output


@pytest.mark.parametrize("which", ["missing", "empty", "text", "damaged", "damaged chain", "directory"])
def test_a_wrong_certificate_is_told_with_its_file(tmp_path, certificates, files, which):
    assert files[which] in fault(tmp_path, listener(files[which], certificates.ec.key), 4)


@pytest.mark.parametrize("which", ["missing", "empty", "text", "damaged", "locked", "directory"])
def test_a_wrong_key_is_told_with_its_file(tmp_path, certificates, files, which):
    assert files[which] in fault(tmp_path, listener(certificates.ec.cert, files[which]), 4)


def test_the_key_of_another_certificate_is_told(tmp_path, certificates):
    assert "is not that of the certificate" in fault(tmp_path, listener(certificates.ec.cert, certificates.rsa.key), 4)


def test_a_weak_key_is_told_before_the_start(tmp_path, certificates):
    weak = certificates.authority.issue("weak", "DNS:weak.test", ["-newkey", "rsa:1024"])
    assert "key too small" in fault(tmp_path, listener(weak.cert, weak.key), 4)


@pytest.mark.parametrize("which", ["missing", "empty", "text"])
def test_a_wrong_response_to_staple_is_told(tmp_path, certificates, files, which):
    leaf = certificates.ec
    assert files[which] in fault(tmp_path, listener(leaf.cert, leaf.key, ocsp=files[which]), 4)


@pytest.mark.parametrize("which", ["missing", "empty", "text", "damaged", "directory"])
def test_a_wrong_bundle_is_told(tmp_path, certificates, files, which):
    leaf = certificates.ec
    rest = f'client_verify = "required"\nclient_ca = "{files[which]}"\n'
    assert files[which] in fault(tmp_path, listener(leaf.cert, leaf.key, rest), 6)
    plain = '[listener.http]\naddress = "127.0.0.1:8080"\n'
    text = f'{plain}{UPSTREAM}[upstream.app.tls]\nca = "{files[which]}"\n'
    assert files[which] in fault(tmp_path, text, 6)


@pytest.mark.parametrize(
    "rest,words",
    [
        ('ciphers = "HIGH:NONSENSE"\n', "NONSENSE"),
        ('ciphers = "TLS_AES_128_GCM_SHA256"\n', "TLS_AES_128_GCM_SHA256"),
        ('min_version = "1.1"\n', "1.1"),
        ('client_verify = "required"\n', "client_ca"),
        ('client_verify = "maybe"\n', "maybe"),
        ('sesion_tickets = true\n', "session_tickets"),
    ],
)
def test_a_wrong_key_of_the_table_is_told(tmp_path, certificates, rest, words):
    assert words in fault(tmp_path, listener(certificates.ec.cert, certificates.ec.key, rest), 5)


def test_a_first_try_is_told_how_to_make_a_certificate(tmp_path):
    output = fault(tmp_path, listener("site.crt", "site.key"), 4)
    assert "openssl req -x509" in output
