"""Languages are told apart; English code and Chinese of both scripts stay what they are."""

from __future__ import annotations

import polars as pl
import pytest

from schemas.config.clean import LanguageConfig
from tasks.clean.counts import count
from tasks.clean.language import languages

DOCSTRING = """Fit the model.

Parameters
----------
X : {array-like, sparse matrix} of shape (n_samples, n_features)
y : array-like of shape (n_samples,), default=None

Returns
-------
self : object"""


def language(text: str, **settings: object) -> str:
    texts = pl.Series([text])
    return languages(texts, count(texts), LanguageConfig.model_validate(settings))[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The quick brown fox jumps over the lazy dog and runs away from it.", "en"),
        (DOCSTRING, "en"),
        ("Permission is hereby granted, free of charge, to any person obtaining a copy.", "en"),
        (">>> np.zeros((2, 3), dtype=int)\narray([[0, 0, 0], [0, 0, 0]])", "en"),
        ("Linux 内核 documentation with one or two 词 of Chinese in an otherwise English text, as is common.", "en"),
        ("Let α and β be the angles of a triangle; then α + β is smaller than π.", "en"),
        ("Matrix invariants.\n\n.. [1] " + "https://en.wikipedia.org/wiki/Smith_normal_form#Algorithm\n" * 3, "en"),
        ("智能问答\n" + "https://example.org/robot/answers/questions/that/people/ask.html\n" * 3 + "返回 data", "zh"),
        ("这个函数返回一个列表。", "zh"),
        ("這個函數會返回一個列表，請參考說明文件。", "zh"),
        ("調用 tf.keras.Model.fit(x, y, batch_size=32) 進行訓練", "zh"),
        ("床前明月光，疑是地上霜。", "zh"),
        ("Dieses Paket enthält die Dokumentation und Beispiele für Entwickler.", ""),
        ("Cette bibliothèque fournit des fonctions pour lire et écrire des fichiers.", ""),
        ("Este paquete contiene los archivos de desarrollo de la biblioteca.", ""),
        ("本パッケージは、ファイルを読み書きするためのライブラリを含みます。", ""),
        (
            "# libcrypt-rijndael-perl\n\nRijndael アルゴリズムを実装した Perl モジュール, Advanced Encryption Standard",
            "",
        ),
        ("这个命令显示软件包的全部信息，例如：\n" * 8 + "$ apt-cache show the-package-of-that-name\n" * 30, "zh"),
        ("이 패키지는 파일을 읽고 쓰는 라이브러리를 포함합니다.", ""),
        ("Этот пакет содержит библиотеку для чтения файлов.", ""),
        ("هذه الحزمة تحتوي على مكتبة", ""),
        ("12345 67.89 --- !!!", ""),
        ("", ""),
    ],
)
def test_languages_are_told_apart(text: str, expected: str) -> None:
    assert language(text) == expected


def test_how_much_han_makes_a_document_chinese_is_configured() -> None:
    text = "使用 numpy.linalg.solve to compute the exact solution of the well-determined equation 方程组"
    assert language(text, min_han_share=0.05) == "zh"
    assert language(text, min_han_share=0.5) == "en"


def test_a_language_does_not_depend_on_the_texts_beside_it() -> None:
    texts = pl.Series([DOCSTRING, "Guten Tag, wie geht es Ihnen heute?", "你好，世界", "", "Kernel driver gl518sm"])
    together = languages(texts, count(texts), LanguageConfig()).to_list()
    assert together == [language(text) for text in texts]
