"""Where may be connected to: names are resolved here, every address is checked, and that very address is used.

A server, or whoever writes a list of addresses, must not make us ask what only we can reach: the machine itself, its
network, the metadata service of a cloud. So nothing resolves a name a second time, and `Gate.socket`, through which
every connection of the client goes, checks the address once more.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a name, as text; may block. Raises `OSError`."""

_REFUSED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; a cloud keeps its metadata service there
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's internal service under a public address
        "169.254.0.0/16",  # link-local, metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # Teredo and other protocol assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4, which can hold any IPv4 address
        "3fff::/20",
    )
)
_ASSIGNED = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is public at all."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefused(Exception):
    """A host leads to an address that must not be connected to."""


def is_refused(text: str, allowed: Sequence[Network]) -> bool:
    """Tells whether an address must not be connected to; what is no address must not either."""
    try:
        address = _meant(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return True
    if any(address in network for network in allowed):
        return False
    if address.version == 6 and address not in _ASSIGNED:
        return True
    return not address.is_global or any(address in network for network in _REFUSED)


def _meant(address: Address) -> Address:
    """Returns the IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def system_addresses(host: str, port: int) -> list[str]:
    """Asks the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Gate(AbstractResolver):
    """Resolves names for the client, and makes its sockets."""

    def __init__(self, allowed: Sequence[str], resolve: Resolve) -> None:
        self._allowed = [ipaddress.ip_network(network) for network in allowed]
        self._resolve = resolve
        self._checked: set[str] = set()

    def check(self, host: str) -> None:
        """Checks a host that may be an address; names are checked when they are resolved.

        Raises:
            AddressRefused: It is an address that must not be connected to.
        """
        if host in self._checked:
            return
        try:
            ipaddress.ip_address(host)
        except ValueError:
            pass
        else:
            self._check_address(host, host)
        self._checked.add(host)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Returns the addresses of a name; one that must not be connected to spoils them all."""
        addresses = await _in_a_thread(self._resolve, host, port)
        if not addresses:
            raise OSError(f"{host} has no address")
        for address in addresses:
            self._check_address(address, host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    def socket(self, info: Any) -> socket.socket:
        """Makes the socket for one address (`getaddrinfo`'s tuple), unless it must not be connected to."""
        family, kind, protocol, _, address = info
        self._check_address(str(address[0]), str(address[0]))
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _check_address(self, address: str, host: str) -> None:
        if is_refused(address, self._allowed):
            found = "is" if address == host else f"leads to {address}, which is"
            raise AddressRefused(f"{host} {found} no public address; `allow_private_addresses` can allow its network")


async def _in_a_thread(resolve: Resolve, host: str, port: int) -> Sequence[str]:
    """Resolves in a thread that nobody waits for at the end: a resolver that hangs cannot be interrupted."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def give(addresses: Sequence[str] | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(addresses or [])

    def work() -> None:
        addresses, error = None, None
        try:
            addresses = resolve(host, port)
        except Exception as raised:
            error = raised
        # The loop may be gone by now, and with it whoever asked.
        if not loop.is_closed():
            try:
                loop.call_soon_threadsafe(give, addresses, error)
            except RuntimeError:
                return

    threading.Thread(target=work, name=f"resolve {host}", daemon=True).start()
    return await answer
