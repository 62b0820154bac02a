#!/usr/bin/env python3
"""Writes a new system that compiles, trains and is compared with a baseline: dev/skeleton under another
name, its recipe, and its line in the list of systems. What it holds is to be replaced by the paper's.

    python3 dev/new_system.py NAME
"""
import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "skeleton"


def renamed(text, name):
    camel = "".join(word.capitalize() for word in name.split("_"))
    for old, new in (("skeleton", name), ("Skeleton", camel), ("SKELETON", name.upper())):
        text = text.replace(old, new)
    return text


def listed(text, name):
    """The text of all.cpp with the system's include and its line, in the order of the others."""
    lines = text.splitlines(keepends=True)
    for pattern, line in ((r'#include "tessera/systems/(\w+)/\1\.h"', f'#include "tessera/systems/{name}/{name}.h"\n'),
                          (r"  registry\.add\((\w+)::system\(\)\);", f"  registry.add({name}::system());\n")):
        others = [(i, match.group(1)) for i, text in enumerate(lines) if (match := re.match(pattern, text))]
        later = [i for i, other in others if other > name]
        lines.insert(later[0] if later else others[-1][0] + 1, line)
    return "".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("name", help="folder, namespace, registry and command line: lower case, digits, _")
    parser.add_argument("--root", type=Path, default=SOURCE.parents[1], help="the tree to write into (default: this one)")
    arguments = parser.parse_args()
    name, root = arguments.name, arguments.root
    folder = root / "tessera" / "systems" / name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        parser.error(f'a name has lower-case letters, digits and _, but got "{name}"')
    if folder.exists():
        parser.error(f"{folder} is there already; choose another name")
    recipe = root / "recipes" / name / "first.toml"
    for made in (folder, recipe.parent, root / "tests" / "cases" / name):
        made.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted(SOURCE.iterdir()):
        target = recipe if source.suffix == ".toml" else folder / renamed(source.name, name)
        target.write_text(renamed(source.read_text(), name))
        written.append(target)
    systems = root / "tessera" / "systems" / "all.cpp"
    systems.write_text(listed(systems.read_text(), name))
    # Another name has another length.
    if shutil.which("clang-format-14") and (root / ".clang-format").exists():
        subprocess.run(["clang-format-14", "-i", *(f for f in written if f.suffix in (".h", ".cpp"))], check=True)
    for path in (*written, systems):
        print(path.relative_to(root))
    print(f"Next: ./run build, ./run info {name}, ./run train {name}/first --out RUN; then the paper's own "
          "model,\ntask and numbers, file by file (CONTRIBUTING.md, Adding a system).", file=sys.stderr)


if __name__ == "__main__":
    main()
