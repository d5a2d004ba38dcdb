"""Copies files to a second place. `python3 backup.py --help`"""

import argparse


def make_parser():
    parser = argparse.ArgumentParser(prog="backup")
    parser.add_argument("--source", default=".", help="folder to copy")
    parser.add_argument("--keep", type=int, default=7, help="copies to keep")
    parser.add_argument("--level", type=int, default=6, help="compression, 0 to 9")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--exclude", action="append", default=[], help="pattern to leave out; may be repeated")
    return parser


if __name__ == "__main__":
    print(make_parser().parse_args())
