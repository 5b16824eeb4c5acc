"""Digests of large blocks: all time is in C, one block after the other."""

import hashlib


def digest(blocks):
    total = hashlib.sha256()
    for block in blocks:
        total.update(block)
    return total.hexdigest()


def main():
    blocks = [bytes([i]) * 4_000_000 for i in range(100)]
    print(digest(blocks * 3))


if __name__ == "__main__":
    main()
