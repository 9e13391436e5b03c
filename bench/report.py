"""The report as a table: Markdown, which also reads well on a terminal."""

NAMES = {"relay": "bare relay", "azulb": "azulb", "nginx": "nginx", "haproxy": "HAProxy"}


def _table(header, rows):
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [cell.ljust(width) if column == 0 else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _ratio(profile, one, other):
    if one == other:
        return "1.00"
    value = profile["ratios"].get(one, {}).get(other)
    return "-" if value is None else f"{value:.2f}"


def _cpu_rows(profile):
    # The relay takes no part where there is TLS.
    base = next((name for name in ("relay", "haproxy", "nginx") if name in profile["rows"]), "azulb")
    header = ["", "CPU µs/request", "of it user", f"× {NAMES[base].removeprefix('bare ')}", "per CPU second",
              "requests/s", "CPU busy", "errors"]
    rows = [[NAMES[name], f"{row['cpu_us']:.2f}", f"{row['user_us']:.2f}", _ratio(profile, name, base),
             f"{1e6 / row['cpu_us']:,.0f}", f"{row['per_second']:,.0f}", f"{row['busy'] * 100:.0f} %",
             str(row["errors"])]
            for name, row in profile["rows"].items()]
    return header, rows


def _latency_rows(profile):
    header = ["", "p50 µs", "p90 µs", "p99 µs", "p99.9 µs", "errors"]
    rows = [[NAMES[name], *(f"{row[key]:.0f}" for key in ("p50_us", "p90_us", "p99_us", "p999_us")), str(row["errors"])]
            for name, row in profile["rows"].items()]
    return header, rows


def _memory_rows(profile):
    header = ["", "bytes each", "errors"]
    return header, [[NAMES[name], f"{row['bytes']:,.0f}", str(row["errors"])] for name, row in profile["rows"].items()]


def _calls(profile):
    if "system_calls" not in profile:
        return []
    lines = ["", "System calls per request:", ""]
    for name, calls in profile["system_calls"].items():
        text = ", ".join(f"{call} {count:.2f}" for call, count in sorted(calls.items(), key=lambda item: -item[1]))
        lines.append(f"- {NAMES[name]}: {text}")
    return lines


def markdown(report):
    machine = report["machine"]
    versions = "; ".join(f"{version}" for version in machine["versions"].values() if version)
    lines = [f"Machine: {machine['cpu']}, {machine['cpus']} CPUs, Linux {machine['kernel']}. {versions}.",
             f"{report['rounds']} rounds of {report['seconds']} s slices, {report['date']}."]
    for name, profile in report["profiles"].items():
        title = f"**{name}**: {profile['title']}"
        if name == "latency":
            title += f", {profile['rate']:,.0f} requests/s"
        if profile["kind"] == "memory":
            title += f", {profile['connections']:,} of them"
        kind = {"latency": _latency_rows, "memory": _memory_rows}.get(profile["kind"], _cpu_rows)
        lines += ["", title, "", _table(*kind(profile)), *_calls(profile)]
    if report["targets"]:
        rows = [[verdict["profile"], verdict["what"], f"{verdict['limit']:g}", f"{verdict['value']:.4g}",
                 "met" if verdict["met"] else "NOT MET"] for verdict in report["targets"]]
        lines += ["", "**azulb's targets** (medians of the ratios within each round)", "",
                  _table(["", "in", "at most", "measured", ""], rows)]
    for name, why in report["skipped"].items():
        contender, _, profile = name.partition(", ")
        lines += ["", f"Skipped {NAMES[contender]}{' in ' + profile if profile else ''}: {why}"]
    return "\n".join(lines) + "\n"
