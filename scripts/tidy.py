#!/usr/bin/env python3
"""The tidy test: walks the tree and holds it against the house rules that a compiler does not know.

 - a file includes only its own room and the rooms that its room declares (DEPENDS), directly or through them;
 - every .cpp belongs to a target, every header has #pragma once, every room has a README.md;
 - a banned call names its replacement;
 - no leftover marker for work that was meant to be finished.

--map is the file that cmake/rooms.cmake writes into the build folder: rooms, folders and sources of this build.
"""
import argparse
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# (what is banned, where it is allowed, what to do instead). "Where" is matched against the path from the root.
BANNED = [
    (r"\bsystem_clock::now\b", r"^(daemon|demo|tests|bench)/", "take a core/base Clock; only daemon/ owns a real one"),
    (r"\bspdlog::|<spdlog/", r"^daemon/", "return a Result or count it; only daemon/ logs"),
    (r"\bsqlite3_step\b", r"^core/sqlite/|^tests/", "use the statement wrapper in core/sqlite"),
    (r"\btry_dequeue_bulk\b", r"^core/engine/|^tests/|^bench/", "use the engine's inbox"),
    (r"\bassert\s*\(", r"^$", "use ADM_CHECK, which is on in release"),
    (r"\b(std::)?rand\s*\(\s*\)|\brandom_device\b", r"^(demo|tests|bench|daemon)/", "the core draws no random number"),
    (r"\bstd::(stod|stof|atof)\b|\bstrtod\b", r"^(tests|bench)/", "use std::from_chars: the others obey the locale"),
    (r"\bgmtime\s*\(|\blocaltime\s*\(", r"^$", "use core/base days and time zones"),
]
LEFTOVER = re.compile(r"\b(FIX" + r"ME|XX" + r"X)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
# Strings keep their place; comments are prose and may name what is banned.
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*")', re.DOTALL)
TOP_FOLDERS = ["core", "sources", "sinks", "state", "backfill", "verify", "explain", "compare", "demo", "dashboard", "quality", "web", "daemon",
               "tests", "bench"]
TEXT_FOLDERS = TOP_FOLDERS + ["cmake", "config", "docs", "packaging", "scripts", "systemd"]


def code_only(text: str) -> str:
    """The text without comments, line numbers unchanged."""
    return COMMENT.sub(lambda m: m.group(1) or "\n" * m.group(0).count("\n"), text)


def is_fetched(path: Path) -> bool:
    """Other people's packages are not ours to judge."""
    return "node_modules" in path.parts


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


class House:
    def __init__(self, map_file: Path):
        self.rooms: dict[str, set[str]] = {}  # folder -> names of the rooms in it
        self.depends: dict[str, set[str]] = {}  # room -> rooms it declares
        self.folders: set[Path] = set()
        self.sources: set[Path] = set()
        for line in map_file.read_text().splitlines():
            kind, _, rest = line.partition("|")
            if kind == "room":
                name, folder, depends = rest.split("|")
                self.rooms.setdefault(folder, set()).add(name)
                self.depends[name] = set(depends.split())
            elif kind == "folder":
                self.folders.add(Path(rest))
            elif kind == "source":
                self.sources.add(Path(rest))

    def rooms_of(self, path: str) -> set[str]:
        """The room (or the rooms that share its folder) a file lives in; empty outside of every room."""
        folder = os.path.dirname(path)
        while folder:
            if folder in self.rooms:
                return self.rooms[folder]
            folder = os.path.dirname(folder)
        return set()

    def reachable(self, names: set[str]) -> set[str]:
        seen, todo = set(names), list(names)
        while todo:
            for name in self.depends.get(todo.pop(), ()):
                if name not in seen:
                    seen.add(name)
                    todo.append(name)
        return seen

    def built(self, path: Path) -> bool:
        """Whether the nearest folder with a CMakeLists.txt takes part in this build."""
        for folder in path.parents:
            if (folder / "CMakeLists.txt").exists():
                return folder in self.folders
        return False


def check(house: House) -> list[str]:
    wrong = []
    for folder in TOP_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".cpp", ".hpp") or not path.is_file() or is_fetched(path):
                continue
            name = path.relative_to(ROOT).as_posix()
            text = path.read_text(encoding="utf-8", errors="replace")
            code = code_only(text)

            if path.suffix == ".cpp" and house.built(path) and path not in house.sources:
                wrong.append(f"{name}:1: in no target: name it in a CMakeLists.txt, or delete it")
            if path.suffix == ".hpp" and "#pragma once" not in text:
                wrong.append(f"{name}:1: no #pragma once")

            mine = house.rooms_of(name)
            allowed = house.reachable(mine)
            for match in INCLUDE.finditer(code):
                target, line = match.group(1), line_of(code, match.start())
                if "/" not in target:
                    if target != "admetrics_build_info.hpp":
                        wrong.append(f'{name}:{line}: "{target}": include from the root')
                    continue
                if not (ROOT / target).exists():
                    wrong.append(f'{name}:{line}: "{target}" does not exist')
                    continue
                theirs = house.rooms_of(target)
                if mine and theirs and not theirs & allowed:
                    wrong.append(f'{name}:{line}: "{target}" is in room {"/".join(sorted(theirs))}, which room '
                                 f'{"/".join(sorted(mine))} does not depend on')
                if folder != "tests" and target.startswith("tests/") and folder != "bench":
                    wrong.append(f'{name}:{line}: "{target}": only tests and benchmarks include from tests/')

            for pattern, where, instead in BANNED:
                if re.search(where, name):
                    continue
                for match in re.finditer(pattern, code):
                    wrong.append(f"{name}:{line_of(code, match.start())}: {match.group(0).strip()}: {instead}")

    for folder in TEXT_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if not path.is_file() or path.suffix in (".pyc", ".db", ".png") or is_fetched(path):
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            for match in LEFTOVER.finditer(text):
                wrong.append(f"{path.relative_to(ROOT)}:{line_of(text, match.start())}: leftover {match.group(0)}: "
                             "do it, or make it an issue")

    for folder in sorted(house.rooms):
        if not (ROOT / folder / "README.md").exists():
            wrong.append(f"{folder}/README.md:1: missing: a room says its purpose, its threads, what it must not know")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", type=Path, required=True)
    wrong = check(House(parser.parse_args().map))
    print("\n".join(wrong) if wrong else "tidy")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
