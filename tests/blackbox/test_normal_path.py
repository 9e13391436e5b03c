"""The path that is matched is the path that is forwarded, in one normal form, whatever the client writes.

A table: what the client asks for, the route that must take it, and the target that the route's server must get to the
byte; or the status that azulb must refuse it with, and then no server may see anything of it.
"""

import pytest

from support.http2 import Http2Client, get
from support.scripted_server import response

ROUTES = [
    {"name": "admin", "path_prefix": "/admin"},
    {"name": "exact", "path": "/exact"},
    {"name": "users", "path_prefix": "/api/users"},
    {"name": "slash", "path_prefix": "/dir/"},
    {"name": "coffee", "path": "/caf%c3%a9"},
    {"name": "encoded", "path": "/one%2Ftwo"},
    {"name": "methods", "path_prefix": "/write", "methods": ["PUT"]},
    {"name": "host", "host": "api.test", "path_prefix": "/only"},
    {"name": "rest"},
]

CASES = [
    # plain paths, prefixes by whole segments, case, queries
    ("/", "rest", "/"),
    ("/admin", "admin", "/admin"),
    ("/admin/", "admin", "/admin/"),
    ("/admin/users/7", "admin", "/admin/users/7"),
    ("/adminx", "rest", "/adminx"),
    ("/administrator/x", "rest", "/administrator/x"),
    ("/Admin", "rest", "/Admin"),
    ("/ADMIN/x", "rest", "/ADMIN/x"),
    ("/xadmin", "rest", "/xadmin"),
    ("/x/admin", "rest", "/x/admin"),
    ("/exact", "exact", "/exact"),
    ("/exact/", "rest", "/exact/"),
    ("/exact/x", "rest", "/exact/x"),
    ("/exactly", "rest", "/exactly"),
    ("/api/users", "users", "/api/users"),
    ("/api/users/7", "users", "/api/users/7"),
    ("/api/usersX", "rest", "/api/usersX"),
    ("/api", "rest", "/api"),
    ("/dir", "rest", "/dir"),
    ("/dir/", "slash", "/dir/"),
    ("/dir/x", "slash", "/dir/x"),
    ("/write", "rest", "/write"),
    ("/only", "rest", "/only"),
    ("/admin?", "admin", "/admin?"),
    ("/admin?a=b&c", "admin", "/admin?a=b&c"),
    ("/exact?x", "exact", "/exact?x"),
    ("/x?/admin", "rest", "/x?/admin"),
    ("/?/../admin", "rest", "/?/../admin"),
    ("/x?a=%2e%2e%2F//%61&b=%", "rest", "/x?a=%2e%2e%2F//%61&b=%"),
    ("/admin;x=y", "rest", "/admin;x=y"),
    ("/admin/;x", "admin", "/admin/;x"),
    # encodings of unreserved characters are the characters
    ("/%61dmin", "admin", "/admin"),
    ("/%61%64%6d%69%6E/x", "admin", "/admin/x"),
    ("/admi%6E", "admin", "/admin"),
    ("/ex%61ct", "exact", "/exact"),
    ("/%7eme/%2D%5F", "rest", "/~me/-_"),
    ("/api%2Dusers", "rest", "/api-users"),
    ("/%41dmin", "rest", "/Admin"),
    # other encodings stay, with digits in upper case
    ("/caf%c3%a9", "coffee", "/caf%C3%A9"),
    ("/caf%C3%A9", "coffee", "/caf%C3%A9"),
    ("/caf%C3%a9/x", "rest", "/caf%C3%A9/x"),
    ("/a%20b", "rest", "/a%20b"),
    ("/a%3fb%23c", "rest", "/a%3Fb%23c"),
    ("/admin%3Fx", "rest", "/admin%3Fx"),
    ("/admin%20", "rest", "/admin%20"),
    ("/a%26b%3b", "rest", "/a%26b%3B"),
    ("/a%0d%0aX-Evil:1", "rest", "/a%0D%0AX-Evil:1"),
    ("/%ff%fe", "rest", "/%FF%FE"),
    ("/%c0%ae%c0%ae/admin", "rest", "/%C0%AE%C0%AE/admin"),  # no UTF-8, and so no dots
    # twice encoded: decoded once and no further
    ("/%2561dmin", "rest", "/%2561dmin"),
    ("/%252e%252e/admin", "rest", "/%252e%252e/admin"),
    ("/%252Fadmin", "rest", "/%252Fadmin"),
    ("/x%25", "rest", "/x%25"),
    # dot segments
    ("/./admin", "admin", "/admin"),
    ("/admin/.", "admin", "/admin/"),
    ("/admin/./x", "admin", "/admin/x"),
    ("/x/../admin", "admin", "/admin"),
    ("/x/y/../../admin/z", "admin", "/admin/z"),
    ("/../admin", "admin", "/admin"),
    ("/../../../admin", "admin", "/admin"),
    ("/admin/..", "rest", "/"),
    ("/admin/../public", "rest", "/public"),
    ("/admin/x/../../public", "rest", "/public"),
    ("/api/users/../users/7", "users", "/api/users/7"),
    ("/api/users/..", "rest", "/api/"),
    ("/dir/.", "slash", "/dir/"),
    ("/exact/.", "rest", "/exact/"),
    ("/exact/../exact", "exact", "/exact"),
    ("/..", "rest", "/"),
    ("/.", "rest", "/"),
    ("/.well-known/acme", "rest", "/.well-known/acme"),
    ("/...", "rest", "/..."),
    ("/.../admin", "rest", "/.../admin"),
    ("/..admin", "rest", "/..admin"),
    ("/admin..", "rest", "/admin.."),
    # encoded dots are dots
    ("/%2e/admin", "admin", "/admin"),
    ("/x/%2e%2e/admin", "admin", "/admin"),
    ("/x/%2E./admin", "admin", "/admin"),
    ("/x/.%2e/%61dmin", "admin", "/admin"),
    ("/admin/%2e%2E/public", "rest", "/public"),
    ("/admin/%2e%2e", "rest", "/"),
    # runs of slashes are one
    ("//", "rest", "/"),
    ("//admin", "admin", "/admin"),
    ("///admin///x", "admin", "/admin/x"),
    ("/admin//", "admin", "/admin/"),
    ("/api//users", "users", "/api/users"),
    ("/x//../admin", "admin", "/admin"),
    ("/x/..//admin", "admin", "/admin"),
    ("//evil.test/..", "rest", "/"),
    ("/exact//", "rest", "/exact/"),
    # encoded slashes and backslashes are data; where a server might take them for slashes, both must lead to one route
    ("/a%2Fb", "rest", "/a%2Fb"),
    ("/a%2fb", "rest", "/a%2Fb"),
    ("/admin/a%2Fb", "admin", "/admin/a%2Fb"),
    ("/one%2ftwo", "encoded", "/one%2Ftwo"),
    ("/one/two", "rest", "/one/two"),
    ("/a%5cb", "rest", "/a%5Cb"),
    ("/%2Fadmin", 404, None),
    ("/%2fadmin/x", 404, None),
    ("/admin%2Fx", 404, None),
    ("/admin%2f", 404, None),
    ("/x%2F..%2Fadmin", 404, None),
    ("/x/..%2fadmin", 404, None),
    ("/x%2f%2e%2e%2fadmin", 404, None),
    ("/admin/..%2Fpublic", 404, None),
    ("/admin%5Cx", 404, None),
    ("/admin\\x", 404, None),
    ("/x\\..\\admin", 404, None),
    ("/api%2Fusers/7", 404, None),
    ("/dir%2f", 404, None),
    # encodings that are none, and NUL
    ("/admin%00", 400, None),
    ("/%00", 400, None),
    ("/x%00/../admin", 400, None),
    ("/admin%00.html", 400, None),
    ("/%", 400, None),
    ("/100%", 400, None),
    ("/%4", 400, None),
    ("/%zz", 400, None),
    ("/%u0061dmin", 400, None),
    ("/%%61", 400, None),
    ("/%6", 400, None),
    ("/admin/%g0", 400, None),
]


def named(name):
    def handler(peer):
        while True:
            request = peer.read_request()
            peer.send(response(200, f"{name} {request.target}".encode("latin-1")))

    return handler


@pytest.fixture(scope="module")
def servers(module_scripted):
    return {route["name"]: module_scripted(named(route["name"])) for route in ROUTES}


@pytest.fixture(scope="module")
def proxy(module_azulb, servers):
    upstreams = {name: {"servers": [server.name]} for name, server in servers.items()}
    return module_azulb(
        extra={"upstream": {"app": None, **upstreams}},
        routes=[{**route, "upstream": route["name"]} for route in ROUTES],
    )


def ask_http1(proxy, target):
    answer = proxy.fetch(target=target)
    return answer.status, bytes(answer.body)


def ask_http2(proxy, target):
    with Http2Client(proxy.address) as client:
        answer = client.request(get(target))
        return answer.status, bytes(answer.body)


ASK = {"http1": ask_http1, "http2": ask_http2}


def total_requests(servers):
    return sum(len(server.requests) for server in servers.values())


def test_the_table_is_long_enough_and_names_nothing_twice():
    targets = [target for target, _, _ in CASES]
    assert len(targets) >= 80 and len(set(targets)) == len(targets)


@pytest.mark.parametrize("protocol", ASK)
@pytest.mark.parametrize("target,verdict,forwarded", CASES)
def test_what_was_matched_is_what_the_server_gets(proxy, servers, protocol, target, verdict, forwarded):
    before = total_requests(servers)
    status, body = ASK[protocol](proxy, target)
    if forwarded is None:
        assert status == verdict
        assert total_requests(servers) == before
    else:
        assert (status, body) == (200, f"{verdict} {forwarded}".encode())
        request_line = servers[verdict].requests[-1]
        assert (request_line.method, request_line.target, request_line.version) == ("GET", forwarded, "HTTP/1.1")


@pytest.mark.parametrize(
    "target,verdict,forwarded",
    [
        ("http://a.test/%61dmin/../exact", "exact", "/exact"),
        ("http://a.test//x?//y", "rest", "/x?//y"),
        ("http://a.test", "rest", "/"),
        ("http://a.test?x=/../", "rest", "/?x=/../"),
        ("http://api.test/x/../only", "host", "/only"),
    ],
)
def test_absolute_form(proxy, target, verdict, forwarded):
    assert ask_http1(proxy, target) == (200, f"{verdict} {forwarded}".encode())


def test_the_log_has_the_target_as_the_client_sent_it(proxy):
    assert proxy.fetch(target="/x/../%61dmin/log?q").status == 200
    record = proxy.access_record(target="/x/../%61dmin/log?q")
    assert (record["route"], record["status"]) == ("admin", 200)


def test_a_redirect_leads_to_the_normal_form(azulb, scripted):
    proxy = azulb(
        scripted(named("any")),
        routes=[
            {"path_prefix": "/old", "redirect": {"status": 308, "to": "https://new.test${target}"}},
            {"redirect": {"status": 308, "to": "${path}"}},
        ],
    )
    assert proxy.fetch(target="/x/..//%6fld/y?a=%61").header("location") == "https://new.test/old/y?a=%61"
    assert proxy.fetch(target="//evil.test/%2e%2e//").header("location") == "/"


def test_hashing_by_path_hashes_the_normal_form(azulb, scripted):
    servers = [scripted(named(str(number))) for number in range(4)]
    proxy = azulb(*servers, upstream={"balance": "hash", "hash_key": "path"})
    for path in ("/one", "/two", "/three"):
        spellings = [path, f"/{path}", f"/x/..{path}", path.replace("o", "%6f").replace("e", "%65")]
        assert len({proxy.fetch(target=spelling).body for spelling in spellings}) == 1

