"""Hosts are asked what they allow, as often as they allow, and left alone when they say so."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web import FastClock, Handler, Page, Site, settings

from tasks.fetch.contract import Fetched, SourceDown
from tasks.fetch.http.schedule import backoff
from tasks.fetch.http.troubles import retry_after

Fetch = Callable[..., Fetched]


def text(body: str) -> Page:
    return Page(body.encode(), type="text/plain")


def told(found: Fetched) -> dict[str, str]:
    return {failure.path.rpartition("/")[2]: failure.reason for failure in found.failures}


def names(found: Fetched) -> list[str]:
    return [item.path.rpartition("/")[2] for item in found.items]


def test_robots_txt_is_obeyed_and_fetched_once(site: Site, fetch: Fetch) -> None:
    site.pages |= {f"/{name}": Page(b"x") for name in ("a", "private%2Fx", "b")}
    site.pages |= {"/private/x": Page(b"x"), "/zh/%E4%B8%AD": Page(b"x")}
    site.pages["/robots.txt"] = text(
        "User-agent: *\nDisallow: /\n\nUser-agent: nightmill\nDisallow: /private/\nDisallow: /zh/中"
    )
    found = fetch(urls=[f"{site.url}/{path}" for path in ("a", "b", "private/x", "zh/中")], connections_per_host=4)
    assert names(found) == ["a", "b"]
    assert told(found) == {"x": "refused_by_robots", "中": "refused_by_robots"}
    assert [request.path for request in site.requests].count("/robots.txt") == 1
    assert site.requests[0].path == "/robots.txt"
    assert set(site.asked()) == {"/a", "/b"}
    own = fetch(urls=[f"{site.url}/private/x"], robots_exempt_hosts=["127.0.0.1"])
    assert names(own) == ["x"]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_robots_txt_that_is_not_there_allows_everything(site: Site, fetch: Fetch, status: int) -> None:
    site.pages |= {"/robots.txt": Page(status=status), "/a": Page(b"a")}
    assert names(fetch(urls=[f"{site.url}/a"])) == ["a"]


@pytest.mark.parametrize("status", [429, 500, 503, 204])
def test_a_robots_txt_that_cannot_be_reached_forbids_everything(
    make_site: Callable[..., Site], fetch: Fetch, fast_clock: FastClock, status: int
) -> None:
    site, other = make_site(), make_site("127.0.0.2")
    site.pages |= {"/robots.txt": Page(status=status), "/a": Page(b"a"), "/b": Page(b"b")}
    other.pages["/c"] = Page(b"c")
    found = fetch(urls=[f"{site.url}/a", f"{site.url}/b", f"{other.url}/c"], clock=fast_clock)
    assert names(found) == ["c"]
    assert told(found) == {"a": "robots_unreachable", "b": "robots_unreachable"}
    assert site.asked() == []
    assert str(status) in found.failures[0].detail
    assert len(site.requests) == (1 if status == 204 else 4)


def test_a_robots_txt_is_asked_for_again_before_a_host_is_given_up(
    site: Site, fetch: Fetch, fast_clock: FastClock
) -> None:
    rules = text("User-agent: *\nDisallow: /b")
    site.pages |= {"/robots.txt": in_turn(Page(status=503, headers={"Retry-After": "40"}), rules), "/a": Page(b"a")}
    found = fetch(urls=[f"{site.url}/a", f"{site.url}/b"], clock=fast_clock)
    assert (names(found), told(found)) == (["a"], {"b": "refused_by_robots"})
    assert max(fast_clock.waits) == 40


def test_of_an_endless_robots_txt_the_beginning_counts(site: Site, fetch: Fetch) -> None:
    body = "User-agent: *\nDisallow: /a\n" + "# 注释\n" * 100_000 + "Disallow: /b\n"
    site.pages |= {"/robots.txt": text("\ufeff" + body), "/a": Page(b"a"), "/b": Page(b"b")}
    found = fetch(urls=[f"{site.url}/a", f"{site.url}/b"])
    assert (names(found), told(found)) == (["b"], {"a": "refused_by_robots"})


def test_redirects_are_held_against_the_robots_txt_of_where_they_lead(
    make_site: Callable[..., Site], fetch: Fetch
) -> None:
    site, other = make_site(), make_site("127.0.0.2")
    site.pages |= {
        "/a": Page(status=301, headers={"Location": f"{other.url}/no"}),
        "/b": Page(status=308, headers={"Location": f"{other.url}/yes"}),
    }
    other.pages |= {"/robots.txt": text("User-agent: *\nDisallow: /no"), "/no": Page(b"no"), "/yes": Page(b"yes")}
    found = fetch(urls=[f"{site.url}/a", f"{site.url}/b"])
    assert (names(found), told(found)) == (["b"], {"a": "refused_by_robots"})
    assert other.asked() == ["/yes"]


def test_redirects_end(site: Site, fetch: Fetch) -> None:
    site.pages |= {"/loop": Page(status=302, headers={"Location": "/loop"})}
    site.pages |= {f"/{n}": Page(status=303, headers={"Location": f"{n - 1}"}) for n in range(1, 9)} | {
        "/0": Page(b"0")
    }
    found = fetch(urls=[f"{site.url}/{path}" for path in ("loop", "5", "6")], max_redirects=5)
    assert (names(found), told(found)) == (["5"], {"loop": "too_many_redirects", "6": "too_many_redirects"})
    assert site.asked().count("/loop") == 6


def test_one_host_is_asked_few_things_at_a_time(make_site: Callable[..., Site], fetch: Fetch) -> None:
    together: list[int] = []
    active = 0
    lock = threading.Lock()

    def count(handler: Handler) -> None:
        nonlocal active
        with lock:
            active += 1
            together.append(active)
        deadline = time.monotonic() + 3
        while max(together) < 3 and time.monotonic() < deadline:
            time.sleep(0.005)
        with lock:
            active -= 1
        handler.give(Page(b"x"))

    one, two = make_site(), make_site()  # two ports of one host
    one.pages |= {f"/{number}": count for number in range(10)}
    two.pages |= {f"/{number}": count for number in range(10)}
    urls = [f"{site.url}/{number}" for number in range(10) for site in (one, two)]
    assert len(fetch(urls=urls, connections_per_host=3).items) == 20
    assert max(together) == 3


def test_crawl_delay_and_request_rate_count(
    make_site: Callable[..., Site], fetch: Fetch, fast_clock: FastClock
) -> None:
    for rules, seconds in (("Crawl-delay: 7", 7), ("Request-rate: 2/60", 30), ("Crawl-delay: 0.01", 0.5)):
        site = make_site()
        site.pages |= {f"/{number}": Page(b"x") for number in range(5)} | {
            "/robots.txt": text(f"User-agent: *\n{rules}")
        }
        start = fast_clock.time
        found = fetch(urls=[f"{site.url}/{n}" for n in range(5)], requests_per_second=2, clock=fast_clock)
        assert len(found.items) == 5
        # From robots.txt to the last page there are five waits.
        assert 5 * seconds - 0.01 <= fast_clock.time - start <= 5 * seconds + 1


def test_a_host_that_wants_an_endless_crawl_delay_is_left_alone(site: Site, fetch: Fetch) -> None:
    site.pages |= {"/a": Page(b"a"), "/robots.txt": text("User-agent: *\nCrawl-delay: 3600")}
    found = fetch(urls=[f"{site.url}/a"])
    assert told(found) == {"a": "crawl_delay_too_long"}
    assert site.asked() == []


def in_turn(*pages: Page) -> Callable[[Handler], None]:
    rest = list(pages)
    return lambda handler: handler.give(rest.pop(0) if len(rest) > 1 else rest[0])


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_for_the_whole_host(
    site: Site, fetch: Fetch, fast_clock: FastClock, form: str, status: int
) -> None:
    wait = "90" if form == "seconds" else email.utils.formatdate(time.time() + 91, usegmt=True)
    site.pages |= {
        "/a": in_turn(Page(status=status, headers={"Retry-After": wait}), Page(b"a")),
        "/b": Page(b"b"),
    }
    found = fetch(urls=[f"{site.url}/a", f"{site.url}/b"], connections_per_host=1, clock=fast_clock)
    assert names(found) == ["a", "b"]
    assert site.asked()[:1] == ["/a"]
    assert sorted(site.asked()) == ["/a", "/a", "/b"]
    assert 60 < max(fast_clock.waits) <= 91


def test_a_host_that_asks_for_too_long_a_wait_is_left_for_another_day(
    make_site: Callable[..., Site], fetch: Fetch, fast_clock: FastClock
) -> None:
    site, other = make_site(), make_site("127.0.0.2")
    site.pages["/0"] = Page(status=503, headers={"Retry-After": "86400"})
    site.pages |= {f"/{number}": Page(b"x") for number in range(1, 50)}
    other.pages["/z"] = Page(b"z")
    urls = [f"{site.url}/{number}" for number in range(50)] + [f"{other.url}/z"]
    found = fetch(urls=urls, connections_per_host=1, clock=fast_clock)
    assert names(found) == ["z"]
    assert set(told(found).values()) == {"http_503", "host_asked_to_wait"}
    assert site.asked() == ["/0"]
    assert sum(fast_clock.waits) < 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_trouble_is_waited_out_with_growing_patience(
    site: Site, fetch: Fetch, fast_clock: FastClock, status: int
) -> None:
    trouble = Page(status=status)
    site.pages["/a"] = in_turn(trouble, trouble, trouble, Page(b"a"))
    assert names(fetch(urls=[f"{site.url}/a"], backoff_s=8, clock=fast_clock)) == ["a"]
    waits = [wait for wait in fast_clock.waits if wait > 1]
    assert len(waits) == 3
    assert all(low <= wait <= 3 * low for low, wait in zip((4, 8, 16), waits, strict=True))


def test_trouble_with_one_page_does_not_hold_up_the_others(site: Site, fetch: Fetch, fast_clock: FastClock) -> None:
    site.pages |= {f"/{number}": Page(b"x") for number in range(1, 30)} | {"/0": Page(status=500)}
    found = fetch(urls=[f"{site.url}/{n}" for n in range(30)], backoff_s=60, connections_per_host=1, clock=fast_clock)
    assert (len(found.items), told(found)) == (29, {"0": "http_500"})
    asked = site.asked()
    assert asked.index("/0") == 0 and asked[1:30].count("/0") <= 1


@given(st.integers(1, 20), st.integers(0, 2**32), st.floats(0.001, 100))
def test_backoff_doubles_spreads_and_stays_within_the_longest_wait(failed: int, seed: int, base: float) -> None:
    given = settings(urls=["http://example.org/"], backoff_s=base)
    seconds = backoff(failed, given, Random(seed))
    middle = base * 2 ** (failed - 1)
    assert min(0.5 * middle, given.max_wait_s) <= seconds <= min(1.5 * middle, given.max_wait_s)
    assert backoff(failed, given, Random(seed)) == seconds


@given(st.text(max_size=40) | st.integers().map(str))
def test_a_retry_after_of_any_form_is_read_or_counts_for_nothing(header: str) -> None:
    assert retry_after(header, 1e9) >= 0


def test_retry_after_dates_are_relative_to_now() -> None:
    moment = email.utils.formatdate(1e9 + 30, usegmt=True)
    assert retry_after(moment, 1e9) == pytest.approx(30, abs=1)
    assert retry_after(moment, 2e9) == 0
    assert retry_after(" 17 ", 0) == 17


def test_a_host_that_is_down_is_given_up_soon(
    make_site: Callable[..., Site], fetch: Fetch, fast_clock: FastClock
) -> None:
    site, dead = make_site(), make_site("127.0.0.2")
    site.pages["/z"] = Page(b"z")
    dead.close()
    urls = [f"{dead.url}/{number}" for number in range(500)] + [f"{site.url}/z"]
    found = fetch(urls=urls, clock=fast_clock, robots_exempt_hosts=["127.0.0.2"])
    assert names(found) == ["z"]
    assert len(found.failures) == 500
    counts = sorted(failure.reason for failure in found.failures)
    assert counts.count("connection") <= 5 and counts.count("host_down") >= 495


def test_a_source_of_which_nothing_can_be_had_is_down(make_site: Callable[..., Site], fetch: Fetch) -> None:
    dead = make_site()
    dead.close()
    with pytest.raises(SourceDown, match=r"robots_unreachable.*connection") as caught:
        fetch(urls=[f"{dead.url}/{number}" for number in range(3)])
    assert caught.value.reason == "robots_unreachable"
    with pytest.raises(SourceDown, match="none of 1 addresses"):
        fetch(sitemaps=[f"{dead.url}/s.xml"])
    site = make_site()
    site.pages |= {"/a": Page(status=503), "/b": Page(status=403)}
    with pytest.raises(SourceDown):
        fetch(urls=[f"{site.url}/a"])
    with pytest.raises(SourceDown):
        fetch(urls=[f"{site.url}/b"])
    with pytest.raises(SourceDown) as unresolved:
        fetch(urls=["http://nowhere.invalid/"], resolve=no_such_name)
    assert "nowhere.invalid" in unresolved.value.detail


def no_such_name(host: str, port: int) -> list[str]:
    import socket

    raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port} is not known")


def test_a_source_whose_pages_are_all_gone_is_not_down(site: Site, fetch: Fetch) -> None:
    found = fetch(urls=[f"{site.url}/a", f"{site.url}/b"])
    assert found.items == [] and all(failure.gone for failure in found.failures)
