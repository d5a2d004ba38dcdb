"""Counts words. `python3 -m wordcount.cli FILE`"""

import argparse
import sys
from collections import Counter


def count_words(text):
    return Counter(text.lower().split())


def main(argv=None):
    parser = argparse.ArgumentParser(prog="wordcount")
    parser.add_argument("file", help="text file to read; - is standard input")
    given = parser.parse_args(argv)
    if given.file == "-":
        text = sys.stdin.read()
    else:
        with open(given.file, encoding="utf-8") as opened:
            text = opened.read()
    print(sum(count_words(text).values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
