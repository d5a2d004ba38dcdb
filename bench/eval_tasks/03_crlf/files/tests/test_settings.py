import unittest
from pathlib import Path

SETTINGS = Path(__file__).parents[1] / "transfer.ini"
BEFORE = [
    b"; Settings of the transfer service. Read by a Windows program: lines end with CR LF.",
    b"",
    b"[transfer]",
    b"host = files.example",
    b"timeout = 30",
    b"mode = passive",
    b"",
    b"[log]",
    b"level = info",
    b"file = C:\\Logs\\transfer.log",
    b"timeout = 30",
    b"",
]


class SettingsTest(unittest.TestCase):
    def test_every_line_ends_with_cr_lf(self):
        content = SETTINGS.read_bytes()
        self.assertEqual(content.count(b"\n"), content.count(b"\r\n"))
        self.assertEqual(content.count(b"\r"), content.count(b"\r\n"))
        self.assertTrue(content.endswith(b"\r\n"))

    def test_the_two_settings_are_there_and_nothing_else_changed(self):
        wanted = BEFORE[:4] + [b"timeout = 45", b"retries = 3"] + BEFORE[5:]

        self.assertEqual(SETTINGS.read_bytes().split(b"\r\n"), wanted)
