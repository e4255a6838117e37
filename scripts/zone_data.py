#!/usr/bin/env python3
"""Writes src/policy/time/zone-data.ts from the newest release of tzdata on PyPI (or the wheel given as argument)."""
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "src" / "policy" / "zone-data.ts"
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def download(folder):
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--dest", folder, "tzdata"], check=True)
    return next(Path(folder).glob("tzdata-*.whl"))


def base36(number):
    sign, number, text = ("-" if number < 0 else ""), abs(number), ""
    while number or not text:
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return sign + text


def header(data, at):
    if data[at : at + 4] != b"TZif":
        raise ValueError("not a TZif file (RFC 9636)")
    return struct.unpack(">6I", data[at + 20 : at + 44])


def read(data):
    """The offsets, the transitions and the footer of a TZif file, version 2 or later: RFC 9636 section 3."""
    isut, isstd, leaps, times, types, chars = header(data, 0)
    at = 44 + times * 5 + types * 6 + chars + leaps * 8 + isstd + isut
    isut, isstd, leaps, times, types, chars = header(data, at)
    at += 44
    instants = struct.unpack(f">{times}q", data[at : at + 8 * times])
    kinds = data[at + 8 * times : at + 9 * times]
    at += 9 * times
    offsets = [struct.unpack(">i", data[at + 6 * n : at + 6 * n + 4])[0] for n in range(types)]
    at += types * 6 + chars + leaps * 12 + isstd + isut
    return offsets, list(zip(instants, (offsets[kind] for kind in kinds))), data[at:].strip(b"\n").decode("ascii")


def pack(data):
    offsets, transitions, footer = read(data)
    kinds, tokens = [offsets[0]], []
    offset, before = offsets[0], 0
    for number, (instant, after) in enumerate(transitions, 1):
        # Some change the abbreviation alone; the last stays, because the footer counts from there.
        if after == offset and number < len(transitions):
            continue
        if after not in kinds:
            kinds.append(after)
        tokens.append(base36(instant - before) + DIGITS[kinds.index(after)])
        offset, before = after, instant
    return "|".join([footer, ",".join(map(base36, kinds)), " ".join(tokens)])


def main():
    with tempfile.TemporaryDirectory() as folder:
        wheel = zipfile.ZipFile(sys.argv[1] if len(sys.argv) > 1 else download(folder))
        source = wheel.getinfo("tzdata/__init__.py")
        version = re.search(r'IANA_VERSION = "(\w+)"', wheel.read(source).decode())[1]
        released = "-".join(f"{part:02}" for part in source.date_time[:3])
        zones = {}
        for name in sorted(wheel.read("tzdata/zones").decode().split()):
            zones.setdefault(pack(wheel.read(f"tzdata/zoneinfo/{name}")), []).append(name)
    areas = {}
    for packed, names in zones.items():
        areas.setdefault(names[0].split("/")[0] if "/" in names[0] else "", []).append(",".join(names) + "|" + packed)
    lines = [f"  '{';'.join(area)}'," for area in areas.values()]
    TARGET.write_text(
        "// Written by scripts/zone_data.py from the tzdata package of PyPI: `npm run zone-data` brings the newest.\n\n"
        "/** The release of the IANA time zone database, and the day it was packed. */\n"
        f"export const release = {{ version: '{version}', date: '{released}' }};\n\n"
        "/**\n"
        " * Zones, separated by `;`: names | footer (RFC 9636 §3.3) | offsets | transitions. Numbers are seconds in base 36;\n"
        " * a transition is the time since the one before it (the first: since 1970), and one digit, the offset that it begins.\n"
        " */\n"
        "export const packedZones = [\n" + "\n".join(lines) + "\n];\n"
    )
    print(f"{TARGET.name}: {version} of {released}, {sum(map(len, zones.values()))} names, {len(zones)} zones")


main()
