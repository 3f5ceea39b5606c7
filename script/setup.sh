# Sourced by script/*: installs what the build needs on Debian 12, elsewhere says what to install.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LLMOPS_PACKAGES="g++ cmake ninja-build pkg-config git ca-certificates libcli11-dev libgit2-dev libsqlite3-dev libfmt-dev libyaml-cpp-dev libeigen3-dev nlohmann-json3-dev libcurl4-openssl-dev libssl-dev libzstd-dev libre2-dev libutf8proc-dev libvalijson-dev zlib1g-dev"
LLMOPS_TEST_PACKAGES="catch2 python3"
LLMOPS_SLOW_PACKAGES="clang-19 libclang-rt-19-dev clang-tidy-19 clang-format-19 sqlite3 chromium"
LLMOPS_BENCH_PACKAGES="time nodejs npm"

# ensure_packages NAME...: installs those that are missing.
ensure_packages() {
  local missing=()
  if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    printf 'This script installs packages with apt, which is not here. Install the equivalents of these Debian 12 packages, then build with:\n' >&2
    printf '  cmake --preset release && cmake --build --preset release\npackages:\n' >&2
    printf '  %s\n' "$@" >&2
    exit 2
  fi
  local name
  for name in "$@"; do
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true)" != installed ]; then
      # nodejs and npm may have come from elsewhere; what counts is that they are there.
      case $name in
        nodejs) command -v node >/dev/null 2>&1 && continue ;;
        npm) command -v npm >/dev/null 2>&1 && continue ;;
      esac
      missing+=("$name")
    fi
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
      printf 'These packages are missing, and neither root nor sudo is here to install them:\n  %s\n' "${missing[*]}" >&2
      exit 2
    fi
    sudo=(sudo)
  fi
  printf 'installing %s\n' "${missing[*]}" >&2
  "${sudo[@]}" apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# build PRESET [TARGET...]
build() {
  local preset=$1
  shift
  cmake --preset "$preset" >/dev/null
  local targets=()
  local target
  for target in "$@"; do targets+=(--target "$target"); done
  cmake --build --preset "$preset" "${targets[@]}" -- --quiet >&2 2>/dev/null || cmake --build --preset "$preset" "${targets[@]}" >&2
}
