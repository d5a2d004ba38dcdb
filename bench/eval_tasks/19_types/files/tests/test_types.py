import inspect
import types
import typing
import unittest

from pricing import prices

PUBLIC = [function for _, function in inspect.getmembers(prices, inspect.isfunction) if function.__module__ == prices.__name__]


def fits(value, hint):
    """Whether a value is of a type, containers looked into; a bool is no int here."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is typing.Any or hint is object or hint is inspect.Parameter.empty:
        raise AssertionError("a type says what it is: %r does not" % (hint,))
    if origin is typing.Union or origin is getattr(types, "UnionType", None):
        return any(fits(value, argument) for argument in arguments)
    if hint is None or hint is type(None):
        return value is None
    if origin is None:
        if hint in (dict, list, tuple, set):
            raise AssertionError("%s does not say what it holds" % hint.__name__)
        return isinstance(value, hint) and not (hint is int and isinstance(value, bool))
    if not isinstance(value, origin):
        return False
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        return len(value) == len(arguments) and all(map(fits, value, arguments))
    if len(arguments) == 2 and arguments[1] is not Ellipsis:
        return all(fits(key, arguments[0]) and fits(value[key], arguments[1]) for key in value)
    return all(fits(item, arguments[0]) for item in value)


class TypesTest(unittest.TestCase):
    def call(self, function, *given):
        """The result, once it and everything given fits what the function declares."""
        hints = typing.get_type_hints(function)
        for name, value in zip(inspect.signature(function).parameters, given):
            self.assertTrue(fits(value, hints[name]), "%s(%s=%r)" % (function.__name__, name, value))
        result = function(*given)
        self.assertTrue(fits(result, hints["return"]), "%s gave %r" % (function.__name__, result))
        return result

    def test_everything_is_declared_and_defaults_fit(self):
        self.assertEqual([f.__name__ for f in PUBLIC], ["cheapest", "discounted", "parse_price", "total"])
        for function in PUBLIC:
            hints = typing.get_type_hints(function)
            parameters = inspect.signature(function).parameters
            self.assertEqual(set(hints), {*parameters, "return"}, function.__name__)
            for parameter in parameters.values():
                if parameter.default is not inspect.Parameter.empty:
                    self.assertTrue(fits(parameter.default, hints[parameter.name]), parameter)

    def test_nothing_is_declared_wider_than_it_is(self):
        hints = {f.__name__: typing.get_type_hints(f) for f in PUBLIC}
        for name, wrong in (("parse_price", False), ("parse_price", 1.5), ("discounted", 1.5), ("discounted", None)):
            self.assertFalse(fits(wrong, hints[name]["return"]), (name, wrong))
        self.assertFalse(fits(["nut", 5], hints["cheapest"]["return"]))
        self.assertFalse(fits(None, hints["total"]["return"]))
        self.assertFalse(fits(None, hints["parse_price"]["text"]))

    def test_calls_keep_what_is_declared(self):
        self.assertEqual(self.call(prices.parse_price, "12.50"), 1250)
        self.assertEqual(self.call(prices.parse_price, " 3 "), 300)
        for text in ("", "x", "1.5", "-1"):
            self.assertIsNone(self.call(prices.parse_price, text), text)
        self.assertEqual(self.call(prices.discounted, 999), 999)
        self.assertEqual(self.call(prices.discounted, 999, 10), 899)
        self.assertEqual(self.call(prices.discounted, 1000, 0), 1000)
        self.assertEqual(self.call(prices.cheapest, {"nut": 5, "bolt": 7}), ("nut", 5))
        self.assertIsNone(self.call(prices.cheapest, {}))
        self.assertEqual(self.call(prices.total, {"nut": 5, "bolt": 7}), 12)
        self.assertEqual(self.call(prices.total, {"nut": 5, "bolt": 7}, ("bolt",)), 7)
