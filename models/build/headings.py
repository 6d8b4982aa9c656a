"""A labelled set for development from DocBook's HTML: find a section by its title.

    python models/build/headings.py /usr/share/doc/postgresql-doc-15/html FOLDER --queries 300

Passages are sections without their titles and subsections, queries the titles of some of them, in BEIR's layout. Rules and
weights are chosen on such a set, so that none is chosen on a set that results are told of.
"""

import argparse
import json
import pathlib
import re
from html.parser import HTMLParser

LEAST_WORDS, LEAST_TITLE_WORDS = 40, 3
ASIDE = {"navheader", "navfooter", "toc", "indexterm"}  # classes that hold no text of the section


class Sections(HTMLParser):
    """Collects (title, text) of each section of a page."""

    def __init__(self):
        super().__init__()
        self.found, self.aside, self.in_title = [], 0, False

    def handle_starttag(self, tag, attributes):
        kind = dict(attributes).get("class") or ""
        if tag in ("div", "table") and (self.aside or kind in ASIDE):
            self.aside += 1
        elif tag in ("h1", "h2", "h3", "h4") and kind == "title" and not self.aside:
            self.found.append([[], []])
            self.in_title = True

    def handle_endtag(self, tag):
        if tag in ("div", "table") and self.aside:
            self.aside -= 1
        elif tag in ("h1", "h2", "h3", "h4"):
            self.in_title = False

    def handle_data(self, text):
        if self.found and not self.aside:
            self.found[-1][0 if self.in_title else 1].append(text)


def sections(folder: pathlib.Path):
    for page in sorted(folder.glob("*.html")):
        parser = Sections()
        parser.feed(page.read_text(encoding="utf-8", errors="replace"))
        for title, text in parser.found:
            title, text = (" ".join("".join(part).split()) for part in (title, text))
            yield re.sub(r"^(Chapter |Appendix )?[A-Z0-9][0-9.]*\.\s+", "", title), text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("html", type=pathlib.Path)
    parser.add_argument("into", type=pathlib.Path)
    parser.add_argument("--queries", type=int, default=300)
    args = parser.parse_args()
    found = [(title, text) for title, text in sections(args.html) if len(text.split()) >= LEAST_WORDS]
    titles = [title for title, _ in found]
    askable = [i for i, title in enumerate(titles) if len(title.split()) >= LEAST_TITLE_WORDS and titles.count(title) == 1]
    asked = askable[:: max(1, len(askable) // args.queries)][: args.queries]
    (args.into / "qrels").mkdir(parents=True, exist_ok=True)
    rows = ({"_id": str(i), "title": "", "text": text} for i, (_, text) in enumerate(found))
    (args.into / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (args.into / "queries.jsonl").write_text("".join(json.dumps({"_id": f"q{i}", "text": titles[i]}) + "\n" for i in asked))
    (args.into / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(f"q{i}\t{i}\t1\n" for i in asked))
    print(f"{len(found)} passages, {len(asked)} queries")


if __name__ == "__main__":
    main()
