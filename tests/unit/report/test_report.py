"""One offline file that tells what happened, whatever happened."""

import json
import re
from html.parser import HTMLParser

import pytest

from schemas.manifest import OutputRecord
from tasks.report.bounds import ATTEMPTS, MAX_BYTES
from tasks.report.charts import MAX_POINTS, Series, bar, line_chart, thin, ticks
from tasks.report.funnel import levels, reasons
from tasks.report.quantities import count, decimal, duration, percent, size
from tasks.report.render import render, write_report

VOID = {"meta", "link", "br", "hr", "img", "input", "rect", "line", "circle", "polyline"}


class Page(HTMLParser):
    """Collects text and attributes, and holds every element to be closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value or "" for name, value in attributes if name in ("href", "src", "xlink:href", "action")]
        assert not [name for name, _ in attributes if name.startswith("on")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def says(self, words: str) -> bool:
        return words in re.sub(r"\s+", " ", " ".join(self.text))


def page_of(example, **more) -> Page:
    return Page(render(example.run, example.manifests, example.read, **more))


def test_a_finished_run_says_what_was_built_and_whether_it_learned(example):
    page = page_of(example)
    assert page.says("Done in 5 min 06 s")
    assert page.says("16 stages: 13 built, 1 resumed, 2 cached.")
    assert page.says("pretrain learned: bits per byte 2.093 against 2.884 for unigram (73 %).")
    assert page.says("library learned: accuracy 0.717 against 0.310 for majority class.")
    assert page.says("3 of 412 files could not be read")
    assert page.says("获取股票的历史行情")


def test_nothing_is_fetched_and_nothing_runs(example):
    html = render(example.run, example.manifests, example.read)
    page = Page(html)
    assert page.links == ["data:,"]
    assert "script" not in page.tags
    assert "url(" not in html and "@import" not in html
    assert "default-src 'none'" in html


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "</title></style><img src=x onerror=alert(1)>", "{{ 7*7 }}", "\x00\ud800"]
)
def test_whatever_stands_in_the_data_stays_text(example, hostile):
    run = example.run
    run.pipeline = run.command = run.config_file = run.stages[3].reason = hostile
    run.settings = {"key": hostile}
    run.stages[3].warnings = [hostile]
    run.stages[4].error = {"message": hostile, "where": hostile, "hint": hostile, "details": [hostile]}
    example.manifests["clean"].metrics["dropped"] = {hostile: {hostile: 3}}
    example.manifests["dedup"].host_class = hostile
    row = {"task": hostile, "metric": hostile, "language": hostile, "value": 1, "n": 1, "better": "lower"}
    row |= {"learned": True, "signature": hostile, "baselines": [{"name": hostile, "value": 2}]}
    example.scores("evaluate.library", [row])
    sample = {"task": "x", "language": hostile, "prompt": hostile, "output": hostile, "reference": hostile}
    example.diagnostic("evaluate.library", "samples.jsonl", [sample])
    html = render(run, example.manifests, example.read)
    page = Page(html)
    assert page.tags.isdisjoint({"script", "img"})
    assert "49" not in "".join(text for text in page.text if "7*7" in text)
    assert "\x00" not in html
    html.encode()


def test_a_failed_run_says_where_why_and_what_to_do(failed):
    page = page_of(failed)
    assert page.says("Failed at validate")
    assert page.says("2 of 9 expectations are not met")
    assert page.says("10 stages could not run because of it.")
    assert page.says("What to do: look at the rows")
    assert page.says("and 16 more")
    assert page.says("row 3 of shard-0003")
    assert not page.says("Scores")


def test_a_held_and_an_interrupted_run_say_so(example):
    stage = example.run.stages[8]
    stage.outcome, stage.reason = "held", "only its code changed: nightmill accept pretrain, or --force pretrain"
    example.run.outcome = "held"
    assert page_of(example).says("Held at pretrain Only its code changed")
    example.run.outcome = "interrupted"
    assert page_of(example).says("The next run goes on from here.")
    example.run.outcome, example.run.finished = "running", ""
    assert page_of(example).says("Not ended")


def test_missing_and_broken_files_are_named_and_cost_nothing_else(example):
    example.objects.pop(example.manifests["evaluate.pretrain"].outputs["scores"].files[0].digest)
    broken = example.file("scores.json", b"[{]")
    example.manifests["evaluate.summarise"].outputs["scores"] = OutputRecord(digest="", files=[broken])
    example.objects[example.manifests["pretrain"].diagnostics[0].digest] = b'{"step": 1, "loss": 3}\n{"step": 2, "lo'
    del example.manifests["tokenizer"]
    page = page_of(example)
    assert page.says("scores.json of evaluate.pretrain")
    assert page.says("it is not JSON")
    assert page.says("The manifest of tokenizer")
    assert page.says("accuracy")


def test_without_any_manifest_the_stages_are_still_shown(example):
    page = Page(render(example.run, {}, example.read))
    assert page.says("finetune.library")


def test_the_page_stays_under_a_megabyte(example):
    long = "很长的文本 & <long> " * 3000
    example.run.settings = {"words": [long] * 20}
    for stage in example.run.stages:
        stage.reason = long
        stage.warnings = [long] * 200
        stage.error = {"message": long, "where": long, "hint": long, "details": [long] * 500}
    for node in ("evaluate.pretrain", "evaluate.summarise", "evaluate.library"):
        rows = json.loads(example.read(example.manifests[node].outputs["scores"].files[0]))
        example.scores(node, [row | {"metric": f"f1 of {n} {long}"} for n in range(500) for row in rows[:1]])
        sample = {"task": node, "language": "zh", "prompt": long, "output": long, "reference": long}
        example.diagnostic(node, "samples.jsonl", [sample] * 50)
    many = [{"step": step, "tokens": step, "loss": 3.0 + step % 7} for step in range(50_000)]
    example.diagnostic("pretrain", "steps.jsonl", many)
    reasons = {f"reason {n} {long[:200]}": n + 1 for n in range(200)}
    example.manifests["clean"].metrics["dropped"] = {f"source {n}": reasons for n in range(200)}
    size = len(render(example.run, example.manifests, example.read).encode())
    assert size < MAX_BYTES


def test_an_earlier_run_is_shown_beside(example):
    earlier = {"evaluate.library": example.manifests["evaluate.library"].model_copy(deep=True)}
    earlier["evaluate.library"].version = "older"
    page = page_of(example, previous=earlier)
    assert page.says("before")


def test_the_funnel_counts_documents_and_names_reasons(example):
    found = levels(example.manifests)
    assert [(level.name, level.count) for level in found][:4] == [
        ("files seen", 412),
        ("collected", 21480),
        ("cleaned", 19312),
        ("deduplicated", 15940),
    ]
    assert found[2].lost == 2168
    why = reasons(example.manifests, ATTEMPTS[0])
    by_name = {(reason.stage, reason.reason): reason.count for reason in why}
    assert by_name["clean", "too_short"] == 1251
    assert by_name["dedup", "near duplicate"] == 2132
    assert next(reason for reason in why if reason.reason == "repeated_lines").sources == [
        ("readmes", 311),
        ("licences", 310),
    ]
    assert next(reason for reason in why if reason.reason == "near duplicate").sources == [
        ("docstrings", 2000),
        ("readmes", 132),
    ]


def test_what_was_left_out_and_replaced_is_shown_by_reason_kind_and_set(checked):
    page = page_of(checked)
    assert page.says("too short chinese · cccccccccccccccccccccccccccccccc 见上。 docstrings · 0000")
    assert page.says("See also number 4.") and not page.says("See also number 5."), "sources in turn, six in all"
    assert page.says("菜单 菜单 菜单")
    assert page.says("email 219 docstrings 210, chinese 9")
    assert page.says("resident id 2 chinese 2")
    assert page.says("faq 120 7 16")
    assert page.says("decontaminated")
    why = {reason.reason: reason for reason in reasons(checked.manifests, ATTEMPTS[0])}
    assert why["stands in an evaluation set"].count == 9


def test_drift_stands_beside_its_limit_and_the_data_docs_are_linked(checked):
    page = page_of(checked)
    assert page.says("1 of 2 expectations are met.")
    assert page.says("lengths stable not met drift.length_psi 1 of 4 values are otherwise")
    assert page.says("against the baseline of 2026-11-01")
    assert page.says("lengths (≤ 0.25)")
    assert page.says("readmes all 400 380 0.310 0.000 readmes en 400 380 0.310 – all all 15,940 14,200 0.020 0.010")
    assert not page.says("new zh"), "there was nothing to compare it with"
    folder = f"artifacts/validate/{checked.manifests['validate'].version}/diagnostics"
    assert page.links[1:] == [f"../{folder}/data_docs_documents.html", f"../{folder}/data_docs_drift.html"]
    assert page.says(folder)


def test_the_first_night_says_that_it_is_its_own_baseline(checked):
    checked.manifests["validate"].diagnostics.clear()
    checked.record("validate", "drift.json", {"date": "2026-11-22", "why": "first", "rows": []})
    checked.record("validate", "expectations.json", [])
    page = page_of(checked)
    assert page.says("2026-11-22 (these data were the first)") and page.says("large enough to be compared")


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "\x00"]
)
def test_hostile_samples_names_and_verdicts_stay_text(checked, hostile):
    checked.manifests["clean"].metrics["personal"] = {hostile: {hostile: 3}}
    checked.manifests["decontaminate"].metrics["evaluations"] = {hostile: {"examples": 1, "hit": 1, "documents": 1}}
    checked.manifests["clean"].diagnostics.clear()
    sample = {"reason": hostile, "source": hostile, "id": hostile, "sample": hostile}
    checked.record("clean", "reject_samples.json", [sample] * 3)
    validate = checked.manifests["validate"]
    validate.diagnostics = [checked.file(f"data_docs_{hostile}.html".translate({ord("/"): "", 0: ""}), b"")]
    verdict = {"table": hostile, "column": hostile, "name": hostile, "observed": hostile, "arguments": hostile}
    checked.record("validate", "expectations.json", [verdict])
    row = {"source": hostile, "language": hostile, "documents": 1, "baseline_documents": 1, "length_psi": 9.0}
    checked.record("validate", "drift.json", {"date": hostile, "why": hostile, "rows": [row]})
    html = render(checked.run, checked.manifests, checked.read)
    page = Page(html)
    assert page.tags.isdisjoint({"script", "img"})
    assert "49" not in "".join(text for text in page.text if "7*7" in text)
    assert all(link == "data:," or link.startswith("../artifacts/validate/") for link in page.links)
    assert len(html.encode()) < MAX_BYTES


def test_samples_of_any_number_and_length_keep_the_page_small(checked):
    long = "一个很长的文本 <long> " * 5000
    samples = [{"reason": f"reason {n % 60}", "source": f"s{n % 9}", "id": long, "sample": long} for n in range(3000)]
    checked.manifests["clean"].diagnostics.clear()
    checked.record("clean", "reject_samples.json", samples[:100])
    rows = [{"source": f"s{n} {long[:500]}", "language": "zh", "documents": 1, "length_psi": 1.0} for n in range(5000)]
    checked.manifests["validate"].diagnostics.clear()
    checked.record("validate", "drift.json", {"date": "2026-11-01", "why": "renewed", "rows": rows})
    assert len(render(checked.run, checked.manifests, checked.read).encode()) < MAX_BYTES


@pytest.mark.parametrize("value", [None, 3, [3], {"rows": 3}, [{"reason": 3}], {"rows": [{"length_psi": "x"}]}])
def test_records_of_an_unknown_form_cost_nothing_else(checked, value):
    for node, name in (("clean", "reject_samples.json"), ("validate", "expectations.json"), ("validate", "drift.json")):
        checked.manifests[node].diagnostics = [checked.file(name, json.dumps(value).encode())]
    checked.manifests["clean"].metrics["personal"] = value
    checked.manifests["decontaminate"].metrics = {"evaluations": value, "sources": value}
    assert page_of(checked).says("accuracy")


def test_metrics_of_an_unknown_form_are_left_out(example):
    example.manifests["clean"].metrics["dropped"] = ["none"]
    example.manifests["collect"].metrics = {"quarantined": {"readmes": 3}, "rows_out": "many"}
    assert all(level.node != "collect" for level in levels(example.manifests))
    page_of(example)


def test_the_file_is_replaced_whole(example, tmp_path):
    path = tmp_path / "reports" / "run.html"
    for _ in range(2):
        assert write_report(path, example.run, example.manifests, example.read) == path
    assert [file.name for file in path.parent.iterdir()] == ["run.html"]
    assert path.read_text().startswith("<!DOCTYPE html>")


def test_a_long_series_is_thinned_to_means_that_keep_its_ends():
    points = [(float(x), float(x % 2)) for x in range(10_000)]
    thinned = thin(points)
    assert len(thinned) == MAX_POINTS
    assert thinned[-1] == points[-1]
    assert all(abs(y - 0.5) < 0.02 for _, y in thinned[:-1])
    assert [x for x, _ in thinned] == sorted(x for x, _ in thinned)


def test_ticks_are_round_and_enclose():
    assert ticks(0, 380) == [0, 100, 200, 300, 400]
    assert ticks(3.4, 9.0) == [2, 4, 6, 8, 10]
    assert ticks(2, 2)[0] < 2 < ticks(2, 2)[-1]
    assert ticks(0.0, 0.0)[0] <= 0 <= ticks(0.0, 0.0)[-1]


def test_charts_of_one_point_or_none_are_empty():
    assert line_chart([Series("a", "train", [(1.0, 2.0)])], x_name="x", y_name="y") == ""
    assert line_chart([], x_name="x", y_name="y") == ""
    assert "&lt;" in bar(0.5, "fill", "<x>")


def test_quantities_are_written_for_people():
    assert [duration(seconds) for seconds in (0.44, 9.96, 59.7, 185, 7800)] == [
        "0.4 s",
        "10.0 s",
        "1 min 00 s",
        "3 min 05 s",
        "2 h 10 min",
    ]
    assert [size(value) for value in (0, 900, 1536, 410 << 20, 3 << 30)] == [
        "–",
        "900 B",
        "1.5 KiB",
        "410 MiB",
        "3.0 GiB",
    ]
    assert [count(1234567), count(None), percent(0.005), percent(0.73)] == ["1,234,567", "–", "0.5 %", "73 %"]
    assert [decimal(value) for value in (0.7171, 17.12, 171.23, 1190.6)] == ["0.717", "17.12", "171.2", "1,191"]


def test_it_says_how_well_the_tokenizer_fits_and_fitted_when_it_was_trained(example):
    fit = {"fertility": 1.4142, "bytes_per_token": 3.1, "byte_fallback_share": 0.004}
    metrics = example.manifests["tokenizer"].metrics
    metrics |= {"kind": "bpe", "vocabulary": 8192, "reused": False, "languages": {"en": fit, "zh": dict.fromkeys(fit)}}
    page = page_of(example)
    assert page.says("BPE of 8,192 pieces, trained on this text.")
    assert page.says("en 1.414 3.100 0.4 %")
    assert page.says("zh – – –")

    metrics |= {"reused": True, "when_trained": {"en": fit | {"fertility": 1.25}}}
    page = page_of(example)
    assert page.says("taken over from an earlier artifact")
    assert page.says("1.414 (1.250)")

    metrics["languages"] = {"en": "<b>", "<script>": 3}
    assert "script" not in page_of(example).tags


def test_accuracy_learning_rate_and_gradient_norms_of_layers_are_drawn(example):
    rows = [
        {
            "step": step,
            "loss": 5.0 / step,
            "accuracy": step / 50,
            "learning_rate": 0.005,
            "gradient_norm": 1.0 / step,
            "layer_norms": {name: number / step for number, name in enumerate(["embeddings", *"abcdefg"])},
        }
        for step in range(1, 41)
    ]
    example.diagnostic("pretrain", "steps.jsonl", rows)
    page = render(example.run, example.manifests, example.read)
    Page(page)
    for name in ("accuracy in training", "learning rate", "gradient norm before clipping", "gradient norm by layer"):
        assert f'aria-label="{name} by step"' in page
    assert [name for name in ["embeddings", *"abcdefg"] if f"</i>{name}</span>" in page] == [
        "embeddings",
        "b",
        "d",
        "g",
    ]
