#!/bin/sh
# One request, one agent, in the repository you stand in: it works in your checkout and commits nothing.
#
#   examples/one_shot.sh "Rename the option --colour to --color, everywhere"
#
# Needs a model, from ~/.equitr/config.yaml or from the environment:
#   export OPENAI_API_KEY=...  EQUITR_LLM__MODEL=openai/gpt-6-luna
# or a server of your own that speaks the OpenAI protocol, with its price (here: free):
#   export EQUITR_LLM__API_BASE=http://localhost:8000/v1  EQUITR_LLM__MODEL=local/my-model
#   export EQUITR_LLM__PRICES='{local/my-model: {input: 0, output: 0}}'
set -eu
request=${1:-"Say in five lines what this project does, and which three files to read first."}

# --budget: no call is sent whose worst case does not fit. --yes: commands may run without asking, inside the sandbox.
equitrcoder chat --budget 0.50 --yes "$request"

echo
echo "What is uncommitted now:"
git status --short
