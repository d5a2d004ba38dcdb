"""`python3 -m todo.cli add TEXT`, `python3 -m todo.cli list`"""

import argparse
import os
import sys

from todo.store import Store


def main(argv=None):
    parser = argparse.ArgumentParser(prog="todo")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add")
    add.add_argument("text")
    commands.add_parser("list")
    given = parser.parse_args(argv)
    store = Store(os.environ.get("TODO_FILE", "todo.json"))
    if given.command == "add":
        store.add(given.text)
    else:
        for todo in store.load():
            print("[%s] %s" % ("x" if todo["done"] else " ", todo["text"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
