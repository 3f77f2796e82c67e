"""What the package tests share: the package, clean Debian roots to try it in, and a place to say that neither can be had here.

A clean root is made by mmdebstrap from Debian's packages and kept below the build folder; each test lays memory of its own over one,
in a mount namespace that ends with the test program. Only the first run needs the network.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED = 77


class Settings:
    """Set by main()."""

    binary = ""
    build = ""
    package = ""


def skip(reason):
    print("skipped: " + reason, flush=True)
    sys.exit(SKIPPED)


def main(needs_package=False):
    arguments = sys.argv[1:]
    for name in ("binary", "build"):
        if "--" + name in arguments:
            at = arguments.index("--" + name)
            setattr(Settings, name, os.path.abspath(arguments[at + 1]))
            del arguments[at : at + 2]
    folder = tempfile.mkdtemp(prefix="admetricsd-package-", dir=Settings.build or None)
    try:
        if needs_package:
            Settings.package = build_package(folder)
        unittest.main(argv=[sys.argv[0]] + arguments)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(*command, check=True, **more):
    """The command's exit status and everything it said, in `returncode` and `stdout`."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False, **more)
    if check and done.returncode != 0:
        raise AssertionError("%s: exit %d\n%s" % (" ".join(command), done.returncode, done.stdout))
    return done


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def write(text, *path):
    with open(os.path.join(*path), "w", encoding="utf-8") as file:
        file.write(text)


# The package --------------------------------------------------------------------------------------------


def build_package(folder):
    run("cpack", "--config", os.path.join(Settings.build, "CPackConfig.cmake"), "-B", folder)
    packages = [name for name in os.listdir(folder) if name.endswith(".deb")]
    if len(packages) != 1:
        raise AssertionError("cpack made %s" % packages)
    return os.path.join(folder, packages[0])


def field(package, name):
    return run("dpkg-deb", "--field", package, name).stdout.strip()


def next_version(package, folder):
    """The same package as it might be released next: a higher version, and another default configuration."""
    unpacked = os.path.join(folder, "next")
    run("dpkg-deb", "--raw-extract", package, unpacked)
    control = read(unpacked, "DEBIAN/control")
    write(re.sub(r"(?m)^Version: .*$", "Version: " + field(package, "Version") + "+next", control), unpacked, "DEBIAN/control")
    with open(os.path.join(unpacked, "etc/admetricsd/admetricsd.toml"), "a", encoding="utf-8") as conffile:
        conffile.write("\n# A line of the next version.\n")
    made = os.path.join(folder, "next.deb")
    run("dpkg-deb", "--root-owner-group", "--build", unpacked, made)
    shutil.rmtree(unpacked)
    return made


# Clean roots --------------------------------------------------------------------------------------------


def need_root():
    reason = why_no_root()
    if reason:
        skip(reason)
    in_a_namespace_of_mounts()


def why_no_root():
    """Why no clean root can be made here, or None."""
    if os.geteuid() != 0:
        return "only root can make a clean root"
    if shutil.which("mmdebstrap") is None:
        return "mmdebstrap is not installed (scripts/setup.sh --test)"
    return None


def in_a_namespace_of_mounts():
    """Starts this program again where its mounts are nobody else's."""
    if "ADMETRICS_MOUNTS" not in os.environ:
        os.environ["ADMETRICS_MOUNTS"] = "own"
        os.execvp("unshare", ["unshare", "--mount", "--propagation=private", sys.executable, *sys.argv])


def base_root(package, *more):
    """A folder with Debian, what `package` depends on, and `more` packages; made once for each such list."""
    depends = [re.split(r"[ (|]", part.strip())[0] for part in field(package, "Depends").split(",")]
    include = ",".join(depends + list(more))
    codename = re.search(r"(?m)^VERSION_CODENAME=(\w+)", read("/etc/os-release")).group(1)
    name = hashlib.sha256((codename + " " + include).encode()).hexdigest()[:16]
    base = os.path.join(Settings.build, "clean-roots", name)
    if os.path.exists(base):
        return base
    print("making a clean root with " + include, flush=True)
    # Made aside, so that a run that is cut short leaves nothing that looks whole.
    shutil.rmtree(base + ".part", ignore_errors=True)
    os.makedirs(base + ".part")
    made = run("mmdebstrap", "--mode=root", "--variant=minbase", "--include=" + include, codename, base + ".part", check=False)
    if made.returncode != 0:
        shutil.rmtree(base + ".part", ignore_errors=True)
        said = made.stdout.strip().splitlines()
        if re.search("Unable to locate package|unmet dependencies|no installation candidate", made.stdout):
            raise AssertionError("Debian %s lacks what the package depends on:\n%s" % (codename, made.stdout))
        skip("no clean root from Debian's packages: " + (said[-1] if said else "mmdebstrap failed"))
    os.rename(base + ".part", base)
    return base


class CleanRoot:
    """A folder with a Debian system of its own: what is written there is in memory, `base` stays as it is."""

    def __init__(self, base):
        self.folder = tempfile.mkdtemp(prefix="admetricsd-root-")
        run("mount", "-t", "tmpfs", "-o", "mode=755", "none", self.folder)
        upper, work, self.path = (os.path.join(self.folder, name) for name in ("upper", "work", "root"))
        for path in (upper, work, self.path):
            os.mkdir(path, 0o755)
        run("mount", "-t", "overlay", "-o", "lowerdir=%s,upperdir=%s,workdir=%s" % (base, upper, work), "none", self.path)

    def close(self):
        run("umount", self.path)
        run("umount", self.folder)
        os.rmdir(self.folder)

    def file(self, path):
        return os.path.join(self.path, path.lstrip("/"))

    def bring(self, package, folder="/tmp"):
        """Copies a package in, and gives its name there."""
        shutil.copy(package, self.file(folder))
        return os.path.join(folder, os.path.basename(package))

    def do(self, *command, check=True):
        return run("chroot", self.path, *command, check=check, env=ENVIRONMENT)

    def tree(self):
        """Every path, except for what package management remembers of itself."""
        found = set()
        for folder, folders, files in os.walk(self.path):
            inside = "/" + os.path.relpath(folder, self.path)
            found.update(os.path.normpath(os.path.join(inside, name)) for name in folders + files)
        ours_not = re.compile(r"^/(var/lib/dpkg|var/log|var/cache|tmp|run)/|^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|lock$")
        return {path for path in found if not ours_not.search(path)}


ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root",
               "DEBIAN_FRONTEND": "noninteractive"}
