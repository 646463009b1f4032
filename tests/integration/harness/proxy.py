"""The real proxies, each with the example conf that is shipped, moved to a free port."""

import subprocess
from pathlib import Path
from typing import Dict, List

from .paths import REPO
from .tls import Certificate, TlsClient, free_port
from .wait import wait_until

EXAMPLES = REPO / "conf" / "proxy"


class Proxy:
    """One proxy program. Subclasses say how its conf is made and how it is checked and run."""

    example = ""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.folder = folder / "proxy"
        self.folder.mkdir()
        self.certificate = Certificate(self.folder)
        self.port = free_port()
        self.upstream = upstream
        self.conf = self.folder / "proxy.conf"
        self.log = self.folder / "proxy.log"
        self.process = None

    def moved(self, places: Dict[str, str]) -> str:
        """The example with ports and files of this test; every place must be in it."""
        text = (EXAMPLES / self.example).read_text()
        for old, new in {"127.0.0.1:8480": self.upstream, **places}.items():
            assert old in text, f"{old} is not in {self.example}"
            text = text.replace(old, new)
        return text

    def write(self) -> None:
        raise NotImplementedError

    def check_command(self) -> List[str]:
        raise NotImplementedError

    def run_command(self) -> List[str]:
        raise NotImplementedError

    def _environment(self) -> Dict[str, str]:
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder),
                "XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}

    def check(self) -> None:
        """The program's own check of the conf."""
        self.write()
        result = subprocess.run(self.check_command(), capture_output=True, text=True,
                                env=self._environment(), timeout=60)
        assert result.returncode == 0, result.stdout + result.stderr

    def start(self) -> "Proxy":
        self.write()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.run_command(), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=self._environment())

        def up() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            try:
                self.client().close()
                return True
            except OSError:
                return False
        wait_until(up, f"{self.example} to answer", 20, interval=0.05)
        return self

    def client(self, heard=None) -> TlsClient:
        return TlsClient(self.port, self.certificate, heard=heard)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


class Nginx(Proxy):
    example = "nginx.conf"

    def write(self) -> None:
        server = self.moved({
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "    listen [::]:443 ssl;\n": "",
            "/etc/ssl/certs/your-app.com.pem": str(self.certificate.certificate),
            "/etc/ssl/private/your-app.com.key": str(self.certificate.key),
        })
        temp = "".join(f"    {kind}_temp_path {self.folder}/{kind};\n" for kind in
                       ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.conf.write_text(
            f"daemon off;\nuser root;\nworker_processes 1;\npid {self.folder}/pid;\n"
            f"error_log {self.log} info;\nevents {{ }}\n"
            f"http {{\n    access_log off;\n{temp}{server}}}\n")

    def check_command(self) -> List[str]:
        return ["nginx", "-t", "-c", str(self.conf)]

    def run_command(self) -> List[str]:
        return ["nginx", "-c", str(self.conf)]


class Caddy(Proxy):
    example = "Caddyfile"

    def write(self) -> None:
        site = self.moved({
            "\nyour-app.com {\n": f"\nhttps://your-app.com:{self.port} {{\n\tbind 127.0.0.1\n"
                                  f"\ttls {self.certificate.certificate} {self.certificate.key}\n",
        })
        self.conf.write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + site)

    def check_command(self) -> List[str]:
        return ["caddy", "validate", "--adapter", "caddyfile", "--config", str(self.conf)]

    def run_command(self) -> List[str]:
        return ["caddy", "run", "--adapter", "caddyfile", "--config", str(self.conf)]


class Haproxy(Proxy):
    example = "haproxy.cfg"

    def write(self) -> None:
        self.conf.write_text(self.moved({
            "bind :443": f"bind 127.0.0.1:{self.port}",
            "/etc/haproxy/certs/your-app.com.pem": str(self.certificate.both),
            "log /dev/log local0": "log stderr format raw local0",
        }))

    def check_command(self) -> List[str]:
        return ["haproxy", "-c", "-f", str(self.conf)]

    def run_command(self) -> List[str]:
        return ["haproxy", "-db", "-f", str(self.conf)]


class Apache(Proxy):
    example = "apache.conf"
    modules = ("mpm_event", "authz_core", "ssl", "socache_shmcb", "proxy", "proxy_http",
               "reqtimeout")

    def write(self) -> None:
        host = self.moved({
            "<VirtualHost *:443>": f"<VirtualHost *:{self.port}>",
            "/etc/ssl/certs/your-app.com.pem": str(self.certificate.certificate),
            "/etc/ssl/private/your-app.com.key": str(self.certificate.key),
        })
        loads = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                        for name in self.modules)
        self.conf.write_text(
            f"{loads}ServerRoot {self.folder}\nPidFile {self.folder}/pid\n"
            f"DefaultRuntimeDir {self.folder}\nMutex file:{self.folder}\n"
            f"ErrorLog {self.folder}/error.log\nServerName your-app.com\n"
            f"User www-data\nGroup www-data\nListen 127.0.0.1:{self.port}\n{host}")

    def check_command(self) -> List[str]:
        return ["apache2", "-t", "-f", str(self.conf)]

    def run_command(self) -> List[str]:
        return ["apache2", "-DFOREGROUND", "-f", str(self.conf)]


PROXIES = {"nginx": Nginx, "caddy": Caddy, "haproxy": Haproxy, "apache": Apache}
