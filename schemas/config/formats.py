"""What files hold, and how documents are read out of them: the same wherever the files come from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.config.base import Config

FileFormat = Literal["text", "markdown", "rst", "html", "jsonl", "csv", "parquet", "warc", "wikimedia", "zip", "tar"]
TextFormat = Literal["text", "markdown", "rst", "html"]

ChineseVariant = Literal["zh-hans", "zh-hant", "zh-cn", "zh-sg", "zh-my", "zh-tw", "zh-hk", "zh-mo"]


class Reading(Config):
    """How documents are read out of files.

    Every file but Parquet may be compressed (`.gz`, `.zst`, `.bz2`, `.xz`, also in several members or frames). Archives
    (`.zip`, `.tar`, compressed or not) are read member by member, each by its own suffix; an archive inside an archive
    is counted and not entered. Nothing is ever extracted to disk.
    """

    format: Literal["auto"] | FileFormat = "auto"
    """What the files, or the members of archives, hold. `auto` goes by the suffix, and ignores files whose suffix it
    does not know. Of XML files it knows only those named like Wikimedia's dumps (`…-pages-articles.xml.bz2`)."""

    text_field: str = Field("text", min_length=1)
    """The field (JSON lines) or column (CSV, Parquet) that holds a document's text."""

    record_format: TextFormat = "text"
    """The markup of texts in JSON lines, CSV and Parquet."""

    licence_field: str = "licence"
    """The field or column, if there is one, that holds a document's licence."""

    origin_field: str = "origin"
    """The field or column, if there is one, that holds where a document came from."""

    csv_delimiter: Literal["auto"] | Annotated[str, Field(pattern=r'^[^"\r\n/]$')] = "auto"
    """What separates fields. `auto`: a tab in `.tsv` files, else whichever of `,` `;` tab `|` the first line has."""

    csv_columns: tuple[str, ...] | None = None
    """Names of the columns of files that have no header line; by default the first line names them."""

    wiki_namespaces: tuple[int, ...] = (0,)
    """Namespaces of a Wikimedia dump whose pages are documents: 0 holds the articles. Redirects are left out."""

    wiki_variant: ChineseVariant = "zh-hans"
    """Which text of `-{zh-hans:…;zh-hant:…}-` is taken in Chinese wikis."""

    max_record_bytes: int = Field(16 * 1024**2, ge=1)
    """Longer documents, lines, rows, pages and web responses are quarantined unread. It bounds the memory used."""

    max_ratio: int = Field(200, ge=2)
    """A file or member that decompresses to more than this many times its size is cut off there and quarantined, once
    it is larger than 64 MiB: a decompression bomb. Text shrinks to a third or a tenth, logs to a fiftieth."""

    max_file_bytes: int = Field(1024**4, ge=1)
    """A file that decompresses to more than this is cut off there and quarantined."""

    max_member_bytes: int = Field(16 * 1024**3, ge=1)
    """A member of an archive that decompresses to more than this is cut off there and quarantined."""

    max_members: int = Field(1_000_000, ge=1)
    """An archive with more members is read up to there (tar) or not at all (zip), and quarantined."""

    def reading(self) -> dict[str, Any]:
        """Returns the settings that decide what is read from a given file, and nothing else of a source."""
        return self.model_dump(mode="json", include=set(Reading.model_fields))
