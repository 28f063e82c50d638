#!/usr/bin/env python3
"""Plays every script of some folders with `glass drill` and holds the outcome against a list of those known to fail.

  recorded_test.py GLASS FOLDER... [--not-yet FILE] [--write] [--drill OPTION]

A script that is not listed has to pass; one that is listed has to fail, so that the list can only shrink.
A comment above a script says why. --write makes the list anew from what fails now, and says what was added: a step back.
"""
import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict

HERE = os.path.dirname(os.path.abspath(__file__))


def play(glass, folders, options):
    """{script: outcome}, with paths relative to the working directory."""
    run = subprocess.run([glass, "drill", "--json", *options, *folders], capture_output=True, text=True)
    outcomes = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode not in (0, 1) or not outcomes:
        sys.exit(f"glass drill ended with {run.returncode}: {run.stderr.strip()}")
    return {outcome["script"]: outcome for outcome in outcomes if "script" in outcome}


def read_list(path):
    """{script: the comment above it}."""
    scripts, comment = {}, ""
    if not path or not os.path.exists(path):
        return scripts
    with open(path, encoding="utf-8") as file:
        for line in file.readlines()[1:]:
            if line.startswith("#"):
                comment += line
            elif line.strip():
                scripts[line.strip()] = comment
                comment = ""
    return scripts


def write_list(path, failing, comments):
    with open(path, "w", encoding="utf-8") as file:
        file.write("# Scripts that do not pass yet, relative to this folder. Each has to fail: take out what passes.\n")
        file.writelines(comments.get(script, "") + script + "\n" for script in sorted(failing))


def print_families(outcomes):
    """How many pass, by the scripts' folders."""
    families = defaultdict(lambda: [0, 0])
    for script, outcome in outcomes.items():
        family = families[os.path.dirname(script)]
        family[0] += outcome["verdict"] == "passed"
        family[1] += 1
    for name in sorted(families):
        passed, total = families[name]
        print(f"  {name:<20} {passed:>4} of {total:>4}")
    print(f"  {'all':<20} {sum(f[0] for f in families.values()):>4} of {len(outcomes):>4}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("glass")
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--not-yet", metavar="FILE")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--drill", metavar="OPTION", action="append", default=[], help="an option for glass drill")
    options = parser.parse_args()

    base = os.path.dirname(os.path.abspath(options.not_yet)) if options.not_yet else os.getcwd()
    folders = [os.path.abspath(folder) for folder in options.folders]
    outcomes = {os.path.relpath(script, base): outcome
                for script, outcome in play(options.glass, folders, options.drill).items()}
    failing = {script for script, outcome in outcomes.items() if outcome["verdict"] == "failed"}
    comments = read_list(options.not_yet)
    listed = set(comments)
    print_families(outcomes)
    if options.write:
        for script in sorted(failing - listed):
            print(f"added: {script}")
        write_list(options.not_yet, failing, comments)
        return 0
    broken, done, gone = sorted(failing - listed), sorted(listed & set(outcomes) - failing), listed - set(outcomes)
    for script in broken:
        outcome = outcomes[script]
        print(f"FAILS: {script}:{outcome.get('line', 0)}: {outcome.get('what', '')}")
        for word in ("event", "expected", "got"):
            print(f"    {word:<9} {outcome[word]}") if word in outcome else None
    for script in done:
        print(f"PASSES, but is listed in {os.path.basename(options.not_yet)}: {script}")
    for script in sorted(gone):
        print(f"listed, but there is no such script: {script}")
    if done:
        print(f"take out what passes: {os.path.relpath(__file__)} {' '.join(sys.argv[1:])} --write")
    return 1 if broken or done or gone else 0


if __name__ == "__main__":
    sys.exit(main())
