"""A tiny environment on disk: fake distributions with metadata, records, sources and catalogues."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from deployments.quickstart.environment import REQUIREMENTS, Environment

PINS = dict(line.split("==") for line in REQUIREMENTS.read_text("utf-8").split())

FUNCTION = '''
def {name}(values):
    """Return the {name} of the values given in order.

    The {name} is taken over every value of the sequence, from the first to the last, and missing values are left out
    of it. Where the sequence is empty the result is nothing at all, which callers of numpy are asked to expect.

    >>> np.{name}([1, 2, 3])
    """
'''

EXPLODING = """
import pathlib
pathlib.Path(__file__).with_name("imported").touch()
"""

CATALOGUE = """
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"

#: django/forms.py:12 django/views.py:3
msgid "Are you &sure?"
msgstr "你确定要继续吗(&S)？"

#: django/forms.py:14
#, python-format
msgid "%(count)d file was deleted."
msgid_plural "%(count)d files were deleted."
msgstr[0] "已经成功删除了 %(count)d 个文件，这个操作无法撤销。"

#, fuzzy
msgid "Old"
msgstr "旧的"

msgid "Untranslated"
msgstr ""

#~ msgid "Gone"
#~ msgstr "消失"
"""


def write_distribution(
    site: Path, name: str, version: str, files: Mapping[str, str], licence: str = "MIT", description: str = ""
) -> None:
    """Installs a distribution of the given files into a folder, as pip would leave it."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    stated = f"License-Expression: {licence}\n" if licence else ""
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{stated}"
    metadata += f"Description-Content-Type: text/markdown\n\n{description}"
    everything = {**files, f"{info}/METADATA": metadata}
    everything[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in everything)
    for path, content in everything.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(content, "utf-8")


def write_environment(folder: Path) -> Environment:
    """Lays out an environment with numpy, an unlicensed six, and the four wheels."""
    site, wheels = folder / "site-packages", folder / "wheels"
    functions = "".join(FUNCTION.format(name=f"measure{number}") for number in range(40))
    numpy = {
        "numpy/__init__.py": EXPLODING + functions,
        "numpy/templates.py": "def broken(:\n",
        "numpy/tests/test_it.py": FUNCTION.format(name="tested"),
        "numpy-2.4.6.dist-info/licenses/LICENSE": "Permission is granted to everyone. " * 10,
    }
    write_distribution(site, "numpy", "2.4.6", numpy, "BSD-3-Clause", "# numpy\n\n" + "Arrays for everyone. " * 20)
    write_distribution(site, "six", "1.17.0", {}, licence="", description="Nobody says who may copy this. " * 20)
    write_distribution(site, "unnamed", "1.0", {}, description="Installed, but not on the list. " * 20)
    interfaces = [
        {
            "name": f"stock_daily_{number}",
            "desc": f"某证券交易所第{number}号股票的每日行情数据",
            "limit_desc": "单次返回指定股票的所有历史数据，按照交易日期排序，没有交易的日期不在返回的数据里面",
            "params": [{"name": "symbol", "type": "str", "desc": "股票代码"}],
            "outputs": [{"name": "收盘价", "type": "float64", "desc": "-"}],
            "example": "import akshare as ak",
        }
        for number in range(40)
    ]
    write_distribution(
        wheels,
        "akshare",
        PINS["akshare"],
        {
            "akshare/data/interfaces.json": json.dumps({"interfaces": interfaces}),
            "akshare/futures.py": f'"""{"上海黄金交易所的历史行情走势。" * 8}"""\n{EXPLODING}',
        },
    )
    write_distribution(
        wheels, "django", PINS["django"], {"django/conf/locale/zh_Hans/LC_MESSAGES/django.po": CATALOGUE}
    )
    write_distribution(wheels, "spyder", PINS["spyder"], {})
    talk = "conversations:\n- - 你好吗\n  - 我很好，谢谢你的关心，今天的天气真不错。\n"
    talks = {
        "chatterbot_corpus/data/chinese/ai.yml": talk + "".join(f"- - 问题{n}\n  - 回答{n}\n" for n in range(20)),
        "chatterbot_corpus/data/english/ai.yml": talk.replace("你好吗", "How are you?"),
    }
    write_distribution(wheels, "chatterbot-corpus", PINS["chatterbot-corpus"], talks)
    topics = folder / "topics.py"
    topics.write_text("topics = {'assert': 'The \"assert\" statement\\n' 'and more'}\n", "utf-8")
    return Environment((site,), wheels, topics, "3.11.0")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A tiny environment with texts in both languages."""
    return write_environment(tmp_path / "environment")
