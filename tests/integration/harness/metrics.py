"""Reads Prometheus's text format, strictly: what is not well formed fails the test."""

import re
from typing import Dict, Tuple

from .conf import Conf
from .http import Client

LABEL = r'([a-z_]+)="((?:[^"\\]|\\.)*)"'
SAMPLE = re.compile(rf'([a-z_]+)(?:\{{((?:{LABEL},?)+)\}})? (-?[0-9.]+)')

Labels = Tuple[Tuple[str, str], ...]


class Metrics:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.types: Dict[str, str] = {}
        self.samples: Dict[str, Dict[Labels, float]] = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name not in self.types, f"{name} comes twice"
                self.types[name] = kind
            elif not line.startswith("# HELP "):
                match = SAMPLE.fullmatch(line)
                assert match, line
                labels = tuple(sorted(re.findall(LABEL, match[2] or "")))
                row = self.samples.setdefault(match[1], {})
                assert labels not in row, f"{line} comes twice"
                row[labels] = float(match[5])

    def get(self, name: str, **labels: str) -> float:
        return self.samples[name][tuple(sorted(labels.items()))]

    def all(self, name: str, key: str, **labels: str) -> Dict[str, float]:
        """The samples that have `labels`, by their label `key`."""
        found = {}
        for row, value in self.samples.get(name, {}).items():
            if labels.items() <= dict(row).items():
                found[dict(row)[key]] = value
        return found

    def names(self) -> set:
        return set(self.samples)


def scrape(conf: Conf) -> Metrics:
    """Over the first admin address."""
    with Client(conf.admin["listen"][0]) as client:
        answer = client.exchange(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return Metrics(answer.body.decode())
