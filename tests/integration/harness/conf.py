"""Writes conf files. Values are Python's: text, numbers, lists; the syntax is libconfuse's."""

from pathlib import Path
from typing import Dict, List, Optional

from .callback import PUBLIC_URL, Secret, new_token

Section = Dict[str, object]


def render_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(render_value(item) for item in value) + "}"
    text = str(value)
    assert "\n" not in text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'


def render_keys(keys: Section, indent: str) -> List[str]:
    return [f"{indent}{key} = {render_value(value)}" for key, value in keys.items()]


class Endpoint:
    """One endpoint, its secrets and tokens each in a file of its own."""

    def __init__(self, folder: Path, name: str = "main", public_url: str = PUBLIC_URL,
                 secrets: Optional[List[Secret]] = None, tokens: Optional[List[str]] = None,
                 **keys: object) -> None:
        self.folder = folder
        self.name = name
        self.public_url = public_url
        self.secrets = [Secret.base64()] if secrets is None else secrets
        self.tokens = [new_token()] if tokens is None else tokens
        self.keys = keys

    def _keep(self, name: str, text: str) -> str:
        path = self.folder / f"{self.name}-{name}"
        path.write_text(text + "\n")
        path.chmod(0o600)
        return f"file:{path}"

    def render(self) -> str:
        tokens = [self._keep(f"token-{i}", text) for i, text in enumerate(self.tokens)]
        lines = [f'endpoint "{self.name}" {{',
                 f"    public_url = {render_value(self.public_url)}",
                 f"    partner_token = {render_value(tokens or ['none'])}"]
        lines += render_keys(self.keys, "    ")
        for secret in self.secrets:
            lines.append(f'    callback_secret "{secret.name}" {{')
            lines.append(f"        source = {render_value(self._keep(secret.name, secret.text))}")
            if secret.id is not None:
                lines.append(f"        id = {render_value(secret.id)}")
            lines.append("    }")
        return "\n".join(lines + ["}"])


class Conf:
    """A conf that works: one endpoint, one file sink, everything in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secret_folder = folder / "secrets"
        self.secret_folder.mkdir(exist_ok=True)
        self.path = folder / "sasha-callbackd.conf"
        self.server: Section = {"listen": ["127.0.0.1:0"]}
        self.admin: Section = {"listen": [f"unix:{folder}/admin.sock"]}
        self.log: Section = {"level": "debug", "format": "json"}
        self.store: Section = {"path": str(folder / "deliveries.db")}
        self.endpoints = [self.new_endpoint()]
        self.sinks: Dict[str, Section] = {}
        self.file_sink("archive")
        self.more = ""

    def new_endpoint(self, *args: object, **keys: object) -> Endpoint:
        return Endpoint(self.secret_folder, *args, **keys)

    @property
    def endpoint(self) -> Endpoint:
        return self.endpoints[0]

    @property
    def archive(self) -> Path:
        """Where the file sink "archive" writes."""
        return self.folder / "archive.jsonl"

    def file_sink(self, name: str, **keys: object) -> None:
        self.sinks[name] = {"type": "file", "path": str(self.folder / f"{name}.jsonl"), **keys}

    def exec_sink(self, name: str, command: List[str], **keys: object) -> None:
        self.sinks[name] = {"type": "exec", "command": command, **keys}

    def syslog_sink(self, name: str, target: str, **keys: object) -> None:
        self.sinks[name] = {"type": "syslog", "target": target, **keys}

    def render(self) -> str:
        parts = []
        sections = {"server": self.server, "admin": self.admin, "log": self.log,
                    "store": self.store}
        for name, keys in sections.items():
            parts.append("\n".join([f"{name} {{", *render_keys(keys, "    "), "}"]))
        parts += [endpoint.render() for endpoint in self.endpoints]
        for name, keys in self.sinks.items():
            parts.append("\n".join([f'sink "{name}" {{', *render_keys(keys, "    "), "}"]))
        return "\n\n".join(parts) + "\n" + self.more

    def write(self) -> Path:
        self.path.write_text(self.render())
        self.path.chmod(0o600)
        return self.path

    def canaries(self) -> List[bytes]:
        """Every form of every secret and token that must not show anywhere."""
        found = []
        for endpoint in self.endpoints:
            found += [token.encode() for token in endpoint.tokens]
            for secret in endpoint.secrets:
                found += secret.forms()
        return found
