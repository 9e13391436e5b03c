"""Responses of a server that azulb must not pass on as they are, with what the client has to see instead.

`then` is sent only after the client has got everything of `first` that can be passed on. In every case the connection to the
server is not used again. Verdicts:
  502       a 502 of azulb's own
  aborted   the response begins and is then cut off, by a reset or before its declared end, never by a clean end
  either    both are right, since the fault came in the same bytes as a good head
  clean     the response as it should have been (`body`), what the server sent beyond it dropped
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class MalformedResponse:
    name: str
    first: bytes
    verdict: str
    rfc: str
    then: bytes = b""
    body: bytes = b""
    method: str = "GET"
    status: int = 200
    closes: bool = True  # the server closes after it; else it keeps the connection open


CASES = []


def _add(name, first, verdict, rfc, **more):
    CASES.append(MalformedResponse(name, first, verdict, rfc, **more))


def _head(name, line, rfc, fields=b"Content-Length: 2\r\n", body=b"ok", verdict="502", **more):
    _add(name, line + b"\r\n" + fields + b"\r\n" + body, verdict, rfc, closes=False, **more)


def _field(name, field, rfc, verdict="502"):
    _head(name, b"HTTP/1.1 200 OK", rfc, fields=field + b"\r\nContent-Length: 2\r\n", verdict=verdict)


def _framing(name, fields, rfc, body=b"hello"):
    _head(name, b"HTTP/1.1 200 OK", rfc, fields=fields, body=body)


LINE = "RFC 9112 §4"
_head("HTTP/0.9 body alone", b"<html>hello</html>", LINE, fields=b"", body=b"")
_head("binary rubbish", bytes(range(1, 200)), LINE)
_head("another protocol's banner", b"220 mail.example ESMTP", LINE, fields=b"", body=b"")
_head("version 2.0", b"HTTP/2.0 200 OK", "RFC 9112 §2.3")
_head("version 0.9", b"HTTP/0.9 200 OK", "RFC 9112 §2.3")
_head("version without dot", b"HTTP/1 200 OK", "RFC 9112 §2.3")
_head("version with a letter", b"HTTP/1.x 200 OK", "RFC 9112 §2.3")
_head("lower-case version", b"http/1.1 200 OK", "RFC 9112 §2.3")
_head("ICY", b"ICY 200 OK", "RFC 9112 §2.3")
_head("status of two digits", b"HTTP/1.1 20 OK", LINE)
_head("status of four digits", b"HTTP/1.1 2000 OK", LINE)
_head("status with a letter", b"HTTP/1.1 2x0 OK", LINE)
_head("negative status", b"HTTP/1.1 -20 OK", LINE)
_head("status 000", b"HTTP/1.1 000 OK", "RFC 9110 §15")
_head("status 099", b"HTTP/1.1 099 OK", "RFC 9110 §15")
_head("no status", b"HTTP/1.1", LINE)
_head("two spaces before the status", b"HTTP/1.1  200 OK", LINE)
_head("tab before the status", b"HTTP/1.1\t200 OK", LINE)
_head("NUL in the reason", b"HTTP/1.1 200 O\0K", LINE)
_head("bare CR in the reason", b"HTTP/1.1 200 O\rK", "RFC 9112 §2.2")
_add("bare LF after the status line", b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok", "502", "RFC 9112 §2.2")
_add("bare LF throughout", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "502", "RFC 9112 §2.2")
_add("closed without a byte", b"", "502", LINE)
_add("closed within the status line", b"HTTP/1.1 200", "502", LINE)
_add("closed within the fields", b"HTTP/1.1 200 OK\r\nContent-Le", "502", LINE)
_add("closed before the empty line", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", "502", LINE)
_add("closed after 100", b"HTTP/1.1 100 Continue\r\n\r\n", "502", "RFC 9110 §15.2")
_add("101 that nobody asked for", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
     "502", "RFC 9110 §15.2.2")

_field("space before the colon", b"X-A : 1", "RFC 9112 §5.1", verdict="502")
_field("no colon", b"X-A", "RFC 9112 §5")
_field("empty name", b": 1", "RFC 9110 §5.1")
_field("space in the name", b"X A: 1", "RFC 9110 §5.1")
_field("control byte in the name", b"X\x01A: 1", "RFC 9110 §5.1")
_field("NUL in the value", b"X-A: 1\x002", "RFC 9110 §5.5")
_field("control byte in the value", b"X-A: 1\x012", "RFC 9110 §5.5")
_field("bare CR in the value", b"X-A: 1\r2", "RFC 9112 §2.2")
_field("bare CR that would start a field", b"X-A: 1\rSet-Cookie: a=b", "RFC 9112 §2.2")
_field("bare LF in the value", b"X-A: 1\nX-B: 2", "RFC 9112 §2.2")
_field("obs-fold", b"X-A: 1\r\n 2", "RFC 9112 §5.2")
_field("white space before the first field", b" X-A: 1", "RFC 9112 §2.2")
_field("endless field", b"X-A: " + b"a" * 300000, "RFC 9112 §5")
_field("endless fields", b"\r\n".join(b"X-%d: 1" % n for n in range(20000)), "RFC 9112 §5")

CL = "RFC 9112 §6.3"
_framing("both lengths", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", CL, b"0\r\n\r\n")
_framing("both lengths, the other order", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", CL, b"0\r\n\r\n")
_framing("two differing lengths", b"Content-Length: 5\r\nContent-Length: 6\r\n", CL)
_framing("a list of lengths", b"Content-Length: 5, 6\r\n", CL)
_framing("signed length", b"Content-Length: +5\r\n", CL)
_framing("negative length", b"Content-Length: -5\r\n", CL)
_framing("empty length", b"Content-Length:\r\n", CL)
_framing("hexadecimal length", b"Content-Length: 0x5\r\n", CL)
_framing("length with a word", b"Content-Length: 5 bytes\r\n", CL)
_framing("overflowing length", b"Content-Length: 18446744073709551621\r\n", CL)
TE = "RFC 9112 §6.1"
_framing("transfer coding xchunked", b"Transfer-Encoding: xchunked\r\n", TE, b"0\r\n\r\n")
_framing("transfer coding identity", b"Transfer-Encoding: identity\r\n", TE)
_framing("transfer coding gzip, chunked", b"Transfer-Encoding: gzip, chunked\r\n", TE, b"0\r\n\r\n")
_framing("chunked twice", b"Transfer-Encoding: chunked, chunked\r\n", TE, b"0\r\n\r\n")
_framing("two Transfer-Encodings", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", TE, b"0\r\n\r\n")
_framing("empty Transfer-Encoding", b"Transfer-Encoding:\r\n", TE)
_head("chunked on HTTP/1.0", b"HTTP/1.0 200 OK", TE, fields=b"Transfer-Encoding: chunked\r\n", body=b"0\r\n\r\n")

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
for _name, _bad in {
    "0x before the size": b"0x5\r\nhello\r\n0\r\n\r\n", "plus before the size": b"+5\r\nhello\r\n0\r\n\r\n",
    "empty size": b"\r\nhello\r\n0\r\n\r\n", "space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "no hex digit": b"xyz\r\nhello\r\n0\r\n\r\n", "overflowing size": b"f" * 17 + b"\r\nhello\r\n0\r\n\r\n",
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\n", "no CRLF after the data": b"5\r\nhelloX\r\n0\r\n\r\n",
    "bare LF after the data": b"5\r\nhello\n0\r\n\r\n", "bare LF after the last chunk": b"5\r\nhello\r\n0\n\n",
    "huge extension": b"5;" + b"a" * 70000 + b"\r\nhello\r\n0\r\n\r\n",
    "trailer without colon": b"5\r\nhello\r\n0\r\nX-A\r\n\r\n", "trailer with bare LF": b"5\r\nhello\r\n0\r\nX-A: 1\n\r\n",
}.items():
    _add(f"chunk: {_name}", CHUNKED + _bad, "either", "RFC 9112 §7.1", closes=False)
    _add(f"later chunk: {_name}", CHUNKED + b"4\r\ngood\r\n", "aborted", "RFC 9112 §7.1", then=_bad, closes=False)

CUT = "RFC 9112 §8"
_add("closed within a body of known length", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "aborted", CUT, then=b"hello")
_add("closed before a body of known length", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "either", CUT)
_add("closed within a chunk", CHUNKED + b"a\r\nhello", "aborted", CUT, then=b"wor")
_add("closed between chunks", CHUNKED + b"5\r\nhello\r\n", "aborted", CUT, then=b"5\r\nworld\r\n")
_add("closed within a chunk size", CHUNKED + b"5\r\nhello\r\n", "aborted", CUT, then=b"5")
_add("closed within the last chunk", CHUNKED + b"5\r\nhello\r\n", "aborted", CUT, then=b"0\r\n")
_add("closed within the trailers", CHUNKED + b"5\r\nhello\r\n", "aborted", CUT, then=b"0\r\nX-A: 1\r\n")

EXCESS = "RFC 9112 §6.3"
_add("bytes after the body", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
     "clean", EXCESS, body=b"ok", closes=False)
_add("bytes after the last chunk", CHUNKED + b"2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", "clean",
     EXCESS, body=b"ok", closes=False)
_add("body after a length of 0", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "clean", EXCESS,
     closes=False)
_add("body on HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "clean", "RFC 9110 §9.3.2", method="HEAD", closes=False)
_add("chunked body on HEAD", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", "clean", "RFC 9110 §9.3.2", method="HEAD", closes=False)
_add("body on 204", b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", "clean",
     "RFC 9110 §15.3.5", status=204, closes=False)
_add("length and body on 204", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "clean", "RFC 9110 §8.6", status=204,
     closes=False)
_add("chunked body on 204", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "clean",
     "RFC 9112 §6.1", status=204, closes=False)
_add("length and body on 304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", "clean", "RFC 9110 §15.4.5",
     status=304, closes=False)
