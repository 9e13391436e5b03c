"""The certificate of a run: self-signed, ECDSA P-256, the same for every contender."""

import os
import shutil
import subprocess
from dataclasses import dataclass

import contenders


@dataclass(frozen=True)
class Certificate:
    certificate: str  # paths
    key: str
    both: str  # in one file, as HAProxy wants it


def make(directory):
    openssl = shutil.which("openssl", path=contenders.SEARCH_PATH)
    if openssl is None:
        raise contenders.Unavailable("openssl is not installed, and makes the certificate")
    paths = Certificate(*(os.path.join(directory, name) for name in ("bench.crt", "bench.key", "bench.pem")))
    done = subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                           "-days", "2", "-subj", "/CN=bench.example", "-addext", "subjectAltName=DNS:bench.example",
                           "-keyout", paths.key, "-out", paths.certificate], capture_output=True, text=True)
    if done.returncode != 0:
        raise contenders.Unavailable(f"openssl made no certificate: {done.stderr.strip()}")
    with open(paths.both, "w") as both:
        for path in (paths.certificate, paths.key):
            with open(path) as part:
                both.write(part.read())
    return paths
