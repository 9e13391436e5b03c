"""HTTP/2 requests that azulb must refuse: header fields and bodies, the verdict, and where the RFC says so.

The table of malformed_requests.py carried over. Verdict "reset" is RST_STREAM with PROTOCOL_ERROR; a number is the
status of an answer. In either case no server sees anything of the request, and the connection goes on.
"""

from dataclasses import dataclass

RESET = "reset"
NAMES, PSEUDO, CONNECTION = "RFC 9113 §8.2.1", "RFC 9113 §8.3", "RFC 9113 §8.2.2"
REQUEST, BODY, LIMITS, CONNECT = "RFC 9113 §8.3.1", "RFC 9113 §8.1.1", "RFC 6585 §5", "RFC 9113 §8.5"


@dataclass(frozen=True)
class Http2Case:
    name: str
    fields: tuple
    verdict: object
    rfc: str
    data: tuple = ()  # DATA payloads; the last one ends the stream
    trailers: tuple = None


CASES = []
BASE = ((":method", "GET"), (":scheme", "http"), (":authority", "a.test"), (":path", "/malformed"))
POST = ((":method", "POST"), *BASE[1:])


def _add(name, fields, verdict, rfc, **more):
    CASES.append(Http2Case(name, tuple(fields), verdict, rfc, **more))


def _with(**values):
    """BASE with other values for the pseudo-header fields; None leaves one out."""
    replaced = {f":{name}": value for name, value in values.items()}
    return [(name, replaced.get(name, value)) for name, value in BASE if replaced.get(name, value) is not None]


def _field(name, field, rfc, verdict=RESET):
    _add(name, (*BASE, field), verdict, rfc)


# ---- names
for byte in (0, 1, 9, 10, 13, 32, 34, 40, 44, 47, 59, 61, 64, 91, 123, 127, 128, 255):
    _field(f"byte {byte} in a name", (f"x{chr(byte)}y", "1"), NAMES)
for name in ("Accept", "X-Custom", "acceptX", "CONTENT-LENGTH", "Host"):
    _field(f"capitals: {name}", (name, "1"), NAMES)
for what, name in {
    "empty": "",
    "a colon inside": "x:y",
    "a colon at the end": "x:",
    "a colon alone": ":",
    "a space before": " x",
    "a space after": "x ",
    "a line end and a field": "x\r\ny: z",
    "a whole request": "x: y\r\n\r\nGET /smuggled HTTP/1.1\r\nhost",
}.items():
    _field(f"name: {what}", (name, "1"), NAMES)

# ---- values
for byte in (0, 1, 8, 10, 11, 13, 27, 31, 127):
    _field(f"byte {byte} in a value", ("x", f"a{chr(byte)}b"), NAMES)
for what, value in {
    "a field": "a\r\nx-injected: 1",
    "a request": "a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n",
    "a bare LF and a field": "a\nx-injected: 1",
    "a line end": "a\r\n",
    "obs-fold": "a\r\n b",
    "a space before": " a",
    "a space after": "a ",
    "a tab before": "\ta",
    "a tab after": "a\t",
    "only a space": " ",
}.items():
    _field(f"value: {what}", ("x", value), NAMES)

# ---- pseudo-header fields
for missing in ("method", "scheme", "path"):
    _add(f"no :{missing}", _with(**{missing: None}), RESET, REQUEST)
_add("no :authority and no host", _with(authority=None), 400, "RFC 9110 §7.2")
_add("no field at all", [], RESET, REQUEST)
for name, value in BASE:
    _add(f"{name} twice", (*BASE, (name, value)), RESET, PSEUDO)
for name in (":status", ":unknown", ":", ":Method", ":path2", ":protocol"):
    _add(f"{name} in a request", (*BASE, (name, "200")), RESET, PSEUDO)
for name, value in BASE:
    rest = [field for field in BASE if field[0] != name]
    _add(f"{name} after a field", (*rest, ("accept", "*/*"), (name, value)), RESET, PSEUDO)
for path in ("", "x", "malformed/", "http://b.test/", "//b.test/ x", "/a b", "/a\tb", "/a#b", "/a\x00", "/a\r\nx: y",
             "/ HTTP/1.1\r\nHost: b\r\n\r\nGET /smuggled", "/\x7f", "/\xe9", "*", "?a", "b.test:80"):
    _add(f":path {path[:24]!r}", _with(path=path), RESET, REQUEST)
_add(":path * for POST", _with(path="*", method="POST"), RESET, REQUEST)
for method in ("", " GET", "GET ", "GE T", "GET /smuggled HTTP/1.1\r\nx: ", "G\x00T", "GET\r\n", "(GET)", "G\xe9T"):
    _add(f":method {method[:16]!r}", _with(method=method), RESET, REQUEST)
_add(":method TRACE", _with(method="TRACE"), 405, "RFC 9110 §9.3.8")
for scheme in ("ftp", "http2", "javascript", ""):
    _add(f":scheme {scheme!r}", _with(scheme=scheme), 400, REQUEST)
for authority in ("", "user@a.test", "user:secret@a.test", "a.test:99999", "a.test:x", "a/b", "a\\b",
                  "[::1", "::1", "a?b", "a#b", "%zz", "a,b"):
    _add(f":authority {authority!r}", _with(authority=authority), 400, "RFC 9110 §7.2")
for authority in ("a b", "a.test\r\nx: y", " a.test", "a.test\x00", "a.test "):
    malformed = authority != "a b"
    _add(f":authority {authority!r}", _with(authority=authority), RESET if malformed else 400, REQUEST)
_field("host that differs from :authority", ("host", "b.test"), REQUEST)
_field("host empty beside :authority", ("host", ""), REQUEST)
_add("host twice, alike, beside :authority", (*BASE, ("host", "a.test"), ("host", "a.test")), 400, "RFC 9110 §7.2")
_add("host twice", (*_with(authority=None), ("host", "a.test"), ("host", "b.test")), 400, "RFC 9110 §7.2")
_add("host malformed", (*_with(authority=None), ("host", "a/b")), 400, "RFC 9110 §7.2")

# ---- connection-specific fields
for name, value in (("connection", "close"), ("connection", "x-custom"), ("connection", ""), ("keep-alive", "timeout=5"),
                    ("proxy-connection", "keep-alive"), ("transfer-encoding", "chunked"), ("transfer-encoding", "identity"),
                    ("transfer-encoding", ""), ("upgrade", "websocket"), ("upgrade", "h2c")):
    _field(f"{name}: {value}", (name, value), CONNECTION)
for value in ("gzip", "trailers, gzip", "trailers;q=0.5", "", "chunked"):
    _field(f"te: {value}", ("te", value), CONNECTION)
_add("transfer-encoding beside content-length", (*POST, ("content-length", "4"), ("transfer-encoding", "chunked")), RESET,
     CONNECTION, data=(b"body",))

# ---- body and its length
_add("body shorter than content-length", (*POST, ("content-length", "5")), RESET, BODY, data=(b"body",))
_add("body longer than content-length", (*POST, ("content-length", "3")), RESET, BODY, data=(b"body",))
_add("body in parts longer than content-length", (*POST, ("content-length", "5")), RESET, BODY, data=(b"bo", b"dy", b"!!"))
_add("no body for a content-length", (*POST, ("content-length", "5")), RESET, BODY)
_add("a body for content-length 0", (*POST, ("content-length", "0")), RESET, BODY, data=(b"x",))
_add("trailers end a body that is too short", (*POST, ("content-length", "5")), RESET, BODY, data=(b"body",),
     trailers=(("x-sum", "1"),))
for value in ("-1", "+5", "4, 4", "0x4", "4 4", "four", "", "99999999999999999999", "4.0"):
    _add(f"content-length {value!r}", (*POST, ("content-length", value)), 400, "RFC 9110 §8.6", data=(b"body",))
_add("content-length twice, alike", (*POST, ("content-length", "4"), ("content-length", "4")), 400, "RFC 9110 §8.6",
     data=(b"body",))
_add("content-length twice, different", (*POST, ("content-length", "4"), ("content-length", "5")), 400, "RFC 9110 §8.6",
     data=(b"body",))

# ---- trailers
for what, trailer in {
    "a pseudo-header field": (":path", "/"),
    "a status": (":status", "200"),
    "capitals": ("X-Sum", "1"),
    "a line end in a value": ("x-sum", "1\r\nx: y"),
    "a line end in a name": ("x\r\ny", "1"),
    "a connection field": ("connection", "close"),
    "a transfer-encoding": ("transfer-encoding", "chunked"),
    "far too much": ("x-sum", "1" * 9000),
}.items():
    _add(f"trailers: {what}", POST, RESET, "RFC 9113 §8.1", data=(b"body",), trailers=(trailer,))

# ---- CONNECT
_add("CONNECT", [(":method", "CONNECT"), (":authority", "a.test:443")], 405, CONNECT)
_add("CONNECT with :path", [(":method", "CONNECT"), (":authority", "a.test:443"), (":path", "/")], RESET, CONNECT)
_add("CONNECT with :scheme", [(":method", "CONNECT"), (":authority", "a.test"), (":scheme", "http")], RESET, CONNECT)
_add("CONNECT without :authority", [(":method", "CONNECT")], RESET, CONNECT)
_add(":protocol with GET", (*BASE[:1], (":protocol", "websocket"), *BASE[1:]), RESET, "RFC 8441 §4")
_add("extended CONNECT without :scheme", [*_with(method="CONNECT", scheme=None)[:1], (":protocol", "websocket"),
                                          (":authority", "a.test"), (":path", "/")], RESET, "RFC 8441 §4")
_add("extended CONNECT without :authority", [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
                                             (":path", "/")], RESET, "RFC 8441 §4")

# ---- limits and expectations
_add("a path over the limit", _with(path="/" + "x" * 9000), 414, LIMITS)
_add("a method over the limit", _with(method="M" * 9000), 414, LIMITS)
_add("fields over the limit", (*BASE, *(("x", "y" * 4000),) * 10), 431, LIMITS)
_add("one field over the limit", (*BASE, ("x", "y" * 40_000)), 431, LIMITS)
_add("too many fields", (*BASE, *(("x", "y"),) * 101), 431, LIMITS)
_add("too many cookie crumbs", (*BASE, *(("cookie", "a=b"),) * 101), 431, LIMITS)
_field("an expectation nobody knows", ("expect", "miracles"), "RFC 9110 §10.1.1", 417)
