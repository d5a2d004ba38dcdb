#!/bin/sh
# A development loop with three limits: it works in a worktree until the check passes, the money is used up, or the
# rounds are. Your branch moves only when the check has passed.
#
#   examples/budget_loop.sh "Make the failing tests pass without changing them" "python3 -m unittest"
#
# Needs a model, as one_shot.sh says.
set -eu
goal=${1:?"say what is to be reached, in quotes"}
check=${2:?"give the command that decides, in quotes"}

code=0
equitrcoder loop --check "$check" --budget 1.00 --max-iterations 4 --yes "$goal" || code=$?
case $code in
    0) echo "The check passes, and the work is on your branch." ;;
    1) echo "The rounds are used up; what was tried is kept." ;;
    3) echo "The budget is used up. To go on: equitrcoder resume --budget 2.00" ;;
esac
exit $code
