#!/usr/bin/env python3
"""Holds the man pages against the program: a command, an option, an exit status, a key or a default that one has and the
other lacks, or tells differently, fails."""

import os
import re
import shutil
import unittest

from package_support import ROOT, Settings, main, read, run

PAGES = [os.path.join(ROOT, "docs/man", name) for name in ("admetricsd.1", "admetricsd.toml.5")]


def help_of(*command):
    return run(Settings.binary, *command, "--help").stdout


def commands():
    """From the list in --help: a name at the margin of the list, and what it does behind it."""
    listed = help_of().split("Subcommands:\n")[1]
    return re.findall(r"(?m)^  ([a-z][a-z-]*)(?: {2,}|$)", listed)


def options(command):
    """Option -> its default, or None; from a command's --help."""
    found = {}
    for line in help_of(command).split("Options:\n")[1].splitlines():
        option = re.match(r"^  (?:-\w,)?--([a-z-]+)(?: (\S.*?))?(?: {2,}|$)", line)
        if option and option.group(1) != "help":
            default = re.search(r"=([^=\s]+)$", option.group(2) or "")
            found[option.group(1)] = default.group(1) if default else None
    return found


def sections(text, macro):
    """Title -> body, for each section that `macro` begins."""
    parts = re.split(r"(?m)^\.%s (.+)$" % macro, text)
    return dict(zip(parts[1::2], parts[2::2]))


def items(text):
    """(What an item of a list is called, what is said of it)."""
    parts = re.split(r"(?m)^\.It (.+)$", text)
    return list(zip(parts[1::2], parts[2::2]))


class Program(unittest.TestCase):
    def setUp(self):
        self.page = sections(read(PAGES[0]), "Sh")
        self.described = sections(self.page["COMMANDS"], "Ss")

    def test_every_command_is_described(self):
        described = [title for title in self.described if title != "Without a command"]
        self.assertEqual(sorted(described), sorted(commands()), "adapt docs/man/admetricsd.1")

    def test_every_option_is_described_with_its_default(self):
        for command in commands():
            described = {}
            for title, text in items(self.described.get(command, "")):
                for option in re.findall(r"Fl -([a-z-]+)", title):
                    described[option] = text
            expected = options(command)
            self.assertEqual(sorted(described), sorted(expected), command)
            for option, default in expected.items():
                if default is not None:
                    self.assertRegex(described[option], r"\b%s\b" % re.escape(default), "%s --%s" % (command, option))

    def test_the_synopsis_shows_every_command_and_option(self):
        shown = {}
        for part in self.page["SYNOPSIS"].split(".Nm\n"):
            command = re.search(r"(?m)^\.Cm ([a-z-]+)$", part)
            if command:
                shown[command.group(1)] = sorted(re.findall(r"(?:Fl|\|) -([a-z-]+)", part))
        self.assertEqual(shown, {command: sorted(options(command)) for command in commands()})

    def test_every_exit_status_is_described(self):
        known = re.findall(r"= (\d+);", read(ROOT, "daemon/exit_codes.hpp"))
        self.assertEqual([title for title, _ in items(self.page["EXIT STATUS"])], known)


class Configuration(unittest.TestCase):
    def setUp(self):
        self.described = {}
        for title, _ in items(read(PAGES[1])):
            key = re.match(r"Ic (\S+) No = (Qq )?(.*)$", title)
            if key:
                name, quoted, value = key.groups()
                self.described[name] = '"%s"' % value if quoted else value

    def test_every_key_is_described_with_its_default(self):
        expected, section = {}, ""
        for line in read(ROOT, "config/admetricsd.toml").splitlines():
            if header := re.match(r"^(?:# )?\[([a-z.]+)\]$", line):
                section = header.group(1)
            elif setting := re.match(r"^(?:# )?([a-z_]+) = (\S.*)$", line):
                expected[section + "." + setting.group(1)] = setting.group(2)
        self.assertEqual(self.described, expected)

    def test_every_key_that_the_program_knows_is_described(self):
        known = set(re.findall(r'\{"([a-z_]+\.[a-z_.]+)",\s*\[', read(ROOT, "daemon/config.cpp")))
        self.assertGreater(len(known), 15, "the keys are told in another way now: adapt this test")
        self.assertEqual(known - set(self.described), set())


class Form(unittest.TestCase):
    def test_pages_are_well_formed(self):
        for page in PAGES:
            if shutil.which("mandoc"):
                done = run("mandoc", "-T", "lint", "-W", "warning", page, check=False)
            elif shutil.which("groff"):
                done = run("groff", "-mandoc", "-ww", "-Tutf8", "-z", page, check=False)
            else:
                self.skipTest("neither mandoc nor groff is installed")
            self.assertEqual((done.returncode, done.stdout), (0, ""))


if __name__ == "__main__":
    main()
