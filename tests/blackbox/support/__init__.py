"""Helpers of the black-box tests: processes, wire-level clients and misbehaving servers."""
