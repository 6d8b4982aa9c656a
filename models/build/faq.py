"""A labelled set for development from Sphinx's HTML of Python's documentation: find the answer to a question of its FAQ.

    python models/build/faq.py /usr/share/doc/python3.11/html FOLDER

Queries are the questions of the FAQ, each answered by the section under it; the other passages are 1,500 sections of the tutorial,
the how-tos and the references. In BEIR's layout, as models/build/headings.py makes it.
"""

import argparse
import json
import pathlib
import random
from html.parser import HTMLParser

PARTS = ("faq", "tutorial", "howto", "using", "extending", "library", "reference", "distutils", "installing")
LEAST_WORDS, MOST_LIBRARY_WORDS, PASSAGES = 20, 400, 1500
HEADINGS, ASIDE = ("h1", "h2", "h3", "h4"), ("nav", "script", "style", "footer")


class Sections(HTMLParser):
    """Collects (title, text) of each section of a page; text goes to the section that began last."""

    def __init__(self):
        super().__init__()
        self.found, self.in_title, self.aside, self.inside = [], False, 0, False

    def handle_starttag(self, tag, attributes):
        if tag == "section":
            self.found.append([[], []])
            self.inside = True
        if tag in HEADINGS and self.found:
            self.in_title = True
        if tag in ASIDE:
            self.aside += 1
        if "sphinxsidebar" in (dict(attributes).get("class") or ""):
            self.inside = False

    def handle_endtag(self, tag):
        if tag in HEADINGS:
            self.in_title = False
        if tag in ASIDE:
            self.aside = max(0, self.aside - 1)

    def handle_data(self, text):
        if self.inside and self.found and not self.aside:
            self.found[-1][0 if self.in_title else 1].append(text)


def sections(folder: pathlib.Path):
    for page in sorted(folder.rglob("*.html")):
        part = page.relative_to(folder).parts[0]
        if part not in PARTS:
            continue
        parser = Sections()
        parser.feed(page.read_text(encoding="utf-8", errors="replace"))
        for title, text in parser.found:
            title, text = (" ".join("".join(pieces).replace("¶", "").split()) for pieces in (title, text))
            words = len(text.split())
            if words >= LEAST_WORDS and (part != "library" or words <= MOST_LIBRARY_WORDS):
                yield part, title, text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("html", type=pathlib.Path)
    parser.add_argument("into", type=pathlib.Path)
    args = parser.parse_args()
    found = list(sections(args.html))
    asked = [i for i, (part, title, _) in enumerate(found) if part == "faq" and title.endswith("?")]
    random.seed(3)
    kept = set(asked) | set(random.sample(range(len(found)), min(len(found), PASSAGES)))
    (args.into / "qrels").mkdir(parents=True, exist_ok=True)
    rows = ({"_id": str(i), "title": "", "text": text} for i, (_, _, text) in enumerate(found) if i in kept)
    (args.into / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (args.into / "queries.jsonl").write_text("".join(json.dumps({"_id": f"q{i}", "text": found[i][1]}) + "\n" for i in asked))
    (args.into / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(f"q{i}\t{i}\t1\n" for i in asked))
    print(f"{len(kept)} passages, {len(asked)} queries")


if __name__ == "__main__":
    main()
