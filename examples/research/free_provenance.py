"""Where each file of a data folder is from: source, licence, author, and the files made of it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A source of pictures.

    Attributes:
        name: Short name, which the files made of it begin with.
        licence: Name of the licence.
        licence_address: Where its text is.
        author: Who must be named.
        address: Where the original is.
        taken_from: The copy that was read, and where its licence is stated.
        note: What else should be known, such as a doubt.
        share_alike: Whether the licence may reach what is made of it; off unless asked for.
    """

    name: str
    licence: str
    licence_address: str
    author: str
    address: str
    taken_from: str
    note: str = ""
    share_alike: bool = False


class Provenance:
    """Collects the files made of each source, and what was left out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: dict[Source, list[str]] = {}
        self._used: dict[Source, list[str]] = {}
        self._left_out: list[dict[str, str]] = []

    def add(self, source: Source, file: Path) -> None:
        """Notes a file below the root that is made of a source."""
        self._files.setdefault(source, []).append(file.relative_to(self.root).as_posix())

    def use(self, source: Source, name: str) -> None:
        """Notes a picture of a source that is part of files of other sources."""
        self._used.setdefault(source, []).append(name)

    def leave_out(self, name: str, why: str) -> None:
        """Notes something that was not used."""
        self._left_out.append({"name": name, "why": why})

    def write(self, how: str, versions: dict[str, str]) -> Path:
        """Writes provenance.json; `how` is the command that made the folder, from packages of these versions."""
        sources = [
            {**asdict(source), "files": sorted(self._files.get(source, [])), "used": sorted(self._used.get(source, []))}
            for source in {**self._files, **self._used}
        ]
        path = self.root / "provenance.json"
        facts = {
            "made_by": how,
            "changes": "pictures were thinned, shrunk, cropped, developed from panoramas, labelled and cut out",
            "packages": versions,
            "sources": sources,
            "left_out": self._left_out,
        }
        path.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    def table(self) -> str:
        """Returns a Markdown table of files by source."""
        rows = ["| source | licence | files | textures in drawings |", "|---|---|---|---|"]
        for source in {**self._files, **self._used}:
            made, worn = len(self._files.get(source, [])), len(self._used.get(source, []))
            rows.append(f"| {source.name} | {source.licence} | {made} | {worn} |")
        return "\n".join(rows)
