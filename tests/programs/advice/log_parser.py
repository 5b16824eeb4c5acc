"""A log is parsed by worker processes. Planted: pickling what they return takes longest."""

import multiprocessing
import re

LINE = re.compile(r"(\d+) (\w+) (\S+) (\d+)")


def make(lines):
    return "\n".join(f"{1000 + i} GET /page/{i % 97} {200 + i % 3}" for i in range(lines))


def parse(text):
    return [tuple(line.split(" ")) for line in text.split("\n")]


def main():
    texts = [make(60_000) for _ in range(8)]
    with multiprocessing.Pool(2) as pool:
        rows = [row for part in pool.imap(parse, texts) for row in part]
    print(len(rows), rows[-1])


if __name__ == "__main__":
    main()
