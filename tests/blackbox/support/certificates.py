"""Certificates for the tests, made with the `openssl` command once for each test worker."""

import pathlib
import subprocess

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
RSA = ["-newkey", "rsa:2048"]


def openssl(*arguments, **more):
    result = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, timeout=60, stdin=subprocess.DEVNULL, **more
    )
    assert result.returncode == 0, result.stderr.decode(errors="replace")
    return result.stdout


class Leaf:
    """A certificate with its key, by their paths."""

    def __init__(self, directory, name):
        self.name = name
        self.cert, self.key = str(directory / f"{name}.crt"), str(directory / f"{name}.key")

    @property
    def pair(self):
        """As a configuration has it."""
        return {"cert": self.cert, "key": self.key}

    def der(self):
        """Of the first certificate in the file."""
        return openssl("x509", "-in", self.cert, "-outform", "DER")


class Authority:
    """A CA with a directory of its own, where its bundle is `bundle` and what it issues comes to lie."""

    def __init__(self, directory, subject="/CN=test CA"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.bundle, self._key = str(self.directory / "ca.pem"), str(self.directory / "ca.key")
        self._index, self._serial = self.directory / "index.txt", 0
        openssl("req", "-x509", *EC, "-nodes", "-days", 30, "-subj", subject, "-keyout", self._key, "-out", self.bundle)

    def issue(self, name, names="", kind=EC, subject=None, days=30, usage="serverAuth,clientAuth", ca=False):
        """`names`: the alternative names, such as "DNS:a.test,IP:127.0.0.1"; `days`: below 0 it has expired."""
        leaf = Leaf(self.directory, name)
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        openssl("req", "-new", *kind, "-nodes", "-subj", subject or f"/CN={name}", "-keyout", leaf.key, "-out", request)
        lines = [f"basicConstraints=critical,CA:{'TRUE' if ca else 'FALSE'}"]
        if not ca:
            lines.append(f"extendedKeyUsage={usage}")
        if names:
            lines.append(f"subjectAltName={names}")
        extensions.write_text("\n".join(lines) + "\n")
        self._serial += 1
        validity = ["-days", days] if days > 0 else []
        if days > 0:
            openssl(
                "x509", "-req", "-in", request, "-CA", self.bundle, "-CAkey", self._key, "-set_serial", self._serial,
                *validity, "-extfile", extensions, "-out", leaf.cert,
            )  # fmt: skip
        else:
            self._issue_expired(leaf, request, extensions)
        return leaf

    def _issue_expired(self, leaf, request, extensions):
        """By `openssl ca`, since `openssl x509` gives no dates in the past."""
        configuration = self.directory / "ca.cnf"
        configuration.write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.directory}/db\nnew_certs_dir={self.directory}\n"
            "rand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
        )
        (self.directory / "db").write_text("")
        openssl(
            "ca", "-batch", "-config", configuration, "-cert", self.bundle, "-keyfile", self._key, "-in", request,
            "-out", leaf.cert, "-notext", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z",
            "-extfile", extensions,
        )  # fmt: skip

    def issue_over_intermediate(self, name, names):
        """A leaf of an intermediate CA, with that behind it in its file."""
        intermediate = self.issue(f"{name}-intermediate", ca=True)
        below = Authority.__new__(Authority)
        below.directory, below.bundle, below._key, below._serial = self.directory, intermediate.cert, intermediate.key, 100
        leaf = below.issue(name, names)
        with open(leaf.cert, "a") as file:
            file.write(pathlib.Path(intermediate.cert).read_text())
        return leaf

    def ocsp_response(self, leaf, days=7):
        """The path of a response that says "good" of a leaf for some days, in DER."""
        serial = openssl("x509", "-in", leaf.cert, "-noout", "-serial").decode().strip().split("=")[1]
        self._index.write_text(f"V\t491231235959Z\t\t{serial}\tunknown\t/CN={leaf.name}\n")
        request, response = self.directory / f"{leaf.name}.ocspreq", self.directory / f"{leaf.name}.ocsp"
        openssl("ocsp", "-issuer", self.bundle, "-cert", leaf.cert, "-reqout", request, "-no_nonce")
        openssl(
            "ocsp", "-index", self._index, "-CA", self.bundle, "-rsigner", self.bundle, "-rkey", self._key,
            "-reqin", request, "-respout", response, "-ndays", days,
        )  # fmt: skip
        return str(response)


class Certificates:
    """What most tests need, for the host names under .test and 127.0.0.1."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.authority = Authority(self.directory / "ca")
        self.other_authority = Authority(self.directory / "other", "/CN=another CA")
        issue = self.authority.issue
        both = "DNS:both.test,DNS:localhost,IP:127.0.0.1"
        self.ec = issue("ec", both)
        self.rsa = issue("rsa", both, RSA)
        self.first = issue("first", "DNS:first.test")
        self.second = issue("second", "DNS:second.test,DNS:Mixed.Second.test")
        self.wildcard = issue("wildcard", "DNS:*.wild.test")
        self.chained = self.authority.issue_over_intermediate("chained", "DNS:chained.test")
        self.expired = issue("expired", "DNS:expired.test,IP:127.0.0.1", days=-1)
        self.wrong_name = issue("wrong-name", "DNS:elsewhere.test")
        self.unknown = self.other_authority.issue("unknown", both)
        self.client = issue("client", subject="/O=Example/CN=app one", usage="clientAuth")
        self.expired_client = issue("expired-client", days=-1, usage="clientAuth")
        self.unknown_client = self.other_authority.issue("unknown-client", usage="clientAuth")
        self.self_signed = Leaf(self.directory, "self-signed")
        openssl(
            "req", "-x509", *EC, "-nodes", "-days", 30, "-subj", "/CN=localhost", "-addext", f"subjectAltName={both}",
            "-keyout", self.self_signed.key, "-out", self.self_signed.cert,
        )  # fmt: skip
