"""What fetching costs: `python tests/benchmarks/bench_http.py [--pages 2000] [--json FILE]`.

A server of its own process on loopback serves small pages; nothing leaves this machine. Measured, each look in a
process of its own, in CPU seconds as the operating system counts them, imports apart:
- a first look, with robots.txt, checks of addresses, files, digests and the journal;
- a look that finds nothing changed (304 to every request);
- a look that a sitemap's `lastmod` spares all requests;
- for comparison, httpx and aiohttp just reading the same pages into memory.
Peak memory is what a look adds to a process that has imported all it needs. The number of pages times ten shows whether
it grows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT)]

PAGE_BYTES = 4000
CONNECTIONS = 16


def main() -> None:
    """Prints a table; with `--json` also writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        what, port, pages, folder = arguments.child
        print(json.dumps(measure(what, int(port), int(pages), Path(folder))))
        return
    rows = []
    port = serve()
    print(f"{'look':<12}{'pages':>8}{'CPU s':>9}{'pages/CPU s':>13}{'peak MiB':>10}")
    for pages in (arguments.pages, arguments.pages * 10):
        for what in ("httpx", "aiohttp", "first", "unchanged", "lastmod"):
            if pages == arguments.pages or what in ("first", "unchanged", "lastmod"):
                row = best(what, port, pages, arguments.repeats if pages == arguments.pages else 1)
                rows.append(row)
                figures = f"{row['cpu_s']:>9.2f}{row['pages'] / row['cpu_s']:>13.0f}{row['peak_mib']:>10.1f}"
                print(f"{row['what']:<12}{row['pages']:>8}{figures}", flush=True)
    if arguments.json:
        machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


def best(what: str, port: int, pages: int, repeats: int) -> dict[str, Any]:
    """Returns the least CPU seconds of several runs, each with a fresh folder and process."""
    found = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            steps = {"unchanged": ["first", "unchanged"], "lastmod": ["prepare", "lastmod"]}.get(what, [what])
            for step in steps:
                child = [sys.executable, __file__, "--child", step, str(port), str(pages), folder]
                done = subprocess.run(child, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(done.stderr)
            found.append(json.loads(done.stdout))
    return min(found, key=lambda row: row["cpu_s"])


def measure(what: str, port: int, pages: int, folder: Path) -> dict[str, Any]:
    """Does one look, or its comparison, and counts."""
    from web import Shelf, settings

    from tasks.fetch.http.fetch import fetch_http

    root = f"http://127.0.0.1:{port}"
    urls = [f"{root}/{number}" for number in range(pages)]
    shelf = Shelf(folder)
    shelf.progress = lambda done, total, unit: None  # It would remember every call.
    known = shelf.known()
    if what in ("prepare", "lastmod"):
        source = settings(sitemaps=[f"{root}/sitemap-{pages}.xml"], connections_per_host=CONNECTIONS)
    else:
        source = settings(urls=urls, connections_per_host=CONNECTIONS)
    if what in ("httpx", "aiohttp"):
        import aiohttp  # noqa: F401
        import httpx  # noqa: F401
    before = resource.getrusage(resource.RUSAGE_SELF)
    if what == "httpx":
        count = asyncio.run(with_httpx(urls))
    elif what == "aiohttp":
        count = asyncio.run(with_aiohttp(urls))
    else:
        fetched = fetch_http(source, known, None, shelf)
        count = len(fetched.items)
        assert fetched.transferred == (pages if what in ("first", "prepare") else 0), fetched.transferred
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert count == pages, (count, pages)
    return {
        "what": what,
        "pages": pages,
        "cpu_s": after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime,
        "peak_mib": (after.ru_maxrss - before.ru_maxrss) / 1024,
    }


async def with_httpx(urls: list[str]) -> int:
    """Reads pages, as many at a time."""
    import httpx

    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=CONNECTIONS)) as client:

        async def get(url: str) -> bool:
            return bool((await client.get(url)).content)

        return await in_turns(urls, get)


async def with_aiohttp(urls: list[str]) -> int:
    """Reads pages, as many at a time."""
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def get(url: str) -> bool:
            async with session.get(url) as response:
                return bool(await response.read())

        return await in_turns(urls, get)


async def in_turns(urls: list[str], get: Any) -> int:
    """Asks for all addresses, `CONNECTIONS` at a time."""
    rest = iter(urls)

    async def work() -> int:
        return sum([await get(url) for url in rest])

    return sum(await asyncio.gather(*(work() for _ in range(CONNECTIONS))))


SERVER = """
import asyncio, sys
async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            path = head.split(b" ", 2)[1]
            if path.startswith(b"/sitemap-"):
                root = [line for line in head.split(b"\\r\\n") if line.lower().startswith(b"host:")][0][5:].strip()
                row = b"<url><loc>http://%s/%d</loc><lastmod>2020-01-01</lastmod></url>"
                rows = b"".join(row % (root, n) for n in range(int(path[9:-4])))
                kind, body = b"application/xml", b"<urlset>" + rows + b"</urlset>"
            elif path == b"/robots.txt":
                kind, body = b"text/plain", b"User-agent: *\\nDisallow: /private"
            elif b"if-none-match" in head.lower():
                writer.write(b"HTTP/1.1 304 Not Modified\\r\\nETag: " + b'"v"' + b"\\r\\n\\r\\n")
                continue
            else:
                kind, body = b"text/html", (b"<p>page " + path + b"</p>").ljust(%d, b"x")
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: " + kind + b"\\r\\nETag: " + b'"v"'
                + b"\\r\\nContent-Length: " + str(len(body)).encode() + b"\\r\\n\\r\\n" + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""


def serve() -> int:
    """Starts the server, which ends with this process; returns its port."""
    child = subprocess.Popen(
        [sys.executable, "-c", SERVER.replace("%d, b", f"{PAGE_BYTES}, b")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    return int(child.stdout.readline())


if __name__ == "__main__":
    main()
