"""The report as a plot: horizontal bars in plain SVG, readable on light and dark backgrounds."""

from xml.sax.saxutils import escape

COLOURS = {"relay": "#8a929c", "azulb": "#1f7ae0", "nginx": "#2f9e5f", "haproxy": "#d9822b"}
NAMES = {"relay": "bare relay", "azulb": "azulb", "nginx": "nginx", "haproxy": "HAProxy"}
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1d2733 }
  .title { font-weight: 600; font-size: 14px }
  .note { font-size: 11px; fill: #5b6673 }
  .bar { rx: 2px }
  .ground { fill: #ffffff }
  .limit { stroke: #c62f3b; stroke-width: 1.5; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e9ef } .note { fill: #9aa5b1 } .ground { fill: #14191f }
  }"""

WIDTH, LEFT, RIGHT, BAR, GAP = 780, 100, 225, 18, 6


def _figures(profile):
    """(unit, {contender: value}, {contender: label})"""
    rows = profile["rows"]
    if profile["kind"] == "memory":
        values = {name: row["bytes"] for name, row in rows.items()}
        return "bytes of memory each", values, {name: f"{value:,.0f} bytes" for name, value in values.items()}
    if profile["kind"] == "latency":
        values = {name: row["p99_us"] for name, row in rows.items()}
        return (f"p99 in µs at {profile['rate']:,.0f} requests/s", values,
                {name: f"p99 {row['p99_us']:,.0f} µs, p50 {row['p50_us']:,.0f} µs" for name, row in rows.items()})
    values = {name: row["cpu_us"] for name, row in rows.items()}
    labels = {}
    for name, value in values.items():
        ratio = profile["ratios"].get(name, {}).get("relay")
        labels[name] = f"{value:,.1f} µs" + (f"  ({ratio:.2f} × relay)" if ratio is not None else "")
    return "CPU µs per request", values, labels


def _limit(profile, name, values):
    """Where azulb's strictest target lies on the profile's axis, or None."""
    import targets
    if profile["kind"] == "memory":
        return targets.IDLE_BYTES.get(name)
    limits = []
    for against, limit in targets.RATIOS.get(name, []):
        peers = ("nginx", "haproxy") if against == "best peer" else (against,)
        limits += [limit * values[peer] for peer in peers if peer in values]
    return min(limits) if limits else None


def svg(report):
    parts, y = [], 74
    for name, profile in report["profiles"].items():
        unit, values, labels = _figures(profile)
        if not values:
            continue
        limit = _limit(profile, name, values)
        scale = (WIDTH - LEFT - RIGHT) / max([*values.values(), limit or 0, 1e-9])
        parts.append(f'<text class="title" x="16" y="{y}">{escape(profile["title"])}</text>'
                     f'<text class="note" x="{WIDTH - 16}" y="{y}" text-anchor="end">{escape(unit)}</text>')
        y += 12
        top = y
        for contender, value in values.items():
            middle = y + BAR / 2 + 4.5
            length = max(1.0, value * scale)
            parts.append(f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{NAMES[contender]}</text>'
                         f'<rect class="bar" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" '
                         f'fill="{COLOURS[contender]}"/>'
                         f'<text x="{WIDTH - RIGHT + 12}" y="{middle}">{escape(labels[contender])}</text>')
            y += BAR + GAP
        if limit is not None:
            x = LEFT + limit * scale
            parts.append(f'<line class="limit" x1="{x:.1f}" y1="{top - 3}" x2="{x:.1f}" y2="{y - GAP + 3}"/>')
        y += 26
    machine = report["machine"]
    note = f"{machine['cpu']}, Linux {machine['kernel']}; one CPU for the proxy, one for client and server; less is better"
    parts.append(f'<text class="note" x="16" y="{y - 8}">Dashed: azulb\'s target. {escape(report["date"])}, '
                 f'{report["rounds"]} rounds, medians.</text>')
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 6}" width="{WIDTH}" height="{y + 6}">'
            f"<style>{STYLE}\n</style>"
            f'<rect class="ground" width="100%" height="100%"/>'
            f'<text class="title" x="16" y="26">azulb side by side: what one request costs</text>'
            f'<text class="note" x="16" y="43">{escape(note)}</text>')
    return head + "\n" + "\n".join(parts) + "\n</svg>\n"
