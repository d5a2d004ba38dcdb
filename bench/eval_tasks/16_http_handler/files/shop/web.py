"""The shop's articles over HTTP. No framework."""

import json
from http.server import BaseHTTPRequestHandler

ARTICLES = {1: {"id": 1, "name": "Nut"}, 2: {"id": 2, "name": "Bolt"}}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/articles":
            self.answer(200, [ARTICLES[number] for number in sorted(ARTICLES)])
        else:
            self.answer(404, {"error": "not found"})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Nothing: the proxy in front writes the log."""
