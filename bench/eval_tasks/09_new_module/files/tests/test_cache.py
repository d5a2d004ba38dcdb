import unittest

from cache import Cache


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class CacheTest(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.cache = Cache(size=2, seconds=10, clock=self.clock)

    def test_what_was_put_can_be_got(self):
        self.cache.put("a", 1)
        self.assertEqual(self.cache.get("a"), 1)
        self.assertIsNone(self.cache.get("b"))
        self.assertEqual(self.cache.get("b", "nothing"), "nothing")

    def test_none_is_a_value(self):
        self.cache.put("a", None)
        self.assertIsNone(self.cache.get("a", "nothing"))
        self.assertEqual(len(self.cache), 1)

    def test_the_least_recently_used_goes_first(self):
        self.cache.put("a", 1)
        self.cache.put("b", 2)
        self.cache.get("a")
        self.cache.put("c", 3)
        self.assertEqual([self.cache.get(key) for key in "abc"], [1, None, 3])

    def test_putting_again_counts_as_use(self):
        self.cache.put("a", 1)
        self.cache.put("b", 2)
        self.cache.put("a", 10)
        self.cache.put("c", 3)
        self.assertEqual([self.cache.get(key) for key in "abc"], [10, None, 3])

    def test_an_entry_lives_so_many_seconds_from_when_it_was_put(self):
        self.cache.put("a", 1)
        self.clock.now += 9.5
        self.assertEqual(self.cache.get("a"), 1)
        self.clock.now += 0.5
        self.assertIsNone(self.cache.get("a"))
        self.cache.put("a", 2)
        self.clock.now += 9.5
        self.assertEqual(self.cache.get("a"), 2)

    def test_an_expired_entry_takes_no_room(self):
        self.cache.put("a", 1)
        self.clock.now += 5
        self.cache.put("b", 2)
        self.cache.get("a")
        self.clock.now += 5
        self.cache.put("c", 3)
        self.assertEqual([self.cache.get(key) for key in "abc"], [None, 2, 3])
        self.assertEqual(len(self.cache), 2)

    def test_the_length_counts_only_what_lives(self):
        self.cache.put("a", 1)
        self.cache.put("b", 2)
        self.clock.now += 10
        self.assertEqual(len(self.cache), 0)

    def test_a_size_below_one_is_refused(self):
        with self.assertRaises(ValueError):
            Cache(size=0, seconds=1, clock=self.clock)
