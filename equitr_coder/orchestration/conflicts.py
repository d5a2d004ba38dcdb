"""What becomes of a hand-in that git cannot merge."""

from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import CommitId, TreeId
from equitr_coder.orchestration.outcomes import HandIn, SentBack
from equitr_coder.ports import MergeForecast


class Conflicts:
    """Implements `outcomes.Resolver`."""

    async def resolve(self, _hand_in: HandIn, _old: CommitId, forecast: MergeForecast) -> TreeId | SentBack:
        listed = ", ".join(forecast.conflicts)
        return SentBack(
            StopReason.MERGE_CONFLICT,
            f"the work clashes with what others have landed since, in: {listed}. Where the files hold conflict "
            "markers, the upper part is what has landed and the lower part is yours: resolve them and hand in again.",
            forecast.conflicts,
        )
