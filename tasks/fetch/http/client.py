"""The client: sends one request at a time to one address, follows nothing, and names what goes wrong."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import metadata
from types import TracebackType

import aiohttp
from yarl import URL

from schemas.config.http import HttpFetching
from schemas.errors import ConfigError
from tasks.fetch.http.addresses import AddressRefused, Gate, Resolve
from tasks.fetch.http.decoding import ACCEPTED
from tasks.fetch.http.troubles import Trouble
from tasks.fetch.http.urls import origin_of

PRODUCT = "Nightmill"
"""The name that robots.txt files know us by."""

_KEEPALIVE_S = 15.0


def user_agent(contact: str) -> str:
    """Returns the `User-Agent`: which program, and whom to ask."""
    try:
        version = metadata.version("nightmill")
    except metadata.PackageNotFoundError:
        return f"{PRODUCT} (+{contact})"
    return f"{PRODUCT}/{version} (+{contact})"


class Client:
    """A pool of connections, to be used as an async context manager.

    Raises:
        ConfigError: A credential's environment variable is not set, or the CA file cannot be read.
    """

    def __init__(self, settings: HttpFetching, resolve: Resolve) -> None:
        self._settings = settings
        self._gate = Gate(settings.allow_private_addresses, resolve)
        self._secrets = _authorizations(settings)
        self._tls = _tls(settings)
        self._agent = user_agent(settings.contact)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        connector = aiohttp.TCPConnector(
            limit=0,  # whoever asks keeps to `connections`
            resolver=self._gate,
            socket_factory=self._gate.socket,
            ttl_dns_cache=300,
            keepalive_timeout=_KEEPALIVE_S,
            ssl=self._tls,
        )
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._settings.connect_timeout_s, sock_read=self._settings.read_timeout_s
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # no proxy of the environment sees addresses or connects for us
            headers={"User-Agent": self._agent, "Accept": "*/*", "Accept-Encoding": ACCEPTED},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def get(self, url: URL, headers: Mapping[str, str], seconds: float) -> AsyncIterator[aiohttp.ClientResponse]:
        """Sends a GET and gives the answer, whose body can be read until the context is left.

        Args:
            url: A canonical address.
            headers: Besides those that every request has.
            seconds: How long all of it may take.

        Raises:
            Trouble: Nothing, or only a part, could be had; also while the body is read.
        """
        assert self._session is not None
        settings = self._settings
        response: aiohttp.ClientResponse | None = None
        try:
            self._gate.check(url.host or "")
            async with asyncio.timeout(seconds) as whole:
                # A server that drips headers is never silent: the beginning of the answer has a limit of its own.
                async with asyncio.timeout(settings.connect_timeout_s + settings.read_timeout_s):
                    response = await self._session.get(
                        url, headers={**headers, **self._authorization(url)}, allow_redirects=False
                    )
                yield response
        except AddressRefused as error:
            raise Trouble("private_address", str(error)) from None
        except (aiohttp.ClientError, TimeoutError, ConnectionError, ssl.SSLError) as error:
            if whole.expired():
                raise Trouble("file_timeout", f"not finished after {settings.file_timeout_s:g} s") from None
            raise named(error) from None
        finally:
            if response is not None:
                # Closes the connection, unless the answer was read to its end.
                response.release()

    def _authorization(self, url: URL) -> Mapping[str, str]:
        port = url.port
        value = self._secrets.get(f"{url.host}:{port}")
        if value is None:
            if url.scheme == "http" and f"{url.host}:443" in self._secrets:
                raise Trouble("credentials_need_https", f"credentials for {url.host} are sent over HTTPS only")
            return {}
        if url.scheme != "https":
            raise Trouble("credentials_need_https", f"credentials for {origin_of(url)} are sent over HTTPS only")
        return {"Authorization": value}


def named(error: Exception) -> Trouble:
    """Names what a request ended with. What the libraries say is not repeated: it may hold the request."""
    host = True
    match error:
        case aiohttp.ClientConnectorDNSError(os_error=socket.gaierror() as cause):
            again = cause.errno not in (socket.EAI_NONAME, socket.EAI_FAIL)
            return Trouble("dns", f"the host's name is not resolved: {cause.strerror}", again=again, host=host)
        case aiohttp.ClientConnectorDNSError():
            return Trouble("dns", "the host's name is not resolved", again=True, host=host)
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as cause):
            return Trouble("tls", f"its certificate is not accepted: {cause.verify_message}", host=host)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return Trouble("tls", "no secure connection can be made", host=host)
        case aiohttp.ConnectionTimeoutError():
            return Trouble("connect_timeout", "it does not answer", again=True, host=host)
        case TimeoutError():
            return Trouble("timeout", "it went silent", again=True, host=host)
        case aiohttp.ClientPayloadError():
            return Trouble("incomplete", "the connection ended in the middle", again=True)
        case aiohttp.ClientResponseError() | aiohttp.InvalidURL():
            return Trouble("bad_response", "its answer is no HTTP, or has headers beyond measure")
        case OSError(strerror=str(why)):
            return Trouble("connection", why, again=True, host=host)
        case _:
            return Trouble("connection", "the connection was closed", again=True, host=host)


def _authorizations(settings: HttpFetching) -> dict[str, str]:
    """Returns the header's value by `host:port`."""
    found: dict[str, str] = {}
    for host, credential in settings.credentials.items():
        reference = credential.bearer or credential.basic or ""
        name = reference.removeprefix("env:")
        secret = os.environ.get(name, "")
        if not secret or not secret.isprintable() or (credential.basic and ":" not in secret):
            wanted = "user:password" if credential.basic else "a token"
            raise ConfigError(
                f"the environment variable {name} does not hold {wanted}", where=f"credentials.{host}", hint="set it"
            )
        value = f"Bearer {secret}" if credential.bearer else "Basic " + base64.b64encode(secret.encode()).decode()
        found[host if ":" in host else f"{host}:443"] = value
    return found


def _tls(settings: HttpFetching) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(cafile=str(settings.ca_file))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"the certificates cannot be read: {error.strerror or error}",
                where=f"ca_file: {settings.ca_file}",
                hint="name a file of certificates in PEM",
            ) from None
    return context
