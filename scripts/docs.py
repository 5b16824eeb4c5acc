#!/usr/bin/env python3
"""Builds the documentation: tables renewed from the code, links checked, HTML in docs/_build.

.venv/bin/python scripts/docs.py            as `make docs`
.venv/bin/python scripts/docs.py --check    change nothing; fail if a table is out of date
"""

import argparse
import pathlib
import re
import sys

import markdown

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
BUILD = DOCS / "_build"
# Pages beside docs/ that belong to the documentation.
TOP = [
    "README",
    "ARCHITECTURE",
    "CONTRIBUTING",
    "STYLE",
    "SUPPORT",
    "COMPARE",
    "CHANGELOG",
    "THIRD-PARTY",
]
EXTENSIONS = ["tables", "fenced_code", "toc", "sane_lists"]

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.55 system-ui, sans-serif;
  color: #1d2330; background: #fff }}
nav {{ font-size: .9rem; border-bottom: 1px solid #ccd; padding-bottom: .5rem }}
nav a {{ margin-right: 1rem }}
a {{ color: #0b57a4 }}
pre {{ background: #f4f5f8; padding: .75rem; overflow-x: auto; line-height: 1.35 }}
code {{ font: .9em ui-monospace, monospace }}
table {{ border-collapse: collapse; display: block; overflow-x: auto }}
th, td {{ border: 1px solid #ccd; padding: .25rem .6rem; text-align: left; vertical-align: top }}
</style>
<nav>{nav}</nav>
{body}
</html>
"""
NAV = {
    "Start": "docs/index.md",
    "Getting started": "docs/user/getting-started.md",
    "Generators": "docs/user/generators.md",
    "Parallel code": "docs/user/parallel.md",
    "Options": "docs/user/options.md",
    "Errors": "docs/user/errors.md",
    "Benchmarks": "docs/benchmarks.md",
    "Architecture": "ARCHITECTURE.md",
    "Contributing": "CONTRIBUTING.md",
}


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


def option_tables():
    """The tables in docs/user/options.md, by the name of their marker."""
    sys.path.insert(0, str(ROOT / "python"))
    from ferdelance import _options, config

    options = [
        (f"`{option.name}`", f"`{option.default!r}`", option.doc)
        for option in _options.OPTIONS
        if not option.name.startswith("_")
    ]
    settings = []
    for setting in config.SETTINGS:
        default = "" if callable(setting.default) else f"`{setting.default!r}`"
        name = f"`{setting.attribute}`"
        if setting.variable:
            name += f" (environment: `{setting.variable}`)"
        settings.append((name, default, setting.doc))
    head = ("", "default", "")
    return {"options": table(head, options), "settings": table(head, settings)}


def error_index():
    """The list of docs/errors/index.md: code and first sentence of each page."""
    rows = []
    for page in sorted((DOCS / "errors").glob("*.md")):
        if page.stem != "index":
            summary = page.read_text().split("\n\n")[1].replace("\n", " ")
            rows.append((f"[{page.stem}]({page.name})", summary))
    return {"codes": table(("code", ""), rows)}


def renew(page, tables):
    """The text of `page` with what stands between its markers replaced."""
    text = page.read_text()
    for name, content in tables.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        text = pattern.sub(lambda _, c=content, b=begin, e=end: f"{b}\n{c}{e}", text)
    return text


def pages():
    yield from (ROOT / f"{name}.md" for name in TOP if (ROOT / f"{name}.md").exists())
    yield from sorted(p for p in DOCS.rglob("*.md") if BUILD not in p.parents)


def convert(page):
    """A page as HTML, its links to other pages turned into links to their HTML; and its anchors."""
    converter = markdown.Markdown(extensions=EXTENSIONS)
    body = converter.convert(page.read_text())
    return body, set(re.findall(r'id="([^"]+)"', body))


def links(body):
    return [link for link in re.findall(r'(?:href|src)="([^"]+)"', body) if "://" not in link]


def check_links(page, body, anchors):
    """Complaints about links that lead nowhere."""
    for link in links(body):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            yield f"{page.relative_to(ROOT)}: {link}: there is no such file"
        elif anchor and target in anchors and anchor not in anchors[target]:
            yield f"{page.relative_to(ROOT)}: {link}: there is no such heading"


def html_path(page):
    relative = page.relative_to(DOCS) if DOCS in page.parents else page.relative_to(ROOT)
    return BUILD / relative.with_suffix(".html")


def write_html(page, body, known):
    """The page into docs/_build; links to files that are not pages lose their target."""
    out = html_path(page)

    def relative(target):
        up = "../" * len(out.parent.relative_to(BUILD).parts)
        return up + html_path(target).relative_to(BUILD).as_posix()

    def turn(match):
        path, hash_, anchor = match[1].partition("#")
        target = (page.parent / path).resolve()
        if "://" in match[1] or not path or target not in known:
            return match[0]
        return f'href="{relative(target)}{hash_}{anchor}"'

    body = re.sub(r'href="([^"]+)"', turn, body)
    nav = " ".join(f'<a href="{relative(ROOT / path)}">{title}</a>' for title, path in NAV.items())
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", body)
    title = re.sub("<.*?>", "", heading[1]) if heading else page.stem
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(PAGE.format(title=title, nav=nav, body=body))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()

    complaints = []
    generated = {
        DOCS / "user" / "options.md": option_tables(),
        DOCS / "errors" / "index.md": error_index(),
    }
    for page, tables in generated.items():
        text = renew(page, tables)
        if text != page.read_text():
            if options.check:
                complaints.append(f"{page.relative_to(ROOT)} is out of date: make docs renews it")
            else:
                page.write_text(text)

    converted = {page: convert(page) for page in pages()}
    anchors = {page: ids for page, (_, ids) in converted.items()}
    for page, (body, _) in converted.items():
        complaints += check_links(page, body, anchors)
    if complaints:
        sys.exit("\n".join(complaints))
    if options.check:
        return
    for page, (body, _) in converted.items():
        write_html(page, body, anchors)
    print(f"{len(converted)} pages, links checked: {BUILD.relative_to(ROOT)}/index.html")


if __name__ == "__main__":
    main()
