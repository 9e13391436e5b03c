"""[process.probation]: a reload that makes things worse is taken back."""

import re
import subprocess
import time

from support.azulb import BINARY
from support.scripted_server import OK, always, per_request, response
from support.waiting import wait_until

TERMS = {"process": {"workers": 2, "probation": {"time": "60s", "requests": 20}}}


def normal_traffic(proxy, count=30):
    """So that it is known what is normal: azulb looks every few seconds."""
    for _ in range(count):
        assert proxy.fetch().status == 200


def answers_until(proxy, text):
    """Sends requests until the log says `text`."""
    def said():
        proxy.fetch()
        return text in proxy.stderr()

    wait_until(said, 40, f'"{text}" in the log')


def test_a_configuration_that_makes_requests_fail_is_rolled_back(azulb, scripted):
    good, bad = scripted(always(OK)), scripted(always(response(500)))
    proxy = azulb(good, extra=TERMS)
    normal_traffic(proxy)
    assert "is on probation for 1m" in proxy.reload({"upstream": {"app": {"servers": [bad.name]}}})
    assert proxy.state()["process"]["on_probation"] is True
    answers_until(proxy, "has failed its probation: ")
    wait_until(lambda: proxy.fetch().status == 200, what="the former configuration")
    assert re.search(r"100\.0 % of \d+ requests failed, before 0\.0 %\. The former one is loaded again", proxy.stderr())
    state = proxy.state()["process"]
    assert state["on_probation"] is False and "requests failed" in state["last_rollback"]["reason"]
    assert list(proxy.servers_state()) == [good.name]
    assert proxy.metrics().total("azulb_rollbacks_total") == 1
    # The way back is not on probation, and the file is as it was.
    assert bad.name in proxy.config_path.read_text()
    assert all(proxy.fetch().status == 200 for _ in range(30))


def test_requests_that_no_route_fits_any_more_count(azulb, scripted):
    proxy = azulb(scripted(always(OK)), extra=TERMS)
    normal_traffic(proxy)
    proxy.reload({"route": [{"host": "elsewhere.test", "upstream": "app"}]})
    answers_until(proxy, "has failed its probation: ")
    wait_until(lambda: proxy.fetch().status == 200, what="the former configuration")


def test_a_configuration_that_is_slow_is_rolled_back(azulb, scripted):
    def slowly(peer, request):
        time.sleep(0.15)
        peer.send(OK)

    good, slow = scripted(always(OK)), scripted(per_request(slowly))
    proxy = azulb(good, extra={"process": {"probation": {"time": "60s", "requests": 10, "latency": 3}}})
    wait_until(lambda: proxy.fetch().status == 200 and proxy.metrics().total("azulb_http_requests_total") > 50, what="normal traffic")
    proxy.reload({"upstream": {"app": {"servers": [slow.name]}}})
    answers_until(proxy, "one in ten takes longer than")
    wait_until(lambda: list(proxy.servers_state()) == [good.name], what="the former configuration")


def test_one_that_does_as_well_passes(azulb, scripted):
    first, second = scripted(always(OK)), scripted(always(OK))
    proxy = azulb(first, extra={"process": {"probation": {"time": "500ms", "requests": 1}}})
    normal_traffic(proxy)
    proxy.reload({"upstream": {"app": {"servers": [second.name]}}})
    answers_until(proxy, "has passed its probation")
    assert list(proxy.servers_state()) == [second.name]
    assert proxy.state()["process"]["last_rollback"] is None


def test_two_reloads_in_a_row_are_taken_back_together(azulb, scripted):
    good, bad = scripted(always(OK)), scripted(always(response(503)))
    proxy = azulb(good, extra=TERMS)
    normal_traffic(proxy)
    worse = {"servers": [bad.name], "retry": {"on": ["off"]}}
    proxy.reload({"upstream": {"app": worse}})
    proxy.reload({"upstream": {"app": {**worse, "queue": 7}}})
    answers_until(proxy, "has failed its probation: ")
    wait_until(lambda: list(proxy.servers_state()) == [good.name], what="the first configuration")
    # And afterwards the file is what counts again.
    proxy.reload({"upstream": {"app": {"queue": 9}}})
    assert "on probation" in proxy.stderr() and list(proxy.servers_state()) == [good.name]


def test_without_probation_nothing_is_taken_back(azulb, scripted):
    good, bad = scripted(always(OK)), scripted(always(response(500)))
    proxy = azulb(good)
    normal_traffic(proxy)
    assert "probation" not in proxy.reload({"upstream": {"app": {"servers": [bad.name]}}})
    assert all(proxy.fetch().status == 500 for _ in range(150))
    assert proxy.state()["process"]["on_probation"] is False


def test_the_status_shows_it(azulb, scripted):
    good, bad = scripted(always(OK)), scripted(always(response(500)))
    proxy = azulb(good, extra=TERMS)
    normal_traffic(proxy)
    proxy.reload({"upstream": {"app": {"servers": [bad.name]}}})
    answers_until(proxy, "has failed its probation: ")
    wait_until(lambda: proxy.state()["process"]["last_rollback"], what="the state")
    text = subprocess.run([str(BINARY), "status", "-c", str(proxy.config_path)], capture_output=True, text=True, timeout=20).stdout
    assert "the former configuration was loaded again at " in text and "requests failed" in text
