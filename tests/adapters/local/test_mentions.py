from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.local.mentions import Mentions, mentioned
from equitr_coder.domain.attachments import Attachments, with_attachments
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.images import MOST_BYTES, Image
from tests.pictures import gif, headed_png, jpeg, png, webp

PLACES = {
    "place": [("shop/orders.py", 2)],
    "run": [("shop/orders.py", 1), ("web/api.ts", 1), ("web/api.ts", 2), ("web/api.ts", 3)],
    "addItem": [("web/api.ts", 2)],
}


async def find(name: str) -> Sequence[tuple[str, int]]:
    return PLACES.get(name, [])


async def keep(data: bytes) -> str:
    return sha256(data).hexdigest()


@pytest.fixture
def mentions(root: Path) -> Mentions:
    files = {
        "shop/orders.py": "class Orders:\n    def place(\n        self,\n    ):\n        return 1\n\n"
        "    def other(self): ...\n",
        "web/api.ts": "class Cart {\n  addItem(x) {\n    return x\n  }\n  other() {}\n}\n",
        "a b.txt": "one\ntwo\nthree\n",
        "Makefile": "all:\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    (root / "core.bin").write_bytes(b"\x89PNG\0")
    (root / "shot.png").write_bytes(png(3, 2))
    return Mentions(root, find, keep)


async def attach(mentions: Mentions, request: str) -> Attachments:
    return await mentions.attach(request) or Attachments()


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        ("see @a.py, @b/c.py; (@d.py) and @e.py.", ["a.py", "b/c.py", "d.py", "e.py"]),
        ("@a.py", ["a.py"]),
        ('@"a b.txt":2-3 @"c d"', ["a b.txt:2-3", "c d"]),
        ("lines @a.py:10-20, @a.py:7: and @a.py:", ["a.py:10-20", "a.py:7", "a.py"]),
        ("twice @a.py @a.py", ["a.py"]),
        ("mail me@example.com or a.b+c@d.org, git@github.com:x/y.git", []),
        ("`@app.route` and ```\n@property\n``` @x", ["x"]),
        ("@ alone, @@twice, http://x/@y", []),
        ("@types/node", ["types/node"]),
        ("@../up @/etc/passwd", ["../up", "/etc/passwd"]),
        ("fix @Orders.place!", ["Orders.place"]),
        ("**@src/**", ["src"]),
    ],
)
def test_what_counts_as_a_mention(request_text: str, expected: list[str]) -> None:
    assert mentioned(request_text) == expected


@given(st.text("@a.:/-0 `\"\n'\\(", max_size=30))
def test_every_text_can_be_read(text: str) -> None:
    assert all(written for written in mentioned(text))


async def test_a_file_is_attached_whole_or_in_part(mentions: Mentions) -> None:
    found = await attach(mentions, 'see @Makefile, @"a b.txt":2 and @"a b.txt":2-99')

    assert found == Attachments(
        text=(
            "# What the request mentions with @\n\n"
            '<file path="Makefile">\nall:\n</file>\n\n'
            '<file path="a b.txt" lines="2-2">\ntwo\n</file>\n\n'
            '<file path="a b.txt" lines="2-4">\ntwo\nthree\n</file>'
        ),
        attached=("Makefile", "a b.txt line 2", "a b.txt lines 2-4"),
    )
    assert with_attachments("do it", found) == f"do it\n\n{found.text}"


async def test_a_folder_is_attached_as_its_files(mentions: Mentions) -> None:
    found = await attach(mentions, "@shop/ @web")

    assert found.attached == ("shop/ (1 file)", "web/ (1 file)")
    assert '<folder path="shop">\nshop/orders.py\n</folder>' in found.text


async def test_a_definition_is_attached_to_its_end(mentions: Mentions) -> None:
    found = await attach(mentions, "@place @Cart.addItem")

    assert found.attached == ("place (shop/orders.py lines 2-5)", "Cart.addItem (web/api.ts lines 2-4)")
    assert "    def place(\n        self,\n    ):\n        return 1\n</file>" in found.text
    assert "  addItem(x) {\n    return x\n  }\n</file>" in found.text


@pytest.mark.parametrize(
    ("request_text", "missing"),
    [
        ("@types/node", "@types/node: there is no such file or definition"),
        ("@nobody", "@nobody: there is no such file or definition"),
        ("@../up", "@../up: "),
        ("@/etc/passwd", "@/etc/passwd: "),
        ("@.git/config", "@.git/config: "),
        ("@core.bin", "@core.bin: core.bin is binary"),
        ("@Makefile:9", "@Makefile:9: Makefile has 2 lines"),
        ("@Makefile:3-2", "@Makefile:3-2: Makefile has 2 lines"),
        ("@run", "@run: 4 definitions have this name; name the file as well"),
    ],
)
async def test_what_cannot_be_attached_is_told(mentions: Mentions, request_text: str, missing: str) -> None:
    found = await attach(mentions, f"look at {request_text} please")

    assert (found.text, found.attached) == ("", ())
    assert len(found.missing) == 1
    assert found.missing[0].startswith(missing)


async def test_a_link_out_of_the_workspace_is_refused(mentions: Mentions, root: Path) -> None:
    (root.parent / "secret").write_text("a secret")
    (root / "link").symlink_to(root.parent / "secret")

    found = await attach(mentions, "@link")

    assert found.text == ""
    assert found.missing[0].startswith("@link: ")


async def test_without_mentions_nothing_is_attached(mentions: Mentions) -> None:
    assert await mentions.attach("mail me@example.com") is None


async def test_long_content_is_cut_and_that_is_told(mentions: Mentions, root: Path) -> None:
    for number in range(6):
        (root / f"long{number}.txt").write_text("a line of text\n" * 2_000)

    found = await attach(mentions, " ".join(f"@long{number}.txt" for number in range(6)))

    assert len(found.attached) == 6
    assert found.text.count("more characters; read_file opens all of it ...]") == 6
    assert len(found.text) < 42_000


async def test_images_are_kept_by_hash_and_numbered_in_the_text(mentions: Mentions, root: Path) -> None:
    files = {
        "shot.png": png(3, 2),
        "photo.JPG": jpeg(640, 480),
        "anim": gif(7, 8),
        "page.txt": webp(9, 10, kind=b"VP8L"),
    }
    for name, data in files.items():
        (root / name).write_bytes(data)

    found = await attach(mentions, "compare @shot.png, @photo.JPG, @anim, @page.txt and again @./shot.png")

    kinds = ["image/png", "image/jpeg", "image/gif", "image/webp"]
    sizes = [(3, 2), (640, 480), (7, 8), (9, 10)]
    assert found.images == tuple(
        Image(
            digest=sha256(data).hexdigest(), media_type=kind, width=size[0], height=size[1], bytes=len(data), path=name
        )
        for (name, data), kind, size in zip(files.items(), kinds, sizes, strict=True)
    )
    assert found.attached[1] == "photo.JPG (640x480 pixels)"
    assert '<image path="photo.JPG" width="640" height="480" number="2"/>' in found.text
    assert found.text.count("<image") == 4
    assert found.missing == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png()[:-3], "@shot.png is not a whole image: it is cut short"),
        (b"", "@shot.png is no PNG, JPEG, GIF or WebP image"),
        (b"BM\0\0\0\0", "@shot.png is no PNG, JPEG, GIF or WebP image"),
        (headed_png(8001, 9), "@shot.png has 8001x9 pixels; a side may have 8000"),
        (png(filler=MOST_BYTES), "@shot.png is larger than 3.9 MB, the most for an image"),
        (png(filler=11_000_000), "@shot.png is larger than 3.9 MB, the most for an image"),
    ],
    ids=["cut", "empty", "another kind", "wide", "heavy", "heavier than any text"],
)
async def test_an_image_that_no_model_could_be_shown_is_refused(
    mentions: Mentions, root: Path, data: bytes, message: str
) -> None:
    (root / "shot.png").write_bytes(data)

    with pytest.raises(UserError, match=r".") as refused:
        await mentions.attach("look at @shot.png")

    assert str(refused.value) == message
    assert refused.value.hint


async def test_the_largest_image_that_is_allowed_is_attached(mentions: Mentions, root: Path) -> None:
    data = png(filler=MOST_BYTES - len(png()) - 20)
    (root / "shot.png").write_bytes(data)

    [image] = (await attach(mentions, "@shot.png")).images

    assert image.bytes == len(data) == MOST_BYTES


async def test_a_text_with_the_name_of_an_image_is_a_text(mentions: Mentions, root: Path) -> None:
    (root / "notes.png").write_text("not a picture\n")

    found = await attach(mentions, "@notes.png")

    assert found.images == ()
    assert '<file path="notes.png">\nnot a picture\n</file>' in found.text


async def test_what_is_mentioned_beyond_the_first_twenty_is_told(mentions: Mentions, root: Path) -> None:
    for number in range(23):
        (root / f"{number}.png").write_bytes(png(number + 1))

    found = await attach(mentions, " ".join(f"@{number}.png" for number in range(23)))

    assert [image.path for image in found.images] == [f"{number}.png" for number in range(20)]
    assert found.missing == ("3 more than the 20 that are read",)
