"""Whether what the user said in answer to questions is found in the documents. Pure, and a reading aid like `gaps`.

An answer counts as found when one of its telling words is: names (`RabbitMQ`, `JWT`, `S3`) where it has any, else all
words that carry meaning. Answers such as "yes" or "the second" say nothing that could be found.
"""

import re
from collections.abc import Iterable

from equitr_coder.planning.keywords import keywords, share_covered

_WORD = re.compile(r"[^\W_]+")
_NAME = re.compile(r"[A-Z][A-Z0-9]+|\w*[a-z][A-Z]\w*|[A-Za-z]+\d\w*")
_WORDS_THAT_SAY_NOTHING = """
    yes no ok okay sure fine right correct agreed exactly please thanks thank none nothing neither whatever anything
    everything nobody everybody anybody someone like want prefer decide choose pick best good simple first second third
    last former latter default defaults usual standard later now yet just maybe probably think know what which here too
    very much more less option proposal suggestion recommendation recommend suggest all any both either one it you we i
    do not use with without the a an new as is that this these those so and or of for to
"""
_SAYS_NOTHING = frozenset().union(*map(keywords, _WORDS_THAT_SAY_NOTHING.split()))


def without_trace(answers: Iterable[str], documents: Iterable[str]) -> tuple[str, ...]:
    """The answers of which nothing stands in any of the documents."""
    present = frozenset().union(*map(keywords, documents))
    return tuple(
        answer
        for answer in dict.fromkeys(answers)
        if (telling := _telling(answer)) and share_covered(telling, present) == 0.0
    )


def _telling(answer: str) -> frozenset[str]:
    names = [word for word in _WORD.findall(answer) if _NAME.fullmatch(word)]
    words = keywords(" ".join(names)) if names else keywords(answer)
    return frozenset(word for word in words if word not in _SAYS_NOTHING and not word.isdigit())
