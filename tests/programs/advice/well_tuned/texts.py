"""Words counted by the library that is made for it."""

import collections
import re


def count(text):
    return collections.Counter(re.findall(r"\w+", text))


def main():
    text = " ".join(f"word{i % 5000}" for i in range(400_000))
    counts = collections.Counter()
    for _ in range(5):
        counts.update(count(text))
    print(len(counts))


if __name__ == "__main__":
    main()
