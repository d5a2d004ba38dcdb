#!/bin/sh
# An epic in three steps: plan it, look at the plan, build it. The supervisor plans, workers build in worktrees of their
# own, and your branch moves once, at the end, when every task has passed its check on the merged tree.
#
#   examples/planned_epic.sh "Add CSV import for orders, with a report of bad rows"
#
# Needs two models, from ~/.equitr/config.yaml or from the environment:
#   export OPENAI_API_KEY=...
#   export EQUITR_LLM__MODELS__SUPERVISOR=openai/gpt-6.1-sol  EQUITR_LLM__MODELS__WORKER=openai/gpt-6-luna
# For servers of your own see one_shot.sh; each tier takes its own EQUITR_LLM__MODELS__WORKER__API_BASE.
set -eu
request=${1:?"say what to build, in quotes"}

# At a terminal the planner may ask you; without one it writes down what it assumed. Nothing is built yet.
equitrcoder epic create --budget 5.00 "$request"

epic=$(equitrcoder epic list --output json | python3 -c 'import json, sys; print(json.load(sys.stdin)["epics"][0]["id"])')
equitrcoder epic status "$epic"

# `epic run` is the approval. --yes answers what the workers may still ask inside sandbox, footprint and budget.
equitrcoder epic run --yes "$epic"
equitrcoder epic status "$epic"
