import io
import json
import unittest

from shop.web import Handler


class Wire:
    """A connection that holds one request, without a socket."""

    def __init__(self, request):
        self.incoming = io.BytesIO(request)
        self.sent = b""

    def makefile(self, *_arguments, **_options):
        return self.incoming

    def sendall(self, data):
        self.sent += bytes(data)


def ask(path, method="GET"):
    """Status, headers and the decoded body."""
    wire = Wire(("%s %s HTTP/1.0\r\n\r\n" % (method, path)).encode())
    Handler(wire, ("127.0.0.1", 1), None)
    head, _, body = wire.sent.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(headers["Content-Length"]) == len(body) or method == "HEAD", "Content-Length is wrong"
    return int(first.split()[1]), headers, json.loads(body) if body else None


class ArticlesTest(unittest.TestCase):
    def test_all_articles(self):
        status, headers, body = ask("/articles")
        self.assertEqual((status, [article["id"] for article in body]), (200, [1, 2]))
        self.assertEqual(headers["Content-Type"], "application/json")

    def test_one_article(self):
        self.assertEqual(ask("/articles/2")[::2], (200, {"id": 2, "name": "Bolt"}))

    def test_an_article_that_is_not_there(self):
        self.assertEqual(ask("/articles/7")[::2], (404, {"error": "no article 7"}))

    def test_an_id_that_is_no_number(self):
        for path in ("/articles/two", "/articles/-1", "/articles/1.0"):
            self.assertEqual(ask(path)[::2], (400, {"error": "the id must be a whole number"}), path)

    def test_a_query_is_no_part_of_the_path(self):
        self.assertEqual(ask("/articles/1?lang=en")[0], 200)
        self.assertEqual(ask("/articles?lang=en")[0], 200)

    def test_everything_else_is_not_found(self):
        for path in ("/", "/articles/", "/articles/1/2", "/article/1", "/articlesx"):
            self.assertEqual(ask(path)[::2], (404, {"error": "not found"}), path)

    def test_head_answers_as_get_does_without_the_body(self):
        status, headers, body = ask("/articles/2", "HEAD")
        self.assertEqual((status, body), (200, None))
        self.assertEqual(headers["Content-Length"], str(len(json.dumps({"id": 2, "name": "Bolt"}))))
        self.assertEqual(ask("/articles/7", "HEAD")[0], 404)
