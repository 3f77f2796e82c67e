"""What the package tests share: the package, clean Debian roots to try it in, and a place to say that neither can be had here.

A clean root is made by mmdebstrap from Debian's packages and kept as an archive below the build folder; each test unpacks one for
itself. Only the first run needs the network.
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


def why_no_root():
    """Why no clean root can be made here, or None."""
    if os.geteuid() != 0:
        return "only root can make a clean root"
    if shutil.which("mmdebstrap") is None:
        return "mmdebstrap is not installed (scripts/setup.sh)"
    return None


def root_archive(package, *more):
    """An archive of Debian with what `package` depends on, and `more` packages; made once for each such list."""
    depends = [re.split(r"[ (|]", part.strip())[0] for part in field(package, "Depends").split(",")]
    include = ",".join(depends + list(more))
    codename = re.search(r"(?m)^VERSION_CODENAME=(\w+)", read("/etc/os-release")).group(1)
    name = hashlib.sha256((codename + " " + include).encode()).hexdigest()[:16]
    archives = os.path.join(Settings.build, "clean-roots")
    archive = os.path.join(archives, name + ".tar")
    if os.path.exists(archive):
        return archive
    os.makedirs(archives, exist_ok=True)
    print("making a clean root with " + include, flush=True)
    # Written aside, so that a run that is cut short leaves nothing that looks whole.
    made = run("mmdebstrap", "--variant=minbase", "--include=" + include, codename, archive + ".part.tar", check=False)
    if made.returncode != 0:
        said = made.stdout.strip().splitlines()
        if re.search("Unable to locate package|unmet dependencies|no installation candidate", made.stdout):
            raise AssertionError("Debian %s lacks what the package depends on:\n%s" % (codename, made.stdout))
        skip("no clean root from Debian's packages: " + (said[-1] if said else "mmdebstrap failed"))
    os.rename(archive + ".part.tar", archive)
    return archive


class CleanRoot:
    """A folder with a Debian system of its own."""

    def __init__(self, archive):
        self.path = tempfile.mkdtemp(prefix="root-", dir=os.path.dirname(archive))
        os.chmod(self.path, 0o755)
        # Devices stay away: nothing here needs more than the plain files.
        run("tar", "--extract", "--numeric-owner", "--file", archive, "--directory", self.path, "--exclude=./dev/*")
        write("", self.path, "dev/null")

    def close(self):
        shutil.rmtree(self.path)

    def file(self, path):
        return os.path.join(self.path, path.lstrip("/"))

    def bring(self, package):
        """Copies a package in, and gives its name there."""
        shutil.copy(package, self.file("/tmp"))
        return "/tmp/" + os.path.basename(package)

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
