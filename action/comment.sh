#!/usr/bin/env bash
# Posts the gate's comment on the pull request, or updates the one that is there. A comment that cannot be posted (a
# fork's token may only read) is a warning, never a failure: the verdict does not hang on it.
set -euo pipefail
: "${PACKHORSE_OUTPUT:?}" "${PACKHORSE_PULL_REQUEST:?}" "${GITHUB_REPOSITORY:?}"
if [[ -z "${PACKHORSE_TOKEN:-}" ]]; then
  echo "::warning::packhorse: there is no token, so the comment is not posted"
  exit 0
fi
if [[ ! -f "$PACKHORSE_OUTPUT/gate.json" ]]; then
  echo "packhorse: there is no $PACKHORSE_OUTPUT/gate.json, so nothing to comment" >&2
  exit 0
fi
python "$(dirname "$0")/comment.py" || echo "::warning::packhorse: the comment could not be posted"
