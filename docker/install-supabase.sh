#!/usr/bin/env bash
# Installs the built extension into Supabase's Postgres image, which is Alpine with a Postgres of Nix.
#   docker/install-supabase.sh DIRECTORY     (what `cargo xtask install --destdir DIRECTORY` made)
#
# POSTGRES_PROGRAM, PG_CONFIG and CUSTOM_CONFIG name other places than the image's, for tests.
set -euo pipefail

built=${1:?the directory with the built files}
program=${POSTGRES_PROGRAM:-/usr/bin/postgres}
pg_config=${PG_CONFIG:-pg_config}
custom=${CUSTOM_CONFIG:-/etc/postgresql-custom}

fail() { printf 'install-supabase: %s\n' "$*" >&2; exit 1; }

# The value a setting has in the last of the given files that has it, without its quotes.
setting() {
  local name=$1
  shift
  cat -- "$@" | sed -n "s/^[[:space:]]*${name}[[:space:]]*=[[:space:]]*'\(.*\)'.*/\1/p" | tail -n 1
}

# $libdir is not what pg_config says: the program is a wrapper that sets it.
library_dir=$(sed -n "s/^export NIX_PGLIBDIR=[\"']\{0,1\}\([^\"']*\).*/\1/p" "$program" | tail -n 1)
[ -d "$library_dir" ] || fail "$program names no library directory: is this an Alpine-based supabase/postgres?"
extension_dir=$("$pg_config" --sharedir)/extension
[ -d "$extension_dir" ] || fail "there is no $extension_dir"

# By find, for the paths in there are those of the Postgres it was built for.
install_all() {
  local mode=$1 to=$2 pattern=$3 files
  mapfile -t files < <(find "$built" -type f -name "$pattern")
  [ "${#files[@]}" -gt 0 ] || fail "$built has no $pattern"
  install -m "$mode" "${files[@]}" "$to/"
}
install_all 755 "$library_dir" cur_fdw.so
install_all 644 "$extension_dir" cur_fdw.control
install_all 644 "$extension_dir" 'cur_fdw--*.sql'

# In Studio one is "postgres", no superuser: supautils creates the listed extensions on its behalf. The
# setting has no append, so the image's own list is read and restated.
shopt -s nullglob
configs=("$custom/supautils.conf" "$custom"/conf.d/*.conf)
privileged=$(setting 'supautils\.privileged_extensions' "${configs[@]}")
[ -n "$privileged" ] || fail "no supautils.privileged_extensions in $custom"
# An older volume mounted over this directory hides the file; then supabase_admin has to create the
# extension.
if ! grep -Eq '(^|[ ,])cur_fdw([ ,]|$)' <<<"$privileged"; then
  mkdir -p "$custom/conf.d"
  printf "supautils.privileged_extensions = '%s, cur_fdw'\n" "$privileged" >"$custom/conf.d/99-cur_fdw.conf"
  chmod 644 "$custom/conf.d/99-cur_fdw.conf"
fi

# What supautils creates belongs to the superuser. Without this "postgres" could use none of it.
scripts=$(setting 'supautils\.extension_custom_scripts_path' "${configs[@]}")
scripts=${scripts:-$custom/extension-custom-scripts}/cur_fdw
mkdir -p "$scripts"
cat >"$scripts/after-create.sql" <<'SQL'
GRANT USAGE ON FOREIGN DATA WRAPPER cur_fdw TO cost_admin;
GRANT cost_admin, cost_reader TO postgres WITH ADMIN OPTION;
SQL
chmod 755 "$scripts"
chmod 644 "$scripts/after-create.sql"
echo "cur_fdw is installed in $library_dir and $extension_dir"
