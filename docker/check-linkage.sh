#!/usr/bin/env bash
# Fails when a library needs more than the C library and its companions.
#   docker/check-linkage.sh cur_fdw.so
#
# The file is built in one image and runs in others. Supabase's is Alpine with a glibc of Nix: a
# library of Debian's that ours needed would not be found there, and CREATE EXTENSION would fail on
# the user's machine instead of here. libgcc_s unwinds Rust's panics; linking it statically would
# take one more thing off this list.
set -euo pipefail

library=${1:?the library to check}
allowed='^(libc\.so\.6|libm\.so\.6|libgcc_s\.so\.1|ld-linux[a-z0-9_-]*\.so\.[0-9]+)$'

dynamic=$(LC_ALL=C readelf --dynamic --wide "$library")
needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic")
# readelf is content with a file that is not linked at all.
[ -n "$needed" ] || { echo "$library needs nothing, not even libc: it is no extension" >&2; exit 1; }
surplus=$(grep -Ev "$allowed" <<<"$needed" || true)
if [ -n "$surplus" ]; then
  printf '%s needs libraries that other images lack:\n%s\n' "$library" "$surplus" >&2
  exit 1
fi
printf '%s needs only: %s\n' "$library" "${needed//$'\n'/, }"
