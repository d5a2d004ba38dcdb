import unittest

from shop.pages import page, page_count


class PagesTest(unittest.TestCase):
    def test_a_part_page_counts(self):
        self.assertEqual(page_count(21, 10), 3)
        self.assertEqual(page_count(1, 10), 1)
        self.assertEqual(page_count(11, 10), 2)

    def test_full_pages_are_not_followed_by_an_empty_one(self):
        self.assertEqual(page_count(20, 10), 2)
        self.assertEqual(page_count(10, 10), 1)

    def test_an_empty_list_has_one_empty_page(self):
        self.assertEqual(page_count(0, 10), 1)
        self.assertEqual(page([], 1, 10), [])

    def test_every_item_is_on_exactly_one_page(self):
        for total in range(1, 45):
            for size in range(1, 12):
                items = list(range(total))
                pages = [page(items, n + 1, size) for n in range(page_count(total, size))]
                self.assertEqual(sum(pages, []), items, (total, size))
                self.assertTrue(all(pages), (total, size))

    def test_a_page_past_the_end_is_an_error(self):
        with self.assertRaises(IndexError):
            page(list(range(20)), 3, 10)
