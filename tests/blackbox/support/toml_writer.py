"""Writes a configuration, given as nested dicts, as TOML."""

import json
import re


def _key(name):
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    raise TypeError(f"no TOML for {value!r}")


def dumps(table, path=()):
    """TOML text of `table`; a list under the top-level key "route" becomes an array of tables."""
    lines, nested = [], []
    for name, value in table.items():
        if isinstance(value, dict) and len(path) < 3 and path[:1] != ("route",):
            nested.append(dumps(value, path + (name,)))
        elif not path and isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                body = "\n".join(f"{_key(k)} = {_value(v)}" for k, v in item.items())
                nested.append(f"[[{_key(name)}]]\n{body}\n")
        else:
            lines.append(f"{_key(name)} = {_value(value)}")
    head = [f"[{'.'.join(_key(p) for p in path)}]"] if path else []
    return "\n".join(head + lines) + "\n\n" + "\n".join(nested)


def merge(base, extra):
    """`base` with `extra` laid over it, table by table; a value of None removes the key."""
    result = dict(base)
    for name, value in extra.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merge(result[name], value)
        else:
            result[name] = value
    return result
