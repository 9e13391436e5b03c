"""What azulb has promised itself, and whether a report keeps it."""

# profile: [(against, limit)]: azulb's median ratio to that contender must not exceed the limit. "best peer" is the
# larger of the ratios to nginx and HAProxy, that is, the ratio to the cheaper of the two.
RATIOS = {
    "small": [("relay", 1.12), ("nginx", 0.80), ("haproxy", 0.80)],
    "64k": [("relay", 1.12)],
    "1m": [("relay", 0.80)],
    "connection": [("best peer", 0.95)],
    "websocket_echo": [("relay", 1.10)],
    "tls": [("best peer", 0.88)],
    "tls_handshake": [("best peer", 1.00)],
    "tls_resumed": [("best peer", 1.00)],
    "http2": [("best peer", 0.85)],
}
IDLE_BYTES = {"idle_websocket": 1500, "idle_tls": 12 * 1024}


def judge(profiles):
    """Returns [{profile, what, limit, value, met}] for all targets that the report has figures for."""
    verdicts = []
    for name, profile in profiles.items():
        ratios = profile["ratios"].get("azulb", {})
        for against, limit in RATIOS.get(name, []):
            if against == "best peer":
                peers = [ratios[peer] for peer in ("nginx", "haproxy") if peer in ratios]
                value = max(peers) if peers else None
            else:
                value = ratios.get(against)
            if value is not None:
                verdicts.append(_verdict(name, f"× {against}", limit, value))
        if name in IDLE_BYTES and "azulb" in profile["rows"]:
            verdicts.append(_verdict(name, "bytes", IDLE_BYTES[name], profile["rows"]["azulb"]["bytes"]))
    return verdicts


def _verdict(profile, what, limit, value):
    return {"profile": profile, "what": what, "limit": limit, "value": value, "met": value <= limit}
