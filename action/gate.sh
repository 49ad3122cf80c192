#!/usr/bin/env bash
# Runs the gate, writes the job's summary and hands on the exit code. Whether that fails the job, decide.sh says, after
# the comment and the upload: a red job without a report helps nobody.
set -euo pipefail
: "${PACKHORSE_OUTPUT:?}"
if [[ -z "${PACKHORSE_BASE:-}" ]]; then
  echo "packhorse: no base; set the input 'base', or run on pull requests" >&2
  exit 2
fi
# Over several lines, too: without the delimiter that it waits for, read takes all and says 1.
read -r -d '' -a words <<<"${PACKHORSE_ARGUMENTS:-}" || true
arguments=(--base "$PACKHORSE_BASE" -C "${PACKHORSE_PROJECT:-.}" -o "$PACKHORSE_OUTPUT")
[[ -n "${PACKHORSE_HEAD:-}" ]] && arguments+=(--head "$PACKHORSE_HEAD")
# The record is what says that there is a verdict. One that an earlier run left here says nothing of this one.
record="$PACKHORSE_OUTPUT/gate.json"
rm -f "$record" "$PACKHORSE_OUTPUT/summary.md"
status=0
packhorse gate "${arguments[@]}" ${words[@]+"${words[@]}"} || status=$?
case $status in
  0 | 1 | 3)
    if [[ ! -f "$record" ]]; then
      echo "packhorse: exit status $status, but no record was written: no verdict" >&2
      status=2
    fi
    ;;
esac
echo "exit-code=$status" >>"${GITHUB_OUTPUT:-/dev/null}"
if [[ -f "$PACKHORSE_OUTPUT/summary.md" ]]; then
  cat "$PACKHORSE_OUTPUT/summary.md" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
fi
# No verdict at all (bad input, a crash, an interrupt): the job fails here, with the message above.
case $status in 0 | 1 | 3) ;; *) exit "$status" ;; esac
