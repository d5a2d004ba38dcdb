"""Writes tables. `export(name, rows)` looks the writer up by name."""

import csv
import io
import json
import xml.sax.saxutils as saxutils

_LEGACY_SEPARATOR = ";"


def export_csv(rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def export_json(rows):
    return json.dumps(rows)


def export_xml(rows):
    return "<rows>%s</rows>" % "".join(_xml_row(row) for row in rows)


def _xml_row(row):
    return "<row>%s</row>" % "".join("<c>%s</c>" % saxutils.escape(str(cell)) for cell in row)


def export(name, rows):
    return globals()["export_" + name](rows)


def old_format(rows):
    return "\n".join(_old_row(row) for row in rows)


def _old_row(row):
    return _LEGACY_SEPARATOR.join(str(cell) for cell in row)
