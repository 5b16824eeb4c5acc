"""Workers for everything at once. Planted: far more of them than there are CPUs."""

import hashlib
import threading


def work(seed):
    data = bytes([seed % 256]) * 2_000_000
    for _ in range(25):
        data = hashlib.sha256(data).digest() * 62_500


def main():
    threads = [threading.Thread(target=work, args=(i,)) for i in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("done")


if __name__ == "__main__":
    main()
