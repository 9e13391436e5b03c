"""The proxies that are measured: how each is configured, started and stopped."""

import http.client
import os
import shutil
import ssl
import subprocess
import time

import machine

SEARCH_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"


class Unavailable(Exception):
    """A contender that cannot take part, and why."""


class Server:
    """A process of ours with one port. Use as a context manager: leaving it ends the process."""

    def __init__(self, name, command, cpu, directory, port=None, tls=False):
        self.name = name
        self.port = port
        self.tls = tls
        self.log = os.path.join(directory, f"{name}.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=log, preexec_fn=machine.child_setup(cpu),
                stdout=subprocess.PIPE if port is None else log)
        try:
            if port is None:
                self.port = self._announced_port()
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def processes(self):
        return machine.process_tree(self.process.pid)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                for process in self.processes():
                    os.kill(process, 9)
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def _announced_port(self):
        words = self.process.stdout.readline().split()
        if len(words) != 2 or words[0] != b"port":
            raise Unavailable(f"{self.name} did not start: {self._last_words()}")
        return int(words[1])

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + 10
        while True:
            if self.process.poll() is not None:
                raise Unavailable(f"{self.name} ended with {self.process.returncode}: {self._last_words()}")
            try:
                connection = self._connection()
                connection.request("GET", "/")
                status = connection.getresponse().status
                connection.close()
                if status == 200:
                    return
                trouble = f"answers {status}"
            except (OSError, http.client.HTTPException) as error:
                trouble = str(error)
            if time.monotonic() > deadline:
                raise Unavailable(f"{self.name} does not serve: {trouble}; {self._last_words()}")
            time.sleep(0.02)

    def _connection(self):
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        # Self-signed, and ours.
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=2, context=ssl._create_unverified_context())

    def _last_words(self):
        with open(self.log, errors="replace") as log:
            return " | ".join(log.read().strip().splitlines()[-3:]) or "no message"


def _write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def _program(name):
    path = shutil.which(name, path=SEARCH_PATH)
    if path is None:
        raise Unavailable(f"{name} is not installed")
    return path


def relay(setup):
    command = [os.path.join(setup.tools, "bench_relay"), "--to", setup.backend,
               "--buffer-kib", str(setup.relay_buffer_kib)]
    # A tunnel never returns to HTTP, and the relay, which parses nothing, cannot tell it from a request.
    if setup.websocket:
        command.append("--own-upstream")
    return Server("relay", command, setup.cpu, setup.directory)


def azulb(setup):
    if not setup.azulb or not os.access(setup.azulb, os.X_OK):
        raise Unavailable(f"azulb: there is no binary at {setup.azulb or 'the build directory'}")
    port = machine.free_port()
    tls = f"""
[listener.http.tls]
certificates = [{{ cert = "{setup.certificate.certificate}", key = "{setup.certificate.key}" }}]
""" if setup.certificate else ""
    path = _write(setup.directory, "azulb.toml", f"""
[process]
workers = 1
drain_timeout = "1s"

[log]
level = "warn"

[access_log]
output = "off"

[listener.http]
address = "127.0.0.1:{port}"
{tls}
[upstream.app]
servers = ["{setup.backend}"]

[upstream.app.keepalive]
connections = 1024
""")
    return Server("azulb", [setup.azulb, "-c", path], setup.cpu, setup.directory, port, bool(setup.certificate))


NGINX_FORWARDED = """
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;"""


NGINX_TLS = """
    ssl_certificate {certificate.certificate};
    ssl_certificate_key {certificate.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ecdh_curve X25519:prime256v1;
    ssl_session_tickets on;
    ssl_session_timeout 8h;"""


def nginx(setup):
    port = machine.free_port()
    directory = setup.directory
    forwarded = NGINX_FORWARDED if setup.forwarded_headers else ""
    protocol = (" ssl" if setup.certificate else "") + (" http2" if setup.http2 else "")
    tls = NGINX_TLS.format(certificate=setup.certificate) if setup.certificate else ""
    # proxy_set_header in a location replaces the outer ones, so each location has all of its own.
    path = _write(directory, "nginx.conf", f"""
{"user root;" if os.geteuid() == 0 else ""}
daemon off;
worker_processes 1;
error_log stderr error;
pid {directory}/nginx.pid;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_body_temp_path {directory}/nginx_body;
  proxy_temp_path {directory}/nginx_proxy;
  fastcgi_temp_path {directory}/nginx_fastcgi;
  uwsgi_temp_path {directory}/nginx_uwsgi;
  scgi_temp_path {directory}/nginx_scgi;
  proxy_http_version 1.1;
  proxy_max_temp_file_size 0;
  upstream app {{
    server {setup.backend};
    keepalive 1024;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port}{protocol} reuseport backlog=4096;{tls}
    location / {{
      proxy_pass http://app;
      proxy_buffers {setup.nginx_buffers};
      proxy_set_header Host $host;
      proxy_set_header Connection "";{forwarded}
    }}
    location = /ws {{
      proxy_pass http://app;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";{forwarded}
    }}
  }}
}}
""")
    return Server("nginx", [_program("nginx"), "-c", path, "-p", directory], setup.cpu, directory, port,
                  bool(setup.certificate))


HAPROXY_FORWARDED = """
  option forwardfor
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto http"""


def haproxy(setup):
    port = machine.free_port()
    tls = ""
    if setup.certificate:
        protocols = "h2,http/1.1" if setup.http2 else "http/1.1"
        tls = f" ssl crt {setup.certificate.both} alpn {protocols} ssl-min-ver TLSv1.2 curves X25519:P-256"
    path = _write(setup.directory, "haproxy.cfg", f"""
global
  nbthread 1
  maxconn 8192
  maxpipes 1024
  {setup.haproxy_global}

defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  timeout http-keep-alive 1h
  http-reuse always
  {setup.haproxy_splice}

frontend front
  bind 127.0.0.1:{port} backlog 4096{tls}
  default_backend app

backend app{HAPROXY_FORWARDED if setup.forwarded_headers else ""}
  server app1 {setup.backend}
""")
    return Server("haproxy", [_program("haproxy"), "-db", "-f", path], setup.cpu, setup.directory, port,
                  bool(setup.certificate))


ALL = {"relay": relay, "azulb": azulb, "nginx": nginx, "haproxy": haproxy}
