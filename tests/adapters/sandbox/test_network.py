"""What of the network a command reaches when hosts are listed: those, through our proxy, and nothing else."""

import ipaddress
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.sandbox.bubblewrap import BubblewrapExecutor
from equitr_coder.adapters.sandbox.hosts import Hosts
from equitr_coder.ports import CommandResult
from tests.adapters.sandbox.conftest import Machine


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(f"{self.path} for {self.headers['Host']}")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """Of a web server on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


async def run(machine: Machine, network: list[str], command: str, *, clean: bool = False) -> CommandResult:
    plain = await machine.executor()
    executor = BubblewrapExecutor(
        program="bwrap", version=plain.confinement.reason, home=machine.equitr_home, readable=[],
        environ=machine.environ, network=network,
    )  # fmt: skip
    return await executor.run(command, machine.place, timeout=30, clean=clean)


FETCH = "python3 -c 'import sys, urllib.request as u\ntry: print(u.urlopen(sys.argv[1], timeout=20).read().decode())\n"
FETCH += "except u.HTTPError as error: print(error.code, error.read().decode())' "
# Python keeps to NO_PROXY for names of this machine; a listed one is asked for by the proxy all the same.
BY_PROXY = "unset NO_PROXY no_proxy; "


async def test_a_listed_host_is_reached_and_others_are_refused_by_the_name_of_the_key(demo: Machine, port: int) -> None:
    result = await run(
        demo,
        [f"localhost:{port}"],
        f"{BY_PROXY}{FETCH} http://localhost:{port}/page?x=1; {FETCH} http://example.org/; {FETCH} http://localhost:1/",
    )

    first, second, *_, last = result.output.decode().strip().splitlines()
    assert first == f"/page?x=1 for localhost:{port}"
    assert second.startswith("403 equitrcoder: example.org:80 is not among the hosts")
    assert "sandbox.network" in second
    assert "localhost:1 is not among" in result.output.decode(), last


async def test_a_tunnel_is_made_to_listed_hosts_only(demo: Machine, port: int) -> None:
    result = await run(
        demo,
        [f"localhost:{port}"],
        f"{BY_PROXY}python3 -c 'import http.client as h\n"
        f'for host in ("localhost", "example.org"):\n'
        f'    c = h.HTTPConnection("127.0.0.1", 3128, timeout=20); c.set_tunnel(host, {port})\n'
        '    try: c.request("POST", "/", b"body"); print(c.getresponse().read())\n'
        "    except OSError as error: print(error)'",
    )

    assert result.output.decode().splitlines() == [
        "b'body'",
        "Tunnel connection failed: 403 Not in sandbox.network",
    ]


async def test_a_listed_name_that_leads_to_this_machine_is_refused(demo: Machine, port: int) -> None:
    """A name server can answer with any address: `127.1` is no address but a name for one, as any could be."""
    result = await run(demo, [f"127.1:{port}"], f"{BY_PROXY}{FETCH} http://127.1:{port}/")

    assert "403 equitrcoder: 127.1 leads to 127.0.0.1" in result.output.decode()
    assert "no public address" in result.output.decode()


async def test_there_is_no_way_around_the_proxy(demo: Machine, port: int) -> None:
    result = await run(
        demo,
        [f"localhost:{port}", "example.org"],
        f"python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 3)'",
    )

    assert result.exit_code == 1
    assert b"ConnectionRefusedError" in result.output


async def test_a_check_has_no_network_at_all(demo: Machine, port: int) -> None:
    result = await run(
        demo, [f"localhost:{port}"], f"env | grep -ci proxy; {FETCH} http://localhost:{port}/", clean=True
    )

    assert result.output.startswith(b"0\n")
    assert result.exit_code != 0


async def test_what_is_no_request_is_answered_and_does_no_harm(demo: Machine, port: int) -> None:
    result = await run(
        demo,
        [f"localhost:{port}"],
        "python3 -c 'import socket\n"
        'for said in (b"nonsense\\r\\n\\r\\n", b"GET / HTTP/1.1\\r\\n\\r\\n", b"CONNECT x:y HTTP/1.1\\r\\n\\r\\n"):\n'
        '    s = socket.create_connection(("127.0.0.1", 3128), 20); s.sendall(said)\n'
        '    print(s.recv(99).split(b"\\r")[0])\'',
    )

    assert result.output.decode().splitlines() == ["b'HTTP/1.1 400 Bad Request'"] * 3


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(ADDRESSES)
def test_no_address_counts_unless_it_is_listed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert not Hosts(("example.org", "*.example.org")).allows(str(address), 443)
    assert Hosts((str(address) if address.version == 4 else f"[{address}]",)).allows(f"{address}", 443)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1",
     "64:ff9b::7f00:1", "0.0.0.0", "224.0.0.1", "100.64.0.1"],
)  # fmt: skip
def test_a_listed_name_does_not_open_an_address_that_is_not_public(address: str) -> None:
    found = ipaddress.ip_address(address)

    assert not Hosts(("example.org",)).allows_address("example.org", found, 443)
    assert Hosts(("example.org", f"[{address}]")).allows_address("example.org", found, 443)


@pytest.mark.parametrize(
    ("entry", "host", "port", "is_allowed"),
    [
        ("example.org", "example.org", 443, True),
        ("example.org", "EXAMPLE.org.", 80, True),
        ("example.org", "example.org", 8080, False),
        ("example.org:8080", "example.org", 8080, True),
        ("example.org:8080", "example.org", 443, False),
        ("example.org", "www.example.org", 443, False),
        ("example.org", "evilexample.org", 443, False),
        ("*.example.org", "www.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "evil-example.org", 443, False),
        ("10.0.0.0/8", "10.2.3.4", 443, True),
        ("10.0.0.0/8", "11.2.3.4", 443, False),
        ("[::1]:80", "::1", 80, True),
    ],
)
def test_entries(entry: str, host: str, port: int, is_allowed: bool) -> None:
    assert Hosts((entry,)).allows(host, port) is is_allowed
