"""What Python's zoneinfo says of every zone of the tzdata package, one JSON document a line.

First the release of tzdata and of a newer one, if a folder with it is given; then for each name the instants (in
seconds) at which the offset changes, 1970 to 2040, and instants with their offsets: both sides of each change, and random ones.
"""

import json
import os
import random
import sys
import zoneinfo
from datetime import datetime, timezone
from importlib import resources
from zoneinfo import _common

import tzdata

START = int(datetime(1970, 1, 1, tzinfo=timezone.utc).timestamp())
END = int(datetime(2041, 1, 1, tzinfo=timezone.utc).timestamp())
DAY = 86_400
RANDOM = 60


def offset_at(zone, at):
    return int(datetime.fromtimestamp(at, zone).utcoffset().total_seconds())


def listed(name):
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return list(_common.load_data(file)[1])


def searched(zone, start, end):
    """Changes found by looking at every day: what a rule brings after the listed ones."""
    before = offset_at(zone, start)
    for day in range(start, end, DAY):
        after = offset_at(zone, day + DAY)
        if after == before:
            continue
        low, high = day, day + DAY
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset_at(zone, middle) == before else (low, middle)
        yield high
        before = after


def describe(name, chance):
    zone = zoneinfo.ZoneInfo(name)
    known = [at for at in listed(name) if START < at < END]
    last = known[-1] if known else START
    changes = [at for at in known if offset_at(zone, at - 1) != offset_at(zone, at)]
    changes += [at for at in searched(zone, last, END) if at < END]
    instants = [at for change in changes for at in (change - 1, change, change + 1)]
    instants += [chance.randrange(START, END) for _ in range(RANDOM)]
    return {"zone": name, "changes": changes, "at": instants, "offsets": [offset_at(zone, at) for at in instants]}


def main():
    zoneinfo.reset_tzpath(to=[])
    print(json.dumps({"release": tzdata.IANA_VERSION}))
    if len(sys.argv) < 2:
        return
    chance = random.Random(int(sys.argv[1]))
    for name in sorted(resources.files("tzdata").joinpath("zones").read_text().split()):
        print(json.dumps(describe(name, chance)))


# The package alone, never the system's zones.
os.environ["PYTHONTZPATH"] = ""
main()
