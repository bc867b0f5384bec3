"""The reverse proxy that the page of operations shows."""

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx

from msgstate_server.domain.limits import WEBHOOK_BYTES
from tests.acceptance.server_process import RUN_SECONDS, wait_until

_WORD = re.compile(r"#[^\n]*|\s+|([{};])|([^\s{};#]+)")
_SIZES = {"k": 2**10, "m": 2**20, "g": 2**30}


class Directive(NamedTuple):
    """One directive of nginx: its words, and those within its braces."""

    words: list[str]
    inner: list["Directive"]

    def all(self, name: str) -> Iterator[list[str]]:
        """The words after the name, of each directive of this name within."""
        for directive in self.inner:
            if directive.words[0] == name:
                yield directive.words[1:]
            yield from directive.all(name)


def read(text: str) -> Directive:
    """The directives of a file."""
    stack, words = [Directive(["file"], [])], list[str]()
    for sign, word in (match.groups() for match in _WORD.finditer(text)):
        if word:
            words.append(word)
        elif sign == "}":
            assert not words, f"no ; after {words}"
            stack.pop()
        elif sign:
            stack[-1].inner.append(Directive(words, []))
            if sign == "{":
                stack.append(stack[-1].inner[-1])
            words = []
    (file,) = stack
    assert not words, f"no ; after {words}"
    return file


def check_proxy(text: str, upstream: str, folder: Path) -> None:
    """See that only webhooks come through, whole, to the server at this address; by a real nginx where there is one."""
    file = read(text)
    assert dict(_passing(file)) == {"/webhooks/": f"http://{upstream}"}
    ((size,),) = file.all("client_max_body_size")
    assert int(size[:-1]) * _SIZES[size[-1]] >= WEBHOOK_BYTES
    program = shutil.which("nginx")
    if program is not None:
        _try(program, text, folder)


def _passing(within: Directive) -> Iterator[tuple[str, str]]:
    """Each location that is passed on, and where to."""
    for directive in within.inner:
        for (target,) in directive.all("proxy_pass") if directive.words[0] == "location" else ():
            yield directive.words[1], target
        yield from _passing(directive)


def _try(program: str, text: str, folder: Path) -> None:
    certificate, key, config = (folder / name for name in ("proxy.pem", "proxy.key", "nginx.conf"))
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=localhost", "-days", "1",
         "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True,
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    text = re.sub(r"listen 443 ssl", f"listen 127.0.0.1:{port} ssl", text)
    text = re.sub(r"ssl_certificate \S+;", f"ssl_certificate {certificate};", text)
    text = re.sub(r"ssl_certificate_key \S+;", f"ssl_certificate_key {key};", text)
    temporary = "".join(f"{name}_temp_path {folder};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config.write_text(
        f"daemon off; master_process off; pid {folder / 'nginx.pid'}; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{text}\n}}\n"
    )
    process = subprocess.Popen([program, "-p", str(folder), "-e", "stderr", "-c", str(config)])
    try:
        wait_until(lambda: _listens(port) or process.poll() is not None, RUN_SECONDS, "nginx")
        _post(port)
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def _post(port: int) -> None:
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=unverified, trust_env=False) as http:
        body = b'{"events": [], "padding": "%s"}' % (b"." * (WEBHOOK_BYTES - 100))
        assert http.post("/webhooks/cloudmailin", content=b"{}").status_code == 401
        assert http.post("/webhooks/cloudmailin", content=body, auth=("hook", "change-me")).status_code == 200
        assert http.get("/readyz").status_code == 404
