#!/usr/bin/env bash
# Turns the gate's exit code into the job's: regressed or broken fails; unresolved fails only where that was asked for.
set -euo pipefail
case "${PACKHORSE_EXIT_CODE:-}" in
  0) echo "packhorse gate: passed" ;;
  1) echo "::error::packhorse gate: regressed or broken; see the job's summary" && exit 1 ;;
  3)
    echo "::warning::packhorse gate: unresolved; see the job's summary"
    if [[ "${PACKHORSE_FAIL_UNRESOLVED:-false}" == true ]]; then exit 3; fi
    ;;
  *) echo "packhorse gate: no verdict (exit code '${PACKHORSE_EXIT_CODE:-}')" >&2 && exit 2 ;;
esac
