import asyncio
import unittest

from web.pages import Pages


class Source:
    """Loads that wait until they are let go."""

    def __init__(self):
        self.calls = []
        self.gates = {}
        self.fault = None

    def gate(self, name):
        return self.gates.setdefault(name, asyncio.Event())

    async def load(self, name):
        self.calls.append(name)
        await self.gate(name).wait()
        if self.fault is not None:
            raise self.fault
        return "page " + name


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


class PagesTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.source = Source()
        self.pages = Pages(self.source.load)

    async def asyncTearDown(self):
        for gate in self.source.gates.values():
            gate.set()
        await settle()

    def start(self, name):
        return asyncio.ensure_future(self.pages.get(name))

    async def within(self, awaitable):
        return await asyncio.wait_for(awaitable, 2)

    async def test_a_page_is_loaded_once_whoever_asks_meanwhile(self):
        asked = [self.start("a") for _ in range(5)]
        await settle()
        self.source.gate("a").set()
        self.assertEqual(await self.within(asyncio.gather(*asked)), ["page a"] * 5)
        self.assertEqual(await self.within(self.pages.get("a")), "page a")
        self.assertEqual(self.source.calls, ["a"])

    async def test_pages_do_not_wait_for_each_other(self):
        slow, quick = self.start("slow"), self.start("quick")
        await settle()
        self.source.gate("quick").set()
        self.assertEqual(await self.within(quick), "page quick")
        self.assertFalse(slow.done())
        self.source.gate("slow").set()
        self.assertEqual(await self.within(slow), "page slow")

    async def test_a_failed_load_fails_those_who_wait_and_is_tried_again_later(self):
        self.source.fault = OSError("gone")
        asked = [self.start("a"), self.start("a")]
        await settle()
        self.source.gate("a").set()
        results = await self.within(asyncio.gather(*asked, return_exceptions=True))
        self.assertEqual([str(result) for result in results], ["gone", "gone"])
        self.assertEqual(self.source.calls, ["a"])
        self.source.fault = None
        self.assertEqual(await self.within(self.pages.get("a")), "page a")
        self.assertEqual(self.source.calls, ["a", "a"])

    async def test_one_who_gives_up_does_not_take_the_page_from_the_others(self):
        first, second = self.start("a"), self.start("a")
        await settle()
        first.cancel()
        await settle()
        self.source.gate("a").set()
        self.assertEqual(await self.within(second), "page a")
        self.assertTrue(first.cancelled())
        self.assertEqual(self.source.calls, ["a"])
