#!/bin/bash
# Installs a Debian package of azulb into a copy-on-write view of a root file system, uses it, and purges it:
#   tests/package/install.sh DEB [ROOT]
# ROOT is / if it is not given. What the package depends on has to be installed in it. Nothing outside the view
# changes. As root.
set -euo pipefail

if [ "${AZULB_IN_NAMESPACE-}" != yes ]; then
  # Mounts, network and processes of its own, all of which end with it.
  AZULB_IN_NAMESPACE=yes exec unshare --mount --net --pid --fork --kill-child "$0" "$@"
fi

deb="$(realpath "$1")"
lower="$(realpath "${2:-/}")"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

mount --make-rprivate /
space="$(mktemp -d)"
trap 'umount --recursive --lazy "$space" || true; rmdir "$space"' EXIT
mount -t tmpfs tmpfs "$space"
mkdir "$space/upper" "$space/work" "$space/root"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$space/upper,workdir=$space/work" "$space/root"
root="$space/root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/run"
ip link set lo up
cp "$deb" "$root/tmp/azulb.deb"
# No service is started while it is installed: there is no systemd.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"

inside() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}
# What differs from the root now, but for what the package system keeps for itself. The upper layer has just that.
changes() {
  (cd "$space/upper" && find . -mindepth 1 \( -path ./var/lib/dpkg -o -path ./var/cache -o -path ./usr/sbin/policy-rc.d \) -prune -o -print) |
    grep -vxE './etc/((passwd|group|shadow|gshadow|subuid|subgid)-|\.pwd\.lock|ld\.so\.cache)|./var/log/(dpkg|alternatives)\.log' |
    while IFS= read -r path; do
      if [ -c "$space/upper/$path" ]; then
        echo "lost: $path"
      elif [ ! -e "$lower/$path" ] && [ ! -L "$lower/$path" ]; then
        echo "left: $path"
      elif [ -f "$space/upper/$path" ] && ! cmp -s "$space/upper/$path" "$lower/$path"; then
        echo "changed: $path"
      fi
    done
}

mapfile -t needed < <(dpkg-deb -f "$deb" Depends | tr ',' '\n' | sed 's/^ *//; s/[ (:].*//')
missing=()
for package in "${needed[@]}"; do
  # shellcheck disable=SC2016
  inside dpkg-query -W -f '${db:Status-Status}' "$package" >/dev/null 2>&1 || missing+=("$package")
done
[ ${#missing[@]} = 0 ] || fail "$lower lacks what azulb depends on: apt-get install --no-install-recommends ${missing[*]}"

! inside getent passwd azulb >/dev/null || fail "the user azulb is there before"

echo "install"
inside dpkg -i /tmp/azulb.deb >"$space/log" 2>&1 || { cat "$space/log"; fail "dpkg -i"; }

echo "use"
inside azulb --check -c /etc/azulb/azulb.toml || fail "the default configuration is not valid"
inside azulb --version
[ "$(inside stat -c %U:%G:%a /var/log/azulb)" = azulb:adm:750 ] || fail "/var/log/azulb is not azulb's"
inside dpkg -L azulb | grep -qx /lib/systemd/system/azulb.service || fail "there is no unit"
for page in man5/azulb.toml.5.gz man8/azulb.8.gz; do
  inside dpkg -L azulb | grep -qx "/usr/share/man/$page" || fail "there is no $page"
done
# Not by `inside`: a shell between would get the signal.
env -i /usr/sbin/chroot "$root" /usr/bin/setpriv --reuid=azulb --regid=azulb --clear-groups /usr/bin/azulb -c /etc/azulb/azulb.toml 2>"$space/azulb.log" &
azulb=$!
page() {
  (exec 3<>"/dev/tcp/127.0.0.1/9900" && printf 'GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' "$1" >&3 && head -n 1 <&3) 2>/dev/null
}
for _ in $(seq 100); do
  kill -0 "$azulb" 2>/dev/null || { cat "$space/azulb.log"; fail "azulb has ended"; }
  [[ "$(page /healthz)" == *" 200 "* ]] && break
  sleep 0.1
done
[[ "$(page /healthz)" == *" 200 "* ]] || fail "azulb does not answer"
# As logrotate does it: away with the file, and a new one for the same user.
if inside sh -c 'command -v logrotate' >/dev/null; then
  inside logrotate --debug /etc/logrotate.d/azulb >"$space/log" 2>&1 || { cat "$space/log"; fail "logrotate"; }
fi
kill -TERM "$azulb"
wait "$azulb" || fail "azulb did not end well"
[ -e "$root/var/log/azulb/access.log" ] || fail "there is no access log"

echo "install again, over a configuration that was changed"
echo '# mine' >>"$root/etc/azulb/azulb.toml"
inside dpkg -i /tmp/azulb.deb >"$space/log" 2>&1 || { cat "$space/log"; fail "dpkg -i, again"; }
grep -qx '# mine' "$root/etc/azulb/azulb.toml" || fail "the changed configuration is lost"

echo "remove"
inside dpkg -r azulb >"$space/log" 2>&1 || { cat "$space/log"; fail "dpkg -r"; }
[ -e "$root/etc/azulb/azulb.toml" ] || fail "the configuration is lost"
[ ! -e "$root/usr/bin/azulb" ] || fail "the program is still there"

echo "purge"
inside dpkg -P azulb >"$space/log" 2>&1 || { cat "$space/log"; fail "dpkg -P"; }
changes >"$space/changes"
[ ! -s "$space/changes" ] || fail "the purge is not complete: $(cat "$space/changes")"
! inside getent passwd azulb >/dev/null || fail "the user azulb is left"
! inside getent group azulb >/dev/null || fail "the group azulb is left"
echo "nothing is left"
